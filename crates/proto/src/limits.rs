//! Every bound on what a peer may make us do or hold, in one place. Each has a
//! test that exceeds it.

use std::time::Duration;

/// The longest line of an identification or of the text before it, in bytes.
/// RFC 4253 section 4.2 allows 255; OpenSSH takes this much.
pub const IDENT_LINE: usize = 8192;

/// How many lines a server may send before its identification.
pub const PREAMBLE_LINES: usize = 1024;

/// The largest packet length field taken, and the most a payload may inflate
/// to (RFC 4253 section 6.1 asks for 35,000 at least; OpenSSH takes 256 KiB).
pub const PACKET: usize = 256 * 1024;

/// The smallest and largest stretch read from the socket at once.
pub const READ_MIN: usize = 8 * 1024;
/// See [`READ_MIN`].
pub const READ_MAX: usize = 256 * 1024;

/// A batch of packets is handed to the driver at this size.
pub const BATCH: usize = 224 * 1024;

/// Bulk data is taken from the application while less than this is waiting to
/// be written.
pub const BACKLOG: usize = 256 * 1024;

/// As [`BACKLOG`], while somebody types beside the bulk data.
pub const BACKLOG_TYPING: usize = 128 * 1024;

/// While more than this much of answers is waiting to be written, nothing is
/// read: a peer that asks and does not listen stops itself.
pub const REPLIES: usize = 1024 * 1024;

/// IGNORE, DEBUG, UNIMPLEMENTED and PING messages before login.
pub const IDLE_MESSAGES_BEFORE_LOGIN: u32 = 1024;

/// Key exchanges that a peer may ask for before login.
pub const KEX_BEFORE_LOGIN: u32 = 8;

/// Key exchanges in a row that a peer may ask for after login within a second
/// each, with nothing sent in between.
pub const KEX_FOR_NOTHING: u32 = 64;

/// Bytes of answers (with the cost of keeping them) that may wait for the end
/// of a key exchange: a peer that asks for more meanwhile is cut off.
pub const DEFERRED: usize = 1024 * 1024;

/// Authentication requests in all, whatever the application decides of each.
pub const AUTH_REQUESTS: u32 = 1024;

/// The longest name-list of a KEXINIT that is looked at, in names.
pub const NAMES: usize = 1024;

/// Prompts in one INFO_REQUEST, and answers in one INFO_RESPONSE.
pub const PROMPTS: usize = 256;

/// Channels of one connection, open or not yet forgotten.
pub const CHANNELS: usize = 4096;

/// Channels that the peer asked for and the application has not decided: a
/// browser behind a forwarding opens hundreds at once, and each may wait for a
/// name service.
pub const PENDING_OPENS: usize = 1024;

/// Requests of the peer on one channel that wait for their answers.
pub const PENDING_REQUESTS: usize = 128;

/// Global requests of the peer that wait for their answers.
pub const PENDING_GLOBAL_REQUESTS: usize = 128;

/// Our requests that wait for replies, on one channel and globally: more are
/// not sent.
pub const PENDING_REPLIES: usize = 1024;

/// While this many channel events wait for the application, or events of
/// [`EVENT_BYTES`], no packet is to be handled. At twice as many the
/// connection ends.
pub const EVENTS: usize = 1024;
/// See [`EVENTS`].
pub const EVENT_BYTES: usize = 1024 * 1024;

/// Names of channel types, requests, signals, terminals, variables, hosts, in
/// bytes (RFC 4250 section 4.6.1 has 64 for most; paths take more).
pub const TEXT: usize = 8192;

/// Host keys in one `hostkeys-00@openssh.com`.
pub const HOST_KEYS: usize = 256;

/// The window that every channel gets, however many there are.
pub const WINDOW_LEAST: u32 = 64 * 1024;

/// A channel's window as it opens, on a short path.
pub const WINDOW_FIRST: u32 = 2 * 1024 * 1024;

/// On a longer path it is larger, by as much as this round trip goes into the
/// path's (32 ms: that of 64 MiB/s): it would take as many round trips to grow.
pub const WINDOW_FIRST_TRIP: Duration = Duration::from_millis(32);

/// But not by more than this.
pub const WINDOW_FIRST_GAIN: u32 = 4;

/// So many first windows is what windows may come to together by being opened:
/// of many channels most are small, and those that are not grow.
pub const WINDOWS_FIRST: u32 = 8;

/// What a channel's window may grow to.
pub const WINDOW_MOST: u32 = 64 * 1024 * 1024;

/// The windows of all channels of a connection together ([`WINDOW_LEAST`] is
/// given beyond it).
pub const WINDOW_TOTAL: u64 = 256 * 1024 * 1024;

/// With more than this unread on the only channel of a connection, the socket
/// is read in small steps: what comes can as well wait in the system's memory.
pub const AHEAD: u32 = 4 * 1024 * 1024;

/// Data in one packet, as we announce it: what every peer can send.
pub const DATA_PACKET: u32 = 32 * 1024;

/// The same, as we announce it to our own kind. Larger pieces save work; but an
/// OpenSSH client with a small `RekeyLimit` renews its keys before each of them
/// (it counts the bytes of the next packet as blocks).
pub const DATA_PACKET_CARRICK: u32 = 64 * 1024;

/// Data in one packet that we send, whatever the peer would take.
pub const DATA_PACKET_SENT: u32 = 64 * 1024;
