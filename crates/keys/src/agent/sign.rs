//! Requests to sign: whether they may, and who does it.

use super::msg::{FLAG_RSA_SHA2_256, FLAG_RSA_SHA2_512, Response};
use super::refusal::Refusal;
use super::server::{Agent, Now, Outcome, Peer};
use super::signed::{LoginData, is_file_signature};
use super::store::{Entry, Holder};
use super::task::{FidoRequest, Pending, Stage, Task, TokenRequest};
use crate::matching::pattern_list;
use crate::{FingerprintHash, KeyType, PublicKey, SK_USER_PRESENT};

/// A request to sign.
pub(super) struct SignRequest {
    blob: Vec<u8>,
    data: Vec<u8>,
    flags: u32,
}

impl SignRequest {
    pub(super) fn new(blob: &[u8], data: &[u8], flags: u32) -> Self {
        Self {
            blob: blob.to_vec(),
            data: data.to_vec(),
            flags,
        }
    }
}

/// Judges a request, and has it signed or the user asked.
pub(super) fn begin(agent: &Agent, peer: &Peer, request: SignRequest, now: Now) -> Outcome {
    match judge(agent, peer, &request, now) {
        Err(refusal) => Outcome::Refused(refusal, None),
        Ok((entry, purpose)) if entry.confirm => Outcome::Work(
            Task::Confirm {
                question: question(entry, agent.policy.fingerprint, purpose.as_deref()),
            },
            Pending(Stage::Confirm(request)),
        ),
        Ok((entry, purpose)) => sign(agent, entry, request, purpose.as_deref()),
    }
}

/// Goes on after the user has agreed. What was judged may have changed.
pub(super) fn confirmed(agent: &Agent, peer: &Peer, request: SignRequest, now: Now) -> Outcome {
    match judge(agent, peer, &request, now) {
        Err(refusal) => Outcome::Refused(refusal, None),
        Ok((entry, purpose)) => sign(agent, entry, request, purpose.as_deref()),
    }
}

/// The key, and what it is used for as far as the user can be told; or why it
/// must not sign that.
fn judge<'a>(
    agent: &'a Agent,
    peer: &Peer,
    request: &SignRequest,
    now: Now,
) -> Result<(&'a Entry, Option<String>), Refusal> {
    let entry = agent.store.find(&request.blob).ok_or(Refusal::UnknownKey)?;
    let mut purpose = None;
    if !entry.destinations.is_empty() {
        let user = check_login(peer, entry, &request.data, now)?;
        purpose = Some(format!(
            "public key authentication request for user \"{user}\" to listed host"
        ));
    }
    if let (Some(application), Some(websafe)) = (application(&entry.public), &agent.policy.websafe)
    {
        // The web's challenges have a shape that neither of these has.
        let is_ours = || {
            LoginData::parse(&request.data, &entry.public).is_ok()
                || is_file_signature(&request.data)
        };
        if !pattern_list(application, websafe).is_yes() && !is_ours() {
            return Err(Refusal::WebOrigin);
        }
    }
    Ok((entry, purpose))
}

/// Whether what a key with destinations signs is the login that the
/// connection was bound to; the user's name if so.
fn check_login(peer: &Peer, entry: &Entry, data: &[u8], now: Now) -> Result<String, Refusal> {
    let bindings = &peer.bindings;
    let Some((session, host_key)) = bindings.last() else {
        return Err(Refusal::Unbound);
    };
    let login = LoginData::parse(data, &entry.public).map_err(|_| Refusal::NotALogin)?;
    bindings.permit(&entry.destinations, Some(login.user), now.unix)?;
    if login.session != session {
        return Err(Refusal::OtherSession);
    }
    match &login.host_key {
        // Over one hop only, the session says enough.
        None if bindings.is_beyond_first() => return Err(Refusal::NoHostKey),
        Some(named) if named != host_key => return Err(Refusal::OtherHostKey),
        _ => {}
    }
    Ok(login.user.to_owned())
}

fn application(key: &PublicKey) -> Option<&str> {
    match key.plain() {
        PublicKey::SkEd25519 { application, .. } | PublicKey::SkEcdsa { application, .. } => {
            Some(application)
        }
        _ => None,
    }
}

/// The question that the user is asked before each use of a key.
fn question(entry: &Entry, hash: FingerprintHash, purpose: Option<&str>) -> String {
    let name = entry.name();
    let fingerprint = entry.public.fingerprint(hash);
    let purpose = purpose.map(|p| format!("\n{p}")).unwrap_or_default();
    format!("Allow use of key {name}?\nKey fingerprint {fingerprint}.{purpose}")
}

/// The signature algorithm: RSA's by the flags, the others have one.
fn algorithm(key: &PublicKey, flags: u32) -> &'static str {
    match key.kind() {
        KeyType::Rsa if flags & FLAG_RSA_SHA2_256 != 0 => "rsa-sha2-256",
        KeyType::Rsa if flags & FLAG_RSA_SHA2_512 != 0 => "rsa-sha2-512",
        _ => key.plain().key_type(),
    }
}

fn sign(agent: &Agent, entry: &Entry, request: SignRequest, purpose: Option<&str>) -> Outcome {
    let algorithm = algorithm(&entry.public, request.flags);
    match &entry.holder {
        Holder::Memory(key) => key
            .sign(algorithm, &request.data)
            .map(Response::Signature)
            .map_err(Refusal::from)
            .into(),
        Holder::Fido { provider: None, .. } => Outcome::Refused(Refusal::NoProvider, None),
        Holder::Fido {
            key,
            provider: Some(provider),
        } => {
            let touch = key
                .security_key()
                .is_some_and(|handle| handle.flags & SK_USER_PRESENT != 0);
            let name = entry.public.short_name();
            let fingerprint = entry.public.fingerprint(agent.policy.fingerprint);
            let purpose = purpose.map(|p| format!("\n{p}")).unwrap_or_default();
            let and_touch = if touch {
                " and confirm user presence "
            } else {
                " "
            };
            Outcome::Work(
                Task::SignFido(FidoRequest {
                    key: key.clone(),
                    provider: provider.clone(),
                    algorithm,
                    data: request.data,
                    notice: touch.then(|| {
                        format!("Confirm user presence for key {name} {fingerprint}{purpose}")
                    }),
                    pin_prompt: format!("Enter PIN{and_touch}for {name} key {fingerprint}: "),
                }),
                Pending(Stage::Sign),
            )
        }
        Holder::Token { provider } => Outcome::Work(
            Task::SignToken(TokenRequest {
                key: entry.public.plain().clone(),
                provider: provider.clone(),
                algorithm,
                data: request.data,
            }),
            Pending(Stage::Sign),
        ),
    }
}
