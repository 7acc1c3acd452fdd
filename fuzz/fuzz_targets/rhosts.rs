//! hosts.equiv and .rhosts files.
#![no_main]

use carrick_keys::rhosts::{Guest, Verdict, judge};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let guest = |host| Guest {
        host,
        address: "192.0.2.1",
        user: "ann",
        local_user: "bob",
    };
    let nobody = |_: &str, _: carrick_keys::rhosts::Member<'_>| false;
    let verdict = judge(text, &guest("there.example"), &nobody);
    // Nobody gets in whose host's name or address and own name do not stand there.
    if verdict == Verdict::Accepted {
        let text = String::from_utf8_lossy(text).to_ascii_lowercase();
        assert!(text.contains("there.example") || text.contains("192.0.2.1"));
        assert!(text.contains("ann"));
    }
    // Everybody is in every netgroup: only lines that name one can matter.
    let all = judge(text, &guest("there.example"), &|_, _| true);
    assert!(all == verdict || text.contains(&b'@'));
});
