//! What is run for a request, and how it is started.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use carrick_sys::process::own_executable;
use rustix::process::{Pid, Signal};

use super::env::{self, Env, Surroundings};
use super::internal::{Internal, Sftp};
use crate::log::error;
use crate::monitor::Role;
use crate::rpc::broker::{Program, Run, Start, is_internal_sftp};

/// Keeps everybody but root out while it exists; its text says why.
pub(super) const NOLOGIN: &str = "/etc/nologin";
/// Run before the user's program, for those who have no rc file of their own.
const SYSTEM_RC: &str = "/etc/ssh/sshrc";
/// What runs rc files.
const SH: &str = "/bin/sh";
/// What it does in a changed root directory, where it cannot be this program:
/// the rc file, and then the rest of its arguments.
const RC_BY_SHELL: &str = "printf %s \"$CARRICK_RC_INPUT\" | (unset CARRICK_RC_INPUT; eval \"$1\"); \
                           unset CARRICK_RC_INPUT; shift; exec \"$@\"";
/// Where rc files' standard input is on its way there: a cookie in it is not for
/// the eyes of other users, who can see arguments but no variables.
const RC_INPUT: &str = "CARRICK_RC_INPUT";

/// A program to start.
#[derive(Debug)]
pub struct Plan {
    /// For the log.
    pub kind: String,
    /// Whether it is a subsystem.
    pub subsystem: bool,
    /// To be shown before.
    pub complaint: String,
    program: PathBuf,
    argv0: OsString,
    args: Vec<OsString>,
    rc: Option<OsString>,
    /// What it finds on its standard input.
    rc_input: String,
    env: Env,
    /// Where it starts.
    pub directory: PathBuf,
    /// What runs within the daemon instead of the program.
    pub internal: Option<Internal>,
    /// The root directory is not the machine's.
    chrooted: bool,
}

impl Plan {
    /// What the rules make of the request.
    pub fn new(start: &Start, run: &Run, around: &Surroundings<'_>) -> io::Result<Self> {
        let rules = &start.rules;
        let (asked, mut kind, subsystem) = match &run.program {
            Program::Shell => (None, "shell".to_owned(), false),
            Program::Exec(command) => (Some(command.clone()), "command".to_owned(), false),
            Program::Subsystem(name) => {
                let known = rules.subsystems.iter().find(|(known, _)| known == name);
                let (_, line) = known.ok_or_else(|| {
                    io::Error::other(format!(
                        "subsystem request for {name} failed, subsystem not found"
                    ))
                })?;
                (
                    Some(line.clone().into_bytes()),
                    format!("subsystem '{name}'"),
                    true,
                )
            }
        };
        let forced = start.forced_command();
        if let Some((command, origin)) = forced {
            let command = String::from_utf8_lossy(command);
            kind = format!("forced-command {origin} '{command}'");
        }
        let original = forced.and(asked.as_deref());
        let env = env::make(start, run, around, original);
        let internal = internal(start, subsystem, asked.as_deref());
        let command = forced.map(|(command, _)| command.to_vec()).or(asked);
        let shell = PathBuf::from(OsStr::from_bytes(&start.account.shell));
        let home = PathBuf::from(OsStr::from_bytes(&start.account.home));
        let mut plan = Self {
            kind,
            subsystem,
            complaint: String::new(),
            argv0: OsString::new(),
            args: Vec::new(),
            rc: None,
            rc_input: String::new(),
            env,
            directory: home.clone(),
            program: shell.clone(),
            internal,
            chrooted: start.chroot.is_some(),
        };
        plan.check_home();
        let name = shell.file_name().unwrap_or(shell.as_os_str()).to_owned();
        match command {
            None => plan.argv0 = [OsStr::new("-"), &name].into_iter().collect(),
            Some(command) => {
                plan.argv0 = name;
                plan.args = vec!["-c".into(), OsString::from_vec(command)];
            }
        }
        // Whoever forces a command by the configuration does not want the
        // user's own script before it; one who forces it by a key says so.
        let own = !subsystem
            && rules.forced_command.is_none()
            && rules.user_rc
            && start.permissions.user_rc;
        plan.rc = rc_line(&home, &shell, own);
        if let Some(display) = around.display {
            match &plan.rc {
                Some(_) => plan.rc_input = display.for_rc(),
                None => (plan.rc, plan.rc_input) = display.for_xauth(),
            }
        }
        plan.override_for(start, around);
        Ok(plan)
    }

    /// Shows and takes `/` where the home directory cannot be entered.
    fn check_home(&mut self) {
        let enter = rustix::fs::access(&self.directory, rustix::fs::Access::EXEC_OK);
        let problem = match (enter, self.directory.is_dir()) {
            (Ok(()), true) => return,
            (Err(problem), _) => io::Error::from(problem).to_string(),
            (Ok(()), false) => "Not a directory".to_owned(),
        };
        let problem = problem
            .split(" (os error")
            .next()
            .unwrap_or_default()
            .to_owned();
        let home = self.directory.display();
        // In a root directory of its own there need be none.
        if !self.chrooted {
            self.complaint = format!("Could not chdir to home directory {home}: {problem}\r\n");
        }
        self.directory = "/".into();
    }

    /// Replaces the program where the user may not have it now.
    fn override_for(&mut self, start: &Start, around: &Surroundings<'_>) {
        let script = if start.rules.change_password {
            if around.tty.is_some() {
                self.complaint.push_str(
                    "WARNING: Your password has expired.\r\n\
                     You must change your password now and login again!\r\n",
                );
                "exec passwd"
            } else {
                "echo 'Password change required but no TTY available.' >&2; exit 1"
            }
        } else if start.account.root {
            return;
        } else if let Some(text) = around.outside.and_then(|outside| outside.nologin.as_ref()) {
            self.internal = Some(Internal::Say {
                to_stderr: true,
                text: text.clone(),
                status: 254,
            });
            return;
        } else if !self.chrooted && Path::new(NOLOGIN).exists() {
            "cat /etc/nologin >&2; exit 254"
        } else {
            return;
        };
        self.program = SH.into();
        self.argv0 = "sh".into();
        self.args = vec!["-c".into(), script.into()];
        self.rc = None;
        self.internal = None;
    }

    /// The command, without its standard descriptors.
    pub fn command(&self) -> Command {
        let mut command = if let Some(rc) = self.rc.as_ref().filter(|_| self.chrooted) {
            let mut command = Command::new(SH);
            let shell = [
                OsStr::new("-c"),
                OsStr::new(RC_BY_SHELL),
                OsStr::new("sh"),
                rc,
            ];
            command.args(shell).arg(&self.program);
            if self.args.is_empty() {
                // As by its first argument otherwise: a login shell.
                command.arg("-l");
            }
            command
        } else if let Some(rc) = &self.rc {
            let mut command = Command::new(own_executable());
            command
                .arg(Role::Session.argument())
                .arg(rc)
                .arg(&self.program)
                .arg(&self.argv0);
            command
        } else {
            let mut command = Command::new(&self.program);
            command.arg0(&self.argv0);
            command
        };
        command
            .args(&self.args)
            .env_clear()
            .envs(self.env.iter())
            .current_dir(&self.directory);
        if self.rc.is_some() {
            // After the client's and the user's variables: it is none of them.
            command.env(RC_INPUT, &self.rc_input);
        }
        command
    }
}

/// Whether a request is for the server of files within the daemon.
pub fn is_internal(start: &Start, run: &Run) -> bool {
    let Program::Subsystem(name) = &run.program else {
        return start.forces_internal_sftp();
    };
    let line = start
        .rules
        .subsystems
        .iter()
        .find(|(known, _)| known == name);
    match (start.forced_command(), line) {
        (Some(_), _) => start.forces_internal_sftp(),
        (None, Some((_, line))) => is_internal_sftp(line.as_bytes()),
        (None, None) => false,
    }
}

/// What runs within the daemon, if the command line that counts says so.
/// `asked` is the client's, or its subsystem's.
fn internal(start: &Start, subsystem: bool, asked: Option<&[u8]>) -> Option<Internal> {
    let forced = start.forced_command().map(|(command, _)| command);
    let line = forced.or(asked.filter(|_| subsystem))?;
    if !is_internal_sftp(line) {
        return None;
    }
    if subsystem {
        let line = String::from_utf8_lossy(line);
        return Some(Internal::Sftp(Sftp::new(start, &line)));
    }
    error!(
        "Connection from user {} {} port {}: refusing non-sftp session",
        start.account.name, start.peer.0, start.peer.1
    );
    Some(Internal::Say {
        to_stderr: false,
        text: b"This service allows sftp connections only.\n".to_vec(),
        status: 1,
    })
}

/// The shell line that runs the user's rc file, or the system's.
fn rc_line(home: &Path, shell: &Path, user_rc: bool) -> Option<OsString> {
    let own = home.join(".ssh/rc");
    if user_rc && own.exists() {
        let inner = format!("{SH} .ssh/rc");
        // The user's shell runs it, as it may have set something up.
        return Some(
            [shell.as_os_str(), OsStr::new(&format!(" -c '{inner}'"))]
                .into_iter()
                .collect(),
        );
    }
    Path::new(SYSTEM_RC)
        .exists()
        .then(|| format!("{SH} {SYSTEM_RC}").into())
}

/// `[rc line, program, argv0, arguments ..]`: runs the line, then becomes the
/// program. Returns only if that fails.
pub fn after_rc(args: &[OsString]) -> u8 {
    let [rc, program, argv0, rest @ ..] = args else {
        return 255;
    };
    let input = std::env::var_os(RC_INPUT).unwrap_or_default();
    let mut command = Command::new(SH);
    command.arg("-c").arg(rc).env_remove(RC_INPUT);
    let ran = command.stdin(Stdio::piped()).spawn().and_then(|mut child| {
        if let Some(mut stdin) = child.stdin.take() {
            // It need not read it.
            let _ = stdin.write_all(input.as_bytes());
        }
        child.wait()
    });
    if let Err(problem) = ran {
        eprintln!("Could not run {}: {problem}", rc.to_string_lossy());
    }
    let mut command = Command::new(program);
    command.arg0(argv0).args(rest).env_remove(RC_INPUT);
    let problem = command.exec();
    eprintln!("{}: {problem}", program.to_string_lossy());
    1
}

/// Starts a command that nothing waits for but the broker's loop.
pub fn spawn(command: &mut Command) -> io::Result<Pid> {
    let child = command.spawn()?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The signals of RFC 4254 section 6.10.
const SIGNALS: [(&str, Signal); 13] = [
    ("ABRT", Signal::ABORT),
    ("ALRM", Signal::ALARM),
    ("FPE", Signal::FPE),
    ("HUP", Signal::HUP),
    ("ILL", Signal::ILL),
    ("INT", Signal::INT),
    ("KILL", Signal::KILL),
    ("PIPE", Signal::PIPE),
    ("QUIT", Signal::QUIT),
    ("SEGV", Signal::SEGV),
    ("TERM", Signal::TERM),
    ("USR1", Signal::USR1),
    ("USR2", Signal::USR2),
];

/// The signal of that name.
pub fn signal_number(name: &str) -> Option<Signal> {
    SIGNALS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, signal)| *signal)
}

/// The name of a signal; the others share OpenSSH's name for them.
pub fn signal_name(number: i32) -> &'static str {
    let known = SIGNALS.iter().find(|(_, signal)| signal.as_raw() == number);
    known.map_or("SIG@openssh.com", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::super::env::tests::{run, start};
    use super::*;

    const NONE: Surroundings<'_> = Surroundings {
        tty: None,
        steps: None,
        agent: None,
        display: None,
        outside: None,
        tunnels: &[],
    };

    #[test]
    fn a_shell_is_a_login_shell_and_a_command_is_not() {
        let plan = Plan::new(&start(), &run(Program::Shell), &NONE).unwrap();
        assert_eq!((plan.argv0.to_str(), plan.args.len()), (Some("-sh"), 0));
        assert!(
            plan.complaint
                .starts_with("Could not chdir to home directory /nonexistent: No such")
        );
        let plan = Plan::new(&start(), &run(Program::Exec(b"id -u".to_vec())), &NONE).unwrap();
        assert_eq!(plan.argv0, "sh");
        assert_eq!(plan.args, ["-c", "id -u"]);
    }

    #[test]
    fn a_forced_command_replaces_all_and_knows_what_was_asked() {
        let mut start = start();
        start.rules.forced_command = Some("/bin/false".into());
        for program in [
            Program::Shell,
            Program::Exec(b"rm -rf /".to_vec()),
            Program::Subsystem("sftp".into()),
        ] {
            let asked = !matches!(program, Program::Shell);
            let plan = Plan::new(&start, &run(program), &NONE).unwrap();
            assert_eq!(plan.args, ["-c", "/bin/false"]);
            assert_eq!(
                plan.env
                    .iter()
                    .any(|(name, _)| name == "SSH_ORIGINAL_COMMAND"),
                asked
            );
        }
    }

    #[test]
    fn the_server_of_files_is_where_the_rules_say() {
        let internal = |start: &Start, program| {
            let plan = Plan::new(start, &run(program), &NONE).unwrap();
            plan.internal
        };
        let sftp = || Program::Subsystem("sftp".into());
        let exec = || Program::Exec(b"internal-sftp".to_vec());
        let mut start = start();
        assert!(internal(&start, sftp()).is_none());
        // Only a subsystem or a forced command can be it.
        assert!(internal(&start, exec()).is_none());
        start.rules.subsystems = vec![("sftp".into(), "internal-sftp -l  INFO".into())];
        let Some(Internal::Sftp(server)) = internal(&start, sftp()) else {
            panic!()
        };
        assert_eq!(server.args(), ["-l", "INFO"]);
        assert!(is_internal(&start, &run(sftp())));
        assert!(!is_internal(&start, &run(exec())));
        start.rules.forced_command = Some("internal-sftp\t-R".into());
        let Some(Internal::Sftp(server)) = internal(&start, sftp()) else {
            panic!()
        };
        assert_eq!(server.args(), ["-R"]);
        assert!(is_internal(&start, &run(Program::Shell)));
        for program in [Program::Shell, exec()] {
            let refused = internal(&start, program);
            assert!(matches!(refused, Some(Internal::Say { status: 1, .. })));
        }
        start.rules.forced_command = Some("internal-sftp-2".into());
        assert!(internal(&start, sftp()).is_none());
    }

    #[test]
    fn what_is_outside_counts_in_another_root_directory() {
        let mut start = start();
        start.chroot = Some(b"/".to_vec());
        let outside = super::super::chroot::Outside {
            nologin: Some(b"closed".to_vec()),
            ..Default::default()
        };
        let around = Surroundings {
            outside: Some(&outside),
            ..NONE
        };
        let plan = Plan::new(&start, &run(Program::Shell), &around).unwrap();
        assert!(matches!(
            plan.internal,
            Some(Internal::Say { status: 254, .. })
        ));
        assert_eq!(plan.complaint, "");
        start.account.root = true;
        let plan = Plan::new(&start, &run(Program::Shell), &around).unwrap();
        assert!(plan.internal.is_none());
    }

    #[test]
    fn the_configurations_command_comes_before_the_keys() {
        let mut start = start();
        let command = |start: &Start| {
            let plan = Plan::new(start, &run(Program::Exec(b"id".to_vec())), &NONE).unwrap();
            (plan.args[1].clone(), plan.kind)
        };
        start.permissions.command = Some(b"echo key".to_vec());
        let kind = "forced-command (key-option) 'echo key'".to_owned();
        assert_eq!(command(&start), ("echo key".into(), kind));
        start.rules.forced_command = Some("echo config".into());
        let kind = "forced-command (config) 'echo config'".to_owned();
        assert_eq!(command(&start), ("echo config".into(), kind));
    }

    #[test]
    fn the_users_rc_is_run_where_both_permit_it() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".ssh")).unwrap();
        std::fs::write(home.path().join(".ssh/rc"), "").unwrap();
        let runs = |change: fn(&mut Start), program| {
            let mut start = start();
            start.account.home = home.path().as_os_str().as_bytes().to_vec();
            change(&mut start);
            let rc = Plan::new(&start, &run(program), &NONE).unwrap().rc;
            rc.is_some_and(|rc| rc.to_string_lossy().contains(".ssh/rc"))
        };
        assert!(runs(|_| {}, Program::Shell));
        assert!(runs(
            |start| start.permissions.command = Some(b"x".to_vec()),
            Program::Shell
        ));
        assert!(!runs(
            |start| start.permissions.user_rc = false,
            Program::Shell
        ));
        assert!(!runs(|start| start.rules.user_rc = false, Program::Shell));
        assert!(!runs(
            |start| start.rules.forced_command = Some("x".into()),
            Program::Shell
        ));
        assert!(!runs(|_| {}, Program::Subsystem("sftp".into())));
    }

    #[test]
    fn an_old_password_allows_only_its_change() {
        let mut start = start();
        start.rules.change_password = true;
        let plan = Plan::new(&start, &run(Program::Exec(b"id".to_vec())), &NONE).unwrap();
        assert!(
            plan.args[1]
                .to_str()
                .unwrap()
                .contains("Password change required")
        );
    }

    #[test]
    fn an_unknown_subsystem_is_refused() {
        assert!(Plan::new(&start(), &run(Program::Subsystem("x".into())), &NONE).is_err());
    }

    #[test]
    fn signals_have_names_both_ways() {
        assert_eq!(signal_number("TERM").map(Signal::as_raw), Some(15));
        assert_eq!(signal_number("SIGTERM"), None);
        assert_eq!(signal_name(9), "KILL");
        assert_eq!(signal_name(31), "SIG@openssh.com");
    }
}
