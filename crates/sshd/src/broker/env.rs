//! The environment of a session's program, in OpenSSH's order: what comes
//! later replaces what came before.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use carrick_keys::matching::{pattern, pattern_list};

use super::chroot::Outside;
use super::forward::display::Display;
use crate::rpc::broker::{Run, Start};

/// Where programs are looked for.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/games";
/// The same for root.
const ROOT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Where mail is.
const MAIL: &str = "/var/mail";
/// The longest ~/.ssh/environment.
const LONGEST_FILE: u64 = 1 << 20;

/// Variables in order, each name once.
#[derive(Debug, Default)]
pub struct Env(Vec<(OsString, OsString)>);

impl Env {
    /// Sets a variable.
    pub fn set(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) {
        let (name, value) = (name.as_ref(), value.as_ref());
        if name.is_empty() || name.as_bytes().contains(&b'=') {
            return;
        }
        if [name, value]
            .iter()
            .any(|text| text.as_bytes().contains(&0))
        {
            return;
        }
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, place)) => value.clone_into(place),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }

    /// The variables.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// Takes the lines of a ~/.ssh/environment whose names match.
    fn read(&mut self, path: &Path, allowed: &str) {
        let mut text = Vec::new();
        let Ok(file) = std::fs::File::open(path) else {
            return;
        };
        if file.take(LONGEST_FILE).read_to_end(&mut text).is_err() {
            return;
        }
        for line in text.split(|byte| *byte == b'\n') {
            let line = line.trim_ascii_start();
            let Some(equals) = line.iter().position(|byte| *byte == b'=') else {
                continue;
            };
            let (name, value) = (&line[..equals], &line[equals + 1..]);
            if !line.starts_with(b"#") && pattern_list(name, allowed).is_yes() {
                self.set(OsStr::from_bytes(name), OsStr::from_bytes(value));
            }
        }
    }
}

/// What a session has beside what it runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Surroundings<'a> {
    /// The terminal's name and `TERM`.
    pub tty: Option<(&'a str, &'a str)>,
    /// The file on how the user logged in.
    pub steps: Option<&'a Path>,
    /// The socket that leads to the client's agent.
    pub agent: Option<&'a Path>,
    /// The display that leads to the client's.
    pub display: Option<&'a Display>,
    /// What was taken in from outside of a changed root directory.
    pub outside: Option<&'a Outside>,
    /// The interfaces of the connection's tunnels.
    pub tunnels: &'a [String],
}

/// The variables of a session. `original` is the command that a forced one
/// stands in place of.
pub fn make(start: &Start, run: &Run, around: &Surroundings<'_>, original: Option<&[u8]>) -> Env {
    let mut env = Env::default();
    let Surroundings {
        tty,
        steps,
        agent,
        display,
        tunnels,
        ..
    } = *around;
    let (account, rules) = (&start.account, &start.rules);
    for (name, value) in &run.env {
        if rules
            .accept_env
            .iter()
            .any(|allowed| pattern(name, allowed))
        {
            env.set(name, OsStr::from_bytes(value));
        }
    }
    env.set("USER", &account.name);
    env.set("LOGNAME", &account.name);
    env.set("HOME", OsStr::from_bytes(&account.home));
    env.set("PATH", if account.root { ROOT_PATH } else { PATH });
    env.set("MAIL", format!("{MAIL}/{}", account.name));
    env.set("SHELL", OsStr::from_bytes(&account.shell));
    if let Some(zone) = std::env::var_os("TZ") {
        env.set("TZ", zone);
    }
    if let Some((_, term)) = tty
        && !term.is_empty()
    {
        env.set("TERM", term);
    }
    if let Some(display) = display {
        env.set("DISPLAY", display.name());
    }
    if let Some(allowed) = &rules.user_environment {
        for (name, value) in &start.permissions.environment {
            if pattern_list(name, allowed).is_yes() {
                env.set(name, OsStr::from_bytes(value));
            }
        }
        env.read(
            &Path::new(OsStr::from_bytes(&account.home)).join(".ssh/environment"),
            allowed,
        );
    }
    for (name, value) in &rules.set_env {
        env.set(name, value);
    }
    let ((peer, port), (local, local_port)) = (&start.peer, &start.local);
    env.set("SSH_CLIENT", format!("{peer} {port} {local_port}"));
    env.set(
        "SSH_CONNECTION",
        format!("{peer} {port} {local} {local_port}"),
    );
    if let Some(path) = steps {
        env.set("SSH_USER_AUTH", path);
    }
    if !tunnels.is_empty() {
        env.set("SSH_TUNNEL", tunnels.join(","));
    }
    if let Some((name, _)) = tty {
        env.set("SSH_TTY", name);
    }
    if let Some(command) = original {
        env.set("SSH_ORIGINAL_COMMAND", OsStr::from_bytes(command));
    }
    if let Some(socket) = agent {
        env.set("SSH_AUTH_SOCK", socket);
    }
    env
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rpc::broker::{Account, Program, Rules};
    use crate::rpc::forward;
    use crate::rpc::permissions::Permissions;

    pub(in crate::broker) fn start() -> Start {
        Start {
            become_user: None,
            chroot: None,
            account: Account {
                name: "me".into(),
                home: b"/nonexistent".to_vec(),
                shell: b"/bin/sh".to_vec(),
                root: false,
            },
            rules: Rules {
                forced_command: None,
                permit_tty: true,
                permit_agent: true,
                agent_link: None,
                accept_env: vec!["LC_*".into(), "LANG".into()],
                set_env: vec![("LC_ALL".into(), "C".into())],
                user_environment: None,
                user_rc: true,
                subsystems: vec![("sftp".into(), "/usr/lib/sftp-server -x".into())],
                max_sessions: 10,
                change_password: false,
            },
            forwarding: forward::Rules {
                tcp_local: true,
                tcp_remote: true,
                unix_local: true,
                unix_remote: true,
                tunnel_ip: false,
                tunnel_ethernet: false,
                permit_open: None,
                permit_listen: None,
                gateway: forward::Gateway::No,
                ipv4: None,
                bind_mask: 0o177,
                bind_unlink: false,
            },
            x11: None,
            permissions: Permissions::default(),
            steps: None,
            peer: ("192.0.2.1".into(), 1234),
            local: ("192.0.2.2".into(), 22),
            log_level: 3,
        }
    }

    pub(in crate::broker) fn run(program: Program) -> Run {
        let var = |name: &str| (name.to_owned(), b"x".to_vec());
        let env = vec![
            var("LC_ALL"),
            var("LANG"),
            var("LD_PRELOAD"),
            var("LC_A=B"),
            var("HOME"),
        ];
        Run {
            session: 0,
            env,
            program,
        }
    }

    #[test]
    fn only_accepted_variables_come_through_and_the_server_wins() {
        let env = make(
            &start(),
            &run(Program::Shell),
            &Surroundings {
                tty: Some(("/dev/pts/9", "xterm")),
                steps: Some(Path::new("/tmp/x")),
                agent: Some(Path::new("/tmp/a")),
                display: None,
                outside: None,
                tunnels: &["tun0".to_owned(), "tap1".to_owned()],
            },
            None,
        );
        let get = |name: &str| {
            env.iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value)
        };
        assert_eq!(get("LC_ALL"), Some(OsStr::new("C")));
        assert_eq!(get("LANG"), Some(OsStr::new("x")));
        assert_eq!(get("HOME"), Some(OsStr::new("/nonexistent")));
        assert_eq!(get("LD_PRELOAD"), None);
        assert_eq!(get("LC_A"), None);
        assert_eq!(get("TERM"), Some(OsStr::new("xterm")));
        assert_eq!(get("SSH_TTY"), Some(OsStr::new("/dev/pts/9")));
        assert_eq!(get("SSH_CLIENT"), Some(OsStr::new("192.0.2.1 1234 22")));
        assert_eq!(
            get("SSH_CONNECTION"),
            Some(OsStr::new("192.0.2.1 1234 192.0.2.2 22"))
        );
        assert_eq!(get("SSH_USER_AUTH"), Some(OsStr::new("/tmp/x")));
        assert_eq!(get("SSH_AUTH_SOCK"), Some(OsStr::new("/tmp/a")));
        assert_eq!(get("SSH_TUNNEL"), Some(OsStr::new("tun0,tap1")));
        assert_eq!(get("SSH_ORIGINAL_COMMAND"), None);
    }

    #[test]
    fn a_keys_variables_come_in_as_far_as_the_rules_let_them() {
        let given = |allowed: Option<&str>| {
            let mut start = start();
            let var = |name: &str| (name.to_owned(), b"key".to_vec());
            start.permissions.environment = vec![var("A"), var("PATH"), var("LC_ALL")];
            start.rules.user_environment = allowed.map(str::to_owned);
            let none = Surroundings::default();
            let env = make(&start, &run(Program::Shell), &none, None);
            ["A", "PATH", "LC_ALL"].map(|name| {
                let value = env.iter().find(|(known, _)| *known == name);
                value.is_some_and(|(_, value)| value == "key")
            })
        };
        assert_eq!(given(None), [false; 3]);
        // SetEnv comes later, and wins.
        assert_eq!(given(Some("*")), [true, true, false]);
        assert_eq!(given(Some("!P*,*")), [true, false, false]);
    }

    #[test]
    fn the_users_file_is_read_as_far_as_it_is_allowed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("environment");
        std::fs::write(&path, "# A=0\n  A=1=2\nB=3\nbad\n").unwrap();
        let mut env = Env::default();
        env.read(&path, "A,C");
        assert_eq!(
            env.iter().collect::<Vec<_>>(),
            [(OsStr::new("A"), OsStr::new("1=2"))]
        );
    }
}
