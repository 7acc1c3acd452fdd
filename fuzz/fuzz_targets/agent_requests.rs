//! What an agent is asked, as bytes: in one piece or in many. Whatever comes,
//! it answers each request, and only keys that were added are in it.
#![no_main]

use std::time::Duration;

use carrick_fuzz::Counter;
use carrick_keys::agent::{Agent, Done, Now, Outcome, Peer, Policy, Response, Task};
use libfuzzer_sys::fuzz_target;

const NOW: Now = Now {
    uptime: Duration::from_secs(1000),
    unix: 1_700_000_000,
};

/// The helpers' answers: all is well.
fn perform(task: &Task) -> Done {
    match task {
        Task::Confirm { .. } => Done::Confirmed(true),
        Task::FindProvider { path } => Done::Provider(Ok(path.clone())),
        Task::SignFido(_) | Task::SignToken(_) => Done::Signature(Ok(b"signature".to_vec())),
        Task::LoadToken { .. } => Done::Keys(Ok(Vec::new())),
        _ => Done::Unloaded(Ok(())),
    }
}

fn run(bytes: &[u8], piece: usize) -> (Vec<Option<Response>>, usize) {
    let mut agent = Agent::new(Policy::default());
    let mut peer = Peer::new();
    let mut rng = Counter::default();
    let mut answers = Vec::new();
    for part in bytes.chunks(piece.max(1)) {
        peer.received(part);
        while let Ok(Some(request)) = peer.next_request() {
            let mut outcome = agent.request(&mut peer, &request, NOW, &mut rng);
            while let Outcome::Work(task, pending) = outcome {
                let done = perform(&task);
                outcome = agent.resume(&mut peer, pending, done, NOW);
            }
            answers.push(match outcome {
                Outcome::Answer(answer) => Some(answer),
                Outcome::Refused(refusal, _) => {
                    assert!(!refusal.to_string().is_empty());
                    Some(refusal.response())
                }
                _ => None,
            });
        }
    }
    (answers, agent.len())
}

fuzz_target!(|bytes: &[u8]| {
    let (whole, keys) = run(bytes, bytes.len());
    let (pieces, same) = run(bytes, 1);
    assert_eq!((whole.len(), keys), (pieces.len(), same));
    let added = whole.iter().filter(|a| **a == Some(Response::Success));
    assert!(keys <= added.count());
});
