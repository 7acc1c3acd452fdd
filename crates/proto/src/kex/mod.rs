//! Key exchange: the part that both sides share. The steps in the middle, from
//! KEXINIT to the shared secret, are in `client` and `server`.
//!
//! ```text
//! Idle -> ExpectInit -> (the side's own steps) -> ExpectNewKeys -> Idle
//! ```

pub(crate) mod client;
mod hash;
pub(crate) mod negotiate;
pub(crate) mod server;

use carrick_crypto::kdf;
use carrick_crypto::kex::KexShape;
use carrick_crypto::packet::{Framing, Open, Seal};
use carrick_wire::DecodeError;
use zeroize::Zeroizing;

pub use hash::{GroupSizes, KexPublics, KexTranscript};
pub use negotiate::{Direction, Negotiated, Preferences};

use crate::error::{Error, PeerFault};
use crate::transport::Ident;
use negotiate::{Agreed, Compression, Suite};

/// Where an exchange stands. `S` is the side's own steps.
pub(crate) enum Step<S> {
    /// No exchange is running.
    Idle,
    /// Our KEXINIT is out.
    ExpectInit {
        /// Its payload.
        ours: Vec<u8>,
    },
    /// Between KEXINIT and the shared secret.
    Side(S),
    /// Our NEWKEYS is out; the peer's will bring these into force.
    ExpectNewKeys(Box<Incoming>),
}

/// The keys that the peer's NEWKEYS brings into force.
pub(crate) struct Incoming {
    pub(crate) key: Open,
    pub(crate) framing: Framing,
    pub(crate) block: usize,
    pub(crate) compression: Compression,
}

/// The keys that our NEWKEYS brings into force.
pub(crate) struct Outgoing {
    pub(crate) key: Seal,
    pub(crate) framing: Framing,
    pub(crate) block: usize,
    pub(crate) compression: Compression,
}

/// Both KEXINITs, and what they came to.
pub struct Opening {
    pub(crate) client_ident: Ident,
    pub(crate) server_ident: Ident,
    pub(crate) client_kexinit: Vec<u8>,
    pub(crate) server_kexinit: Vec<u8>,
    pub(crate) agreed: Agreed,
}

impl Opening {
    /// The transcript, once the values are known.
    pub(crate) fn transcript(
        &self,
        host_key: &[u8],
        publics: KexPublics,
        shared: Zeroizing<Vec<u8>>,
    ) -> KexTranscript {
        KexTranscript {
            client_ident: self.client_ident.as_str().as_bytes().to_vec(),
            server_ident: self.server_ident.as_str().as_bytes().to_vec(),
            client_kexinit: self.client_kexinit.clone(),
            server_kexinit: self.server_kexinit.clone(),
            host_key: host_key.to_vec(),
            publics,
            shared,
        }
    }
}

/// The group of a group exchange (RFC 4419), asked for by one side and chosen
/// by the other.
pub struct Group {
    sizes: GroupSizes,
    prime: Vec<u8>,
    generator: Vec<u8>,
}

/// The public values in the form of their message family.
fn publics(shape: KexShape, group: Option<Group>, client: Vec<u8>, server: Vec<u8>) -> KexPublics {
    match (shape, group) {
        (KexShape::Ecdh, _) => KexPublics::Ecdh { client, server },
        (_, None) => KexPublics::Dh { client, server },
        (_, Some(group)) => KexPublics::Group {
            sizes: group.sizes,
            prime: group.prime,
            generator: group.generator,
            client,
            server,
        },
    }
}

/// A message of the numbers 30 to 49, or the fault that it is not one.
fn decode<T>(message: Result<T, DecodeError>) -> Result<T, Error> {
    let malformed = |error| PeerFault::Malformed {
        message: "key exchange message",
        error,
    };
    message.map_err(|error| malformed(error).into())
}

/// What an exchange yields: the secrets that keys are derived from, and proof
/// of who the server is. Only the side's last step can make one.
pub(crate) struct Finished {
    pub(crate) opening: Box<Opening>,
    pub(crate) shared: Zeroizing<Vec<u8>>,
    pub(crate) hash: Vec<u8>,
    pub(crate) _proof: HostKeyVerified,
}

/// Proof that the host key is the right one: at the client, that its signature
/// over the exchange hash is good *and* the application accepted it (or it is
/// the one accepted before); at the server, that its owner signed.
#[derive(Debug)]
pub(crate) struct HostKeyVerified(());

/// Derives both directions' keys (RFC 4253 section 7.2).
pub(crate) fn derive(
    finished: &Finished,
    session_id: &[u8],
    we_are_client: bool,
) -> (Outgoing, Incoming) {
    let agreed = &finished.opening.agreed;
    let hash = agreed.kex.hash;
    let key = |letter: u8, len: usize| {
        kdf::derive(
            hash,
            &finished.shared,
            &finished.hash,
            letter,
            session_id,
            len,
        )
    };
    let material = |suite: &Suite, letters: [u8; 3]| {
        let [iv, cipher, mac] = letters;
        (
            key(cipher, suite.cipher.key_len),
            key(iv, suite.cipher.iv_len),
            key(mac, suite.mac.map_or(0, |m| m.key_len)),
        )
    };
    let (to_server, to_client) = ([b'A', b'C', b'E'], [b'B', b'D', b'F']);
    let (out, out_letters, inc, in_letters) = if we_are_client {
        (&agreed.c2s, to_server, &agreed.s2c, to_client)
    } else {
        (&agreed.s2c, to_client, &agreed.c2s, to_server)
    };
    let (k, iv, mk) = material(out, out_letters);
    let outgoing = Outgoing {
        key: out.cipher.seal(out.mac, &k, &iv, &mk),
        framing: out.cipher.framing(out.mac),
        block: out.cipher.block_len,
        compression: out.compression,
    };
    let (k, iv, mk) = material(inc, in_letters);
    let incoming = Incoming {
        key: inc.cipher.open(inc.mac, &k, &iv, &mk),
        framing: inc.cipher.framing(inc.mac),
        block: inc.cipher.block_len,
        compression: inc.compression,
    };
    (outgoing, incoming)
}
