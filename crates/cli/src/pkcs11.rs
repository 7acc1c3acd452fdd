//! Keys in PKCS#11 tokens, by `ssh-pkcs11-helper`: one process a provider,
//! for as long as its keys are in use.

use std::io;
use std::time::Duration;

use carrick_keys::PublicKey;
use carrick_keys::helper::pkcs11::{Answer, PIN_INCORRECT, Request, Signing, TokenKey};
use carrick_wire::Secret;

use crate::helper::Helper;
use crate::log::{debug, error};
use crate::prompt::{Ask, ask};

/// A provider whose library is loaded in a helper.
pub(crate) struct Provider {
    helper: Helper,
    keys: Vec<TokenKey>,
    /// There is a user who can be asked for a PIN.
    interactive: bool,
}

/// Asks `helper`. What goes wrong with it is told here; what it refuses, it
/// has told itself.
fn exchange(helper: &mut Helper, request: &Request<'_>) -> Result<Answer, String> {
    let lost = |e: io::Error| format!("ssh-pkcs11-helper: {}", crate::text::os_error(&e));
    helper
        .ask(&request.to_message())
        .map_err(lost)
        .and_then(|message| Answer::parse(&message).map_err(|e| format!("ssh-pkcs11-helper: {e}")))
        .inspect_err(|why| error!("{why}"))
}

/// Asks for a token's PIN; `None` if nobody answers.
fn ask_pin(token: &str) -> Option<Secret> {
    let answer = ask(&format!("Enter PIN for '{token}': "), Ask::default())?;
    Some(Secret::from(answer.as_slice()))
}

fn refused(code: u32) -> String {
    match code {
        PIN_INCORRECT => "PKCS#11 login failed: PIN incorrect".into(),
        _ => "the token refused".into(),
    }
}

impl Provider {
    /// Loads the library at `path` and lists its keys. With `interactive`,
    /// the user is asked for a PIN where it is needed.
    pub(crate) fn load(path: &str, interactive: bool) -> Result<Self, String> {
        Self::open(path, None, interactive, None)
    }

    /// As [`Self::load`], with a PIN that is known; nobody is asked for one,
    /// and no answer is waited for longer than `patience`.
    pub(crate) fn load_unlocked(
        path: &str,
        pin: &Secret,
        patience: Duration,
    ) -> Result<Self, String> {
        Self::open(path, Some(pin), false, Some(patience))
    }

    fn open(
        path: &str,
        pin: Option<&Secret>,
        interactive: bool,
        patience: Option<Duration>,
    ) -> Result<Self, String> {
        let mut helper = Helper::start("ssh-pkcs11-helper", "SSH_PKCS11_HELPER")
            .map_err(|e| format!("ssh-pkcs11-helper: {}", crate::text::os_error(&e)))?;
        if let Some(time) = patience {
            helper = helper.patience(time);
        }
        let mut request = Request::AddProvider {
            provider: path,
            pin: pin.cloned().unwrap_or_default(),
            knows_all: true,
        };
        let mut answer = exchange(&mut helper, &request)?;
        if let (Answer::LoginNeeded(token), true) = (&answer, interactive) {
            // It shows nothing before.
            let pin = ask_pin(token).ok_or("no PIN")?;
            request = Request::AddProvider {
                provider: path,
                pin,
                knows_all: true,
            };
            answer = exchange(&mut helper, &request)?;
        }
        let keys = match answer {
            Answer::Keys(keys) => keys,
            Answer::Failed(code) => return Err(refused(code)),
            Answer::LoginNeeded(token) => return Err(format!("token '{token}' wants a PIN")),
            _ => return Err("answer of the wrong kind".into()),
        };
        debug!("provider {path}: {} keys", keys.len());
        Ok(Self {
            helper,
            keys,
            interactive,
        })
    }

    /// Its keys.
    pub(crate) fn keys(&self) -> &[TokenKey] {
        &self.keys
    }

    /// A signature blob over `data`, which is verified.
    pub(crate) fn sign(
        &mut self,
        key: &PublicKey,
        algorithm: &str,
        data: &[u8],
    ) -> Result<Vec<u8>, String> {
        let signing = Signing::new(key, algorithm, data)
            .ok_or_else(|| format!("a token's key cannot make {algorithm} signatures"))?;
        let blob = signing.key();
        let request = Request::Sign {
            key: &blob,
            data: signing.data(),
        };
        let mut answer = exchange(&mut self.helper, &request)?;
        if let (Answer::LoginNeeded(token), true) = (&answer, self.interactive) {
            let pin = ask_pin(token).ok_or("no PIN")?;
            match exchange(&mut self.helper, &Request::Login { key: &blob, pin })? {
                Answer::LoggedIn => answer = exchange(&mut self.helper, &request)?,
                Answer::Failed(code) => {
                    let why = refused(code);
                    error!("{why}");
                    return Err(why);
                }
                _ => return Err("answer of the wrong kind".into()),
            }
        }
        match answer {
            Answer::Signature(made) => signing
                .blob(&made)
                .map_err(|e| format!("the token's signature is not good: {e}")),
            Answer::Failed(code) => Err(refused(code)),
            Answer::LoginNeeded(token) => Err(format!("token '{token}' wants a PIN")),
            _ => Err("answer of the wrong kind".into()),
        }
    }
}
