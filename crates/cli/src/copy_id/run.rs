//! Running ssh.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use carrick_crypto::rng::{Rng as _, SystemRng};
use carrick_sys::signals::{Held, Number};

use super::args::Args;
use super::keys::Source;
use super::{Stop, quote};
use crate::sister::program;
use crate::text::{err, os_error, visible};

/// Keys that are tried in one login: servers take few before they hang up.
const KEYS_AT_ONCE: usize = 4;
/// What ends this program, and must not before its files are gone.
const HELD: [Number; 4] = [
    Number::SIGINT,
    Number::SIGTERM,
    Number::SIGHUP,
    Number::SIGQUIT,
];

/// Runs ssh and its sisters, with the flags that the user gave.
pub(super) struct Runner<'a> {
    pub(super) args: &'a Args,
    scratch: Scratch,
}

impl<'a> Runner<'a> {
    pub(super) fn new(args: &'a Args) -> Result<Self, Stop> {
        Ok(Self {
            args,
            scratch: Scratch::new()?,
        })
    }

    /// A file of our own, for this run.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.scratch.0.join(name)
    }

    /// `ssh FLAGS [the user's flags] DESTINATION COMMAND`.
    pub(super) fn ssh(&self, flags: &[OsString], command: &str) -> Command {
        let mut ssh = program("ssh");
        ssh.args(["-a", "-x"]).args(flags);
        if let Some(port) = &self.args.port {
            ssh.arg("-p").arg(port);
        }
        self.pass_on(&mut ssh);
        ssh.arg("--").arg(&self.args.destination).arg(command);
        ssh
    }

    /// The user's `-o` and `-F`.
    pub(super) fn pass_on(&self, command: &mut Command) {
        for (flag, value) in &self.args.passed_on {
            command.arg(format!("-{flag}")).arg(value);
        }
    }

    /// Runs a command to its end, with `input` for it. A signal for this
    /// program waits until the command, which the terminal has told too, is
    /// gone.
    pub(super) fn run(&self, command: &mut Command, input: Option<&str>) -> Result<Output, Stop> {
        self.tell(command);
        let name = command.get_program().to_owned();
        let failed = |e: io::Error| Stop::Error(format!("{}: {}", name.display(), os_error(&e)));
        let held = hold().map_err(failed)?;
        command.stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        });
        let mut child = command.spawn().map_err(failed)?;
        if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
            // Who does not read it says why, or fails.
            let _ = pipe.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().map_err(failed)?;
        match held.take() {
            Some(signal) => Err(Stop::Signal(signal)),
            None => Ok(output),
        }
    }

    /// Shows a command that is about to be run (`-x`).
    pub(super) fn tell(&self, command: &Command) {
        if self.args.trace {
            let words = [command.get_program()]
                .into_iter()
                .chain(command.get_args());
            let words: Vec<_> = words
                .map(|w| quote::if_needed(&w.to_string_lossy()))
                .collect();
            err!("+ {}\n", words.join(" "));
        }
    }

    /// Those of `keys` that do not let in. As few logins as that takes: while
    /// none of several keys lets in, one login tells so of all of them.
    pub(super) fn not_installed(
        &self,
        source: &Source,
        keys: Vec<String>,
    ) -> Result<Vec<String>, Stop> {
        if let Source::File { private, .. } = source {
            let lets_in = self.lets_in(std::slice::from_ref(private))?;
            return Ok(if lets_in { Vec::new() } else { keys });
        }
        let mut files = Vec::new();
        for (number, key) in keys.iter().enumerate() {
            let path = self.file(&format!("key{number}"));
            let wrote = fs::write(&path, format!("{key}\n"));
            wrote.map_err(|e| Stop::Error(format!("{}: {}", path.display(), os_error(&e))))?;
            files.push(path);
        }
        let mut new = vec![false; keys.len()];
        for start in (0..keys.len()).step_by(KEYS_AT_ONCE) {
            self.mark_new(
                &files,
                start..keys.len().min(start + KEYS_AT_ONCE),
                &mut new,
            )?;
        }
        Ok(keys
            .into_iter()
            .zip(new)
            .filter_map(|(key, new)| new.then_some(key))
            .collect())
    }

    /// Marks those of the keys in `range` that do not let in.
    fn mark_new(
        &self,
        files: &[PathBuf],
        range: std::ops::Range<usize>,
        new: &mut [bool],
    ) -> Result<(), Stop> {
        if !self.lets_in(&files[range.clone()])? {
            new[range].fill(true);
        } else if range.len() > 1 {
            // One of them does, at least.
            let middle = range.start + range.len() / 2;
            self.mark_new(files, range.start..middle, new)?;
            self.mark_new(files, middle..range.end, new)?;
        }
        Ok(())
    }

    /// Whether one of these keys lets in.
    fn lets_in(&self, identities: &[PathBuf]) -> Result<bool, Stop> {
        let mut flags: Vec<OsString> = Vec::new();
        for path in identities {
            flags.extend(["-i".into(), path.into()]);
        }
        for option in [
            "ControlPath=none",
            "LogLevel=INFO",
            "PreferredAuthentications=publickey",
            "IdentitiesOnly=yes",
        ] {
            flags.extend(["-o".into(), option.into()]);
        }
        let mut ssh = self.ssh(&flags, "exit");
        ssh.stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = self.run(&mut ssh, None)?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        if output.status.success()
            || (self.args.sftp && said.contains("allows sftp connections only"))
        {
            return Ok(true);
        }
        if said.contains("Permission denied") {
            return Ok(false);
        }
        // Each line is an error; the first gets its mark with the message.
        let lines: Vec<_> = said.lines().map(|line| visible(line.trim_end())).collect();
        Err(Stop::Apart(format!("{}\n", lines.join("\nERROR: "))))
    }
}

/// Keeps signals back that would end this program before its files are gone.
pub(super) fn hold() -> io::Result<Held> {
    Held::new(&HELD)
}

/// A folder of our own that is gone when we are.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, Stop> {
        let mut tag = [0; 8];
        SystemRng.fill(&mut tag);
        let name = format!("ssh-copy-id.{:016x}", u64::from_be_bytes(tag));
        let path = std::env::temp_dir().join(name);
        // Made anew or not at all, and for nobody else.
        let made = DirBuilder::new().mode(0o700).create(&path);
        let cannot = |e| {
            let (path, why) = (path.display(), os_error(&e));
            Stop::Error(format!(
                "failed to create required temporary directory {path}: {why}"
            ))
        };
        made.map_err(cannot)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Public keys: what cannot be removed does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}
