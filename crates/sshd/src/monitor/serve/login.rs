//! From the first byte to the login, or to the end of a connection that comes
//! to none: the worker asks, and only what this phase permits.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use carrick_sys::process;
use signal_hook::consts::SIGALRM;

use super::super::login::{Authenticated, Login, Step};
use super::super::machine::Machine;
use super::super::sign::{Unsigned, Violation};
use super::super::{EXIT_CRASH, EXIT_GRACE};
use super::{Connection, readable};
use crate::log::{self, Level, error, fatal, info};
use crate::rpc::preauth::{Answer, Ask, Greeting, Verdict};

/// How long after LoginGraceTime a monitor that is stuck ends by force.
const HANGS: Duration = Duration::from_secs(2);
/// How long a worker has to say goodbye to its peer.
const GOODBYE: Duration = Duration::from_secs(5);
/// Behind lines from before the login.
const PREAUTH: &str = " [preauth]";

/// Why a connection did not come to a login.
pub(super) enum End {
    /// The worker is gone.
    Gone,
    /// LoginGraceTime is over.
    Grace,
    /// Refused for good.
    Refused,
    /// The worker asked what it may not.
    Violation(Violation),
    /// The agent that has the host key did not sign.
    Agent(String),
    /// The line to the worker failed.
    Io(io::Error),
}

impl From<io::Error> for End {
    fn from(problem: io::Error) -> Self {
        Self::Io(problem)
    }
}

impl From<Violation> for End {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

impl From<Unsigned> for End {
    fn from(problem: Unsigned) -> Self {
        match problem {
            Unsigned::Violation(violation) => Self::Violation(violation),
            Unsigned::Agent(problem) => Self::Agent(problem),
        }
    }
}

/// Ends this process where it hangs, as in a name service or a file system
/// that does not answer, beyond the time for the login. The worker ends with it.
pub(super) struct Watchdog(Arc<AtomicBool>);

impl Watchdog {
    pub(super) fn set(deadline: Option<Instant>) -> io::Result<Self> {
        let armed = Arc::new(AtomicBool::new(deadline.is_some()));
        if let Some(deadline) = deadline {
            let status = i32::from(EXIT_GRACE);
            signal_hook::flag::register_conditional_shutdown(SIGALRM, status, Arc::clone(&armed))?;
            let left = deadline.saturating_duration_since(Instant::now());
            process::alarm(Some(left + HANGS));
        }
        Ok(Self(armed))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
        process::alarm(None);
    }
}

impl Connection {
    /// Answers the worker until the user is in.
    pub(super) fn login(
        &mut self,
        login: &mut Login<Machine>,
        deadline: Option<Instant>,
    ) -> Result<(Greeting, Box<Authenticated>), End> {
        loop {
            if !readable(&[&self.worker.link], deadline)?[0] {
                return Err(End::Grace);
            }
            let Some((ask, fds)) = self.worker.link.receive::<Ask>()? else {
                return Err(End::Gone);
            };
            if !fds.is_empty() {
                return Err(Violation("descriptors from the worker").into());
            }
            let step = match ask {
                Ask::Log(line) => {
                    self.lines.write(&line, PREAUTH, Instant::now());
                    continue;
                }
                Ask::SignKex(ask) => {
                    let signature = self.signer.sign(&ask)?;
                    self.answer(&Answer::Signed(signature))?;
                    continue;
                }
                Ask::Group(sizes) => {
                    let group = self.group(&sizes);
                    self.answer(&Answer::Group(group))?;
                    continue;
                }
                Ask::Ended(ending) => {
                    self.log_end(&ending, &user_of(login.who()), PREAUTH);
                    return Err(End::Gone);
                }
                Ask::Attempt(attempt) => login.attempt(self.signer.first(), attempt)?,
                Ask::Responses(responses) => login.responses(&responses)?,
            };
            match step {
                Step::Answer(judged) => self.answer(&Answer::Judged(judged))?,
                Step::In(greeting, user) => return Ok((greeting, user)),
                Step::End(judged) => {
                    if let Verdict::Disconnect((_, text)) = &judged.verdict {
                        let who = user_of(login.who());
                        info!("Disconnecting {}: {text}{PREAUTH}", self.named(&who));
                    }
                    self.answer(&Answer::Judged(judged))?;
                    return Err(End::Refused);
                }
            }
        }
    }

    fn answer(&self, answer: &Answer) -> io::Result<()> {
        self.worker.link.answer(answer, &[])
    }

    /// Ends a connection that came to no login; the exit status, for which
    /// `usual` stands if nothing worse happened.
    pub(super) fn give_up(&mut self, end: End, usual: u8) -> u8 {
        let mut status = usual;
        match end {
            End::Gone => {}
            End::Refused => {
                // The worker is saying so to the peer.
                let deadline = Instant::now() + GOODBYE;
                while let Ok(ready) = readable(&[&self.worker.link], Some(deadline)) {
                    if !ready[0] || !matches!(self.worker.link.receive::<Ask>(), Ok(Some(_))) {
                        break;
                    }
                }
            }
            End::Grace => {
                log::write(
                    Level::Verbose,
                    format_args!(
                        "Timeout before authentication for {} port {}",
                        self.peer.address, self.peer.port
                    ),
                );
                status = EXIT_GRACE;
            }
            End::Violation(what) => {
                error!("worker asked for what it may not: {what}");
                status = EXIT_CRASH;
            }
            End::Agent(problem) => fatal!("agent sign: {problem}"),
            End::Io(problem) => {
                error!("line to the worker: {problem}");
                status = EXIT_CRASH;
            }
        }
        if self.stop() { EXIT_CRASH } else { status }
    }
}

/// The user's part of a name for the connection.
fn user_of(who: Option<(String, bool)>) -> String {
    match who {
        None => String::new(),
        Some((name, true)) => format!("authenticating user {name} "),
        Some((name, false)) => format!("invalid user {name} "),
    }
}
