//! Login by public key (RFC 4252 section 7), and by certificate.

use carrick_keys::{PublicKey, Verified, algorithm};
use carrick_proto::auth::publickey_signed_data;

use super::{Candidate, Login, Outcome};
use crate::log::{debug, error, info, verbose};
use crate::monitor::authorize::{Terms, ca_algorithms};
use crate::monitor::sign::FirstExchange;
use crate::monitor::system::{Peer, System};
use crate::rpc::preauth::{KeyClaim, Verdict};
use crate::settings::fingerprint_hash;

impl<S: System> Login<S> {
    /// Decides on a public key: whether it would do, or whether the
    /// signature is good.
    pub(super) fn check_key(&mut self, exchange: &FirstExchange, claim: &KeyClaim) -> Outcome {
        let Some(who) = &self.candidate else {
            return Outcome::Unheard;
        };
        let Some(key) = self.acceptable_key(exchange, who, claim) else {
            return Outcome::Unheard;
        };
        let note = self.note(&key);
        let (account, signs_as) = (who.account.clone(), who.signs_as.clone());
        self.shown.note = Some(note);
        self.shown.proof = format!(" {}", key.to_line(""));
        let Some(account) = account else {
            return Outcome::Bad;
        };
        let Some(terms) = self.system.authorize(&account, &self.options, &key) else {
            return Outcome::Bad;
        };
        let Some(signature) = &claim.signature else {
            return Outcome::Postponed(Verdict::KeyWouldDo);
        };
        let message = publickey_signed_data(
            exchange.session_id(),
            &signs_as,
            &claim.algorithm,
            &claim.key,
            claim.host_key.as_deref(),
        );
        match key.verify_negotiated(&claim.algorithm, &message, signature) {
            Ok(verified) if self.shows_enough(&key, &verified, &terms) => {
                self.accept_key(&key, &terms)
            }
            Ok(_) => Outcome::Bad,
            Err(problem) => {
                let kind = key.short_name();
                debug!("signature of {kind} key not accepted: {problem}");
                Outcome::Bad
            }
        }
    }

    /// The key is the user's: its terms hold from here on, with those of the
    /// steps before it.
    fn accept_key(&mut self, key: &PublicKey, terms: &Terms) -> Outcome {
        let Some(who) = &mut self.candidate else {
            return Outcome::Bad;
        };
        match who.terms.and(terms) {
            Ok(both) => who.terms = both.met(),
            Err(problem) => {
                error!("Inconsistent authentication options: {problem}");
                return Outcome::Bad;
            }
        }
        who.used_keys.push(key.plain().clone());
        Outcome::Good
    }

    /// The key as lines in the log name it.
    pub(super) fn note(&self, key: &PublicKey) -> String {
        let hash = fingerprint_hash(&self.options);
        let named = |key: &PublicKey| format!("{} {}", key.short_name(), key.fingerprint(hash));
        match key {
            PublicKey::Certificate(cert) => format!(
                "{} ID {} (serial {}) CA {}",
                named(key),
                cert.key_id,
                cert.serial,
                named(&cert.authority)
            ),
            plain => named(plain),
        }
    }

    /// Whether a security key says of its signature what the key's line, its
    /// certificate or the configuration demands.
    fn shows_enough(&self, key: &PublicKey, verified: &Verified, terms: &Terms) -> bool {
        let Some(said) = &verified.sk else {
            return true;
        };
        let demanded = self.options.pubkey_auth_options;
        let touch = demanded.touch_required || terms.touch_required;
        let verify = demanded.verify_required || terms.verify_required;
        let lacking = if touch && !said.user_present() {
            "user presence (authenticator touch)"
        } else if verify && !said.user_verified() {
            "user verification"
        } else {
            return true;
        };
        let (kind, print) = (
            key.short_name(),
            key.fingerprint(fingerprint_hash(&self.options)),
        );
        let (whom, Peer { address, port, .. }) = (self.whom(), &self.peer);
        error!(
            "public key {kind} {print} signature for {whom} from {address} port {port} rejected: {lacking} requirement not met "
        );
        false
    }

    /// The key, if keys of this kind are taken and it was not used before.
    fn acceptable_key(
        &self,
        exchange: &FirstExchange,
        who: &Candidate,
        claim: &KeyClaim,
    ) -> Option<PublicKey> {
        if claim
            .host_key
            .as_deref()
            .is_some_and(|host_key| host_key != exchange.host_key())
        {
            error!("publickey request is bound to another host key");
            return None;
        }
        let key = typed_key(&claim.algorithm, &claim.key)?;
        if who.used_keys.contains(key.plain()) {
            info!("refusing previously-used {} key", key.short_name());
            return None;
        }
        let accepted = &self.options.pubkey_accepted_algorithms;
        self.is_strong_enough(&key, &claim.algorithm, accepted, "PubkeyAcceptedAlgorithms")
            .then_some(key)
    }

    /// Whether the configuration takes such a key, signatures made so, and
    /// certificates so signed.
    pub(super) fn is_strong_enough(
        &self,
        key: &PublicKey,
        algorithm: &str,
        accepted: &[String],
        keyword: &str,
    ) -> bool {
        if !accepted.iter().any(|name| name == algorithm) {
            info!("signature algorithm {algorithm} not in {keyword}");
            return false;
        }
        if let PublicKey::Certificate(cert) = key
            && let name = cert.signature_algorithm()
            && !ca_algorithms(&self.options).contains(&name)
        {
            info!("certificate signature algorithm {name}: signature algorithm not supported");
            return false;
        }
        if key.is_rsa_below(self.options.required_rsa_size) {
            info!("refusing {} key: Invalid key length", key.short_name());
            return false;
        }
        true
    }
}

/// The key of a claim, if it is of the type that its algorithm's name says.
pub(super) fn typed_key(name: &str, blob: &[u8]) -> Option<PublicKey> {
    let Some(algorithm) = algorithm::find(name) else {
        verbose!("unsupported public key algorithm: {name}");
        return None;
    };
    let key = match PublicKey::from_blob(blob) {
        Ok(key) => key,
        Err(problem) => {
            error!("cannot read public key: {problem}");
            return None;
        }
    };
    if key.key_type() != algorithm.key_type {
        let (is, wanted) = (key.key_type(), algorithm.key_type);
        error!("type mismatch for decoded key (received {is}, expected {wanted})");
        return None;
    }
    Some(key)
}
