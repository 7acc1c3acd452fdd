//! How many connections are under way at a time.
//!
//! Hosts that answer fast are asked hundreds at a time. Where answers take
//! their time, as from many addresses of one busy machine, more connections
//! would only make it slower, until all of them run out of time: fewer are
//! made then. A host that says nothing at all must hold up nobody: while
//! others answer fast, it no longer counts.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use carrick_sys::descriptors;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections at a time, if there are descriptors for so many.
const CONNECTIONS: usize = 1000;
/// As many are under way at first, and at least.
const FIRST: usize = 16;
const LEAST: usize = 4;
/// Descriptors that are needed for other things than connections.
const RESERVED: usize = 64;

/// Who may connect when.
pub(super) struct Pace {
    /// One for each connection there can be.
    descriptors: Arc<Semaphore>,
    /// One for each that may be under way now.
    places: Arc<Semaphore>,
    /// How many of these there are, those included that are in use.
    width: AtomicUsize,
    /// Places to take away as they are given back.
    surplus: AtomicUsize,
    /// The last answer was late.
    slow: AtomicBool,
    /// An answer within so long is fast.
    fast: Duration,
}

/// Leave to have one connection.
pub(super) struct Turn {
    pace: Arc<Pace>,
    place: Mutex<Option<OwnedSemaphorePermit>>,
    _descriptor: OwnedSemaphorePermit,
}

impl Pace {
    /// For a scan that waits for no answer longer than `timeout`.
    pub(super) fn new(timeout: Duration) -> Arc<Self> {
        let descriptors = connections();
        let first = FIRST.min(descriptors);
        Arc::new(Self {
            descriptors: Arc::new(Semaphore::new(descriptors)),
            places: Arc::new(Semaphore::new(first)),
            width: AtomicUsize::new(first),
            surplus: AtomicUsize::new(0),
            slow: AtomicBool::new(false),
            fast: timeout / 4,
        })
    }

    /// Waits for leave to have one more connection.
    pub(super) async fn turn(self: &Arc<Self>) -> Turn {
        let place = acquire(&self.places).await;
        Turn {
            pace: self.clone(),
            place: Mutex::new(Some(place)),
            _descriptor: acquire(&self.descriptors).await,
        }
    }

    /// An answer came after so long.
    pub(super) fn heard(&self, after: Duration) {
        let slow = after > self.fast;
        self.slow.store(slow, Relaxed);
        if slow {
            self.shrink();
        } else {
            self.grow();
        }
    }

    fn grow(&self) {
        if self.width.load(Relaxed) < CONNECTIONS {
            self.width.fetch_add(1, Relaxed);
            if !self.take_surplus() {
                self.places.add_permits(1);
            }
        }
    }

    fn shrink(&self) {
        if self.width.load(Relaxed) > LEAST {
            self.width.fetch_sub(1, Relaxed);
            match self.places.try_acquire() {
                Ok(free) => free.forget(),
                Err(_) => drop(self.surplus.fetch_add(1, Relaxed)),
            }
        }
    }

    /// Whether there was a place too many, which is now no more.
    fn take_surplus(&self) -> bool {
        let less = |n: usize| n.checked_sub(1);
        self.surplus.fetch_update(Relaxed, Relaxed, less).is_ok()
    }
}

async fn acquire(semaphore: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    match semaphore.clone().acquire_owned().await {
        Ok(permit) => permit,
        // Nobody closes it.
        Err(_) => std::future::pending().await,
    }
}

impl Turn {
    /// Waits for what a connection comes to. One that takes long no longer
    /// counts, unless that is how long answers take now.
    pub(super) async fn wait<T>(&self, what: impl Future<Output = T>) -> T {
        let mut what = pin!(what);
        tokio::select! {
            biased;
            done = &mut what => return done,
            () = tokio::time::sleep(self.pace.fast * 2) => {}
        }
        if !self.pace.slow.load(Relaxed) {
            self.give_back();
            self.pace.grow();
        }
        what.await
    }

    fn give_back(&self) {
        let Some(place) = self.place.lock().ok().and_then(|mut place| place.take()) else {
            return;
        };
        if self.pace.take_surplus() {
            place.forget();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// As many connections as there can be descriptors, up to [`CONNECTIONS`].
fn connections() -> usize {
    let wanted = u64::try_from(CONNECTIONS + RESERVED).unwrap_or(u64::MAX);
    let usable = descriptors::raise(wanted).min(wanted);
    usize::try_from(usable).map_or(LEAST, |usable| usable.saturating_sub(RESERVED).max(LEAST))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(400);
    const FAST: Duration = Duration::from_millis(1);

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.unwrap().block_on(test);
    }

    async fn turns(pace: &Arc<Pace>, count: usize) -> Vec<Turn> {
        let mut turns = Vec::new();
        for _ in 0..count {
            turns.push(pace.turn().await);
        }
        turns
    }

    #[test]
    fn fast_answers_make_it_wider_and_late_ones_narrower() {
        run(async {
            let pace = Pace::new(TIMEOUT);
            let all = turns(&pace, FIRST).await;
            assert_eq!(pace.places.available_permits(), 0);
            (0..10).for_each(|_| pace.heard(FAST));
            assert_eq!(pace.places.available_permits(), 10);
            (0..100).for_each(|_| pace.heard(TIMEOUT));
            drop(all);
            assert_eq!(pace.places.available_permits(), LEAST);
            (0..2 * CONNECTIONS).for_each(|_| pace.heard(FAST));
            assert_eq!(pace.width.load(Relaxed), CONNECTIONS);
        });
    }

    #[test]
    fn the_silent_do_not_count_while_others_are_fast() {
        run(async {
            let pace = Pace::new(TIMEOUT);
            pace.heard(FAST);
            let silent = turns(&pace, FIRST + 1).await;
            let waiting = silent
                .iter()
                .map(|turn| turn.wait(tokio::time::sleep(TIMEOUT)));
            let all = std::pin::pin!(async {
                for each in waiting {
                    each.await;
                }
            });
            // The first is silent for half its time, and another gets its place.
            tokio::select! {
                () = all => panic!("nobody got a place"),
                _ = pace.turn() => {}
            }
        });
    }

    #[test]
    fn the_silent_count_while_answers_are_late() {
        run(async {
            let pace = Pace::new(TIMEOUT);
            let turn = pace.turn().await;
            pace.heard(TIMEOUT);
            turn.wait(tokio::time::sleep(TIMEOUT)).await;
            assert!(turn.place.lock().unwrap().is_some());
        });
    }
}
