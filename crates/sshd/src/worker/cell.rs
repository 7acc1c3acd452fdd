//! Into the cell: root directory, identity, privileges, limits, system calls,
//! in this order, as each step needs what the next takes away.

use std::io;
use std::path::Path;

use carrick_sys::identity::{Identity, become_for_good};
use carrick_sys::process::{end_with_parent, hide_from_debuggers};
use carrick_sys::sandbox::{chroot, limits, no_new_privileges, seccomp};

use crate::rpc::preauth::Cell;

/// Descriptors: the connection, two lines, one for each of the channels that a
/// connection may have, and three for each session.
const DESCRIPTORS: u64 = 8192;

/// Enters the cell. Without root (`None`) there is no other directory and no
/// other user, but all the rest.
pub fn enter(cell: Option<&Cell>) -> io::Result<()> {
    if let Some(cell) = cell {
        chroot(Path::new(&cell.root))?;
        become_for_good(&Identity {
            uid: cell.uid,
            gid: cell.gid,
            groups: vec![cell.gid],
        })?;
    }
    hide_from_debuggers()?;
    end_with_parent()?;
    no_new_privileges()?;
    limits::confine(DESCRIPTORS)?;
    seccomp::confine_worker()
}
