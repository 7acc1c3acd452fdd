//! The other end of a legacy conversation: its bytes, its answers, and ours.
//!
//! The other end may be hostile: no line of it is taken past a bound, and
//! what it says reaches a terminal with its control characters made visible.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;

use super::record;
use crate::text::{err, printable_bytes};

/// How much is read and written at once.
pub(super) const BLOCK: usize = 256 * 1024;
/// The longest answer that is shown.
const MAX_ANSWER: usize = 2048;

/// Why the program ends at once. What there is to say was said.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ended;

/// A conversation.
pub(super) struct Peer {
    input: File,
    output: File,
    /// What was read and not yet taken: `buffer[start..end]`.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Whether this is the far end, which has no terminal.
    far: bool,
    /// Whether anything failed, there or here.
    pub(super) failed: bool,
}

impl Peer {
    /// A conversation over these. The far end tells its partner, and nobody
    /// else, what fails.
    pub(super) fn new(input: OwnedFd, output: OwnedFd, far: bool) -> Self {
        Self {
            input: input.into(),
            output: output.into(),
            buffer: vec![0; BLOCK],
            start: 0,
            end: 0,
            far,
            failed: false,
        }
    }

    /// Reads if nothing is at hand; whether there is anything.
    fn fill(&mut self) -> io::Result<bool> {
        while self.start == self.end {
            match self.input.read(&mut self.buffer) {
                Ok(0) => return Ok(false),
                Ok(n) => (self.start, self.end) = (0, n),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }

    /// Takes up to `most` bytes of a file; none at the end of the stream.
    pub(super) fn take(&mut self, most: u64) -> io::Result<&[u8]> {
        self.fill()?;
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let from = self.start;
        self.start = self.end.min(from.saturating_add(most));
        Ok(&self.buffer[from..self.start])
    }

    fn byte(&mut self) -> Result<u8, Ended> {
        match self.take(1) {
            Ok([byte]) => Ok(*byte),
            _ => Err(self.lost()),
        }
    }

    /// The next record; `None` where the stream ends before it begins.
    pub(super) fn record(&mut self) -> Result<Option<Vec<u8>>, Ended> {
        if !matches!(self.fill(), Ok(true)) {
            return Ok(None);
        }
        let mut line = Vec::new();
        loop {
            match self.take(1) {
                Ok(b"\n") => return Ok(Some(line)),
                Ok([byte]) => line.push(*byte),
                _ => return Err(self.protocol_error("lost connection")),
            }
            if line.len() > record::MAX_LEN {
                return Err(self.protocol_error("record too long"));
            }
        }
    }

    /// Whether the other end agrees. If not, it said why.
    pub(super) fn agrees(&mut self) -> Result<bool, Ended> {
        let answer = self.byte()?;
        if answer == 0 {
            return Ok(true);
        }
        // No answer at all: a shell's complaint, of which this is the start.
        let mut text = match answer {
            1 | 2 => Vec::new(),
            other => vec![other],
        };
        while text.len() < MAX_ANSWER {
            match self.byte()? {
                b'\n' => break,
                byte => text.push(byte),
            }
        }
        self.failed = true;
        self.show(&text);
        if answer == 1 { Ok(false) } else { Err(Ended) }
    }

    /// Sends bytes.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        self.output.write_all(bytes).map_err(|_| self.lost())
    }

    /// Agrees. Where nobody is left to hear it, reading will tell.
    pub(super) fn agree(&mut self) {
        let _ = self.output.write_all(&[0]);
    }

    /// Something failed, and the work goes on: tells the other end, and the
    /// user if one is here.
    pub(super) fn complain(&mut self, message: &[u8]) {
        self.failed = true;
        let mut line = b"\x01scp: ".to_vec();
        // A line end in it would begin another answer.
        line.extend(message.iter().map(|b| if *b == b'\n' { b' ' } else { *b }));
        line.push(b'\n');
        // Where nobody is left to hear it, reading will tell.
        let _ = self.output.write_all(&line);
        self.show(message);
    }

    /// [`Self::complain`] of a file.
    pub(super) fn complain_of(&mut self, name: &[u8], why: &str) {
        self.complain(&about(name, why));
    }

    /// The other end does not keep to the protocol.
    pub(super) fn protocol_error(&mut self, why: &str) -> Ended {
        self.complain(format!("protocol error: {why}").as_bytes());
        Ended
    }

    /// What the other end told in place of a record.
    pub(super) fn heard(&mut self, text: &[u8]) {
        self.failed = true;
        self.show(text);
    }

    fn show(&self, text: &[u8]) {
        if !self.far {
            err!("{}\n", printable_bytes(text));
        }
    }

    fn lost(&mut self) -> Ended {
        self.failed = true;
        self.show(b"lost connection");
        Ended
    }
}

/// `name: why`.
pub(super) fn about(name: &[u8], why: &str) -> Vec<u8> {
    [name, b": ", why.as_bytes()].concat()
}
