//! ssh_config: the file, its Match blocks, the options it makes, their dump.
#![no_main]

use carrick_config::ssh::{Config, LocalUser, Sources};
use carrick_fuzz::NoSystem;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let system = NoSystem { text };
    let user = LocalUser {
        name: "user".into(),
        uid: 1000,
        home: "/home/user".into(),
    };
    let mut config = Config::new(&system, user, "local.example.org", "10.0");
    if let Some(first) = core::str::from_utf8(text)
        .ok()
        .and_then(|t| t.lines().next())
    {
        let _ = Config::new(
            &system,
            LocalUser {
                name: "user".into(),
                uid: 1000,
                home: "/".into(),
            },
            "local",
            "10.0",
        )
        .option(first);
    }
    let sources = Sources {
        only: Some("/config".into()),
        ..Sources::default()
    };
    let read = config.load(&sources, "host.example.org", "command");
    let read = read.and_then(|()| match config.wants_final_pass() {
        true => config.final_pass("host.example.org"),
        false => Ok(()),
    });
    match read.and_then(|()| config.finish()) {
        Ok(options) => assert!(
            options.dump().lines().count() > 50,
            "every option is dumped"
        ),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
