//! A user-space end for the networks behind an SSH connection (`ssh --vpn`):
//! packets of this machine's programs go in, and what is to be done with
//! channels comes out. A TCP connection becomes a stream of bytes to where it
//! wants to go, a DNS query by UDP a question to be answered; everything else
//! is answered with an ICMP error.
//!
//! No I/O, no thread, no clock: [`Stack`] is driven as the machines of
//! `carrick-proto` are. TCP itself is smoltcp's.
//!
//! What goes in was made by programs on this machine, any of which may be
//! hostile. The bytes of the streams come from the far network and are looked
//! at by nobody but the program they are for; of DNS answers the header and the
//! questions are. So:
//! - Every queue has a bound: connections, their buffers, queries, packets that
//!   wait for the device.
//! - A connection costs no other anything: each has its own little stack.
//! - A number of a connection or a query is never used again.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_lossless
)]

mod dns;
mod event;
mod flow;
mod output;
mod packet;
mod stack;
#[cfg(test)]
mod tests;

pub use event::{Event, FlowId, QueryId, Refusal};
pub use flow::{Gone, Read};
pub use stack::{Config, Stack};
