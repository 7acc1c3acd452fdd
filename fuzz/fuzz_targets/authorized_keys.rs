//! authorized_keys files and the options in them.
#![no_main]

use carrick_keys::authorized_keys::{self, ALL_OPTIONS, Options};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    for (number, entry) in authorized_keys::entries(text) {
        assert!(number > 0);
        let Ok(entry) = entry else { continue };
        let full = entry.parse_options(&ALL_OPTIONS);
        let none = entry.parse_options(&[]);
        // An option that is not enforced is an error, never dropped.
        assert!(none.is_err() || full.is_ok());
        assert!(
            authorized_keys::entries_for(text, entry.key.plain()).count() > 0
                || entry.key.is_certificate()
        );
    }
    // The options' own syntax, without a key behind it.
    let _ = Options::parse(text, &ALL_OPTIONS);
});
