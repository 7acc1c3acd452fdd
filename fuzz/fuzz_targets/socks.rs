//! A SOCKS client's words: whole or byte by byte, they come to the same.
#![no_main]

use carrick_proto::socks::{Dialog, Fault, MOST, Refusal, Step};
use libfuzzer_sys::fuzz_target;

/// What is said, where it leads, and what is left over.
fn run(input: &[u8], size: usize) -> (Vec<u8>, Result<Step, Fault>, usize) {
    let (mut dialog, mut said) = (Dialog::new(), Vec::new());
    let mut fed = 0;
    for piece in input.chunks(size) {
        fed += piece.len();
        let mut step = dialog.feed(piece);
        while let Ok(Step::Say(bytes)) = step {
            said.extend(bytes);
            step = dialog.feed(&[]);
        }
        assert!(dialog.rest().len() < MOST + piece.len());
        match step {
            Ok(Step::More) => {}
            Ok(Step::Connect(target)) => {
                assert!(!target.host.is_empty() && target.host.len() < MOST);
                assert!(target.host.bytes().all(|b| b.is_ascii_graphic()));
                assert!(!dialog.granted().is_empty());
                assert!(!dialog.refused(Refusal::Failed).is_empty());
                let used = fed - dialog.rest().len();
                return (said, Ok(Step::Connect(target)), used);
            }
            Ok(Step::Say(_)) => unreachable!(),
            Err(fault) => {
                said.extend(dialog.farewell(fault));
                return (said, Err(fault), 0);
            }
        }
    }
    (said, Ok(Step::More), 0)
}

fuzz_target!(|input: &[u8]| {
    let whole = run(input, input.len().max(1));
    // Within a piece a longer request is taken than byte by byte.
    if input.len() < MOST {
        assert_eq!(run(input, 1), whole);
    }
});
