//! The worker's questions to the monitor, and the decisions of the library's
//! server by way of them.
//!
//! A question is put and its answer awaited in one go: before login there is
//! nothing else to do, and after it only key exchanges need an answer, which
//! takes the time of a signature.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};

use carrick::proto::SignQuestion;
use carrick::proto::auth::{AuthAttempt, InfoRequest, Prompt};
use carrick::proto::kex::GroupSizes;
use carrick::server::{Application, AuthAnswer, Decision, Method};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::rpc::preauth::{
    Answer, Ask, Attempt, Ending, Group, HostClaim, Judged, KeyClaim, Line, SignKex, Sizes,
    Verdict, hash_number,
};
use crate::rpc::{Link, postauth, preauth};

/// What the monitor grants with a login.
pub struct Granted {
    /// What the worker may do.
    pub session: postauth::Session,
    /// The line to the broker.
    pub broker: Link,
}

/// The line to the monitor, and the phase that it is in.
pub struct Monitor {
    link: Link,
    logged_in: bool,
    granted: Option<Granted>,
}

/// Asks and gets an answer.
fn ask<A: crate::rpc::field::Field, B: crate::rpc::field::Field>(
    link: &Link,
    question: &A,
) -> io::Result<(B, Vec<OwnedFd>)> {
    link.send(question, &[])?;
    link.receive()?
        .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

fn out_of_place() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "answer out of place")
}

impl Monitor {
    /// Before the login.
    pub fn new(link: Link) -> Self {
        Self {
            link,
            logged_in: false,
            granted: None,
        }
    }

    /// What came with the login, once.
    pub fn take_grant(&mut self) -> Option<Granted> {
        self.granted.take()
    }

    /// Has a line logged.
    pub fn log(&self, line: Line) {
        // Without a monitor there is nobody to tell.
        let _ = if self.logged_in {
            self.link.send(&postauth::Ask::Log(line), &[])
        } else {
            self.link.send(&Ask::Log(line), &[])
        };
    }

    /// Says how the connection ended.
    pub fn ended(&self, ending: Ending) {
        // As above.
        let _ = if self.logged_in {
            self.link.send(&postauth::Ask::Ended(ending), &[])
        } else {
            self.link.send(&Ask::Ended(ending), &[])
        };
    }

    fn sign(&self, question: SignKex) -> io::Result<Vec<u8>> {
        if self.logged_in {
            match ask(&self.link, &postauth::Ask::SignKex(question))? {
                (postauth::Answer::Signed(signature), _) => Ok(signature),
                _ => Err(out_of_place()),
            }
        } else {
            match ask(&self.link, &Ask::SignKex(question))? {
                (Answer::Signed(signature), _) => Ok(signature),
                _ => Err(out_of_place()),
            }
        }
    }

    fn group(&self, sizes: Sizes) -> io::Result<Option<Group>> {
        if self.logged_in {
            match ask(&self.link, &postauth::Ask::Group(sizes))? {
                (postauth::Answer::Group(group), _) => Ok(group),
                _ => Err(out_of_place()),
            }
        } else {
            match ask(&self.link, &Ask::Group(sizes))? {
                (Answer::Group(group), _) => Ok(group),
                _ => Err(out_of_place()),
            }
        }
    }

    fn judge(&mut self, question: &Ask) -> io::Result<Judged> {
        let (answer, fds) = ask(&self.link, question)?;
        let Answer::Judged(judged) = answer else {
            return Err(out_of_place());
        };
        if let Verdict::Success(session) = &judged.verdict {
            let [broker] = <[OwnedFd; 1]>::try_from(fds).map_err(|_| out_of_place())?;
            let broker = Link::inherited(broker);
            self.logged_in = true;
            self.granted = Some(Granted {
                session: session.clone(),
                broker,
            });
        }
        Ok(judged)
    }
}

/// A descriptor that tells when the monitor is gone.
pub fn watch(monitor: &Arc<Mutex<Monitor>>) -> io::Result<AsyncFd<OwnedFd>> {
    let monitor = monitor
        .lock()
        .map_err(|_| io::Error::other("monitor line lost"))?;
    let fd = monitor.link.as_fd().try_clone_to_owned()?;
    super::stream::watch(fd, Interest::READABLE)
}

/// Waits until the monitor is gone. It says nothing unless it is asked, and
/// the answer is read before anything else happens here.
pub async fn gone(watch: AsyncFd<OwnedFd>) {
    while let Ok(mut ready) = watch.readable().await {
        if super::stream::is_readable(watch.get_ref()) {
            return;
        }
        ready.clear_ready();
    }
}

/// Decides what the library's server asks, as the monitor says.
pub struct Desk {
    monitor: Arc<Mutex<Monitor>>,
}

impl Desk {
    /// Over the line to the monitor.
    pub fn new(monitor: Arc<Mutex<Monitor>>) -> Self {
        Self { monitor }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Monitor) -> io::Result<T>) -> Option<T> {
        let mut monitor = self.monitor.lock().ok()?;
        // A monitor that does not answer has ended: the watch sees to that.
        work(&mut monitor).ok()
    }
}

impl Application for Desk {
    async fn sign(&mut self, question: SignQuestion) -> Option<Vec<u8>> {
        self.with(|monitor| {
            monitor.sign(SignKex {
                hash: hash_number(question.hash),
                algorithm: question.algorithm,
                transcript: Box::new(question.transcript),
            })
        })
    }

    async fn group(&mut self, sizes: GroupSizes) -> Option<(Vec<u8>, Vec<u8>)> {
        // The old request names no bounds: RFC 4419's for a server apply.
        let sizes = Sizes {
            min: sizes.min.unwrap_or(MIN_GROUP).max(MIN_GROUP),
            preferred: sizes.preferred.clamp(MIN_GROUP, MAX_GROUP),
            max: sizes.max.unwrap_or(MAX_GROUP).min(MAX_GROUP),
        };
        let group = self.with(|monitor| monitor.group(sizes)).flatten()?;
        Some((group.prime, group.generator))
    }

    async fn auth(&mut self, attempt: AuthAttempt) -> Decision {
        let question = question(attempt);
        let judged = self.with(|monitor| monitor.judge(&question));
        let Some(Judged { greeting, verdict }) = judged else {
            return refused(Vec::new(), false).into();
        };
        let answer = match verdict {
            Verdict::Success(_) => AuthAnswer::Success,
            Verdict::Failure((methods, partial)) => refused(methods, partial),
            Verdict::KeyWouldDo => AuthAnswer::PkOk,
            Verdict::Prompts(prompts) => AuthAnswer::Prompts(info_request(prompts)),
            Verdict::Disconnect((_, text)) => {
                return Decision {
                    banner: greeting.banner,
                    goodbye: Some(text),
                    ..refused(Vec::new(), false).into()
                };
            }
        };
        Decision {
            banner: greeting.banner,
            user_algorithms: greeting.user_key_algorithms,
            ..answer.into()
        }
    }
}

/// Bits of a Diffie-Hellman group, as OpenSSH has them (RFC 8270 section 2).
const MIN_GROUP: u32 = 2048;
const MAX_GROUP: u32 = 8192;

fn refused(methods: Vec<String>, partial: bool) -> AuthAnswer {
    AuthAnswer::Failure { methods, partial }
}

fn info_request(prompts: preauth::Prompts) -> InfoRequest {
    let texts = prompts.prompts.into_iter();
    InfoRequest {
        name: prompts.name,
        instruction: prompts.instruction,
        prompts: texts.map(|(text, echo)| Prompt { text, echo }).collect(),
    }
}

/// The attempt as a question to the monitor.
fn question(attempt: AuthAttempt) -> Ask {
    let method = match attempt.method {
        Method::None => preauth::Method::None,
        Method::Password { password, new } => preauth::Method::Password((password, new)),
        Method::PublicKey {
            algorithm,
            key,
            host_key,
            signature,
        } => preauth::Method::PublicKey(KeyClaim {
            algorithm,
            key,
            host_key,
            signature,
        }),
        Method::KeyboardInteractive { devices } => preauth::Method::KeyboardInteractive(devices),
        Method::Responses(responses) => return Ask::Responses(responses),
        Method::HostBased {
            algorithm,
            key,
            host,
            local_user,
            signature,
        } => preauth::Method::HostBased(HostClaim {
            algorithm,
            key,
            host,
            local_user,
            signature,
        }),
        Method::Unknown(name) => preauth::Method::Other(name),
    };
    Ask::Attempt(Attempt {
        user: attempt.user,
        service: carrick_wire::names::service::CONNECTION.to_owned(),
        method,
    })
}
