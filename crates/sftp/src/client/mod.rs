//! The client's side of the file protocol, without I/O: bytes in, bytes out,
//! time as an argument.
//!
//! - [`Conversation`]: requests out, each answer matched with what was asked
//!   and checked to be of its kind.
//! - [`Window`]: how much may be under way at once, found by measuring.
//! - [`Download`] and [`Upload`]: which ranges of one file are still to be
//!   moved. Many of them share one conversation and one window.
//!
//! What a hostile server can do: answer nothing, refuse anything, and give
//! files any content, name and attributes. It cannot answer what was not
//! asked, answer twice, or return more than was asked for: each ends the
//! conversation. Names in folder listings are not looked at here: whoever
//! makes paths of them must refuse what [`is_plain_name`] refuses.

mod buffers;
mod conversation;
mod download;
mod error;
mod offers;
#[cfg(test)]
mod tests;
mod upload;
mod window;

pub use conversation::{Answer, Conversation, RequestId, Wrote};
pub use download::{Download, Range};
pub use error::{Error, Refusal};
pub use offers::Offers;
pub use upload::Upload;
pub use window::{Stamp, Window};

/// Whether a name from a folder listing is one that a file can have in that
/// folder, and only there: not empty, not `.` or `..`, without `/` and zero
/// bytes.
pub fn is_plain_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.iter().any(|b| matches!(b, b'/' | 0))
}
