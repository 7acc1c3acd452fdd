//! The command line.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use crate::getopt::{Getopt, text};
use crate::log::Level;
use crate::place::{Place, Remote};
use crate::transfer::option::{self, BadArgs, SftpOptions};

pub(super) const USAGE: &str = "\
usage: sftp [-46AaCfNpqrv] [-B buffer_size] [-b batchfile] [-c cipher]
          [-D sftp_server_command] [-F ssh_config] [-i identity_file]
          [-J destination] [-l limit] [-o ssh_option] [-P port]
          [-R num_requests] [-S program] [-s subsystem | sftp_server]
          [-X sftp_option] destination
";

/// Where the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Server {
    /// `-D`: a command on this machine.
    Here(Vec<OsString>),
    There {
        host: Remote,
        /// `-s`, a subsystem's name or a program's path.
        service: Option<OsString>,
    },
}

/// What the command line asks for.
#[derive(Debug)]
pub(super) struct Args {
    pub(super) server: Server,
    /// As it is told to the user.
    pub(super) server_name: Vec<u8>,
    /// A file that is fetched, or a folder that is entered, before anything
    /// else.
    pub(super) path: Option<Vec<u8>>,
    /// Where the file goes.
    pub(super) target: Option<OsString>,
    /// `-b`.
    pub(super) batch: Option<OsString>,
    pub(super) quiet: bool,
    pub(super) progress: bool,
    pub(super) level: Level,
    /// `-a`.
    pub(super) resume: bool,
    /// `-f`.
    pub(super) sync: bool,
    /// `-p`.
    pub(super) preserve: bool,
    /// `-r`.
    pub(super) recursive: bool,
    /// In Kbit/s.
    pub(super) limit: Option<u64>,
    pub(super) options: SftpOptions,
    pub(super) port: Option<u16>,
    /// `-S`.
    pub(super) ssh: Option<OsString>,
    /// Flags for ssh, in order.
    pub(super) ssh_flags: Vec<OsString>,
}

/// Reads the command line.
pub(super) fn parse(argv: Vec<OsString>) -> Result<Args, BadArgs> {
    let mut args = Args {
        server: Server::Here(Vec::new()),
        server_name: Vec::new(),
        path: None,
        target: None,
        batch: None,
        quiet: false,
        progress: true,
        level: Level::Info,
        resume: false,
        sync: false,
        preserve: false,
        recursive: false,
        limit: None,
        options: SftpOptions::default(),
        port: None,
        ssh: None,
        ssh_flags: Vec::new(),
    };
    let mut direct = None;
    let mut service = None;
    let mut flags = Getopt::new("1246AafhNpqrvCc:D:i:l:o:s:S:b:B:F:J:P:R:X:", argv);
    let bad_flag = |bad| BadArgs::Usage(Some(format!("{bad}")));
    while let Some((flag, value)) = flags.next().map_err(bad_flag)? {
        let value = value.unwrap_or_default();
        match flag {
            'D' => direct = Some(value),
            's' => service = Some(value),
            _ => args.take(flag, value)?,
        }
    }
    let operands = flags.rest();
    match direct {
        Some(command) => args.serve_here(&command, &operands)?,
        None => args.serve_there(&operands, service)?,
    }
    Ok(args)
}

impl Args {
    fn take(&mut self, flag: char, value: OsString) -> Result<(), BadArgs> {
        if flag == 'v' && self.level >= Level::Debug3 {
            // No more than three count.
            return Ok(());
        }
        let passed_on = option::for_ssh(flag, &value)?;
        self.ssh_flags.extend(passed_on.unwrap_or_default());
        match flag {
            'q' => {
                self.level = Level::Error;
                self.quiet = true;
                self.progress = false;
            }
            'v' => {
                self.level = match self.level {
                    Level::Debug1 => Level::Debug2,
                    Level::Debug2 => Level::Debug3,
                    _ => Level::Debug1,
                };
            }
            'a' => self.resume = true,
            'f' => self.sync = true,
            'p' => self.preserve = true,
            'r' => self.recursive = true,
            'N' => self.quiet = false,
            'b' => {
                if self.batch.is_some() {
                    return Err(BadArgs::Fatal("Batch file already specified.".into()));
                }
                self.batch = Some(value);
                self.quiet = true;
                self.progress = false;
                self.ssh_flags.push("-obatchmode yes".into());
            }
            'S' => self.ssh = Some(value),
            'P' => {
                let value = text(&value);
                let port = crate::services::port(&value);
                self.port =
                    Some(port.ok_or_else(|| BadArgs::Fatal(format!("Bad port \"{value}\"\n")))?);
            }
            'l' => self.limit = Some(option::limit(&text(&value)).ok_or(BadArgs::Usage(None))?),
            'B' => {
                let wrong = |value: &str| format!("Invalid buffer size \"{value}\"");
                self.options.buffer = Some(positive(&text(&value), wrong)?);
            }
            'R' => {
                let wrong = |value: &str| format!("Invalid number of requests \"{value}\"");
                self.options.requests = Some(positive(&text(&value), wrong)?);
            }
            'X' => self.options.take(&text(&value)).map_err(BadArgs::Fatal)?,
            'h' => return Err(BadArgs::Usage(None)),
            // `-2`: there is no other version of the protocol.
            _ => {}
        }
        Ok(())
    }

    /// `-D`.
    fn serve_here(&mut self, command: &OsStr, operands: &[OsString]) -> Result<(), BadArgs> {
        let words = carrick_config::command_line::split(&text(command))
            .ok_or_else(|| BadArgs::Fatal("Parse -D arguments: invalid format".into()))?;
        if words.is_empty() {
            return Err(BadArgs::Fatal("No sftp server specified via -D".into()));
        }
        self.server = Server::Here(words.into_iter().map(OsString::from).collect());
        self.server_name = command.as_bytes().to_vec();
        // Operands are let go, as OpenSSH does.
        let _ = operands;
        Ok(())
    }

    fn serve_there(
        &mut self,
        operands: &[OsString],
        service: Option<OsString>,
    ) -> Result<(), BadArgs> {
        let (destination, target) = match operands {
            [destination] => (destination, None),
            [destination, target] => (destination, Some(target.clone())),
            _ => return Err(BadArgs::Usage(None)),
        };
        let (host, path) = match Place::parse(destination, "sftp") {
            Ok(Place::Local(host)) => (Remote::from_parts(host.as_bytes(), b""), None),
            Ok(Place::Remote(remote)) => {
                let path = Some(remote.path.clone()).filter(|path| path != b".");
                (remote, path)
            }
            Err(_) => return Err(BadArgs::Usage(None)),
        };
        if host.host.is_empty() {
            return Err(BadArgs::Usage(Some("Missing hostname".into())));
        }
        self.port = host.port.or(self.port);
        self.server_name = host.host.as_bytes().to_vec();
        self.server = Server::There { host, service };
        self.path = path;
        self.target = target;
        Ok(())
    }
}

/// A number above zero.
fn positive(value: &str, wrong: impl Fn(&str) -> String) -> Result<u32, BadArgs> {
    let digits = value.strip_prefix('+').unwrap_or(value);
    let number = if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        digits.parse().unwrap_or(u64::MAX)
    } else {
        0
    };
    match u32::try_from(number) {
        Ok(0) => Err(BadArgs::Fatal(wrong(value))),
        number => Ok(number.unwrap_or(u32::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(words: &[&str]) -> Result<Args, BadArgs> {
        parse(words.iter().map(OsString::from).collect())
    }

    fn flags(words: &[&str]) -> String {
        let args = run(words).unwrap();
        let flag = |f: &OsString| format!("[{}]", text(f));
        args.ssh_flags.iter().map(flag).collect()
    }

    /// As OpenSSH 10.0's sftp passes them on.
    #[test]
    fn flags_for_ssh() {
        for (words, want) in [
            (&["h"][..], ""),
            (&["-vvvvv", "h"], "[-v][-v][-v]"),
            (&["-C46A", "h"], "[-C][-4][-6][-A]"),
            (&["-q", "-b", "-", "h"], "[-q][-obatchmode yes]"),
            (&["-pafrN2", "h"], ""),
            (
                &["-F", "x", "-i", "y", "-J", "j", "-oA=b", "-c", "aes", "h"],
                "[-F][x][-i][y][-J][j][-o][A=b][-c][aes]",
            ),
        ] {
            assert_eq!(flags(words), want, "{words:?}");
        }
    }

    #[test]
    fn destinations() {
        for (text, user, host, port, path) in [
            ("h", None, "h", None, None),
            ("u@h", Some("u"), "h", None, None),
            ("h:", None, "h", None, None),
            ("u@h:a b/*", Some("u"), "h", None, Some("a b/*")),
            ("u:x@h", None, "u", None, Some("x@h")),
            ("[::1]:/x", None, "::1", None, Some("/x")),
            ("[::1]", None, "::1", None, None),
            ("::1", None, "::1", None, None),
            ("sftp://u@h:22/p", Some("u"), "h", Some(22), Some("p")),
            ("sftp://h//p", None, "h", None, Some("/p")),
            ("sftp://h/", None, "h", None, None),
            ("sftp://h/a%20b", None, "h", None, Some("a b")),
        ] {
            let args = run(&[text]).unwrap();
            let Server::There { host: to, .. } = args.server else {
                panic!("{text}");
            };
            assert_eq!(to.user.as_deref(), user.map(OsStr::new), "{text}");
            assert_eq!(
                (to.host.as_os_str(), args.port),
                (OsStr::new(host), port),
                "{text}"
            );
            assert_eq!(args.path.as_deref(), path.map(str::as_bytes), "{text}");
        }
        assert_eq!(run(&["-P", "9", "sftp://h:8/"]).unwrap().port, Some(8));
        assert_eq!(run(&["h:x", "y"]).unwrap().target.unwrap(), "y");
    }

    #[test]
    fn a_server_here() {
        let args = run(&["-D", "/x/sftp-server -e 'a b'", "-s", "z"]).unwrap();
        let words = ["/x/sftp-server", "-e", "a b"].map(OsString::from);
        assert_eq!(args.server, Server::Here(words.into()));
        assert_eq!(args.server_name, b"/x/sftp-server -e 'a b'");
    }

    #[test]
    fn our_own_flags() {
        let args = run(&[
            "-afpr", "-l", "8", "-R", "9", "-B", "+7", "-N", "-s", "/x", "-S", "s", "h",
        ]);
        let args = args.unwrap();
        assert!(args.resume && args.sync && args.preserve && args.recursive && !args.quiet);
        assert_eq!(
            (args.limit, args.options.requests, args.options.buffer),
            (Some(8), Some(9), Some(7))
        );
        assert_eq!(args.ssh.unwrap(), "s");
        let args = run(&["-b", "x", "h"]).unwrap();
        assert!(args.quiet && !args.progress);
        assert!(!run(&["-b", "x", "-N", "h"]).unwrap().quiet);
        assert_eq!(run(&["-qvv", "h"]).unwrap().level, Level::Debug2);
        assert_eq!(
            run(&["-R", "99999999999999", "h"])
                .unwrap()
                .options
                .requests,
            Some(u32::MAX)
        );
    }

    #[test]
    fn what_is_wrong_is_said_as_openssh_says_it() {
        let usage = |text: &str| BadArgs::Usage(Some(text.into()));
        let fatal = |text: &str| BadArgs::Fatal(text.into());
        for (words, want) in [
            (&[][..], BadArgs::Usage(None)),
            (&["a", "b", "c"], BadArgs::Usage(None)),
            (&["-h"], BadArgs::Usage(None)),
            (&["-l", "0", "h"], BadArgs::Usage(None)),
            (&["sftp://h:0/"], BadArgs::Usage(None)),
            (&["sftp://"], BadArgs::Usage(None)),
            (&[""], usage("Missing hostname")),
            (&["-z"], usage("unknown option -- z")),
            (&["-P"], usage("option requires an argument -- P")),
            (&["-P", "0", "h"], fatal("Bad port \"0\"\n")),
            (
                &["-1", "h"],
                fatal("SSH protocol v.1 is no longer supported"),
            ),
            (
                &["-b", "-", "-b", "-", "h"],
                fatal("Batch file already specified."),
            ),
            (&["-B", "64k", "h"], fatal("Invalid buffer size \"64k\"")),
            (&["-R", "0", "h"], fatal("Invalid number of requests \"0\"")),
            (&["-X", "foo", "h"], fatal("Invalid -X option")),
            (&["-D", ""], fatal("No sftp server specified via -D")),
            (&["-D", "'x"], fatal("Parse -D arguments: invalid format")),
        ] {
            assert_eq!(run(words).unwrap_err(), want, "{words:?}");
        }
    }
}
