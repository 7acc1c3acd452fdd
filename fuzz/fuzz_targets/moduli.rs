//! The moduli file.
#![no_main]

use carrick_fuzz::Counter;
use carrick_keys::moduli::Moduli;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let moduli = Moduli::parse(text);
    let lines = text.lines().count();
    assert!(moduli.groups().len() + moduli.errors().len() <= lines);
    for (min, want, max) in [
        (2048, 3072, 8192),
        (1024, 1024, 1024),
        (0, u32::MAX, u32::MAX),
    ] {
        if let Some(group) = moduli.choose(min, want, max, &mut Counter::default()) {
            assert!((min..=max).contains(&group.bits));
            assert!(moduli.groups().contains(group));
        }
    }
});
