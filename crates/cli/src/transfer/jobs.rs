//! What gets and puts have in common: requests that are remembered with what
//! they are for, and bounds on how much is under way.

use std::collections::HashMap;

use carrick_sftp::client::{Answer, Refusal, RequestId, Stamp, Wrote};
use carrick_sftp::msg::Request;

use super::ask::stray;
use super::fault::Lost;
use super::remote::Remote;
use super::shown;

/// Files that are open at once. More hide no more of a round trip than the
/// window lets them, and a server may have few handles.
const FILES: usize = 64;

/// Folders that are listed at once.
pub(super) const FOLDERS: usize = 8;

/// No more is listed while so many files wait for their turn.
pub(super) const AHEAD: usize = 1024;

/// How many folders may wait for their turn: a hostile server may name one
/// after the other without end.
pub(super) const TREES: usize = 1_000_000;

/// How deep a tree may be (OpenSSH's figure).
pub(super) const DEPTH: usize = 64;

/// READDIRs under way for one folder.
pub(super) const LISTING: u32 = 4;

/// Requests other than reads and writes wait while there is no such room.
const SPACE: usize = 64 * 1024;

/// A conversation in which many requests are under way; `S` says what for.
pub(super) struct Flow<'r, S> {
    pub(super) remote: &'r mut Remote,
    pending: HashMap<RequestId, Pending<S>>,
    /// How many of them move data.
    moving: usize,
}

struct Pending<S> {
    step: S,
    stamp: Stamp,
    /// How many bytes it moves, if all goes well.
    bytes: u32,
}

impl<'r, S: Copy> Flow<'r, S> {
    pub(super) fn new(remote: &'r mut Remote) -> Self {
        Self {
            remote,
            pending: HashMap::new(),
            moving: 0,
        }
    }

    /// Makes a request that moves `bytes` of data, or none.
    pub(super) fn ask(&mut self, request: &Request<'_>, bytes: u32, step: S) {
        let id = self.remote.talk.ask(request);
        self.remember(id, bytes, step);
    }

    /// Makes a WRITE of what `fill` reads; `step` says what for, once the
    /// length is known.
    pub(super) fn write<E>(
        &mut self,
        handle: &[u8],
        offset: u64,
        step: impl FnOnce(u32) -> S,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<Option<u32>, E> {
        let max = self.remote.write_len();
        Ok(match self.remote.talk.write(handle, offset, max, fill)? {
            Wrote::Sent(id, len) => {
                self.remember(id, len, step(len));
                Some(len)
            }
            Wrote::Nothing => Some(0),
            Wrote::NoRoom => None,
        })
    }

    fn remember(&mut self, id: RequestId, bytes: u32, step: S) {
        let now = self.remote.now();
        let stamp = self.remote.window.asked(now, bytes.into());
        self.moving += usize::from(bytes > 0);
        self.pending.insert(id, Pending { step, stamp, bytes });
    }

    /// The next answer, with what it was asked for.
    pub(super) fn next(&mut self) -> Result<Option<(S, Answer<'_>)>, Lost> {
        let now = self.remote.now();
        let Some((id, answer)) = self.remote.talk.next()? else {
            return Ok(None);
        };
        let Pending { step, stamp, bytes } = self.pending.remove(&id).ok_or(stray(id))?;
        let moved = match &answer {
            Answer::Data(data) => u64::try_from(data.len()).unwrap_or(u64::MAX),
            Answer::Done => bytes.into(),
            _ => 0,
        };
        self.moving -= usize::from(bytes > 0);
        self.remote.window.answered(now, stamp, bytes.into(), moved);
        Ok(Some((step, answer)))
    }

    /// Moves bytes, or waits for some.
    pub(super) fn exchange(&mut self) -> Result<(), Lost> {
        self.remote.link.exchange(&mut self.remote.talk)?;
        Ok(())
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether more data may be asked for or sent.
    pub(super) fn may_move(&self) -> bool {
        self.remote.window.room() > 0
            && self.remote.requests.is_none_or(|most| self.moving < most)
            && self.has_space()
    }

    /// Whether there is room for small requests.
    pub(super) fn has_space(&self) -> bool {
        self.remote.talk.room() > SPACE
    }

    /// How many files may be open at once.
    pub(super) fn files(&self) -> usize {
        let handles = self.remote.offers().limits().handles;
        match usize::try_from(handles) {
            Ok(0) | Err(_) => FILES,
            Ok(handles) => FILES.min(handles.saturating_sub(FOLDERS)).max(1),
        }
    }
}

/// Why, in words; of what is no refusal, what it is.
pub(super) fn refused(answer: &Answer<'_>) -> String {
    match answer {
        Answer::Refused(status) => Refusal::from(*status).to_string(),
        other => format!("{} is no answer to that", other.name()),
    }
}

/// What is told of a file whose beginning is not what it should be.
pub(super) fn differs(path: &[u8], at: u64) -> String {
    format!(
        "What is there of \"{}\" differs at byte {at} or behind it: it is sent again from there",
        shown(path)
    )
}
