//! sshd_config: the global section, Match blocks for a connection, the dump,
//! and the form in which a configuration passes between processes.
#![no_main]

use carrick_config::sshd::{ConnectionSpec, Options, Source};
use carrick_fuzz::NoSystem;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    // A configuration from another process is refused or whole.
    if let Ok(source) = Source::decode(text) {
        assert_eq!(source.encode(), text);
    }
    let system = NoSystem { text };
    let mut source = Source::from_text("/config", text);
    let options = match Options::load(&mut source, &system) {
        Ok(options) => options,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert!(
        options.dump().lines().count() > 50,
        "every option is dumped"
    );
    let mut spec = ConnectionSpec::default();
    let text = "user=user,host=host.example.org,addr=192.0.2.1,laddr=192.0.2.2,lport=22";
    spec.parse(text, &system).unwrap();
    if let Ok(own) = options.for_connection(&source, &spec, &system) {
        let _ = own.dump();
    }
    let encoded = source.encode();
    assert_eq!(Source::decode(&encoded).unwrap().encode(), encoded);
});
