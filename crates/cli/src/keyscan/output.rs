//! What is written: a comment with a host's identification, and its key.

use std::io::{self, Write as _};

use carrick_crypto::rng::SystemRng;
use carrick_keys::PublicKey;
use carrick_keys::known_hosts::{hash_host, host_name};
use carrick_keys::sshfp::{self, Hash};

use super::args::{Args, Form, SSH_PORT};
use crate::log::error;
use crate::text::printable;

/// The comment about `place`; `ident` is the host's own words.
pub(super) fn comment(args: &Args, place: &str, ident: &str) -> String {
    if args.quiet {
        return String::new();
    }
    let mark = match args.form {
        Form::KnownHosts => '#',
        Form::Sshfp(_) => ';',
    };
    format!("{mark} {place}:{} {}\n", args.port, printable(ident))
}

/// The lines for a key of the host with these names.
pub(super) fn key_lines(args: &Args, names: &str, key: &PublicKey) -> String {
    // A certificate says itself for whom it is.
    if args.certificates && args.form == Form::KnownHosts {
        return format!("{key}\n");
    }
    // Names with a port, and hashes, cannot share a line.
    if args.hash_names || args.port != SSH_PORT {
        return names.split(',').map(|name| line(args, name, key)).collect();
    }
    line(args, names, key)
}

fn line(args: &Args, name: &str, key: &PublicKey) -> String {
    match args.form {
        Form::KnownHosts => {
            let mut name = host_name(name, args.port);
            if args.hash_names {
                name = hash_host(&name, &mut SystemRng);
            }
            format!("{name} {key}\n")
        }
        Form::Sshfp(hash) => records(name, key, hash),
    }
}

fn records(name: &str, key: &PublicKey, hash: Option<Hash>) -> String {
    let hashes = hash.map_or(Hash::ALL.to_vec(), |hash| vec![hash]);
    let records: Option<String> = hashes
        .into_iter()
        .map(|hash| sshfp::record(key, hash).filter(|_| !key.is_certificate()))
        .map(|record| Some(format!("{name} {}\n", record?.zone_text(false))))
        .collect();
    records.unwrap_or_else(|| {
        error!("export_dns_rr: unsupported algorithm and/or digest_type");
        String::new()
    })
}

/// Writes what belongs together in one piece.
pub(super) fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyscan::args;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE2COU7Xxp0PKx3Q5qlFLtuv75vJkOca9S7ul4t7v8AZ";

    fn lines(flags: &str, names: &str) -> Vec<String> {
        let words = flags.split_whitespace().chain(["host"]);
        let args = args::parse(words.map(Into::into).collect()).unwrap();
        let key = PublicKey::from_line(KEY).unwrap().0;
        key_lines(&args, names, &key)
            .lines()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn known_hosts_lines() {
        assert_eq!(lines("", "A,b"), [format!("a,b {KEY}")]);
        let apart = [format!("[a]:2222 {KEY}"), format!("[b]:2222 {KEY}")];
        assert_eq!(lines("-p 2222", "A,b"), apart);
        let hashed = lines("-H", "A,b");
        assert_eq!(hashed.len(), 2);
        assert!(
            hashed
                .iter()
                .all(|l| l.starts_with("|1|") && l.ends_with(KEY))
        );
    }

    #[test]
    fn sshfp_records() {
        let sha1 = "A,b IN SSHFP 4 1 303a780ac1c00332b67e77d5f840d6ee985290a6";
        assert_eq!(lines("-D -O hashalg=sha1", "A,b"), [sha1]);
        assert_eq!(lines("-D", "A,b").len(), 2);
        assert_eq!(lines("-D -p 2222", "A,b").len(), 4);
    }

    #[test]
    fn a_hosts_words_do_not_reach_the_terminal_raw() {
        let args = args::parse(vec!["host".into()]).unwrap();
        let text = comment(&args, "host", "SSH-2.0-\x1b[2J\u{9b}x\ry");
        assert_eq!(text, "# host:22 SSH-2.0-\\033[2J\\233x\\015y\n");
    }
}
