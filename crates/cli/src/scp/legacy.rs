//! Copies by the legacy protocol (`-O`).

use std::ffi::OsStr;
use std::path::Path;

use super::args::Args;
use super::asked::{Asked, Invalid};
use super::carrier::{Carrier, far_command};
use super::meter::Meter;
use super::peer::{Ended, Peer};
use super::talk::Talk;
use super::{Fatal, Stop};
use crate::place::Remote;
use crate::text::printable_bytes;

/// Files on their way to one target.
pub(super) struct Upload {
    talk: Talk,
    carrier: Carrier,
}

impl Upload {
    /// Starts the far end; `None` if it cannot or will not.
    pub(super) fn start(args: &Args, target: &Remote) -> Option<Self> {
        let (talk, carrier) = converse(args, target, "-t")?;
        let mut upload = Self { talk, carrier };
        match upload.talk.peer.agrees() {
            Ok(true) => Some(upload),
            _ => None,
        }
    }

    /// Sends a file or a folder.
    pub(super) fn send(&mut self, path: &OsStr) -> Result<(), Ended> {
        self.talk.send_all([path])
    }

    /// Waits for the far end's end; whether all went well.
    pub(super) fn end(self) -> bool {
        let failed = self.talk.peer.failed;
        drop(self.talk);
        self.carrier.end() && !failed
    }
}

/// Fetches what `source` stands for; whether all went well.
pub(super) fn download(args: &Args, source: &Remote, target: &Path) -> Result<bool, Stop> {
    let asked = if args.trusting {
        Asked::Anything
    } else if args.recursive {
        Asked::trees(&source.path)
    } else {
        Asked::files(&source.path).map_err(|Invalid(pattern)| {
            let pattern = printable_bytes(&pattern);
            Fatal(format!("brace_expand: invalid brace pattern \"{pattern}\""))
        })?
    };
    let Some((mut talk, carrier)) = converse(args, source, "-f") else {
        return Ok(false);
    };
    let done = talk.receive(target, &asked);
    let failed = talk.peer.failed;
    drop(talk);
    let ended = carrier.end();
    done?;
    Ok(ended && !failed)
}

/// Has one remote host talk to another, through us; whether all went well.
pub(super) fn relay(args: &Args, source: &Remote, target: &Remote) -> bool {
    let command = far_command(args, " -f", &source.path);
    let Some((first, input, output)) = Carrier::start(args, source, command) else {
        return false;
    };
    let command = far_command(args, " -t", &target.path);
    // Only one of them can ask for a password.
    let second = Carrier::between(args, target, command, (input, output));
    let second = second.is_some_and(Carrier::end);
    first.end() && second
}

fn converse(args: &Args, host: &Remote, role: &str) -> Option<(Talk, Carrier)> {
    let command = far_command(args, &format!(" {role}"), &host.path);
    let (carrier, input, output) = Carrier::start(args, host, command)?;
    let talk = Talk {
        peer: Peer::new(input, output, false),
        how: args.how(),
        meter: Meter::new(!args.quiet),
        pace: args.pace(),
    };
    Some((talk, carrier))
}
