//! ssh-pkcs11-helper: loads a PKCS#11 provider's library, lists its keys and
//! signs with them, in a process of its own because of that library. Who may
//! name which library is for the caller to judge.

mod token;

use std::ffi::OsString;
use std::process::ExitCode;

use carrick_keys::PublicKey;
use carrick_keys::helper::pkcs11::{Answer, NO_PROVIDER, PIN_INCORRECT, Request, TokenKey};
use carrick_wire::Secret;

use crate::helper::serve;
use crate::log::{debug, error};
use token::{Fault, Provider};

/// Runs the program.
pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    if !serve::prepare("ssh-pkcs11-helper", args) {
        return ExitCode::FAILURE;
    }
    let mut providers = Providers::default();
    loop {
        let message = match serve::receive() {
            Ok(Some(message)) => message,
            Ok(None) => return ExitCode::SUCCESS,
            Err(status) => return status,
        };
        let request = match Request::parse(&message) {
            Ok(request) => request,
            Err(e) => {
                error!("ssh-pkcs11-helper: {e}");
                return ExitCode::FAILURE;
            }
        };
        let answer = providers.answer(&request);
        if !serve::send(&answer.to_message()) {
            return ExitCode::SUCCESS;
        }
    }
}

/// The libraries that are loaded.
#[derive(Default)]
struct Providers {
    list: Vec<Provider>,
    /// The caller is one of ours.
    knows_all: bool,
}

impl Providers {
    fn answer(&mut self, request: &Request<'_>) -> Answer {
        let done = match request {
            Request::AddProvider {
                provider,
                pin,
                knows_all,
            } => {
                self.knows_all = *knows_all;
                self.add(provider, pin)
            }
            Request::Sign { key, data } => self
                .of(key)
                .and_then(|p| p.sign(key, data))
                .map(Answer::Signature),
            Request::Login { key, pin } => self
                .of(key)
                .and_then(|p| p.login_for(key, pin))
                .map(|()| Answer::LoggedIn),
        };
        done.unwrap_or_else(|fault| match fault {
            Fault::LoginNeeded(token) if self.knows_all => Answer::LoginNeeded(token),
            Fault::LoginNeeded(_) => Answer::Failed(0),
            Fault::Pin => Answer::Failed(PIN_INCORRECT),
            Fault::Provider(why) => {
                error!("{why}");
                Answer::Failed(NO_PROVIDER)
            }
            Fault::Token(why) => {
                error!("{why}");
                Answer::Failed(0)
            }
        })
    }

    /// Loads a library, or lists once more what one has that is loaded.
    fn add(&mut self, path: &str, pin: &Secret) -> Result<Answer, Fault> {
        let pin = Some(pin).filter(|pin| !pin.expose().is_empty());
        let at = match self.list.iter().position(|p| p.path() == path) {
            Some(at) => at,
            None => {
                if !serve::contains(path, "C_GetFunctionList") {
                    let why = format!("provider {path} is not a PKCS11 library");
                    return Err(Fault::Provider(why));
                }
                self.list.push(Provider::load(path)?);
                self.list.len() - 1
            }
        };
        let Some(provider) = self.list.get_mut(at) else {
            return Err(Fault::Provider(format!("provider {path} is lost")));
        };
        let mut keys: Vec<TokenKey> = provider.list(pin)?;
        if !self.knows_all {
            // OpenSSH 10.0's agent ends itself over such a key.
            keys.retain(|k| !matches!(k.key, PublicKey::Ed25519(_)));
        }
        debug!("provider {path} has {} keys", keys.len());
        Ok(Answer::Keys(keys))
    }

    /// The provider with that key.
    fn of(&mut self, key: &[u8]) -> Result<&mut Provider, Fault> {
        self.list
            .iter_mut()
            .find(|p| p.has(key))
            .ok_or_else(|| Fault::Token("no such key in any token".into()))
    }
}
