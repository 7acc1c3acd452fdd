//! The command line of sshd(8).

use std::ffi::OsString;

use lexopt::prelude::*;

use crate::VERSION;

/// What is printed for a wrong command line.
pub const USAGE: &str = "\
usage: sshd [-46DdeGiqTtV] [-C connection_spec] [-c host_cert_file]
            [-E log_file] [-f config_file] [-g login_grace_time]
            [-h host_key_file] [-o option] [-p port] [-u len]
";

/// Where the configuration is by default.
pub const CONFIG: &str = "/etc/ssh/sshd_config";

/// What to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Task {
    /// Serve.
    #[default]
    Serve,
    /// `-t`: check configuration and keys.
    Check,
    /// `-T`: check, and print the configuration.
    Dump,
    /// `-G`: print the configuration without looking at the keys.
    Parse,
    /// `-V`.
    Version,
}

/// The command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Args {
    /// What to do.
    pub task: Task,
    /// `-D`: stay in the foreground.
    pub foreground: bool,
    /// How many `-d`: serve one connection, telling everything.
    pub debug: u8,
    /// `-e`: log to standard error.
    pub log_to_stderr: bool,
    /// `-E`: log to this file.
    pub log_file: Option<String>,
    /// `-f`.
    pub config: Option<String>,
    /// `-i`: the connection is on standard input and output.
    pub inetd: bool,
    /// `-q`.
    pub quiet: bool,
    /// Lines of configuration that go before those of the file: `-o` and the
    /// flags that stand for keywords.
    pub options: Vec<String>,
    /// `-p`: instead of the ports of the file.
    pub ports: Vec<u16>,
    /// `-C`, each as given.
    pub connection: Vec<String>,
}

/// Reads the command line. The error is the text to print.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Args, String> {
    let mut out = Args::default();
    let mut parser = lexopt::Parser::from_iter(args);
    let usage = |problem: String| format!("{problem}\n{VERSION}\n{USAGE}");
    let unknown = |flag: char| usage(format!("unknown option -- {flag}"));
    while let Some(arg) = parser
        .next()
        .map_err(|problem| usage(problem.to_string()))?
    {
        let Short(flag) = arg else {
            return Err(match arg {
                Value(extra) => format!("Extra argument {}.\n", extra.to_string_lossy()),
                _ => unknown('-'),
            });
        };
        let mut value = || -> Result<String, String> {
            let missing = |_| usage(format!("option requires an argument -- {flag}"));
            let value = parser.value().map_err(missing)?;
            value
                .into_string()
                .map_err(|_| format!("-{flag}: argument is not text\n"))
        };
        match flag {
            '4' => out.options.push("AddressFamily inet".into()),
            '6' => out.options.push("AddressFamily inet6".into()),
            'D' => out.foreground = true,
            'd' => out.debug = out.debug.saturating_add(1).min(3),
            'e' => out.log_to_stderr = true,
            'G' => out.task = Task::Parse,
            'i' => out.inetd = true,
            'q' => out.quiet = true,
            't' if out.task != Task::Dump => out.task = Task::Check,
            't' => {}
            'T' => out.task = Task::Dump,
            'V' => out.task = Task::Version,
            'C' => out.connection.push(value()?),
            'c' => out
                .options
                .push(format!("HostCertificate {}", quote(&value()?))),
            'E' => out.log_file = Some(value()?),
            'f' => out.config = Some(value()?),
            'g' => out.options.push(format!("LoginGraceTime {}", value()?)),
            'h' => out.options.push(format!("HostKey {}", quote(&value()?))),
            'o' => out.options.push(value()?),
            'p' => match value()?.parse::<u16>() {
                Ok(port) if port != 0 => out.ports.push(port),
                _ => return Err("Bad port number.\n".to_owned()),
            },
            // The length of a host name in utmp; nothing, in a daemon without.
            'u' => drop(value()?),
            // Of versions past.
            'k' | 'b' => drop(value()?),
            'Q' | 'r' => {}
            _ => return Err(unknown(flag)),
        }
    }
    // These stand before any other: the first value of a keyword counts.
    if out.debug > 0 {
        out.options
            .insert(0, format!("LogLevel DEBUG{}", out.debug));
    } else if out.quiet {
        out.options.insert(0, "LogLevel QUIET".into());
    }
    Ok(out)
}

/// A file name as one word of a configuration line.
fn quote(name: &str) -> String {
    format!("\"{name}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Result<Args, String> {
        parse(
            std::iter::once("sshd")
                .chain(line.split(' '))
                .map(OsString::from),
        )
    }

    #[test]
    fn flags_join_and_take_values_in_both_forms() {
        let got = args("-Ddde -f/etc/x -p 2222 -o UseDNS=no -h /k -E log").unwrap();
        assert!(got.foreground && got.log_to_stderr && got.debug == 2);
        assert_eq!(got.config.as_deref(), Some("/etc/x"));
        assert_eq!(got.log_file.as_deref(), Some("log"));
        assert_eq!(
            got.options,
            ["LogLevel DEBUG2", "UseDNS=no", "HostKey \"/k\""]
        );
        assert_eq!(got.ports, [2222]);
    }

    #[test]
    fn mistakes_are_told() {
        assert!(args("-p 0").unwrap_err().contains("Bad port number"));
        assert!(args("-Z").unwrap_err().contains("usage: sshd"));
        assert!(args("-f").unwrap_err().contains("usage: sshd"));
        assert!(
            args("-D extra")
                .unwrap_err()
                .contains("Extra argument extra")
        );
    }

    #[test]
    fn the_last_task_counts_but_a_dump_checks_too() {
        assert_eq!(args("-t -T").unwrap().task, Task::Dump);
        assert_eq!(args("-T -t").unwrap().task, Task::Dump);
        assert_eq!(args("-i").unwrap().task, Task::Serve);
    }
}
