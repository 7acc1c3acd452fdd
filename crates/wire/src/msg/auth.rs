//! User authentication (RFC 4252, RFC 4256, OpenSSH PROTOCOL section 3.1).
//!
//! Numbers 60-79 belong to the method in flight, so each method with answers
//! of its own has its own enum: [`PublicKeyMsg`], [`PasswordMsg`],
//! [`KeyboardInteractiveMsg`].

use core::fmt;

use crate::field::{Field, Show, Shown};
use crate::macros::{family, messages};
use crate::names::method;
use crate::{DecodeError, NameList, Reader, Text, Writer};

messages! {
    /// `SSH_MSG_USERAUTH_REQUEST` (RFC 4252 section 5).
    Request<'a> = 50, "SSH_MSG_USERAUTH_REQUEST" {
        /// Who wants in.
        user: &'a str,
        /// The service to start once in.
        service: &'a str,
        /// The method and its fields.
        method: MethodBody<'a>,
    }

    /// `SSH_MSG_USERAUTH_FAILURE` (RFC 4252 section 5.1).
    #[derive(Copy)]
    Failure<'a> = 51, "SSH_MSG_USERAUTH_FAILURE" {
        /// The methods that can go on.
        methods: NameList<'a>,
        /// Whether the request did succeed, and more is needed.
        partial: bool,
    }

    /// `SSH_MSG_USERAUTH_SUCCESS` (RFC 4252 section 5.1).
    #[derive(Copy)]
    Success = 52, "SSH_MSG_USERAUTH_SUCCESS" {}

    /// `SSH_MSG_USERAUTH_BANNER` (RFC 4252 section 5.4).
    Banner<'a> = 53, "SSH_MSG_USERAUTH_BANNER" {
        /// What to show.
        message: Text<'a>,
        /// Language tag of the message.
        language: &'a str,
    }

    /// `SSH_MSG_USERAUTH_PK_OK` (RFC 4252 section 7).
    PkOk<'a> = 60, "SSH_MSG_USERAUTH_PK_OK" {
        /// Algorithm as in the request.
        algorithm: &'a str,
        /// Key blob as in the request.
        key: &'a [u8],
    }

    /// `SSH_MSG_USERAUTH_PASSWD_CHANGEREQ` (RFC 4252 section 8).
    PasswdChangeReq<'a> = 60, "SSH_MSG_USERAUTH_PASSWD_CHANGEREQ" {
        /// What to ask the user.
        prompt: Text<'a>,
        /// Language tag of the prompt.
        language: &'a str,
    }

    /// `SSH_MSG_USERAUTH_INFO_REQUEST` (RFC 4256 section 3.2).
    InfoRequest<'a> = 60, "SSH_MSG_USERAUTH_INFO_REQUEST" {
        /// A title.
        name: Text<'a>,
        /// Words to show before the prompts.
        instruction: Text<'a>,
        /// Language tag of all the texts.
        language: &'a str,
        /// What to ask; may be nothing.
        prompts: Vec<Prompt<'a>>,
    }

    /// `SSH_MSG_USERAUTH_INFO_RESPONSE` (RFC 4256 section 3.4).
    InfoResponse<'a> = 61, "SSH_MSG_USERAUTH_INFO_RESPONSE" {
        /// One answer for each prompt.
        responses: Vec<&'a [u8]> as counted_strings,
    }
}

family! {
    /// The messages of every method.
    AuthMsg {
        /// An attempt.
        Request(Request<'a>),
        /// The attempt did not suffice.
        Failure(Failure<'a>),
        /// The user is in.
        Success(Success),
        /// Words to show before login.
        Banner(Banner<'a>),
    }
}

family! {
    /// Numbers 60-79 while `publickey` (or its host-bound form) is in flight.
    PublicKeyMsg {
        /// The key would do.
        PkOk(PkOk<'a>),
    }
}

family! {
    /// Numbers 60-79 while `password` is in flight.
    PasswordMsg {
        /// The password has expired.
        ChangeReq(PasswdChangeReq<'a>),
    }
}

family! {
    /// Numbers 60-79 while `keyboard-interactive` is in flight.
    KeyboardInteractiveMsg {
        /// Questions, from the server.
        InfoRequest(InfoRequest<'a>),
        /// Answers, from the client.
        InfoResponse(InfoResponse<'a>),
    }
}

/// One question of an [`InfoRequest`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prompt<'a> {
    /// What to ask.
    pub text: Text<'a>,
    /// Whether the answer may be seen while typed.
    pub echo: bool,
}

impl<'a> Field<'a> for Vec<Prompt<'a>> {
    fn read(r: &mut Reader<'a>, field: &'static str) -> Result<Self, DecodeError> {
        // The count is not believed in advance: memory follows what came.
        let count = r.u32(field)?;
        let mut all = Vec::new();
        for _ in 0..count {
            let text = Text::from_bytes(r.string(field)?);
            let echo = r.bool(field)?;
            all.push(Prompt { text, echo });
        }
        Ok(all)
    }

    fn write(&self, w: &mut Writer<'_>) {
        w.u32(u32::try_from(self.len()).unwrap_or(u32::MAX));
        for prompt in self {
            prompt.text.write(w);
            w.bool(prompt.echo);
        }
    }
}

impl Show for Prompt<'_> {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The method of a [`Request`], with its fields.
#[derive(Clone, PartialEq, Eq)]
pub enum MethodBody<'a> {
    /// `none` (RFC 4252 section 5.2).
    None,
    /// `publickey` (RFC 4252 section 7): a query when there is no signature.
    PublicKey {
        /// Signature algorithm.
        algorithm: &'a str,
        /// Public key blob.
        key: &'a [u8],
        /// Signature blob over [`Request::signed_data`].
        signature: Option<&'a [u8]>,
    },
    /// `publickey-hostbound-v00@openssh.com` (OpenSSH PROTOCOL section 3.1).
    PublicKeyHostBound {
        /// Signature algorithm.
        algorithm: &'a str,
        /// Public key blob.
        key: &'a [u8],
        /// The server's host key blob, as the client saw it.
        host_key: &'a [u8],
        /// Signature blob over [`Request::signed_data`].
        signature: Option<&'a [u8]>,
    },
    /// `password` (RFC 4252 section 8).
    Password {
        /// The present password.
        password: &'a [u8],
        /// The password to change it to.
        new: Option<&'a [u8]>,
    },
    /// `keyboard-interactive` (RFC 4256 section 3.1).
    KeyboardInteractive {
        /// Language tag (deprecated).
        language: &'a str,
        /// Hints at what to use, comma-separated.
        submethods: &'a str,
    },
    /// `hostbased` (RFC 4252 section 9).
    HostBased {
        /// Signature algorithm.
        algorithm: &'a str,
        /// The client host's public key blob.
        key: &'a [u8],
        /// The client host's name.
        host: &'a str,
        /// The user's name on the client host.
        local_user: &'a str,
        /// Signature blob over [`Request::signed_data`].
        signature: &'a [u8],
    },
    /// A method that this crate does not know, with all that follows its name.
    Unknown {
        /// The method's name.
        method: &'a str,
        /// The undecoded rest of the message.
        body: &'a [u8],
    },
}

impl<'a> MethodBody<'a> {
    /// The method's name.
    pub const fn name(&self) -> &'a str {
        match self {
            Self::None => method::NONE,
            Self::PublicKey { .. } => method::PUBLICKEY,
            Self::PublicKeyHostBound { .. } => method::PUBLICKEY_HOSTBOUND,
            Self::Password { .. } => method::PASSWORD,
            Self::KeyboardInteractive { .. } => method::KEYBOARD_INTERACTIVE,
            Self::HostBased { .. } => method::HOSTBASED,
            Self::Unknown { method, .. } => method,
        }
    }

    /// The fields that a signature covers: all but the signature, and with the
    /// flag that announces one set. `None` for methods that do not sign.
    fn write_signed(&self, w: &mut Writer<'_>) -> Option<()> {
        w.text(self.name());
        match *self {
            Self::PublicKey { algorithm, key, .. } => {
                w.bool(true);
                w.text(algorithm);
                w.string(key);
            }
            Self::PublicKeyHostBound {
                algorithm,
                key,
                host_key,
                ..
            } => {
                w.bool(true);
                w.text(algorithm);
                w.string(key);
                w.string(host_key);
            }
            Self::HostBased {
                algorithm,
                key,
                host,
                local_user,
                ..
            } => {
                w.text(algorithm);
                w.string(key);
                w.text(host);
                w.text(local_user);
            }
            _ => return None,
        }
        Some(())
    }
}

impl Request<'_> {
    /// What the signature of this request covers (RFC 4252 sections 7 and 9;
    /// OpenSSH PROTOCOL section 3.1): the session identifier, then the request
    /// up to its signature. `None` for methods that do not sign.
    pub fn signed_data(&self, session_id: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut w = Writer::new(&mut out);
        w.string(session_id);
        w.u8(Self::NUMBER);
        w.text(self.user);
        w.text(self.service);
        self.method.write_signed(&mut w)?;
        Some(out)
    }

    /// The payload that carries `signature` for `signed`, which
    /// [`Request::signed_data`] made with a session identifier of
    /// `session_id_len` bytes. `None` when `signed` is shorter than that.
    pub fn signed_payload(
        signed: &[u8],
        session_id_len: usize,
        signature: &[u8],
    ) -> Option<Vec<u8>> {
        let request = signed.get(session_id_len.checked_add(4)?..)?;
        let mut out = request.to_vec();
        Writer::new(&mut out).string(signature);
        Some(out)
    }
}

impl<'a> Field<'a> for MethodBody<'a> {
    fn read(r: &mut Reader<'a>, field: &'static str) -> Result<Self, DecodeError> {
        Ok(match r.text(field)? {
            method::NONE => Self::None,
            method::PUBLICKEY => {
                let signed = r.bool("PublicKey.signed")?;
                Self::PublicKey {
                    algorithm: r.text("PublicKey.algorithm")?,
                    key: r.string("PublicKey.key")?,
                    signature: optional(r, signed, "PublicKey.signature")?,
                }
            }
            method::PUBLICKEY_HOSTBOUND => {
                let signed = r.bool("PublicKeyHostBound.signed")?;
                Self::PublicKeyHostBound {
                    algorithm: r.text("PublicKeyHostBound.algorithm")?,
                    key: r.string("PublicKeyHostBound.key")?,
                    host_key: r.string("PublicKeyHostBound.host_key")?,
                    signature: optional(r, signed, "PublicKeyHostBound.signature")?,
                }
            }
            method::PASSWORD => {
                let change = r.bool("Password.change")?;
                Self::Password {
                    password: r.string("Password.password")?,
                    new: optional(r, change, "Password.new")?,
                }
            }
            method::KEYBOARD_INTERACTIVE => Self::KeyboardInteractive {
                language: r.text("KeyboardInteractive.language")?,
                submethods: r.text("KeyboardInteractive.submethods")?,
            },
            method::HOSTBASED => Self::HostBased {
                algorithm: r.text("HostBased.algorithm")?,
                key: r.string("HostBased.key")?,
                host: r.text("HostBased.host")?,
                local_user: r.text("HostBased.local_user")?,
                signature: r.string("HostBased.signature")?,
            },
            method => Self::Unknown {
                method,
                body: r.take_rest(),
            },
        })
    }

    fn write(&self, w: &mut Writer<'_>) {
        w.text(self.name());
        match *self {
            Self::None => {}
            Self::PublicKey {
                algorithm,
                key,
                signature,
            } => {
                w.bool(signature.is_some());
                w.text(algorithm);
                w.string(key);
                write_optional(signature, w);
            }
            Self::PublicKeyHostBound {
                algorithm,
                key,
                host_key,
                signature,
            } => {
                w.bool(signature.is_some());
                w.text(algorithm);
                w.string(key);
                w.string(host_key);
                write_optional(signature, w);
            }
            Self::Password { password, new } => {
                w.bool(new.is_some());
                w.string(password);
                write_optional(new, w);
            }
            Self::KeyboardInteractive {
                language,
                submethods,
            } => {
                w.text(language);
                w.text(submethods);
            }
            Self::HostBased {
                algorithm,
                key,
                host,
                local_user,
                signature,
            } => {
                w.text(algorithm);
                w.string(key);
                w.text(host);
                w.text(local_user);
                w.string(signature);
            }
            Self::Unknown { body, .. } => w.raw(body),
        }
    }
}

/// A `string` that is there when a flag before it said so.
fn optional<'a>(
    r: &mut Reader<'a>,
    present: bool,
    field: &'static str,
) -> Result<Option<&'a [u8]>, DecodeError> {
    present.then(|| r.string(field)).transpose()
}

fn write_optional(value: Option<&[u8]>, w: &mut Writer<'_>) {
    if let Some(value) = value {
        w.string(value);
    }
}

impl Show for MethodBody<'_> {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Debug for MethodBody<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct(self.name());
        match self {
            Self::None | Self::Unknown { .. } => {}
            Self::PublicKey {
                algorithm,
                key,
                signature,
            }
            | Self::PublicKeyHostBound {
                algorithm,
                key,
                signature,
                ..
            } => {
                shown
                    .field("algorithm", algorithm)
                    .field("key", &Shown(key))
                    .field("signature", &Shown(signature));
            }
            // Not even the length of a password.
            Self::Password { new, .. } => {
                shown.field("change", &new.is_some());
            }
            Self::KeyboardInteractive { submethods, .. } => {
                shown.field("submethods", submethods);
            }
            Self::HostBased {
                algorithm,
                host,
                local_user,
                ..
            } => {
                shown
                    .field("algorithm", algorithm)
                    .field("host", host)
                    .field("local_user", local_user);
            }
        }
        shown.finish()
    }
}
