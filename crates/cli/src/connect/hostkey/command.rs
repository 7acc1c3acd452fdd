//! KnownHostsCommand: a program that says what known_hosts files might say.

use std::io::Read as _;
use std::process::Stdio;

use carrick_config::command_line;
use carrick_config::ssh::Options;
use carrick_config::tokens;
use carrick_keys::{FingerprintHash, PublicKey};
use carrick_sys::descriptors;

use super::Refusal;
use crate::log::{debug, error, log};
use crate::text::os_error;

/// How the names of what a command said begin, where lines name files.
const SOURCE: &str = "KnownHostsCommand-";
/// The most that is read of it.
const MAX_OUTPUT: u64 = 16 * 1024 * 1024;

/// What is asked for.
#[derive(Clone, Copy)]
pub(super) enum Wanted<'a> {
    /// The keys of a host, before it shows one.
    Order,
    /// Those of a host that shows this one.
    Host(&'a PublicKey),
    /// Those of its address.
    Address(&'a PublicKey),
}

impl Wanted<'_> {
    fn name(self) -> &'static str {
        match self {
            Self::Order => "ORDER",
            Self::Host(_) => "HOSTNAME",
            Self::Address(_) => "ADDRESS",
        }
    }
}

/// Whether an entry's source is a command: it is not for us to write down then.
pub(super) fn is_source(file: &str) -> bool {
    file.starts_with(SOURCE)
}

/// Runs the command: what it says, and the name for where that is from. One
/// that cannot be run, or fails, is the end.
pub(super) fn run(
    options: &Options,
    command: &str,
    host: &str,
    wanted: Wanted<'_>,
    hash: FingerprintHash,
) -> Result<(Vec<u8>, String), Refusal> {
    let source = format!("{SOURCE}{}", wanted.name());
    let words = words(options, command, host, wanted, hash);
    let outcome = words.and_then(|words| output(&source, &words));
    match outcome {
        Ok(text) => Ok((text, source)),
        Err(why) => {
            error!("{source} {why}");
            log!(Fatal, "KnownHostsCommand failed");
            Err(Refusal::Broken)
        }
    }
}

/// The command's words with their tokens expanded.
fn words(
    options: &Options,
    command: &str,
    host: &str,
    wanted: Wanted<'_>,
    hash: FingerprintHash,
) -> Result<Vec<String>, String> {
    let mut words = command_line::split(command)
        .ok_or_else(|| format!("\"{command}\" contains invalid quotes"))?
        .into_iter();
    let Some(program) = words.next() else {
        return Err(format!("\"{command}\" yielded no arguments"));
    };
    if !program.starts_with('/') {
        return Err("path is not absolute".into());
    }
    let none = || "NONE".to_owned();
    let key = match wanted {
        Wanted::Order => None,
        Wanted::Host(key) | Wanted::Address(key) => Some(key),
    };
    let kind = key.map_or("NONE", PublicKey::key_type);
    let fingerprint = key.map_or_else(none, |key| key.fingerprint(hash).to_string());
    let encoded = key.map_or_else(none, |key| {
        let line = key.to_line("");
        let encoded = line.split(' ').nth(1).unwrap_or_default();
        encoded.trim_end().to_owned()
    });
    let mut table = options.tokens.table();
    table.extend([
        ('H', host),
        ('I', wanted.name()),
        ('t', kind),
        ('f', fingerprint.as_str()),
        ('K', encoded.as_str()),
    ]);
    let env = |name: &str| std::env::var(name).ok();
    let mut all = vec![program];
    for word in words {
        let expanded = tokens::expand_all(&word, &table, &env);
        all.push(expanded.map_err(|why| format!("vdollar_percent_expand: {why}"))?);
    }
    Ok(all)
}

/// What the command writes.
fn output(source: &str, words: &[String]) -> Result<Vec<u8>, String> {
    let shown = command_line::join(words);
    let (program, arguments) = words.split_first().ok_or("yielded no arguments")?;
    debug!("{source}: running {shown}");
    let mut child = descriptors::program(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("exec {program}: {}", os_error(&e)))?;
    let mut text = Vec::new();
    if let Some(out) = child.stdout.take() {
        let read = out.take(MAX_OUTPUT).read_to_end(&mut text);
        read.map_err(|e| format!("{shown}: {}", os_error(&e)))?;
    }
    let status = child.wait().map_err(|e| os_error(&e))?;
    match (status.success(), status.code()) {
        (true, _) => Ok(text),
        (_, Some(code)) => Err(format!("{shown} failed, status {code}")),
        (_, None) => Err(format!("{shown} exited abnormally")),
    }
}
