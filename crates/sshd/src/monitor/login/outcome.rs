//! What comes of an attempt: counted, logged, answered.

use std::time::Duration;

use carrick_config::words::PermitRootLogin;
use carrick_crypto::hash::HashAlg;

use super::{Authenticated, Login, Outcome, Step, end};
use crate::log::{self, Level, error, info};
use crate::monitor::sign::Violation;
use crate::monitor::system::{Peer, System};
use crate::rpc::preauth::{Greeting, Judged, Verdict};

/// The least time that a refusal takes, and the most that it is stretched to.
const REFUSAL: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(5));

impl<S: System> Login<S> {
    /// Counts, logs, and makes the answer.
    pub(super) fn finish(
        &mut self,
        start: Duration,
        method: &str,
        device: Option<&str>,
        outcome: Outcome,
        greeting: Greeting,
    ) -> Result<Step, Violation> {
        let mut partial = false;
        let mut good = false;
        let heard = !matches!(outcome, Outcome::Unheard);
        let postponed = match outcome {
            Outcome::Postponed(verdict) => Some(verdict),
            Outcome::Bad | Outcome::Unheard => None,
            Outcome::Good => {
                good = self.root_may(method);
                if good
                    && let Some(who) = &mut self.candidate
                    && !who.ways.done(method)
                {
                    good = false;
                    partial = true;
                }
                None
            }
        };
        if heard {
            self.log_attempt(method, device, good, partial, postponed.is_some());
        }
        if let Some(verdict) = postponed {
            return Ok(Step::Answer(Judged { greeting, verdict }));
        }
        if good || partial {
            self.note_step(method, device);
        }
        if good {
            let who = self.candidate.take().ok_or(Violation("login of nobody"))?;
            let account = who.account.ok_or(Violation("login of an invalid user"))?;
            return Ok(Step::In(
                greeting,
                Box::new(Authenticated {
                    account,
                    options: self.options.clone(),
                    terms: who.terms,
                    steps: who.steps,
                    change_password: who.change_password,
                }),
            ));
        }
        if method != "none" {
            self.stretch(start);
        }
        if !partial && (self.attempts > 1 || method != "none") {
            self.failures += 1;
        }
        if self.failures >= self.options.max_auth_tries {
            let (whom, Peer { address, port, .. }) = (self.whom(), &self.peer);
            error!(
                "maximum authentication attempts exceeded for {whom} from {address} port {port} ssh2"
            );
            return Ok(end("Too many authentication failures".to_owned()));
        }
        let names = self
            .candidate
            .as_ref()
            .map(|who| who.ways.names())
            .unwrap_or_default();
        Ok(Step::Answer(Judged {
            greeting,
            verdict: Verdict::Failure((names, partial)),
        }))
    }

    /// Adds a step to the session's list of them.
    fn note_step(&mut self, method: &str, device: Option<&str>) {
        let device = device.map_or_else(String::new, |device| format!("/{device}"));
        let proof = std::mem::take(&mut self.shown.proof);
        let line = format!("{method}{device}{proof}\n");
        if let Some(who) = &mut self.candidate {
            who.steps.push_str(&line);
        }
    }

    fn root_may(&self, method: &str) -> bool {
        let Some(who) = &self.candidate else {
            return false;
        };
        if who.account.as_ref().is_none_or(|account| account.uid != 0) {
            return true;
        }
        match self.options.permit_root_login {
            PermitRootLogin::Yes => return true,
            PermitRootLogin::ProhibitPassword if ["publickey", "hostbased"].contains(&method) => {
                return true;
            }
            PermitRootLogin::ForcedCommandsOnly if who.terms.permissions.command.is_some() => {
                info!("Root login accepted for forced command.");
                return true;
            }
            _ => {}
        }
        let Peer { address, port, .. } = &self.peer;
        info!("ROOT LOGIN REFUSED FROM {address} port {port}");
        false
    }

    pub(super) fn whom(&self) -> String {
        self.candidate.as_ref().map_or_else(String::new, |who| {
            let mark = if who.account.is_some() {
                ""
            } else {
                "invalid user "
            };
            format!("{mark}{}", who.user)
        })
    }

    fn log_attempt(
        &self,
        method: &str,
        device: Option<&str>,
        good: bool,
        partial: bool,
        postponed: bool,
    ) {
        let valid = self
            .candidate
            .as_ref()
            .is_some_and(|who| who.account.is_some());
        let many = self.failures >= self.options.max_auth_tries / 2;
        let level = if good || !valid || many || method == "password" {
            Level::Info
        } else {
            Level::Verbose
        };
        let word = match (postponed, partial, good) {
            (true, ..) => "Postponed",
            (_, true, _) => "Partial",
            (_, _, true) => "Accepted",
            _ => "Failed",
        };
        let Peer { address, port, .. } = &self.peer;
        let device = device.map_or_else(String::new, |device| format!("/{device}"));
        let note = self.shown.note.as_ref().filter(|_| !postponed);
        let note = note.map_or_else(String::new, |note| format!(": {note}"));
        let whom = self.whom();
        log::write(
            level,
            format_args!(
                "{word} {method}{device} for {whom} from {address} port {port} ssh2{note}"
            ),
        );
    }

    /// Waits until a refusal has taken a time that depends on the user's name
    /// in a way only this daemon knows, so that it tells nothing about the user.
    fn stretch(&mut self, start: Duration) {
        let user = self.candidate.as_ref().map_or("", |who| who.user.as_str());
        let digest = HashAlg::Sha512.digest(&[format!("{}{user}", self.delay_salt).as_bytes()]);
        let number = digest
            .first_chunk()
            .map_or(0, |bytes| u32::from_be_bytes(*bytes));
        let mut whole = REFUSAL.0 + Duration::from_nanos(u64::from(number) / 1000);
        let elapsed = self.system.now().saturating_sub(start);
        if elapsed > REFUSAL.1 {
            return;
        }
        while whole < elapsed {
            whole *= 2;
        }
        self.system.wait(whole.saturating_sub(elapsed));
    }
}
