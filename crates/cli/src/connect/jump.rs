//! ProxyJump: another `ssh` that reaches the last jump host, and the hosts
//! before it, and connects its standard input and output (`-W`) to the target.
//!
//! Each hop is a program of its own, so each is configured, asked about and
//! logged in to as if it were the only one.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;

use carrick_config::types::ProxyJump;
use carrick_sys::process::own_executable;

use crate::log::debug;

/// What the `ssh` of a hop is told beside the hop.
pub(crate) struct Inherited<'a> {
    /// `-F`.
    pub(crate) config: Option<&'a str>,
    /// How many `-v`.
    pub(crate) verbose: usize,
}

/// The command, as ProxyCommand has it: the target's tokens are still in it.
pub(crate) fn command(jump: &ProxyJump, inherited: &Inherited<'_>) -> String {
    let started = std::env::args_os().next().unwrap_or_default();
    let command = build(&program(&started), jump, inherited);
    debug!("Setting implicit ProxyCommand from ProxyJump: {command}");
    command
}

fn build(program: &str, jump: &ProxyJump, inherited: &Inherited<'_>) -> String {
    let mut command = program.to_owned();
    // Writing to a String cannot fail.
    if let Some(user) = &jump.last.user {
        let _ = write!(command, " -l {user}");
    }
    if let Some(port) = jump.last.port {
        let _ = write!(command, " -p {port}");
    }
    if let Some(before) = &jump.before {
        let _ = write!(command, " -J {before}");
    }
    if let Some(config) = inherited.config {
        let _ = write!(command, " -F {config}");
    }
    if inherited.verbose > 0 {
        let _ = write!(command, " -{}", "v".repeat(inherited.verbose));
    }
    let _ = write!(command, " -W '[%h]:%p' {}", jump.last.host);
    command
}

/// The `ssh` to start: the one that we are, by the name that it was started
/// by, if that still leads there.
fn program(started: &OsStr) -> String {
    let path = Path::new(started);
    let is_ssh = path.file_name() == Some(OsStr::new("ssh"));
    let has_folder = path.parent().is_some_and(|p| !p.as_os_str().is_empty());
    match started.to_str() {
        Some(name) if is_ssh && (!has_folder || is_executable(path)) => quoted(name),
        _ if is_ssh => "ssh".to_owned(),
        // `carrick ssh`.
        _ => {
            let own = own_executable();
            let own = std::fs::read_link(&own).unwrap_or(own);
            format!("{} ssh", quoted(&own.to_string_lossy()))
        }
    }
}

fn is_executable(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// A name as the shell takes it, behind the expansion of tokens.
fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@,:=".contains(c);
    if name.chars().all(plain) {
        return name.to_owned();
    }
    let inside = name.replace('%', "%%").replace('\'', r"'\''");
    format!("'{inside}'")
}

#[cfg(test)]
mod tests {
    use carrick_config::types::JumpHost;

    use super::*;

    fn jump(user: Option<&str>, port: Option<u16>, before: Option<&str>) -> ProxyJump {
        ProxyJump {
            last: JumpHost {
                user: user.map(str::to_owned),
                host: "gate".into(),
                port,
            },
            before: before.map(str::to_owned),
        }
    }

    /// As `ssh -v` of OpenSSH 10.0 shows them.
    #[test]
    fn commands() {
        let alone = Inherited {
            config: None,
            verbose: 0,
        };
        let all = Inherited {
            config: Some("/c"),
            verbose: 2,
        };
        for (jump, inherited, want) in [
            (jump(None, None, None), &alone, "ssh -W '[%h]:%p' gate"),
            (
                jump(Some("me"), Some(22), Some("a@b:3,c")),
                &all,
                "ssh -l me -p 22 -J a@b:3,c -F /c -vv -W '[%h]:%p' gate",
            ),
        ] {
            assert_eq!(build("ssh", &jump, inherited), want);
        }
    }

    #[test]
    fn programs() {
        assert_eq!(program("ssh".as_ref()), "ssh");
        assert_eq!(program("/nowhere/ssh".as_ref()), "ssh");
        assert!(program("/usr/bin/carrick".as_ref()).ends_with(" ssh"));
        assert_eq!(quoted("/a b/100%/it's"), r"'/a b/100%%/it'\''s'");
    }
}
