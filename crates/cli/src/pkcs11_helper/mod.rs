//! ssh-pkcs11-helper: loads a PKCS#11 provider's library, lists its keys and
//! signs with them, in a process of its own because of that library. Who may
//! name which library is for the caller to judge.

mod token;

use std::ffi::OsString;
use std::process::ExitCode;

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
    while let Some(message) = serve::receive() {
        let request = match Request::parse(&message) {
            Ok(request) => request,
            Err(e) => {
                error!("ssh-pkcs11-helper: {e}");
                return ExitCode::FAILURE;
            }
        };
        let answer = providers.answer(&request);
        if !serve::send(&answer.to_message()) {
            break;
        }
    }
    ExitCode::SUCCESS
}

/// The libraries that are loaded.
#[derive(Default)]
struct Providers(Vec<Provider>);

impl Providers {
    fn answer(&mut self, request: &Request<'_>) -> Answer {
        let done = match request {
            Request::AddProvider { provider, pin } => self.add(provider, pin),
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
            Fault::LoginNeeded(token) => Answer::LoginNeeded(token),
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
        let at = match self.0.iter().position(|p| p.path() == path) {
            Some(at) => at,
            None => {
                if !serve::contains(path, "C_GetFunctionList") {
                    let why = format!("provider {path} is not a PKCS11 library");
                    return Err(Fault::Provider(why));
                }
                self.0.push(Provider::load(path)?);
                self.0.len() - 1
            }
        };
        let Some(provider) = self.0.get_mut(at) else {
            return Err(Fault::Provider(format!("provider {path} is lost")));
        };
        let keys: Vec<TokenKey> = provider.list(pin)?;
        debug!("provider {path} has {} keys", keys.len());
        Ok(Answer::Keys(keys))
    }

    /// The provider with that key.
    fn of(&mut self, key: &[u8]) -> Result<&mut Provider, Fault> {
        self.0
            .iter_mut()
            .find(|p| p.has(key))
            .ok_or_else(|| Fault::Token("no such key in any token".into()))
    }
}
