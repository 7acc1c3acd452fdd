//! The files that say which hosts' users are trusted, in OpenSSH's order: the
//! system's, unless root is wanted, then the user's own.

use std::io;
use std::path::Path;

use carrick_config::words::IgnoreRhosts;
use carrick_keys::rhosts::{Guest, Member, Verdict, judge};
use carrick_sys::netgroup;

use super::{Places, debug2};
use crate::listener::bind::strerror;
use crate::log::{self, Level, debug, info};
use crate::monitor::authorize::Context;
use crate::monitor::authorize::userfile;

/// The user's own files.
const OWN: [&str; 2] = [".shosts", ".rhosts"];

/// Whether `user` of the host may log in as the account.
pub(super) fn accept(
    places: &Places<'_>,
    context: &Context<'_>,
    host: &str,
    address: &str,
    user: &str,
) -> bool {
    let guest = Guest {
        host,
        address,
        user,
        local_user: &context.account.name,
    };
    userfile::as_user(context, || {
        let found = by_system(places, context, &guest) || by_own(context, &guest);
        found.then_some(())
    })
    .is_some()
}

fn by_system(places: &Places<'_>, context: &Context<'_>, guest: &Guest<'_>) -> bool {
    if context.account.uid == 0 {
        debug2!("root user, ignoring system hosts files");
        return false;
    }
    let mut files = places.equivalent.iter();
    let found = files.find(|file| accepts(Path::new(file), guest));
    if let Some(file) = found {
        debug!("Accepted for {} [{}] by {file}.", guest.host, guest.address);
    }
    found.is_some()
}

fn by_own(context: &Context<'_>, guest: &Guest<'_>) -> bool {
    let (user, home) = (&context.account.name, &context.account.home);
    let strict = context.options.strict_modes;
    let uid = context.account.uid;
    match home.metadata() {
        Err(_) => {
            let home = home.display();
            info!("Rhosts authentication refused for {user}: no home directory {home}");
            return false;
        }
        Ok(about) if strict && !userfile::is_safe(&about, uid) => {
            info!(
                "Rhosts authentication refused for {user}: bad ownership or modes for home directory."
            );
            return false;
        }
        Ok(_) => {}
    }
    OWN.iter().any(|name| {
        let path = home.join(name);
        match path.metadata() {
            Err(problem) => {
                if problem.kind() != io::ErrorKind::NotFound {
                    debug2!("stat {}: {}", path.display(), strerror(&problem));
                }
                return false;
            }
            Ok(about) if strict && !userfile::is_safe(&about, uid) => {
                let shown = path.display();
                info!("Rhosts authentication refused for {user}: bad modes for {shown}");
                return false;
            }
            Ok(_) => {}
        }
        let ignored = match context.options.ignore_rhosts {
            IgnoreRhosts::Yes => true,
            IgnoreRhosts::ShostsOnly => *name != ".shosts",
            IgnoreRhosts::No => false,
        };
        if ignored {
            debug!("Server has been configured to ignore {name}.");
            return false;
        }
        let accepted = accepts(&path, guest);
        if accepted {
            debug!("Accepted by {name}.");
        }
        accepted
    })
}

/// Whether a file says so. One that cannot be read says nothing.
fn accepts(path: &Path, guest: &Guest<'_>) -> bool {
    let Ok((file, about)) = userfile::open(path) else {
        return false;
    };
    let shown = path.display();
    if !about.is_file() {
        let user = guest.local_user;
        info!("User {user} hosts file {shown} is not a regular file");
        return false;
    }
    let Ok(text) = userfile::text(file) else {
        return false;
    };
    let in_netgroup = |group: &str, member: Member<'_>| match member {
        Member::Host(host) => netgroup::contains(group, Some(host), None),
        Member::User(user) => netgroup::contains(group, None, Some(user)),
    };
    match judge(&text, guest, &in_netgroup) {
        Verdict::Accepted => true,
        Verdict::Refused => {
            debug!("Matched negative entry in {shown}.");
            false
        }
        Verdict::Unlisted => false,
    }
}
