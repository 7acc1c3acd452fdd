//! The command line.

use std::ffi::OsString;

use super::talk::How;
use crate::getopt::{Getopt, text};
use crate::log::Level;
use crate::transfer::option::{BadArgs, SftpOptions, for_ssh, limit};
use crate::transfer::pace::Pace;

pub(super) const USAGE: &str = "\
usage: scp [-346ABCOpqRrsTv] [-c cipher] [-D sftp_server_path] [-F ssh_config]
           [-i identity_file] [-J destination] [-l limit] [-o ssh_option]
           [-P port] [-S program] [-X sftp_option] source ... target
";

/// Whose part this program plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The one that was called by a person.
    Caller,
    /// The far end that sends (`-f`).
    Source,
    /// The far end that receives (`-t`).
    Sink,
}

/// How files travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Sftp,
    /// That of rcp, spoken by an scp at either end.
    Legacy,
}

/// What the command line asks for.
#[derive(Debug)]
pub(super) struct Args {
    pub(super) role: Role,
    pub(super) protocol: Protocol,
    pub(super) recursive: bool,
    pub(super) preserve: bool,
    /// The target must be a folder (`-d`).
    pub(super) to_folder: bool,
    /// Names that come are not held against those asked for (`-T`).
    pub(super) trusting: bool,
    pub(super) quiet: bool,
    pub(super) verbose: Option<Level>,
    /// From one remote host to another without us in between (`-R`).
    pub(super) direct: bool,
    /// A program here in place of a server (`-D`).
    pub(super) server: Option<OsString>,
    /// In Kbit/s.
    pub(super) limit: Option<u64>,
    pub(super) port: Option<u16>,
    /// `-S`.
    pub(super) ssh: Option<OsString>,
    pub(super) sftp: SftpOptions,
    /// Flags for the ssh that carries files.
    pub(super) ssh_flags: Vec<OsString>,
    /// Flags for the ssh that has one remote host copy to another.
    pub(super) direct_flags: Vec<OsString>,
    /// Sources and, last, the target.
    pub(super) operands: Vec<OsString>,
}

/// Reads the command line.
pub(super) fn parse(argv: Vec<OsString>) -> Result<Args, BadArgs> {
    let mut args = Args {
        role: Role::Caller,
        protocol: Protocol::Sftp,
        recursive: false,
        preserve: false,
        to_folder: false,
        trusting: false,
        quiet: false,
        verbose: None,
        direct: false,
        server: None,
        limit: None,
        port: None,
        ssh: None,
        sftp: SftpOptions::default(),
        ssh_flags: Vec::new(),
        direct_flags: Vec::new(),
        operands: Vec::new(),
    };
    let mut flags = Getopt::new("12346ABCTdfOpqRrstvD:F:J:P:S:c:i:l:o:X:", argv);
    let bad_flag = |bad| BadArgs::Usage(Some(format!("{bad}")));
    while let Some((flag, value)) = flags.next().map_err(bad_flag)? {
        args.take(flag, value.unwrap_or_default())?;
    }
    args.operands = flags.rest();
    if args.role == Role::Caller {
        if args.operands.len() < 2 {
            return Err(BadArgs::Usage(None));
        }
        args.to_folder |= args.operands.len() > 2;
    }
    Ok(args)
}

impl Args {
    fn take(&mut self, flag: char, value: OsString) -> Result<(), BadArgs> {
        let passed_on = for_ssh(flag, &value)?;
        self.pass_on(&passed_on.unwrap_or_default());
        match flag {
            'B' => self.pass_on(&["-oBatchmode=yes".into()]),
            'q' => self.quiet = true,
            'v' => {
                let next = |level: Level| Level::from_number(level as i8 + 1);
                self.verbose = Some(self.verbose.map_or(Level::Debug1, next));
            }
            '3' => self.direct = false,
            'R' => self.direct = true,
            'O' => self.protocol = Protocol::Legacy,
            's' => self.protocol = Protocol::Sftp,
            'T' => self.trusting = true,
            'd' => self.to_folder = true,
            'f' => self.role = Role::Source,
            't' => self.role = Role::Sink,
            'p' => self.preserve = true,
            'r' => self.recursive = true,
            'D' => self.server = Some(value),
            'S' => self.ssh = Some(value),
            'P' => self.port = Some(port(&text(&value))?),
            'l' => self.limit = Some(limit(&text(&value)).ok_or(BadArgs::Usage(None))?),
            'X' => self.sftp.take(&text(&value)).map_err(BadArgs::Fatal)?,
            // `-2`: there is no other version of the protocol.
            _ => {}
        }
        Ok(())
    }

    /// What a conversation has to know of this.
    pub(super) fn how(&self) -> How {
        How {
            recursive: self.recursive,
            preserve: self.preserve,
            to_folder: self.to_folder,
            trusting: self.trusting,
            verbose: self.verbose.is_some(),
        }
    }

    /// What holds it back, if anything does.
    pub(super) fn pace(&self) -> Option<Pace> {
        self.limit.map(Pace::new)
    }

    /// A flag for whichever ssh is run.
    fn pass_on(&mut self, words: &[OsString]) {
        self.ssh_flags.extend_from_slice(words);
        self.direct_flags.extend_from_slice(words);
    }
}

fn port(value: &str) -> Result<u16, BadArgs> {
    crate::services::port(value).ok_or_else(|| BadArgs::Fatal(format!("bad port \"{value}\"\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str) -> Result<Args, BadArgs> {
        parse(line.split(' ').map(OsString::from).collect())
    }

    #[test]
    fn flags_for_ssh_keep_their_order() {
        let args = run("-C -4 -A -B -c aes -F y -i z -J j -o k=v -q -v -P 22 h:x b:y").unwrap();
        let want = "-C -4 -A -oBatchmode=yes -c aes -F y -i z -J j -o k=v -q -v";
        assert_eq!(args.ssh_flags.join(" ".as_ref()), want);
        assert_eq!(args.direct_flags, args.ssh_flags);
        assert_eq!((args.port, args.quiet), (Some(22), true));
        assert_eq!(args.verbose, Some(Level::Debug1));
        assert_eq!(args.operands, ["h:x", "b:y"]);
    }

    #[test]
    fn our_own_flags() {
        let args =
            run("-rpTR3RdOs -2 -D srv -S ssh -l 8 -X buffer=1.5k -X nrequests=9 a b").unwrap();
        assert!(args.recursive && args.preserve && args.trusting && args.direct && args.to_folder);
        assert_eq!((args.protocol, args.role), (Protocol::Sftp, Role::Caller));
        assert_eq!(args.server.unwrap(), "srv");
        assert_eq!(args.ssh.unwrap(), "ssh");
        assert_eq!(args.limit, Some(8));
        assert_eq!(
            (args.sftp.buffer, args.sftp.requests),
            (Some(1536), Some(9))
        );
        assert!(args.ssh_flags.is_empty());
        assert!(run("a b c").unwrap().to_folder);
        assert!(!run("a b").unwrap().to_folder);
        assert!(!run("-R -3 a b").unwrap().direct);
    }

    #[test]
    fn the_far_end_takes_any_number_of_operands() {
        assert_eq!(run("-O -f").unwrap().role, Role::Source);
        let args = run("-v -r -p -d -t -- -x").unwrap();
        assert_eq!((args.role, args.to_folder), (Role::Sink, true));
        assert_eq!(args.operands, ["-x"]);
        assert!(!run("-t a b c").unwrap().to_folder);
    }

    #[test]
    fn what_is_wrong_is_said_as_openssh_says_it() {
        let usage = |text: &str| Some(BadArgs::Usage(Some(text.into())));
        let fatal = |text: &str| Some(BadArgs::Fatal(text.into()));
        for (line, want) in [
            ("f", Some(BadArgs::Usage(None))),
            ("-z f g", usage("unknown option -- z")),
            ("-M x f g", usage("unknown option -- M")),
            ("-P", usage("option requires an argument -- P")),
            ("-l 0 f g", Some(BadArgs::Usage(None))),
            ("-l 12x f g", Some(BadArgs::Usage(None))),
            ("-l 104857601 f g", Some(BadArgs::Usage(None))),
            ("-P 0 f g", fatal("bad port \"0\"\n")),
            ("-1 f g", fatal("SSH protocol v.1 is no longer supported")),
            ("-X foo f g", fatal("Invalid -X option")),
            ("-X buffer f g", fatal("Invalid -X option")),
            (
                "-X buffer=0 f g",
                fatal("Invalid buffer size \"0\": Invalid argument"),
            ),
        ] {
            assert_eq!(run(line).err(), want, "{line}");
        }
    }
}
