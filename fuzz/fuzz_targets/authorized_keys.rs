//! authorized_keys files, files of principals, and the options in them.
#![no_main]

use carrick_keys::authorized_keys::{self, Options};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    for (number, entry) in authorized_keys::entries(text) {
        assert!(number > 0);
        let Ok(entry) = entry else { continue };
        let _ = entry.parse_options();
        assert!(
            authorized_keys::entries_for(text, entry.key.plain()).count() > 0
                || entry.key.is_certificate()
        );
    }
    for principal in authorized_keys::principals(text) {
        assert!(!principal.name.is_empty());
        assert!(!principal.name.iter().any(|b| b" \t#\n".contains(b)));
        let _ = principal.parse_options();
    }
    // The options' own syntax, without a key behind it.
    let _ = Options::parse(text);
});
