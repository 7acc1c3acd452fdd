//! What takes time (the user, tokens) is done in threads, one for each kind of
//! thing, while the loop goes on. One job of a kind is done at a time: the
//! user is not asked two questions at once, and an authenticator has one
//! button. A client has at most one job, so the queues are no longer than
//! there are clients.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use carrick_keys::agent::{Done, Task};
use rustix::event::{EventfdFlags, eventfd};

use super::helpers::{Tokens, sign_fido};
use crate::prompt;
use crate::text::os_error;

/// One for each thing that can be waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Lane {
    User,
    Fido,
    Token,
}

impl Lane {
    fn of(task: &Task) -> Self {
        match task {
            Task::Confirm { .. } => Self::User,
            Task::SignFido(_) => Self::Fido,
            // A path may lead to a file system that does not answer; it is
            // asked for where a library is named.
            _ => Self::Token,
        }
    }
}

/// A job's place with its client: dropped when the client goes, so that what
/// has not begun is not done.
pub(super) struct Ticket(Arc<AtomicBool>);

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Job {
    client: u64,
    task: Task,
    is_off: Arc<AtomicBool>,
}

/// The threads, and what they have done.
pub(super) struct Jobs {
    lanes: [Option<Sender<Job>>; 3],
    results: Receiver<(u64, Done)>,
    result: Sender<(u64, Done)>,
    /// Readable when there are results.
    wake: Arc<OwnedFd>,
}

impl Jobs {
    pub(super) fn new() -> io::Result<Self> {
        let (result, results) = channel();
        Ok(Self {
            lanes: [const { None }; 3],
            results,
            result,
            wake: Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?),
        })
    }

    /// Gives a client's task to its thread, which is started by the first.
    pub(super) fn start(&mut self, client: u64, task: Task) -> io::Result<Ticket> {
        let lane = Lane::of(&task);
        let is_off = Arc::new(AtomicBool::new(false));
        let job = Job {
            client,
            task,
            is_off: Arc::clone(&is_off),
        };
        let place = &mut self.lanes[lane as usize];
        if place.is_none() {
            let (sender, jobs) = channel();
            let (result, wake) = (self.result.clone(), Arc::clone(&self.wake));
            std::thread::Builder::new()
                .name(format!("{lane:?}"))
                .spawn(move || work(&jobs, &result, &wake))?;
            *place = Some(sender);
        }
        // Its thread ends only when the sender does.
        if place.as_ref().is_some_and(|lane| lane.send(job).is_ok()) {
            Ok(Ticket(is_off))
        } else {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    /// What has been done since.
    pub(super) fn take(&self) -> Vec<(u64, Done)> {
        let mut counter = [0; 8];
        // Nothing there is no error.
        let _ = rustix::io::read(&*self.wake, &mut counter);
        self.results.try_iter().collect()
    }
}

impl AsFd for Jobs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

fn work(jobs: &Receiver<Job>, result: &Sender<(u64, Done)>, wake: &OwnedFd) {
    let mut tokens = Tokens::default();
    for job in jobs {
        if job.is_off.load(Ordering::Relaxed) {
            continue;
        }
        let done = perform(job.task, &mut tokens);
        if result.send((job.client, done)).is_err() {
            return;
        }
        // A counter that is full wakes as well.
        let _ = rustix::io::write(wake, &1_u64.to_ne_bytes());
    }
}

fn perform(task: Task, tokens: &mut Tokens) -> Done {
    match task {
        Task::Confirm { question } => Done::Confirmed(prompt::permit(&question)),
        Task::FindProvider { path } => Done::Provider(
            Path::new(&path)
                .canonicalize()
                .map_err(|e| os_error(&e))
                .and_then(|path| {
                    let text = path.into_os_string().into_string();
                    text.map_err(|_| "the path is not text".to_owned())
                }),
        ),
        Task::SignFido(request) => Done::Signature(sign_fido(&request)),
        Task::SignToken(request) => Done::Signature(tokens.sign(&request)),
        Task::LoadToken { provider, pin } => Done::Keys(tokens.load(&provider, &pin)),
        Task::UnloadToken { provider } => Done::Unloaded(tokens.unload(&provider)),
        // One that this version does not know is not done.
        _ => Done::Confirmed(false),
    }
}
