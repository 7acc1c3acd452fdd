//! Login by the word of the client's host (RFC 4252 section 9).

use carrick_proto::auth::hostbased_signed_data;

use super::key::typed_key;
use super::{Login, Outcome};
use crate::log::debug;
use crate::monitor::sign::FirstExchange;
use crate::monitor::system::System;
use crate::rpc::preauth::HostClaim;

impl<S: System> Login<S> {
    /// Whether the client's host vouches for the user, is believed, and the
    /// user it names may log in as this one.
    pub(super) fn check_host(&mut self, exchange: &FirstExchange, claim: &HostClaim) -> Outcome {
        let Some(who) = &self.candidate else {
            return Outcome::Unheard;
        };
        let (account, signs_as) = (who.account.clone(), who.signs_as.clone());
        let Some(key) = typed_key(&claim.algorithm, &claim.key) else {
            return Outcome::Unheard;
        };
        let accepted = &self.options.hostbased_accepted_algorithms;
        let keyword = "HostbasedAcceptedAlgorithms";
        if !self.is_strong_enough(&key, &claim.algorithm, accepted, keyword) {
            return Outcome::Unheard;
        }
        let (user, host) = (&claim.local_user, &claim.host);
        let note = format!("client user \"{user}\", client host \"{host}\"");
        self.shown.proof = format!(" {} {note}", key.to_line(""));
        self.shown.note = Some(format!("{}, {note}", self.note(&key)));
        let Some(account) = account else {
            return Outcome::Unheard;
        };
        if !self
            .system
            .trusts_host(&account, &self.options, claim, &key)
        {
            return Outcome::Bad;
        }
        let message = hostbased_signed_data(
            exchange.session_id(),
            &signs_as,
            &claim.algorithm,
            &claim.key,
            host,
            user,
        );
        match key.verify_negotiated(&claim.algorithm, &message, &claim.signature) {
            Ok(_) => {
                if let Some(who) = &mut self.candidate {
                    who.used_keys.push(key.plain().clone());
                }
                Outcome::Good
            }
            Err(problem) => {
                debug!("signature of host {host} not accepted: {problem}");
                Outcome::Bad
            }
        }
    }
}
