//! known_hosts files: looking up, and editing without losing a byte.
#![no_main]

use carrick_fuzz::Counter;
use carrick_keys::known_hosts::{self, KnownHosts};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 4] = ["host", "host.example.org", "[host]:2222", "192.0.2.1"];

fuzz_target!(|text: &[u8]| {
    let hosts = KnownHosts::parse(text, "known_hosts");
    for name in NAMES {
        let found = hosts.for_host(name);
        for entry in found.entries() {
            let _ = found.lookup(&entry.key);
            let _ = hosts.other_names(&entry.key);
        }
        let _ = found.order_algorithms(&["ssh-ed25519", "rsa-sha2-512"]);

        for line in known_hosts::find(text, name) {
            let _ = (line.parse_key(), line.hashed(&mut Counter::default()));
        }
        let edited = known_hosts::remove(text, name);
        assert!(edited.text.len() <= text.len());
        if edited.changed.is_empty() {
            assert_eq!(edited.text, text, "nothing removed, nothing changed");
        }
        // Once is enough.
        let again = known_hosts::remove(&edited.text, name);
        assert!(again.changed.is_empty());
        assert_eq!(again.text, edited.text);
    }
    let hashed = known_hosts::hash_names(text, &mut Counter::default());
    if hashed.changed.is_empty() {
        assert_eq!(hashed.text, text);
    }
    let again = known_hosts::hash_names(&hashed.text, &mut Counter::default());
    assert!(
        again.changed.is_empty(),
        "hashed names are not hashed twice"
    );
});
