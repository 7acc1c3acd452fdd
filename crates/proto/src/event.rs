//! What the machine tells the application, and asks of it.

use carrick_crypto::hash::HashAlg;

use crate::auth::{AuthAttempt, ClientAuthEvent};
use crate::kex::{GroupSizes, KexTranscript};
use crate::mux::ChannelEvent;

/// Names a question that the application has to answer. Unanswered means
/// refused: nothing goes on until the answer is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QuestionId(pub(crate) u64);

/// News from the connection; `E` is what only this side hears.
#[derive(Debug)]
pub enum Event<E> {
    /// Of the side's own kind.
    Side(E),
    /// A line the server sent before its identification.
    Preamble(String),
    /// The peer's identification came.
    PeerIdent,
    /// Both sides' KEXINITs are in: what was agreed on. `first` tells the
    /// exchange that opens the connection from those that renew its keys.
    KexStarted {
        /// Whether it opens the connection.
        first: bool,
    },
    /// New keys are in force in both directions.
    KexDone {
        /// Whether it was the exchange that opens the connection.
        first: bool,
    },
    /// The peer listed what it can do (RFC 8308).
    ExtInfo(Vec<(String, Vec<u8>)>),
    /// Text for a log; `display` asks for it to be shown to the user.
    PeerDebug {
        /// Whether the peer wants it shown.
        display: bool,
        /// The text: not to be trusted on a terminal.
        text: String,
    },
    /// Of a channel, or a global request.
    Channel(ChannelEvent),
    /// For a log.
    Trace(Trace),
}

/// Steps of a key exchange that people look for in logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trace {
    /// Our KEXINIT went out.
    KexInitSent,
    /// The peer's came.
    KexInitReceived,
    /// Our NEWKEYS went out.
    NewKeysSent,
    /// The peer's came.
    NewKeysReceived,
    /// We asked for a group.
    GroupRequestSent(GroupSizes),
    /// A Diffie-Hellman public value of ours.
    PublicValue {
        /// How many bits of it are set.
        set: u32,
        /// The size of the group in bits.
        of: u32,
    },
}

/// What only a client hears.
#[derive(Debug)]
pub enum ClientEvent {
    /// Is this the server's key? Its signature is good. Answer with
    /// `answer_host_key`.
    VerifyHostKey(HostKeyQuestion),
    /// Of the login.
    Auth(ClientAuthEvent),
}

/// Is this the server's key?
#[derive(Debug, Clone)]
pub struct HostKeyQuestion {
    /// To answer with.
    pub id: QuestionId,
    /// The key, as a blob.
    pub host_key: Vec<u8>,
    /// The algorithm that it signed with.
    pub algorithm: String,
    /// Its signature over the exchange hash, which is the session's
    /// identifier: an agent may want to see it (session-bind@openssh.com).
    pub signature: Vec<u8>,
}

/// What only a server hears.
#[derive(Debug)]
pub enum ServerEvent {
    /// Sign an exchange. Answer with `answer_signature`.
    SignKex(SignQuestion),
    /// Choose a group. Answer with `answer_group`.
    ChooseGroup {
        /// To answer with.
        id: QuestionId,
        /// What the client asks for.
        sizes: GroupSizes,
    },
    /// May this user log in? Answer with `answer_auth`.
    Auth(AuthAttempt),
}

/// Sign an exchange with the host key.
pub struct SignQuestion {
    /// To answer with.
    pub id: QuestionId,
    /// With which signature algorithm; the key is in the transcript.
    pub algorithm: String,
    /// With which hash the exchange hash is to be made of the transcript.
    pub hash: HashAlg,
    /// What the hash is made of: whoever signs makes the hash.
    pub transcript: KexTranscript,
}

impl core::fmt::Debug for SignQuestion {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // The transcript holds the shared secret.
        f.debug_struct("SignQuestion")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}
