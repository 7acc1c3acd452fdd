//! ssh-sk-helper: does one request with a security key, in a process of its
//! own because of the library that it takes. Who may name which library is
//! for the caller to judge.

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use carrick_crypto::rng::{Rng as _, SystemRng};
use carrick_keys::helper::sk::{
    Answer, Asked, Enroll, FLAG_RESIDENT, FLAG_USER_PRESENCE, FLAG_USER_VERIFICATION, Failure,
    Received, ResidentKey,
};
use carrick_keys::{KeyType, PrivateKey, PublicKey, SkHandle};
use carrick_sys::sk::{self, Algorithm, Enrolled, Middleware, SkError};
use carrick_wire::{Encode as _, Mpint, Secret, Writer};

use crate::helper::serve;
use crate::log::{self, Level, debug, error};
use crate::sk::{INTERNAL, application};

/// Runs the program.
pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    if !serve::prepare("ssh-sk-helper", args) {
        return ExitCode::FAILURE;
    }
    let message = match serve::receive() {
        Ok(Some(message)) => message,
        Ok(None) => return ExitCode::FAILURE,
        Err(status) => return status,
    };
    let received = match Received::parse(&message) {
        Ok(received) => received,
        Err(e) => {
            error!("ssh-sk-helper: {e}");
            return ExitCode::FAILURE;
        }
    };
    if !received.log.stderr {
        log::to_syslog("ssh-sk-helper", log::Facility::User);
    }
    let level = i8::try_from(received.log.level).unwrap_or(i8::MAX);
    log::set_level(Level::from_number(level).max(log::level()));
    let answer = answer(&received.asked).unwrap_or_else(Answer::Failed);
    if serve::send(&answer.to_message()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn answer(asked: &Asked<'_>) -> Result<Answer, Failure> {
    match asked {
        Asked::Sign {
            provider,
            key,
            data,
            pin,
        } => sign(provider, key, data, pin.as_ref()).map(Answer::Signature),
        Asked::Enroll(new, pin) => enroll(new, pin.as_ref()),
        Asked::LoadResident {
            provider,
            device,
            pin,
        } => resident(provider, device, pin.as_ref()).map(Answer::Resident),
    }
}

/// The way to security keys that `provider` names.
fn open(provider: &str) -> Result<Box<dyn Middleware>, Failure> {
    let failed = |why: String| {
        error!("{why}");
        Failure::INVALID_FORMAT
    };
    if provider.is_empty() {
        return Err(failed("No FIDO SecurityKeyProvider specified".into()));
    }
    if provider.eq_ignore_ascii_case(INTERNAL) {
        let fido = sk::internal()
            .map_err(|why| failed(format!("internal security key support not enabled: {why}")))?;
        return Ok(Box::new(fido));
    }
    if !serve::contains(provider, "sk_api_version") {
        return Err(failed(format!(
            "provider {provider} is not an OpenSSH FIDO library"
        )));
    }
    let loaded = sk::load(Path::new(provider)).map_err(failed)?;
    Ok(Box::new(loaded))
}

fn failure(error: SkError) -> Failure {
    match error {
        SkError::UNSUPPORTED => Failure::UNSUPPORTED,
        SkError::PIN_REQUIRED => Failure::PIN_REQUIRED,
        SkError::DEVICE_NOT_FOUND => Failure::DEVICE_NOT_FOUND,
        SkError::CREDENTIAL_EXISTS => Failure::CREDENTIAL_EXISTS,
        _ => Failure::INVALID_FORMAT,
    }
}

fn algorithm(kind: KeyType) -> Algorithm {
    match kind {
        KeyType::SkEcdsa => Algorithm::Ecdsa,
        _ => Algorithm::Ed25519,
    }
}

fn sign(
    provider: &str,
    key: &PrivateKey,
    data: &[u8],
    pin: Option<&Secret>,
) -> Result<Vec<u8>, Failure> {
    let handle = key.security_key().ok_or(Failure::INVALID_ARGUMENT)?;
    if application(key.public()).is_empty() {
        return Err(Failure::INVALID_ARGUMENT);
    }
    let algorithm = algorithm(key.public().kind());
    let signed = open(provider)?
        .sign(&sk::Sign {
            algorithm,
            data,
            application: application(key.public()),
            key_handle: handle.handle.expose(),
            flags: handle.flags,
            pin: pin.map(Secret::expose),
        })
        .map_err(|e| {
            debug!("sk_sign failed with code {}", e.0);
            failure(e)
        })?;
    if signed.r.is_empty() || (algorithm == Algorithm::Ecdsa && signed.s.is_empty()) {
        error!("sk_sign response invalid");
        return Err(Failure::INVALID_FORMAT);
    }
    let mut blob = Vec::new();
    let mut w = Writer::new(&mut blob);
    w.text(key.public().key_type());
    match algorithm {
        Algorithm::Ed25519 => w.string(&signed.r),
        Algorithm::Ecdsa => w.sub(|w| {
            Mpint::from_magnitude(&signed.r).encode(w);
            Mpint::from_magnitude(&signed.s).encode(w);
        }),
    }
    w.u8(signed.flags);
    w.u32(signed.counter);
    Ok(blob)
}

fn enroll(new: &Enroll<'_>, pin: Option<&Secret>) -> Result<Answer, Failure> {
    if new.application.is_empty() {
        return Err(Failure::INVALID_ARGUMENT);
    }
    let mut challenge = Cow::from(new.challenge);
    if challenge.is_empty() {
        let mut random = [0; 32];
        SystemRng.fill(&mut random);
        challenge = Cow::from(random.to_vec());
    }
    let made = open(new.provider)?
        .enroll(&sk::Enroll {
            algorithm: algorithm(new.kind),
            challenge: &challenge,
            application: new.application,
            flags: new.flags,
            pin: pin.map(Secret::expose),
            device: new.device,
            user: new.user,
        })
        .map_err(|e| {
            debug!("provider \"{}\" failure {}", new.provider, e.0);
            failure(e)
        })?;
    let attestation = attestation(&made);
    // What the library says of the flags is so, as in OpenSSH.
    let flags = made.flags;
    let key = key_of(algorithm(new.kind), new.application, flags, made)?;
    Ok(Answer::Enrolled {
        key: Box::new(key),
        attestation,
    })
}

fn resident(
    provider: &str,
    device: &str,
    pin: Option<&Secret>,
) -> Result<Vec<ResidentKey>, Failure> {
    let found = open(provider)?
        .resident_keys(pin.map(Secret::expose), device)
        .map_err(|e| {
            error!("Provider \"{provider}\" returned failure {}", e.0);
            failure(e)
        })?;
    found
        .into_iter()
        // Keys of web sites are of no use to SSH.
        .filter(|r| r.application.starts_with("ssh:"))
        .map(|r| {
            let verification = r.flags & FLAG_USER_VERIFICATION;
            let flags = FLAG_USER_PRESENCE | FLAG_RESIDENT | verification;
            Ok(ResidentKey {
                key: key_of(r.algorithm, &r.application, flags, r.key)?,
                user: r.user,
            })
        })
        .collect()
}

/// The key that a security key made, its public half checked.
fn key_of(
    algorithm: Algorithm,
    application: &str,
    flags: u8,
    made: Enrolled,
) -> Result<PrivateKey, Failure> {
    let invalid = || {
        error!("sk_enroll response invalid");
        Failure::INVALID_FORMAT
    };
    if made.key_handle.is_empty() {
        return Err(invalid());
    }
    let application = application.to_owned();
    let public = match algorithm {
        Algorithm::Ed25519 => PublicKey::SkEd25519 {
            key: made.public_key.try_into().map_err(|_| invalid())?,
            application,
        },
        Algorithm::Ecdsa => PublicKey::SkEcdsa {
            point: made.public_key,
            application,
        },
    };
    // The blob's reader is who knows what a point looks like.
    let public = PublicKey::from_blob(&public.to_blob()).map_err(|_| invalid())?;
    let handle = SkHandle {
        flags,
        handle: Secret::new(made.key_handle),
        reserved: Vec::new(),
    };
    PrivateKey::in_security_key(public, handle).ok_or_else(invalid)
}

/// What proves where a key was made (PROTOCOL.u2f).
fn attestation(made: &Enrolled) -> Vec<u8> {
    let mut out = Vec::new();
    let mut w = Writer::new(&mut out);
    w.text("ssh-sk-attest-v01");
    w.string(&made.attestation_certificate);
    w.string(&made.signature);
    w.string(&made.authenticator_data);
    // Reserved: flags, and a string.
    w.u32(0);
    w.string(&[]);
    out
}
