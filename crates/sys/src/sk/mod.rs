//! Security keys (FIDO authenticators): through a middleware library with
//! OpenSSH's interface for it (`provider`), or through libfido2 (`fido2`).
//!
//! Both run code in this process that is not ours, found by a path that a
//! user or a peer of the agent named. Such code can do whatever the process
//! can: so this is for `ssh-sk-helper` alone, which has nothing but the
//! request in it, and whose answer nobody takes on trust.

mod fido2;
mod provider;

use std::ffi::{CString, c_char};
use std::io;
use std::path::Path;
use std::ptr;

use zeroize::Zeroizing;

pub use fido2::Fido2;
pub use provider::Provider;

/// Bit of flags: a touch is needed to sign.
const USER_PRESENCE: u8 = 0x01;
/// Bit of flags: PIN or finger is needed to sign.
const USER_VERIFICATION: u8 = 0x04;
/// Bit of flags: an existing resident key is replaced.
const FORCE: u8 = 0x10;
/// Bit of flags: the security key keeps the key handle.
const RESIDENT: u8 = 0x20;
/// Longest value that is taken from a library.
const VALUE_MAX: usize = 64 * 1024;
/// Most resident keys that are taken from a library.
const KEYS_MAX: usize = 1024;

/// Why a security key did not do it: the interface's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkError(pub i32);

impl SkError {
    /// No reason is known.
    pub const GENERAL: Self = Self(-1);
    /// It cannot do this.
    pub const UNSUPPORTED: Self = Self(-2);
    /// A PIN is needed, or it was wrong.
    pub const PIN_REQUIRED: Self = Self(-3);
    /// There is none, or none with that key.
    pub const DEVICE_NOT_FOUND: Self = Self(-4);
    /// A resident key for this application and user is there already.
    pub const CREDENTIAL_EXISTS: Self = Self(-5);
}

impl From<io::Error> for SkError {
    /// For values that do not fit into the interface.
    fn from(_: io::Error) -> Self {
        Self::GENERAL
    }
}

/// A signature algorithm of security keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA over P-256.
    Ecdsa,
    /// Ed25519.
    Ed25519,
}

/// What a new key is to be. Texts have no NUL in them.
#[derive(Debug, Clone, Copy)]
pub struct Enroll<'a> {
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// What the attestation signs.
    pub challenge: &'a [u8],
    /// What the key is for.
    pub application: &'a str,
    /// As in OpenSSH's interface: presence 1, verification 4, force 0x10,
    /// resident 0x20.
    pub flags: u8,
    /// The PIN, if one is known.
    pub pin: Option<&'a [u8]>,
    /// The security key to use; empty for whichever there is.
    pub device: &'a str,
    /// Whose it is, for resident keys; empty for nobody's.
    pub user: &'a str,
}

/// A key that was made, or found.
#[derive(Debug, Default)]
pub struct Enrolled {
    /// The flags it has.
    pub flags: u8,
    /// An uncompressed point, or an Ed25519 key.
    pub public_key: Vec<u8>,
    /// What finds the key again.
    pub key_handle: Vec<u8>,
    /// Over the attestation's data.
    pub signature: Vec<u8>,
    /// Who made the security key.
    pub attestation_certificate: Vec<u8>,
    /// What the attestation is of.
    pub authenticator_data: Vec<u8>,
}

/// What to sign. Texts have no NUL in them.
#[derive(Debug, Clone, Copy)]
pub struct Sign<'a> {
    /// The key's algorithm.
    pub algorithm: Algorithm,
    /// The message.
    pub data: &'a [u8],
    /// What the key is for.
    pub application: &'a str,
    /// What finds the key.
    pub key_handle: &'a [u8],
    /// The key's flags.
    pub flags: u8,
    /// The PIN, if one is known.
    pub pin: Option<&'a [u8]>,
}

/// A signature.
#[derive(Debug, Default)]
pub struct Signed {
    /// What was done before it was made.
    pub flags: u8,
    /// How many it has made.
    pub counter: u32,
    /// ECDSA's first number, or Ed25519's signature.
    pub r: Vec<u8>,
    /// ECDSA's second number.
    pub s: Vec<u8>,
}

/// A key that the security key itself keeps.
#[derive(Debug)]
pub struct Resident {
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// What it is for.
    pub application: String,
    /// The key.
    pub key: Enrolled,
    /// The flags it has.
    pub flags: u8,
    /// Whose it is.
    pub user: Vec<u8>,
}

/// A way to security keys.
pub trait Middleware {
    /// Makes a key.
    fn enroll(&self, new: &Enroll<'_>) -> Result<Enrolled, SkError>;
    /// Signs.
    fn sign(&self, what: &Sign<'_>) -> Result<Signed, SkError>;
    /// Lists the keys that the security key `device` (or whichever there is)
    /// keeps itself.
    fn resident_keys(&self, pin: Option<&[u8]>, device: &str) -> Result<Vec<Resident>, SkError>;
}

/// A path or text for C.
fn c_string(bytes: &[u8]) -> io::Result<CString> {
    CString::new(bytes).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// A PIN as C has it, wiped when dropped; none is a null pointer.
struct Pin(Option<Zeroizing<Vec<u8>>>);

impl Pin {
    fn new(pin: Option<&[u8]>) -> Result<Self, SkError> {
        let Some(pin) = pin else {
            return Ok(Self(None));
        };
        if pin.contains(&0) {
            return Err(SkError::GENERAL);
        }
        let mut text = Zeroizing::new(Vec::with_capacity(pin.len() + 1));
        text.extend_from_slice(pin);
        text.push(0);
        Ok(Self(Some(text)))
    }

    fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Points to a C string, or is null.
    fn as_ptr(&self) -> *const c_char {
        self.0
            .as_ref()
            .map_or(ptr::null(), |pin| pin.as_ptr().cast())
    }
}

/// Loads the library at `path` and finds the interface in it.
pub fn load(path: &Path) -> Result<Provider, String> {
    Provider::load(path)
}

/// Loads libfido2, if the system has it.
pub fn internal() -> Result<Fido2, String> {
    Fido2::load()
}
