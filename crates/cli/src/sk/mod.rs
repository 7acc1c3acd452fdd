//! Security keys (FIDO), by `ssh-sk-helper`: one process a request.

mod notice;

use std::io;
use std::time::Duration;

use carrick_keys::helper::MessageError;
use carrick_keys::helper::sk::{
    Answer, Enroll, FLAG_USER_PRESENCE, FLAG_USER_VERIFICATION, Failure, Log, Request, ResidentKey,
};
use carrick_keys::{PrivateKey, PublicKey};
use carrick_wire::Secret;

use crate::helper::Helper;
use crate::log::{self, debug, error};
use crate::prompt::{Ask, ask};
pub(crate) use notice::Notice;

/// The provider that is meant where none is named.
pub(crate) const INTERNAL: &str = "internal";

/// A setting such as `$SSH_SK_PROVIDER` stands for what is in that variable.
pub(crate) fn provider(setting: Option<&str>) -> String {
    let value = match setting.and_then(|s| s.strip_prefix('$')) {
        Some(name) => std::env::var(name).ok(),
        None => setting.map(str::to_owned),
    };
    value
        .filter(|v| !v.is_empty())
        .unwrap_or_else(|| INTERNAL.to_owned())
}

/// Starts a helper for one request and takes its answer.
fn ask_helper(request: &Request<'_>, patience: Option<Duration>) -> Result<Answer, Failure> {
    let log = Log {
        stderr: log::is_on_stderr(),
        level: log::level() as u32,
    };
    let lost = |e: io::Error| {
        error!("ssh-sk-helper: {}", crate::text::os_error(&e));
        Failure::INTERNAL
    };
    let mut helper = Helper::start("ssh-sk-helper", "SSH_SK_HELPER").map_err(lost)?;
    if let Some(time) = patience {
        helper = helper.patience(time);
    }
    let message = helper.ask(&request.to_message(log)).map_err(lost)?;
    match Answer::parse(&message) {
        Ok(Answer::Failed(why)) => Err(why),
        Ok(answer) => Ok(answer),
        Err(e) => {
            error!("ssh-sk-helper: {e}");
            Err(Failure::INVALID_FORMAT)
        }
    }
}

fn wrong_kind<T>() -> Result<T, Failure> {
    error!("ssh-sk-helper: {}", MessageError::Unexpected);
    Err(Failure::INVALID_FORMAT)
}

/// A signature blob over `data` by a key in a security key, which is waited
/// for no longer than `patience` if that is given.
pub(crate) fn sign(
    provider: &str,
    key: &PrivateKey,
    data: &[u8],
    pin: Option<&Secret>,
    patience: Option<Duration>,
) -> Result<Vec<u8>, Failure> {
    let request = Request::Sign {
        provider,
        key,
        data,
        pin,
    };
    let Answer::Signature(blob) = ask_helper(&request, patience)? else {
        return wrong_kind();
    };
    // A library can say anything. Whether a touch was needed is for whoever
    // asked for the signature to judge.
    if let Err(e) = key.public().verify_with_details(data, &blob, None) {
        error!("security key made a signature that is not good: {e}");
        return Err(Failure::BAD_SIGNATURE);
    }
    Ok(blob)
}

/// Makes a key; with it comes what attests where it was made.
pub(crate) fn enroll(new: Enroll<'_>) -> Result<(PrivateKey, Vec<u8>), Failure> {
    match ask_helper(&Request::Enroll(new), None)? {
        Answer::Enrolled { key, attestation }
            if key.public().kind() == new.kind && application(key.public()) == new.application =>
        {
            Ok((*key, attestation))
        }
        _ => wrong_kind(),
    }
}

/// The keys that the security key itself keeps.
pub(crate) fn load_resident(
    provider: &str,
    device: &str,
    pin: Option<&Secret>,
) -> Result<Vec<ResidentKey>, Failure> {
    let request = Request::LoadResident {
        provider,
        device,
        pin,
    };
    match ask_helper(&request, None)? {
        Answer::Resident(keys) => Ok(keys),
        _ => wrong_kind(),
    }
}

/// What a key in a security key is for.
pub(crate) fn application(key: &PublicKey) -> &str {
    match key {
        PublicKey::SkEd25519 { application, .. } | PublicKey::SkEcdsa { application, .. } => {
            application
        }
        _ => "",
    }
}

/// Asks for a security key's PIN; `None` if nobody answers.
pub(crate) fn ask_pin(prompt: &str, stdin: bool) -> Option<Secret> {
    let answer = ask(prompt, Ask { echo: false, stdin })?;
    Some(Secret::from(answer.as_slice()))
}

/// Signs for a user who is there: has `ask` ask for the PIN where the key
/// wants one, or turns out to, and calls for a touch.
pub(crate) fn sign_with_user(
    provider: &str,
    key: &PrivateKey,
    data: &[u8],
    ask: impl Fn() -> Option<Secret>,
    notice: impl Fn() -> Notice,
    patience: Option<Duration>,
) -> Result<Vec<u8>, Failure> {
    let flags = key.security_key().map_or(0, |sk| sk.flags);
    let mut pin = None;
    if flags & FLAG_USER_VERIFICATION != 0 {
        pin = Some(ask().unwrap_or_default());
    }
    loop {
        let touch = (flags & FLAG_USER_PRESENCE != 0).then(&notice);
        match sign(provider, key, data, pin.as_ref(), patience) {
            Ok(blob) => {
                if let Some(touch) = touch {
                    touch.complete("User presence confirmed");
                }
                return Ok(blob);
            }
            Err(Failure::PIN_REQUIRED) if pin.is_none() => {
                drop(touch);
                debug!("sk_sign: the security key asks for a PIN");
                pin = Some(ask().ok_or(Failure::PIN_REQUIRED)?);
            }
            Err(why) => return Err(why),
        }
    }
}
