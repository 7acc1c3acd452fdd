//! The monitor's children.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use carrick_sys::process::own_executable;

use super::Role;
use crate::rpc::Link;

/// A child with the line to it.
pub struct Helper {
    /// The process.
    pub child: Child,
    /// The line.
    pub link: Link,
}

/// Starts a child in `role`, with nothing but a line (its standard input) and
/// the place where errors go.
pub fn spawn(role: Role, name: &str) -> io::Result<Helper> {
    let (link, theirs) = Link::pair()?;
    let mut command = Command::new(own_executable());
    command.env_clear();
    if let Some(zone) = std::env::var_os("TZ").filter(|_| role == Role::Broker) {
        command.env("TZ", zone);
    }
    let child = command
        .arg0(name)
        .arg(role.argument())
        .current_dir("/")
        .stdin(Stdio::from(theirs.into_fd()))
        .stdout(Stdio::null())
        .spawn()?;
    Ok(Helper { child, link })
}
