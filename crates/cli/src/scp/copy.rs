//! Which copies the operands ask for, one after the other.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::Fatal;
use super::args::{Args, Protocol};
use super::carrier;
use super::legacy::{self, Stop, Upload};
use super::talk::is_folder;
use crate::place::{Place, Remote};
use crate::text::{err, os_error, printable_bytes};

/// Does all copies that can be done; whether all went well.
pub(super) fn run(args: &Args) -> Result<bool, Fatal> {
    let Some((target, sources)) = args.operands.split_last() else {
        return Ok(false);
    };
    let done = match Place::parse(target, "scp") {
        Ok(Place::Remote(remote)) => to_remote(args, sources, &remote),
        Ok(Place::Local(_)) => to_local(args, sources, target),
        Err(_) => {
            invalid_uri(target);
            Ok(false)
        }
    };
    match done {
        Ok(well) => Ok(well),
        Err(Stop::Ended) => Ok(false),
        Err(Stop::Fatal(fatal)) => Err(fatal),
    }
}

fn to_remote(args: &Args, sources: &[OsString], target: &Remote) -> Result<bool, Stop> {
    let mut well = true;
    let mut upload: Option<Upload> = None;
    for source in sources {
        let Some(place) = source_place(source) else {
            well = false;
            continue;
        };
        match (place, args.protocol) {
            (Place::Remote(from), _) if args.direct => {
                if target.port.is_some_and(|port| port != 22) {
                    let text = "target port not supported with two remote hosts and the -R option";
                    return Err(Stop::Fatal(Fatal(text.into())));
                }
                well &= carrier::copy_directly(args, &from, target);
            }
            (Place::Remote(from), Protocol::Legacy) => well &= legacy::relay(args, &from, target),
            (Place::Local(path), Protocol::Legacy) => {
                let upload = match &mut upload {
                    Some(upload) => upload,
                    none => none.insert(Upload::start(args, target).ok_or(Stop::Ended)?),
                };
                upload.send(&path)?;
            }
            (_, Protocol::Sftp) => return Err(Stop::Fatal(Fatal("no SFTP yet: use -O".into()))),
        }
    }
    Ok(upload.is_none_or(Upload::end) && well)
}

fn to_local(args: &Args, sources: &[OsString], target: &OsStr) -> Result<bool, Stop> {
    if args.to_folder
        && let Err(why) = is_folder(Path::new(target))
    {
        let target = printable_bytes(target.as_bytes());
        err!("{target}: {}\n", os_error(&why));
        return Err(Stop::Ended);
    }
    let mut well = true;
    for source in sources {
        well &= match (source_place(source), args.protocol) {
            (None, _) => false,
            (Some(Place::Local(path)), _) => carrier::copy_locally(args, &path, target),
            (Some(Place::Remote(from)), Protocol::Legacy) => {
                legacy::download(args, &from, Path::new(target))?
            }
            (_, Protocol::Sftp) => return Err(Stop::Fatal(Fatal("no SFTP yet: use -O".into()))),
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
