//! For tests: a client and a server machine joined in virtual time, with a
//! seeded generator, so that every run is the same run.

mod link;
mod pair;
mod rng;

pub use link::Link;
pub use pair::{Feed, Pair, Seen};
pub use rng::SeededRng;
