//! Adding keys where no command can be run (`-s`): the file is fetched,
//! changed here and put back, all in one session of the sftp program.

use std::fs;
use std::io::{self, BufRead as _, BufReader, PipeReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin};

use carrick_sys::signals::Held;

use super::Stop;
use super::quote::sftp as word;
use super::run::{Runner, hold};
use crate::sister::program;
use crate::text::{err, os_error, visible};

/// What sftp is made to say when it is done with what it was told.
const MARK: &str = "ssh-copy-id-done";

/// Adds the keys that are not in the file: how many that were.
pub(super) fn install(runner: &Runner<'_>, keys: &[String]) -> Result<usize, Stop> {
    let target = runner.args.target();
    let (old, new, check) = (runner.file("old"), runner.file("new"), runner.file("check"));
    let mut session = Session::start(runner)?;
    let said = session.tell(&[get(target, &old)])?;
    let before = match fs::read(&old) {
        Ok(text) => Some(text),
        // Only a file that is not there may be made anew.
        Err(_) if said.contains("not found") || said.contains("No such file") => None,
        Err(_) => return Err(failed("the remote file could not be fetched", &said)),
    };
    let (after, added) = with(before.as_deref().unwrap_or_default(), keys);
    if added == 0 {
        session.end()?;
        return Ok(0);
    }
    fs::write(&new, &after).map_err(|e| Stop::Error(os_error(&e)))?;
    let mut commands = Vec::new();
    if before.is_none() {
        for folder in folders(target) {
            commands.push(format!("-mkdir {}", word(&folder)));
            commands.push(format!("-chmod 700 {}", word(&folder)));
        }
    }
    commands.push(format!(
        "put {} {}",
        word(&new.to_string_lossy()),
        word(target)
    ));
    if before.is_none() {
        commands.push(format!("chmod 600 {}", word(target)));
    }
    // sftp's exit status tells nothing of its commands: see what is there.
    commands.push(get(target, &check));
    let said = session.tell(&commands)?;
    session.end()?;
    if fs::read(&check).ok().as_deref() != Some(&after) {
        return Err(failed("the remote file could not be written", &said));
    }
    Ok(added)
}

fn get(target: &str, to: &Path) -> String {
    format!("-get {} {}", word(target), word(&to.to_string_lossy()))
}

fn failed(what: &str, said: &str) -> Stop {
    Stop::Error(format!("{what}: {}", visible(said.trim())))
}

/// `text` with the keys that are not in it, and how many that were.
fn with(text: &[u8], keys: &[String]) -> (Vec<u8>, usize) {
    let mut text = text.to_vec();
    let mut added = 0;
    for key in keys {
        if text
            .split(|b| *b == b'\n')
            .any(|line| line == key.as_bytes())
        {
            continue;
        }
        if text.last().is_some_and(|b| *b != b'\n') {
            text.push(b'\n');
        }
        text.extend_from_slice(key.as_bytes());
        text.push(b'\n');
        added += 1;
    }
    (text, added)
}

/// The folders that a path needs, outermost first.
fn folders(target: &str) -> Vec<String> {
    let all = Path::new(target).ancestors().skip(1);
    let mut folders: Vec<_> = all
        .filter(|f| !f.as_os_str().is_empty() && *f != Path::new("/"))
        .map(|f| f.to_string_lossy().into_owned())
        .collect();
    folders.reverse();
    folders
}

/// A running sftp.
struct Session {
    child: Child,
    input: ChildStdin,
    /// What it says, on either stream.
    output: BufReader<PipeReader>,
    held: Held,
}

impl Session {
    fn start(runner: &Runner<'_>) -> Result<Self, Stop> {
        let mut command = program("sftp");
        if let Some(port) = &runner.args.port {
            command.arg("-P").arg(port);
        }
        runner.pass_on(&mut command);
        command.arg("--").arg(&runner.args.destination);
        runner.tell(&command);
        let started = io::pipe().and_then(|(output, says)| {
            let held = hold()?;
            command.stdin(std::process::Stdio::piped());
            command.stdout(says.try_clone()?).stderr(says);
            Ok((command.spawn()?, output, held))
        });
        // The command holds the pipe's other end.
        drop(command);
        let unusable = |e: io::Error| {
            Stop::Error(format!(
                "-s needs the sftp program, which cannot be run: {}",
                os_error(&e)
            ))
        };
        let (mut child, output, held) = started.map_err(unusable)?;
        let input = child.stdin.take().ok_or(Stop::Status(1))?;
        Ok(Self {
            child,
            input,
            output: BufReader::new(output),
            held,
        })
    }

    /// Has it carry out commands: what it said.
    fn tell(&mut self, commands: &[String]) -> Result<String, Stop> {
        let text = format!("{}\n!echo {MARK}\n", commands.join("\n"));
        // An sftp that is gone is noticed below.
        let _ = self.input.write_all(text.as_bytes());
        let mut said = String::new();
        loop {
            let mut line = Vec::new();
            let read = self.output.read_until(b'\n', &mut line);
            if !matches!(read, Ok(n) if n > 0) {
                err!("{}", visible(&said));
                return Err(self.held.take().map_or(Stop::Status(1), Stop::Signal));
            }
            let line = String::from_utf8_lossy(&line);
            if line.trim_end() == MARK {
                return Ok(said);
            }
            // It repeats its commands.
            if !line.starts_with("sftp> ") {
                said.push_str(&line);
            }
        }
    }

    fn end(mut self) -> Result<(), Stop> {
        drop(self.input);
        let ended = self.child.wait();
        match (self.held.take(), ended) {
            (Some(signal), _) => Err(Stop::Signal(signal)),
            (None, Ok(_)) => Ok(()),
            (None, Err(e)) => Err(Stop::Error(os_error(&e))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_added_once() {
        let keys = ["a 1".to_owned(), "b 2".to_owned()];
        for (before, after, added) in [
            ("", "a 1\nb 2\n", 2),
            ("a 1", "a 1\nb 2\n", 1),
            ("x\r\nb 2", "x\r\nb 2\na 1\n", 1),
            ("b 2\na 1", "b 2\na 1", 0),
        ] {
            assert_eq!(with(before.as_bytes(), &keys), (after.into(), added));
        }
    }

    #[test]
    fn folders_of_a_path() {
        assert_eq!(folders(".ssh/authorized_keys"), [".ssh"]);
        assert_eq!(folders("/a/b c/d"), ["/a", "/a/b c"]);
        assert!(folders("keys").is_empty());
    }
}
