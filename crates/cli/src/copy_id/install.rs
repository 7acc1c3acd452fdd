//! Adding keys by commands that the other machine runs.

use std::process::Stdio;

use super::quote::shell;
use super::run::Runner;
use super::{Args, Stop};
use crate::text::{outln, visible};

/// What the other machine says when it is done, before the number of keys.
const DONE: &str = "ssh-copy-id-added:";

/// Adds the keys that are not in the file: how many that were.
pub(super) fn install(runner: &Runner<'_>, keys: &[String]) -> Result<usize, Stop> {
    let mut ssh = runner.ssh(&[], &command(runner.args));
    ssh.stdout(Stdio::piped());
    let mut input = keys.join("\n");
    input.push('\n');
    let output = runner.run(&mut ssh, Some(&input))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let mut added = None;
    for line in said.lines() {
        match line.strip_prefix(DONE) {
            Some(number) => added = number.trim().parse().ok(),
            None => outln!("{}", visible(line)),
        }
    }
    if !output.status.success() {
        return Err(Stop::Status(1));
    }
    // A shell that runs something else, and says that all is well.
    let silent = "the remote host did not say that it added the key(s)";
    added.ok_or_else(|| Stop::Error(silent.into()))
}

/// The command for the other machine: one line that any login shell takes,
/// and that hands over to a POSIX sh at once. Its input is the keys.
///
/// Missing folders and files are made for the user alone; of what is there,
/// modes and lines stay as they are. A last line without an end gets one. All
/// keys are added by one write, so that a full disk leaves no part of a key.
fn command(args: &Args) -> String {
    let target = match args.target() {
        // A name is no flag.
        name if name.starts_with('-') => format!("./{name}"),
        name => name.to_owned(),
    };
    let script = [
        one_line(if args.trace { "set -x;" } else { "" }),
        format!("cd; umask 077; f={};", shell(&target)),
        one_line(if args.target.is_none() { OPENWRT } else { "" }),
        one_line(ADD_KEYS),
        format!("echo {DONE}$n"),
    ];
    format!("exec sh -c {}", shell(&script.join(" ")))
}

/// A script whose line ends mean no more than blanks, as one line.
fn one_line(script: &str) -> String {
    script
        .split_ascii_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// OpenWrt's Dropbear reads root's keys elsewhere.
const OPENWRT: &str = r#"
    if [ -f /etc/openwrt_release ] && [ "$LOGNAME" = root ]; then
        f=/etc/dropbear/authorized_keys;
    fi;
"#;

/// Adds the lines of the input to the file `$f`; `$n` is how many.
const ADD_KEYS: &str = r#"
    d=`dirname "$f"`;
    mkdir -p "$d" || exit 1;
    eol=`printf "\nx"`; eol=${eol%x};
    new=; n=0;
    while IFS= read -r key; do
        if grep -qxF -e "$key" "$f" 2>/dev/null; then continue; fi;
        new="$new$key$eol"; n=$((n+1));
    done;
    end=`tail -c 1 "$f" 2>/dev/null`;
    if [ -n "$end" ]; then new="$eol$new"; fi;
    if [ $n -gt 0 ]; then printf %s "$new" >>"$f" || exit 1; fi;
    if type restorecon >/dev/null 2>&1; then restorecon -F "$d" "$f"; fi;
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::process::Command;

    /// Runs what the other machine would, by this login shell.
    fn remote(login_shell: &str, home: &Path, target: Option<&str>, keys: &str) -> String {
        let args = Args {
            target: target.map(str::to_owned),
            ..Args::default()
        };
        let mut child = Command::new(login_shell)
            .args(["-c", &command(&args)])
            .env("HOME", home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(keys.as_bytes());
        let out = child.wait_with_output().unwrap();
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
        String::from_utf8(out.stdout).unwrap()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    /// Login shells that are here; sh always is.
    fn shells() -> Vec<&'static str> {
        let known = ["sh", "bash", "dash", "tcsh", "csh", "fish", "zsh", "ksh"];
        let here = |name: &&str| Command::new(name).args(["-c", "exit"]).output().is_ok();
        known.into_iter().filter(here).collect()
    }

    #[test]
    fn what_is_missing_is_made_for_the_user_alone() {
        for shell in shells() {
            let home = tempfile::tempdir().unwrap();
            assert_eq!(
                remote(shell, home.path(), None, "a 1\nb 2\n"),
                format!("{DONE}2\n")
            );
            let dir = home.path().join(".ssh");
            let file = dir.join("authorized_keys");
            assert_eq!(fs::read_to_string(&file).unwrap(), "a 1\nb 2\n", "{shell}");
            assert_eq!((mode(&dir), mode(&file)), (0o700, 0o600), "{shell}");
        }
    }

    #[test]
    fn no_line_twice_and_none_joined() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("keys");
        for (before, after, added) in [
            ("a 1", "a 1\nb 2\n", 1),
            ("a 1\n", "a 1\nb 2\n", 1),
            ("b 2\na 1", "b 2\na 1", 0),
            ("", "a 1\nb 2\n", 2),
            ("xa 1\na 1x", "xa 1\na 1x\na 1\nb 2\n", 2),
        ] {
            fs::write(&file, before).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
            let said = remote("sh", home.path(), Some("keys"), "a 1\nb 2\n");
            assert_eq!(said, format!("{DONE}{added}\n"), "{before:?}");
            assert_eq!(fs::read_to_string(&file).unwrap(), after, "{before:?}");
            assert_eq!(mode(&file), 0o640);
        }
    }

    #[test]
    fn names_and_keys_mean_themselves() {
        let key = r#"command="echo \"$HOME\" 'x' `id` \\n %s *",restrict ssh-x AAAA it's"#;
        for shell in shells() {
            for target in ["a b/c'd/$HOME `id` \"e\"", "-f", "*"] {
                let home = tempfile::tempdir().unwrap();
                let keys = format!("{key}\n");
                for n in [1, 0] {
                    let said = remote(shell, home.path(), Some(target), &keys);
                    assert_eq!(said, format!("{DONE}{n}\n"), "{shell}: {target}");
                }
                let text = fs::read_to_string(home.path().join(target)).unwrap();
                assert_eq!(text, keys, "{shell}: {target}");
            }
        }
    }

    #[test]
    fn what_cannot_be_written_is_a_failure() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("keys")).unwrap();
        let args = Args {
            target: Some("keys".into()),
            ..Args::default()
        };
        let mut sh = Command::new("sh");
        sh.args(["-c", &command(&args)])
            .env("HOME", home.path())
            .stdin(Stdio::piped());
        let mut child = sh
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(b"a 1\n");
        let out = child.wait_with_output().unwrap();
        assert_eq!((out.status.code(), out.stdout.len()), (Some(1), 0));
    }
}
