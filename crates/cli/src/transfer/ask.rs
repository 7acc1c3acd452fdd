//! One request and its answer at a time; and one path that may be asked for
//! ahead.

use carrick_sftp::client::{Answer, Error, Refusal, RequestId, Stamp};
use carrick_sftp::msg::{Attrs, Request};

use super::fault::{Fault, Lost};
use super::remote::Remote;

/// A path that is asked for before anybody waits for it.
#[derive(Debug, Default)]
pub(super) enum Ahead {
    #[default]
    Nothing,
    Asked(RequestId, Stamp),
    Here(Result<Vec<u8>, Fault>),
}

impl Remote {
    /// Asks, waits, and has `take` look at the answer.
    pub(super) fn ask<T>(
        &mut self,
        request: &Request<'_>,
        take: impl FnOnce(Answer<'_>) -> Option<T>,
    ) -> Result<T, Fault> {
        let now = self.now();
        let stamp = self.window.asked(now, 0);
        let id = self.talk.ask(request);
        let answer = self.wait(id, stamp, request.name(), take);
        // With most servers it came before.
        self.settle()?;
        answer
    }

    /// Waits for the answer to one request; one that was asked for ahead may
    /// come before it.
    fn wait<T>(
        &mut self,
        id: RequestId,
        stamp: Stamp,
        name: &'static str,
        take: impl FnOnce(Answer<'_>) -> Option<T>,
    ) -> Result<T, Fault> {
        loop {
            // What was asked must not lie here while an answer is waited for.
            let now = self.began.elapsed();
            if let Some((got, answer)) = self.talk.next()? {
                if got == id {
                    self.window.answered(now, stamp, 0, 0);
                    return taken(answer, name, take);
                }
                match self.ahead {
                    Ahead::Asked(ahead, stamp) if ahead == got => {
                        self.window.answered(now, stamp, 0, 0);
                        self.ahead = Ahead::Here(taken(answer, REALPATH, path));
                        continue;
                    }
                    _ => return Err(stray(got).into()),
                }
            }
            self.link.exchange(&mut self.talk)?;
        }
    }

    pub(super) fn done(&mut self, request: &Request<'_>) -> Result<(), Fault> {
        self.ask(request, |answer| {
            matches!(answer, Answer::Done).then_some(())
        })
    }

    pub(super) fn attrs(&mut self, request: &Request<'_>) -> Result<Attrs, Fault> {
        self.ask(request, |answer| match answer {
            Answer::Attrs(attrs) => Some(attrs),
            _ => None,
        })
    }

    pub(super) fn path(&mut self, request: &Request<'_>) -> Result<Vec<u8>, Fault> {
        self.ask(request, path)
    }

    pub(super) fn handle(&mut self, request: &Request<'_>) -> Result<Vec<u8>, Fault> {
        self.ask(request, |answer| match answer {
            Answer::Handle(handle) => Some(handle.to_vec()),
            _ => None,
        })
    }

    /// Asks for the absolute path of what is there, and leaves the answer to
    /// [`Self::awaited_path`]: a round trip that nobody need wait for.
    pub(crate) fn ask_ahead(&mut self, path: &[u8]) {
        let stamp = self.window.asked(self.now(), 0);
        let id = self.talk.ask(&Request::Realpath { path });
        self.ahead = Ahead::Asked(id, stamp);
    }

    /// The path that was asked for ahead; `None` if there is no such.
    pub(crate) fn awaited_path(&mut self) -> Option<Result<Vec<u8>, Fault>> {
        if let Err(lost) = self.settle() {
            return Some(Err(lost.into()));
        }
        match std::mem::take(&mut self.ahead) {
            Ahead::Here(answer) => Some(answer),
            _ => None,
        }
    }

    /// Waits until what was asked for ahead is here.
    pub(super) fn settle(&mut self) -> Result<(), Lost> {
        if let Ahead::Asked(id, stamp) = self.ahead {
            self.ahead = Ahead::Nothing;
            match self.wait(id, stamp, REALPATH, path) {
                Err(Fault::Lost(lost)) => return Err(lost),
                answer => self.ahead = Ahead::Here(answer),
            }
        }
        Ok(())
    }
}

/// How the one request is called that is made ahead.
const REALPATH: &str = "REALPATH";

fn path(answer: Answer<'_>) -> Option<Vec<u8>> {
    match answer {
        Answer::Path(path) => Some(path.to_vec()),
        _ => None,
    }
}

/// What `take` makes of the answer to the request that is called `name`.
fn taken<T>(
    answer: Answer<'_>,
    name: &'static str,
    take: impl FnOnce(Answer<'_>) -> Option<T>,
) -> Result<T, Fault> {
    let named = answer.name();
    if let Answer::Refused(status) = answer {
        return Err(Refusal::from(status).into());
    }
    take(answer).ok_or_else(|| unfit(name, named).into())
}

/// An answer to what nobody waits for.
pub(super) fn stray(id: RequestId) -> Error {
    Error::Unawaited(id)
}

/// An answer of a kind that this request cannot have. The engine has checked
/// that; what is left are answers that say that there is no more.
fn unfit(request: &'static str, got: &'static str) -> Error {
    Error::WrongAnswer {
        request,
        expected: "another answer",
        got,
    }
}
