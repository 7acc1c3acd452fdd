//! Names to addresses beside the broker's loop.
//!
//! The system's resolver has no other form than a call that waits, for half a
//! minute if a name server is silent. Threads make it, and not processes: they
//! need no more than this process has, which is the user's anyway and holds no
//! secret, and cost a connection nothing until it names its first host. Another
//! program image for each lookup would cost more than the lookup. A thread ends
//! as soon as nothing is left to look up.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use carrick_sys::resolve;

/// Lookups at a time. More wait: names that nobody knows must not fill the
/// process with threads.
const THREADS: usize = 8;

/// A thread's stack: enough for the modules that a system may ask for names.
const STACK: usize = 512 * 1024;

/// What a lookup came to.
pub type Outcome = Result<Vec<SocketAddr>, String>;

/// A name to look up, for whom.
struct Job<T> {
    asker: T,
    host: String,
    port: u16,
    ipv4: Option<bool>,
}

struct Queue<T> {
    jobs: VecDeque<Job<T>>,
    found: Vec<(T, Outcome)>,
    threads: usize,
}

/// Looks names up.
pub struct Resolver<T> {
    queue: Arc<Mutex<Queue<T>>>,
    /// Readable once something is found; and what makes it so. There from the
    /// first name on.
    signal: Option<(UnixStream, Arc<UnixStream>)>,
}

impl<T> Default for Resolver<T> {
    fn default() -> Self {
        Self {
            queue: Arc::new(Mutex::new(Queue {
                jobs: VecDeque::new(),
                found: Vec::new(),
                threads: 0,
            })),
            signal: None,
        }
    }
}

fn lock<T>(queue: &Mutex<Queue<T>>) -> MutexGuard<'_, Queue<T>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Send + 'static> Resolver<T> {
    /// Looks `host` up, unless this process can do no such thing now. Whoever
    /// asks bounds how often.
    pub fn ask(&mut self, asker: T, host: String, port: u16, ipv4: Option<bool>) -> io::Result<()> {
        let signal = self.signal()?;
        let mut queue = lock(&self.queue);
        queue.jobs.push_back(Job {
            asker,
            host,
            port,
            ipv4,
        });
        if queue.threads >= THREADS {
            return Ok(());
        }
        let shared = Arc::clone(&self.queue);
        let worker = thread::Builder::new().stack_size(STACK);
        match worker.spawn(move || work(&shared, &signal)) {
            Ok(_) => queue.threads += 1,
            // One that runs will do it; else nobody ever would.
            Err(_) if queue.threads > 0 => {}
            Err(problem) => {
                queue.jobs.pop_back();
                return Err(problem);
            }
        }
        Ok(())
    }

    fn signal(&mut self) -> io::Result<Arc<UnixStream>> {
        let (_, write) = match &mut self.signal {
            Some(signal) => signal,
            none => {
                let (read, write) = UnixStream::pair()?;
                read.set_nonblocking(true)?;
                write.set_nonblocking(true)?;
                none.insert((read, Arc::new(write)))
            }
        };
        Ok(Arc::clone(write))
    }

    /// Can be read from when something was found.
    pub fn watched(&self) -> Option<BorrowedFd<'_>> {
        self.signal.as_ref().map(|(read, _)| read.as_fd())
    }

    /// What was found.
    pub fn take(&mut self) -> Vec<(T, Outcome)> {
        if let Some((read, _)) = &self.signal {
            let mut wakes = [0; 64];
            // More of them wake us once more, for nothing.
            let _ = (&*read).read(&mut wakes);
        }
        std::mem::take(&mut lock(&self.queue).found)
    }
}

/// A thread's life: as long as there is something to look up.
fn work<T>(queue: &Mutex<Queue<T>>, signal: &UnixStream) {
    loop {
        let job = {
            let mut queue = lock(queue);
            match queue.jobs.pop_front() {
                Some(job) => job,
                None => {
                    queue.threads -= 1;
                    return;
                }
            }
        };
        let outcome = resolve::addresses(&job.host, job.port, job.ipv4);
        lock(queue).found.push((job.asker, outcome));
        // Where it is full it has been said often enough.
        let _ = (&*signal).write(&[0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, poll};

    fn wait<T: Send + 'static>(resolver: &mut Resolver<T>) -> Vec<(T, Outcome)> {
        let watched = resolver.watched().unwrap();
        poll(
            &mut [PollFd::from_borrowed_fd(watched, PollFlags::IN)],
            None,
        )
        .unwrap();
        resolver.take()
    }

    #[test]
    fn everybody_gets_their_own_answer() {
        let mut resolver = Resolver::default();
        assert!(resolver.watched().is_none());
        let names = 3 * THREADS;
        for number in 0..names {
            let host = if number % 2 == 0 { "127.0.0.1" } else { "" };
            let port = u16::try_from(number).unwrap();
            resolver.ask(number, host.to_owned(), port, None).unwrap();
        }
        let mut found = Vec::new();
        while found.len() < names {
            found.extend(wait(&mut resolver));
        }
        found.sort_by_key(|(number, _)| *number);
        for (number, outcome) in found {
            assert_eq!(outcome.is_ok(), number % 2 == 0, "{outcome:?}");
            if let Ok(addresses) = outcome {
                assert_eq!(usize::from(addresses[0].port()), number);
            }
        }
    }

    #[test]
    fn a_thread_ends_with_its_work_and_another_is_started_later() {
        let mut resolver = Resolver::default();
        for round in 0..3 {
            let asked = resolver.ask(round, "::1".to_owned(), 1, Some(false));
            asked.unwrap();
            assert!(wait(&mut resolver)[0].1.is_ok());
            while lock(&resolver.queue).threads > 0 {
                thread::yield_now();
            }
        }
    }
}
