//! Which copies the operands ask for, one after the other.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::args::{Args, Protocol};
use super::carrier;
use super::legacy;
use super::peer::Ended;
use super::session::Session;
use super::talk::is_folder;
use super::{Fatal, Stop};
use crate::place::{Place, Remote};
use crate::text::{err, logged, os_error, printable_bytes};

/// Where ssh is when nothing is said.
const SSH_PORT: u16 = 22;

/// Does all copies that can be done; whether all went well.
pub(super) fn run(args: &Args) -> Result<bool, Stop> {
    let Some((target, sources)) = args.operands.split_last() else {
        return Ok(false);
    };
    match Place::parse(target, "scp") {
        Ok(Place::Remote(remote)) => to_remote(args, sources, &remote),
        Ok(Place::Local(_)) => to_local(args, sources, target),
        Err(_) => {
            invalid_uri(target);
            Ok(false)
        }
    }
}

/// The conversation with the target, begun when it is first needed.
enum Upload<'a> {
    None,
    Legacy(Box<legacy::Upload>),
    Sftp(Box<Session<'a>>),
}

fn to_remote(args: &Args, sources: &[OsString], target: &Remote) -> Result<bool, Stop> {
    let mut well = true;
    let mut upload = Upload::None;
    for source in sources {
        let Some(place) = source_place(source) else {
            well = false;
            continue;
        };
        well &= match place {
            Place::Remote(from) if args.direct => {
                if target.port.is_some_and(|port| port != SSH_PORT) {
                    let text = "target port not supported with two remote hosts and the -R option";
                    return Err(Fatal(text.into()).into());
                }
                carrier::copy_directly(args, &from, target)
            }
            Place::Remote(from) if args.protocol == Protocol::Legacy => {
                legacy::relay(args, &from, target)
            }
            Place::Remote(from) => {
                let to = upload.session(args, target)?;
                let mut session = Session::start(args, &from)?;
                let well = session.copy_to(to, &from.path, &target.path)?;
                session.end();
                well
            }
            Place::Local(path) if args.protocol == Protocol::Legacy => {
                // What fails is remembered until the end.
                upload.legacy(args, target)?.send(&path)?;
                true
            }
            Place::Local(path) => {
                // Before anybody is asked for a password.
                if let Err(e) = fs::metadata(&path) {
                    let path = logged(path.as_bytes());
                    return Err(Fatal(format!("stat local \"{path}\": {}", os_error(&e))).into());
                }
                upload.session(args, target)?.upload(&path, &target.path)?
            }
        };
    }
    Ok(upload.end() && well)
}

impl<'a> Upload<'a> {
    fn session(&mut self, args: &'a Args, target: &Remote) -> Result<&mut Session<'a>, Fatal> {
        if let Self::None = self {
            *self = Self::Sftp(Box::new(Session::start(args, target)?));
        }
        match self {
            Self::Sftp(session) => Ok(session),
            _ => Err(Fatal("two protocols at once".into())),
        }
    }

    fn legacy(&mut self, args: &Args, target: &Remote) -> Result<&mut legacy::Upload, Ended> {
        if let Self::None = self {
            let upload = legacy::Upload::start(args, target).ok_or(Ended)?;
            *self = Self::Legacy(Box::new(upload));
        }
        match self {
            Self::Legacy(upload) => Ok(upload),
            _ => Err(Ended),
        }
    }

    /// Waits for the far end's end; whether all went well.
    fn end(self) -> bool {
        match self {
            Self::None => true,
            Self::Legacy(upload) => upload.end(),
            Self::Sftp(session) => session.end(),
        }
    }
}

fn to_local(args: &Args, sources: &[OsString], target: &OsStr) -> Result<bool, Stop> {
    if args.to_folder
        && let Err(why) = is_folder(Path::new(target))
    {
        let target = printable_bytes(target.as_bytes());
        err!("{target}: {}\n", os_error(&why));
        return Err(Stop::Ended(1));
    }
    let mut well = true;
    for source in sources {
        well &= match source_place(source) {
            None => false,
            Some(Place::Local(path)) => carrier::copy_locally(args, &path, target),
            Some(Place::Remote(from)) if args.protocol == Protocol::Legacy => {
                legacy::download(args, &from, Path::new(target))?
            }
            Some(Place::Remote(from)) => {
                let mut session = Session::start(args, &from)?;
                let well = session.download(&from.path, target)?;
                session.end() && well
            }
        };
    }
    Ok(well)
}

/// Where a source is; what is wrong with it is told.
fn source_place(source: &OsStr) -> Option<Place> {
    let Ok(place) = Place::parse(source, "scp") else {
        invalid_uri(source);
        return None;
    };
    if let Place::Remote(Remote {
        user: Some(user), ..
    }) = &place
        && !is_user_name(user.as_bytes())
    {
        err!("{}: invalid user name\n", printable_bytes(user.as_bytes()));
        return None;
    }
    Some(place)
}

/// Whether an account may be called this.
fn is_user_name(name: &[u8]) -> bool {
    name.iter().all(|b| b.is_ascii() && !b"'\"` #".contains(b))
}

fn invalid_uri(text: &OsStr) {
    err!("{}: invalid uri\n", printable_bytes(text.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::is_user_name;

    #[test]
    fn names_of_accounts() {
        for name in ["me", "a.b-c_d", "x@y", "\x01"] {
            assert!(is_user_name(name.as_bytes()), "{name}");
        }
        for name in ["a'b", "a b", "a#", "`id`", "\u{fc}"] {
            assert!(!is_user_name(name.as_bytes()), "{name}");
        }
    }
}
