//! Every bound on what a peer may make us do or hold, in one place.

/// The longest message, without its length field (OpenSSH's bound).
pub const MESSAGE: usize = 256 * 1024;

/// What a message has beside the data of a READ's answer or of a WRITE.
pub const OVERHEAD: usize = 1024;

/// The most data that one READ is answered with, or one WRITE carries
/// (OpenSSH's figure).
pub const DATA: usize = MESSAGE - OVERHEAD;

/// The longest handle (draft section 6.2: "MUST NOT exceed 256 bytes").
pub const HANDLE: usize = 256;

/// The longest path that is taken: Linux' PATH_MAX.
pub const PATH: usize = 4096;
