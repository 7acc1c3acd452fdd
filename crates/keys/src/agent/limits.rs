//! Every bound on whoever talks to an agent, as in OpenSSH.

/// Longest message.
pub const MESSAGE_MAX: usize = 256 * 1024;
/// Most sessions that a connection may be bound to, one for each hop.
pub const SESSIONS_MAX: usize = 16;
/// Longest session identifier.
pub const SESSION_ID_MAX: usize = 128;
/// Most destinations that a key may be restricted to.
pub const DESTINATIONS_MAX: usize = 1024;
/// Most certificates that may come with a token's keys.
pub const CERTIFICATES_MAX: usize = 1024;
/// Longest pattern for a user's name in a destination.
pub const USER_PATTERN_MAX: usize = 256;
/// How much longer each wrong passphrase makes the wait for an unlock, in
/// milliseconds.
pub const UNLOCK_STEP_MS: u32 = 100;
/// Most such steps.
pub const UNLOCK_STEPS_MAX: u32 = 100;
