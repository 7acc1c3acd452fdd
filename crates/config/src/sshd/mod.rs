//! sshd_config: `-o` options, then the file; of each keyword the first value
//! counts, and a Match block that applies overrides the global section.
//!
//! The file is read once, into a [`Source`] with all that it includes. The
//! listener takes the global section from it; the process for a connection
//! gets the encoded source and evaluates the Match blocks for its user:
//!
//! ```no_run
//! # use carrick_config::{hooks::Hooks, sshd::{ConnectionSpec, Options, Source}};
//! # fn demo(hooks: &dyn Hooks) -> Result<(), carrick_config::Error> {
//! let mut source = Source::open("/etc/ssh/sshd_config", hooks)?;
//! source.options.push("LogLevel=DEBUG".into());       // -o
//! let global = Options::load(&mut source, hooks)?;    // includes are read here
//! let bytes = source.encode();                        // to the monitor
//! # let source = Source::decode(&bytes).expect("own bytes");
//! let spec = ConnectionSpec { user: Some("me".into()), ..ConnectionSpec::default() };
//! let mine = global.for_connection(&source, &spec, hooks)?;
//! # let _ = mine; Ok(())
//! # }
//! ```

mod dump;
mod keywords;
mod load;
mod matcher;
mod options;
mod source;

pub use keywords::keywords;
pub use matcher::ConnectionSpec;
pub use options::{
    ListenAddress, MaxStartups, Options, Overflow, Penalties, Permit, PubkeyAuthOptions, Subsystem,
    UserEnvironment,
};
pub use source::{Source, SourceError};
