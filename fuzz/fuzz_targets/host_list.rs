//! The hosts that ssh-keyscan is told to ask.
#![no_main]

use carrick_keys::host_list::{Entry, entry, without_comment};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    for raw in text.split(|b| *b == b'\n') {
        let line = without_comment(raw);
        assert!(!line.contains(&b'#') && line.trim_ascii() == line);
        match entry(line) {
            None => assert!(line.is_empty()),
            Some(Entry::Host(host)) => {
                assert!(!host.places.is_empty() && !host.names.is_empty());
                assert!(!host.places.contains(&b' '));
            }
            Some(Entry::Network(network)) => {
                let mut addresses = network.addresses().take(3);
                let first = addresses.next().expect("no network is empty");
                assert!(network.contains(first));
                for next in addresses {
                    assert!(network.contains(next) && next > first);
                }
                // What is printed for it is read as the same address.
                let text = first.to_string();
                let again = entry(text.as_bytes());
                assert!(matches!(again, Some(Entry::Network(one)) if one.addresses().eq([first])));
            }
        }
    }
});
