//! Between worker and monitor until the user has logged in.

use carrick_crypto::hash::HashAlg;
use carrick_proto::kex::KexTranscript;
use carrick_wire::{Decode, DecodeError, Encode, Reader, Secret, Writer};

use super::field::{Field, choice, record};

record! {
    /// What the worker needs to know to be a server.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Setup {
        /// What comes after `SSH-2.0-` and the program's own version.
        pub version_addendum: Option<String>,
        /// Key exchange methods, by preference.
        pub kex: Vec<String>,
        /// Ciphers, by preference.
        pub ciphers: Vec<String>,
        /// MACs, by preference.
        pub macs: Vec<String>,
        /// Compression methods, by preference.
        pub compression: Vec<String>,
        /// Signature algorithm of the host and the public key it goes with.
        pub host_keys: Vec<(String, Vec<u8>)>,
        /// What `server-sig-algs` (RFC 8308) names.
        pub user_key_algorithms: Vec<String>,
        /// Bytes in one direction until new keys are agreed on; 0: the cipher's own bound.
        pub rekey_bytes: u64,
        /// Seconds until then; 0: no bound.
        pub rekey_seconds: u64,
        /// Log lines above this level are not wanted.
        pub log_level: u8,
        /// The peer, as log lines name it: address and port.
        pub peer: (String, u32),
        /// Where to go and who to be, if the monitor is root.
        pub cell: Option<Cell>,
    }
}

record! {
    /// The worker's place.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Cell {
        /// The root directory.
        pub root: String,
        /// The user.
        pub uid: u32,
        /// The group, the only one.
        pub gid: u32,
    }
}

record! {
    /// A line for the log.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Line {
        /// As in [`crate::log::Level`].
        pub level: u8,
        /// The text.
        pub text: String,
    }
}

/// All that is needed to sign a key exchange; the monitor makes the hash.
#[derive(Clone)]
pub struct SignKex {
    /// The hash function of the method: see [`hash_number`].
    pub hash: u8,
    /// The host's signature algorithm.
    pub algorithm: String,
    /// The exchange.
    pub transcript: Box<KexTranscript>,
}

impl Field for SignKex {
    fn put(&self, w: &mut Writer<'_>) {
        w.u8(self.hash);
        w.text(&self.algorithm);
        self.transcript.encode(w);
    }
    fn get(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            hash: Field::get(r)?,
            algorithm: Field::get(r)?,
            transcript: Box::new(KexTranscript::decode(r)?),
        })
    }
}

/// A hash function as a number.
pub fn hash_number(hash: HashAlg) -> u8 {
    match hash {
        HashAlg::Sha1 => 1,
        HashAlg::Sha256 => 2,
        HashAlg::Sha384 => 3,
        HashAlg::Sha512 => 4,
        // No key exchange method uses another.
        HashAlg::Md5 => 0,
    }
}

record! {
    /// Sizes of a group, in bits.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Sizes {
        /// The least.
        pub min: u32,
        /// The one wished for.
        pub preferred: u32,
        /// The greatest.
        pub max: u32,
    }
}

record! {
    /// A Diffie-Hellman group.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Group {
        /// p.
        pub prime: Vec<u8>,
        /// g.
        pub generator: Vec<u8>,
    }
}

record! {
    /// A SSH_MSG_USERAUTH_REQUEST (RFC 4252 section 5).
    #[derive(Debug)]
    pub struct Attempt {
        /// The user.
        pub user: String,
        /// The service.
        pub service: String,
        /// The method with what it carries.
        pub method: Method,
    }
}

choice! {
    /// A method of authentication with its data.
    #[derive(Debug)]
    pub enum Method {
        /// `none`.
        0 = None,
        /// `password`: the password, and the new one in a change.
        1 = Password((Secret, Option<Secret>)),
        /// `publickey` in either form.
        2 = PublicKey(KeyClaim),
        /// `keyboard-interactive`: the submethods.
        3 = KeyboardInteractive(String),
        /// Any other, by name.
        4 = Other(String),
        /// `hostbased`.
        5 = HostBased(HostClaim),
    }
}

record! {
    /// A public key that is to let a user in.
    #[derive(Debug)]
    pub struct KeyClaim {
        /// The signature algorithm.
        pub algorithm: String,
        /// The key.
        pub key: Vec<u8>,
        /// The host key that the request names (publickey-hostbound-v00@openssh.com).
        pub host_key: Option<Vec<u8>>,
        /// The signature; without one the request only asks whether the key would do.
        pub signature: Option<Vec<u8>>,
    }
}

record! {
    /// A host that vouches for its user (RFC 4252 section 9).
    #[derive(Debug)]
    pub struct HostClaim {
        /// The signature algorithm.
        pub algorithm: String,
        /// The host's key.
        pub key: Vec<u8>,
        /// The host's name, as it says.
        pub host: String,
        /// The user's name there.
        pub local_user: String,
        /// The signature.
        pub signature: Vec<u8>,
    }
}

choice! {
    /// From the worker.
    pub enum Ask {
        /// For the log.
        1 = Log(Line),
        /// Sign a key exchange.
        2 = SignKex(SignKex),
        /// Choose a group.
        3 = Group(Sizes),
        /// Let a user in.
        4 = Attempt(Attempt),
        /// What the user answered to the prompts.
        5 = Responses(Vec<Secret>),
        /// The last message: how the connection ended.
        6 = Ended(Ending),
    }
}

choice! {
    /// How a connection ended.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Ending {
        /// The peer closed it.
        0 = Closed,
        /// The peer reset it.
        1 = Reset,
        /// The peer does not answer.
        2 = Silent,
        /// The peer said goodbye: reason code and text.
        3 = Goodbye((u32, String)),
        /// No algorithm in common: for what, and what the peer offers.
        4 = NoCommon((String, String)),
        /// The peer's first line is no identification that we take.
        5 = BadIdent(String),
        /// The peer broke a rule.
        6 = Fault(String),
        /// We ended it.
        7 = Ours,
    }
}

record! {
    /// What a SSH_MSG_USERAUTH_INFO_REQUEST shows (RFC 4256 section 3.2).
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Prompts {
        /// The title.
        pub name: String,
        /// The text above.
        pub instruction: String,
        /// Each prompt, and whether what is typed is shown.
        pub prompts: Vec<(String, bool)>,
    }
}

record! {
    /// What a client is told once, when its user is known.
    #[derive(Debug, Clone, Default, PartialEq, Eq)]
    pub struct Greeting {
        /// Text to show (SSH_MSG_USERAUTH_BANNER).
        pub banner: Option<String>,
        /// Signature algorithms taken from this user, where they are not those
        /// that everybody is told.
        pub user_key_algorithms: Option<Vec<String>>,
    }
}

record! {
    /// The answer to an attempt.
    #[derive(Debug)]
    pub struct Judged {
        /// Goes out first.
        pub greeting: Greeting,
        /// The decision.
        pub verdict: Verdict,
    }
}

choice! {
    /// The decision on an attempt.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Verdict {
        /// The user is in. The broker's line comes with the message, and
        /// from here on both sides speak [`super::postauth`].
        1 = Success(super::postauth::Session),
        /// Not in: what may go on, and whether this step was right.
        2 = Failure((Vec<String>, bool)),
        /// The key would do.
        3 = KeyWouldDo,
        /// Ask the user.
        4 = Prompts(Prompts),
        /// End the connection: reason code (RFC 4253 section 11.1) and text.
        5 = Disconnect((u32, String)),
    }
}

choice! {
    /// From the monitor.
    pub enum Answer {
        /// The first message.
        1 = Setup(Setup),
        /// The signature.
        2 = Signed(Vec<u8>),
        /// The group; none fits.
        3 = Group(Option<Group>),
        /// The decision.
        4 = Judged(Judged),
    }
}

#[cfg(test)]
mod tests {
    use super::super::field::{from_bytes, round_trip};
    use super::*;

    #[test]
    fn questions_survive_the_line() {
        let claim = KeyClaim {
            algorithm: "ssh-ed25519".into(),
            key: vec![1, 2],
            host_key: Some(vec![3]),
            signature: None,
        };
        for method in [
            Method::None,
            Method::Password((Secret::from("a"), Some(Secret::from("b")))),
            Method::PublicKey(claim),
            Method::KeyboardInteractive("pam".into()),
            Method::Other("gssapi-with-mic".into()),
            Method::HostBased(HostClaim {
                algorithm: "ssh-ed25519".into(),
                key: vec![1],
                host: "h".into(),
                local_user: "u".into(),
                signature: vec![2],
            }),
        ] {
            let attempt = Attempt {
                user: "u".into(),
                service: "ssh-connection".into(),
                method,
            };
            let Ask::Attempt(back) = round_trip(&Ask::Attempt(attempt)) else {
                panic!()
            };
            assert_eq!(back.user, "u");
        }
        round_trip(&Ask::Log(Line {
            level: 3,
            text: "x".into(),
        }));
        round_trip(&Ask::Group(Sizes {
            min: 1,
            preferred: 2,
            max: 3,
        }));
        round_trip(&Ask::Responses(vec![Secret::from("pw")]));
        round_trip(&Ask::Ended(Ending::Goodbye((11, "bye".into()))));
        round_trip(&Ask::Ended(Ending::Closed));
    }

    #[test]
    fn answers_survive_the_line() {
        round_trip(&Answer::Signed(vec![1]));
        round_trip(&Answer::Group(None));
        round_trip(&Answer::Group(Some(Group {
            prime: vec![5],
            generator: vec![2],
        })));
        for verdict in [
            Verdict::Failure((vec!["publickey".into()], true)),
            Verdict::KeyWouldDo,
            Verdict::Disconnect((2, "no".into())),
            Verdict::Prompts(Prompts {
                name: String::new(),
                instruction: String::new(),
                prompts: vec![("Password: ".into(), false)],
            }),
        ] {
            let greeting = Greeting {
                banner: Some("hello\n".to_owned()),
                user_key_algorithms: Some(vec!["ssh-ed25519".to_owned()]),
            };
            round_trip(&Answer::Judged(Judged { greeting, verdict }));
        }
    }

    #[test]
    fn an_unknown_question_is_an_error() {
        for tag in [0, 7, 255] {
            assert!(from_bytes::<Ask>(&[tag]).is_err());
        }
    }
}
