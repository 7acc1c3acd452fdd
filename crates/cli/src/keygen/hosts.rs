//! `-F`, `-R` and `-H`: known_hosts.

use std::io::Write as _;
use std::path::PathBuf;

use carrick_crypto::rng::SystemRng;
use carrick_keys::known_hosts::{self, Edited, Marker};
use carrick_keys::randomart;

use super::args::Args;
use super::{Outcome, Stop, files};
use crate::home;
use crate::text::os_error;
use crate::text::{err, outln};

/// How much of a line's names a message shows.
const MAX_NAMES: usize = 64;

fn path(args: &Args) -> PathBuf {
    args.file
        .clone()
        .unwrap_or_else(|| home::ssh_file("known_hosts"))
}

fn read(path: &PathBuf) -> Outcome<Vec<u8>> {
    std::fs::read(path)
        .map_err(|e| Stop::fatal(format!("Cannot stat {}: {}", path.display(), os_error(&e))))
}

/// `-F host`: prints the lines that name it; status 1 if there are none.
pub(super) fn find(args: &Args, host: &str) -> Outcome {
    let text = read(&path(args))?;
    let found = known_hosts::find(&text, host);
    let mut out = std::io::stdout().lock();
    for line in &found {
        let marker = match line.marker {
            Marker::None => "",
            Marker::Authority => "CA",
            Marker::Revoked => "REVOKED",
        };
        let mut print = || -> std::io::Result<()> {
            if !args.quiet {
                writeln!(out, "# Host {host} found: line {} {marker}", line.line)?;
            }
            if args.hashed {
                return out.write_all(&line.hashed(&mut SystemRng));
            }
            match (args.fingerprint, line.parse_key()) {
                (true, Ok((key, comment))) => {
                    let gap = if comment.is_empty() { "" } else { " " };
                    let print = super::show::print_of(args, &key);
                    writeln!(out, "{host} {} {print}{gap}{comment}", key.short_name())?;
                    if args.verbose {
                        writeln!(out, "{}", randomart(&key, args.hash))?;
                    }
                    Ok(())
                }
                _ => {
                    out.write_all(line.text)?;
                    out.write_all(b"\n")
                }
            }
        };
        print().map_err(|e| Stop::fatal(format!("write: {}", os_error(&e))))?;
    }
    if found.is_empty() {
        Err(Stop::Status(1))
    } else {
        Ok(())
    }
}

/// `-R host`: removes the lines that name it and keeps the old file beside.
pub(super) fn remove(args: &Args, host: &str) -> Outcome {
    let path = path(args);
    let text = read(&path)?;
    let edited = known_hosts::remove(&text, host);
    if !args.quiet {
        for line in &edited.changed {
            outln!("# Host {host} found: line {line}");
        }
    }
    refuse_broken(&path, &edited)?;
    if edited.changed.is_empty() {
        err!("Host {host} not found in {}\r\n", path.display());
        return Ok(());
    }
    replace(&path, &edited).map(drop)
}

/// `-H`: hashes all names.
pub(super) fn hash(args: &Args) -> Outcome {
    let path = path(args);
    let text = read(&path)?;
    let edited = known_hosts::hash_names(&text, &mut SystemRng);
    for line in &edited.patterns {
        err!(
            "{}:{line}: ignoring host name with wildcard: {}\r\n",
            path.display(),
            names_in(&text, *line)
        );
    }
    refuse_broken(&path, &edited)?;
    let old = replace(&path, &edited)?;
    if !edited.changed.is_empty() {
        err!("WARNING: {} contains unhashed entries\r\n", old.display());
        err!("Delete this file to ensure privacy of hostnames\r\n");
    }
    Ok(())
}

/// The names in a line that has some, the first being 1.
fn names_in(text: &[u8], line: usize) -> String {
    let line = text.split(|b| *b == b'\n').nth(line - 1);
    let line = String::from_utf8_lossy(line.unwrap_or_default());
    let mut words = line.split_ascii_whitespace();
    let names = words.find(|word| !word.starts_with('@'));
    names.unwrap_or_default().chars().take(MAX_NAMES).collect()
}

fn refuse_broken(path: &std::path::Path, edited: &Edited) -> Outcome {
    if edited.invalid.is_empty() {
        return Ok(());
    }
    for line in &edited.invalid {
        err!("{}:{line}: invalid line\r\n", path.display());
    }
    err!("{} is not a valid known_hosts file.\r\n", path.display());
    err!("Not replacing existing known_hosts file because of errors\r\n");
    Err(Stop::Status(1))
}

/// Puts the new text in place of the old, which stays as `.old`. Both keep
/// its mode.
fn replace(path: &std::path::Path, edited: &Edited) -> Outcome<PathBuf> {
    let mut old = path.as_os_str().to_owned();
    old.push(".old");
    let old = PathBuf::from(old);
    // As OpenSSH, a last line without its newline gets one.
    let mut text = edited.text.clone();
    if text.last().is_some_and(|b| *b != b'\n') {
        text.push(b'\n');
    }
    std::fs::copy(path, &old)
        .and_then(|_| files::rewrite(path, &text))
        .map_err(|e| Stop::fatal(format!("{}: {}", path.display(), os_error(&e))))?;
    outln!("{} updated.", path.display());
    outln!("Original contents retained as {}", old.display());
    Ok(old)
}
