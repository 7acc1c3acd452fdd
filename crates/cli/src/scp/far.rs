//! The far end (`scp -f`, `scp -t`), which an scp elsewhere has started here.
//!
//! Its partner speaks for the account that it runs as, and may name any path:
//! there is nothing to be checked that the file system does not check. It
//! tells its partner what fails, and nobody else.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use carrick_sys::process::take_stdin_and_stdout;

use super::args::{Args, Role};
use super::asked::Asked;
use super::meter::Meter;
use super::peer::{Ended, Peer};
use super::talk::{How, Talk};

/// Plays the part that `args` say; whether all went well.
pub(super) fn run(args: &Args) -> bool {
    let Ok((input, output)) = take_stdin_and_stdout() else {
        return false;
    };
    let mut talk = Talk {
        peer: Peer::new(input, output, true),
        how: How {
            trusting: true,
            ..args.how()
        },
        meter: Meter::new(false),
        pace: args.pace(),
    };
    let done = match args.role {
        Role::Sink => sink(&mut talk, args),
        _ => source(&mut talk, args),
    };
    done.is_ok() && !talk.peer.failed
}

fn source(talk: &mut Talk, args: &Args) -> Result<(), Ended> {
    // The partner's word that it is ready; what it says else counts as failed.
    talk.peer.agrees()?;
    talk.send_all(args.operands.iter().map(|path| &**path))
}

fn sink(talk: &mut Talk, args: &Args) -> Result<(), Ended> {
    let [target] = args.operands.as_slice() else {
        talk.peer.complain(b"ambiguous target");
        return Err(Ended);
    };
    let target: &OsStr = target;
    talk.receive(
        Path::new(OsStr::from_bytes(target.as_bytes())),
        &Asked::Anything,
    )
}
