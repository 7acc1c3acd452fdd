//! ssh_config: `-o` options, the user's file, the system's file, in this
//! order; of each keyword the first value counts.
//!
//! ```no_run
//! # use carrick_config::{hooks::Hooks, ssh::{Config, LocalUser, Sources}};
//! # fn demo(hooks: &dyn Hooks) -> Result<(), carrick_config::Error> {
//! let user = LocalUser { name: "me".into(), uid: 1000, home: "/home/me".into() };
//! let mut config = Config::new(hooks, user, "thishost.example", "Carrick_0.1");
//! config.option("Port=2222")?;                        // -o
//! config.set("User", &["root"])?;                     // -l
//! config.load(&Sources::default(), "server", "")?;    // the files
//! if config.wants_final_pass() {
//!     let name = config.connect_host();               // or what DNS made of it
//!     config.final_pass(&name)?;
//! }
//! let options = config.finish()?;
//! print!("{}", options.dump());                       // -G
//! # Ok(())
//! # }
//! ```

mod blocks;
mod dump;
mod finish;
mod keywords;
mod load;
mod matcher;
mod options;

pub use keywords::keywords;
pub use load::{Config, LocalUser, Sources};
pub use options::{
    AddKeysToAgent, ControlPersist, ForwardAgent, KeyPath, Options, PermitRemoteOpen,
};
