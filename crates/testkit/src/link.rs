//! A pair with a line between its sides that takes time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::Pair;

/// Bytes on their way, with the time at which they arrive.
type Line = VecDeque<(Instant, Vec<u8>)>;

/// A pair whose bytes arrive later than they were sent. There is no limit to
/// how many can be under way.
pub struct Link {
    /// The two sides. Their own queues hold only what has arrived.
    pub pair: Pair,
    one_way: Duration,
    up: Line,
    down: Line,
}

impl Link {
    /// Puts a line between the sides of `pair`, over which a round trip takes
    /// `round_trip`.
    pub fn new(pair: Pair, round_trip: Duration) -> Self {
        Self {
            pair,
            one_way: round_trip / 2,
            up: Line::new(),
            down: Line::new(),
        }
    }

    /// Lets both sides work until they wait for each other.
    pub fn settle(&mut self) {
        let due = self.pair.now + self.one_way;
        loop {
            let client = self.pair.step_client();
            // What a step sent must not be seen by the other side's step.
            let up: Vec<u8> = self.pair.to_server.drain(..).collect();
            let server = self.pair.step_server();
            let down: Vec<u8> = self.pair.to_client.drain(..).collect();
            if !(client || server) {
                return;
            }
            for (line, bytes) in [(&mut self.up, up), (&mut self.down, down)] {
                if !bytes.is_empty() {
                    line.push_back((due, bytes));
                }
            }
        }
    }

    /// Goes on to the next arrival; `false` when nothing is under way.
    ///
    /// # Panics
    /// When a side does not read what arrived: there is no place to keep it.
    pub fn advance(&mut self) -> bool {
        let next = [&self.up, &self.down]
            .into_iter()
            .filter_map(|line| line.front());
        let Some(next) = next.map(|(at, _)| *at).min() else {
            return false;
        };
        self.pair
            .sleep(next.saturating_duration_since(self.pair.now));
        // One side at a time: `settle` takes away what the other's queue holds.
        deliver(&mut self.up, &mut self.pair.to_server, next);
        while !self.pair.to_server.is_empty() && self.pair.step_server() {}
        let answers: Vec<u8> = self.pair.to_client.drain(..).collect();
        deliver(&mut self.down, &mut self.pair.to_client, next);
        while !self.pair.to_client.is_empty() && self.pair.step_client() {}
        assert!(
            self.pair.to_client.is_empty(),
            "a side does not read what arrived"
        );
        for (line, bytes) in [
            (&mut self.down, answers),
            (&mut self.up, self.pair.to_server.drain(..).collect()),
        ] {
            if !bytes.is_empty() {
                line.push_back((next + self.one_way, bytes));
            }
        }
        self.settle();
        true
    }
}

fn deliver(line: &mut Line, to: &mut VecDeque<u8>, now: Instant) {
    while let Some((_, bytes)) = line.pop_front_if(|(at, _)| *at <= now) {
        to.extend(bytes);
    }
}
