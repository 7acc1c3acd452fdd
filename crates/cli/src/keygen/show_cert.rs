//! `-L`: what a certificate says.

use std::fmt::Write as _;

use carrick_keys::{Certificate, FingerprintHash, PublicKey};
use carrick_wire::Reader;

use super::args::Args;
use super::{Outcome, Stop, files, time};
use crate::log::error;
use crate::text::{os_error, out, printable};

/// Shows every certificate in a file of lines.
pub(super) fn run(args: &Args) -> Outcome {
    let path = files::name(args, "Enter file in which the key is")?;
    let is_stdin = path.as_os_str() == "-";
    let shown = if is_stdin {
        "(stdin)".to_owned()
    } else {
        path.display().to_string()
    };
    let text = if is_stdin {
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin(), &mut text).map(|_| text)
    } else {
        std::fs::metadata(&path)
            .map_err(|e| Stop::fatal(format!("ssh-keygen: {shown}: {}", os_error(&e))))?;
        std::fs::read(&path)
    };
    let text = text.map_err(|e| Stop::fatal(format!("fopen {shown}: {}", os_error(&e))))?;
    let mut any = false;
    for (number, line) in String::from_utf8_lossy(&text).lines().enumerate() {
        let number = number + 1;
        let line = line.trim_start_matches([' ', '\t']);
        // An empty line is no certificate, as with OpenSSH.
        if line.starts_with('#') {
            continue;
        }
        let cert = match PublicKey::from_line(line) {
            Ok((PublicKey::Certificate(cert), _)) => match cert.check_signature() {
                Ok(()) => cert,
                Err(e) => {
                    error!("{shown}:{number}: invalid key: {e}");
                    continue;
                }
            },
            Ok(_) => {
                error!("{shown}:{number} is not a certificate");
                continue;
            }
            Err(e) => {
                error!("{shown}:{number}: invalid key: {}", e.openssh_words());
                continue;
            }
        };
        any = true;
        if number == 1 && !is_stdin {
            out!("{shown}:\n");
        } else {
            out!("{shown}:{number}:\n");
        }
        out!("{}", listing(&cert, args.hash).map_err(Stop::fatal)?);
    }
    if any { Ok(()) } else { Err(Stop::Status(1)) }
}

/// What is shown of a certificate. Control characters in it, which its maker
/// may have meant for the reader's terminal, are made visible.
fn listing(cert: &Certificate, hash: FingerprintHash) -> Result<String, String> {
    let mut out = String::new();
    let ca = &cert.authority;
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "        Type: {} {} certificate\n        \
         Public key: {}-CERT {}\n        \
         Signing CA: {} {} (using {})\n        \
         Key ID: \"{}\"\n        \
         Serial: {}\n        \
         Valid: {}\n        \
         Principals: ",
        cert.key_type(),
        cert.kind.name(),
        cert.key().short_name(),
        cert.key().fingerprint(hash),
        ca.short_name(),
        ca.fingerprint(hash),
        printable(cert.signature_algorithm()),
        printable(&cert.key_id),
        cert.serial,
        time::show_validity(cert.valid_after, cert.valid_before),
    );
    if cert.principals.is_empty() {
        out.push_str("(none)");
    }
    for name in &cert.principals {
        let _ = write!(out, "\n                {}", printable(name));
    }
    out.push_str("\n        Critical Options: ");
    options(&mut out, &cert.critical_options, critical)?;
    out.push_str("        Extensions: ");
    options(&mut out, &cert.extensions, extension)?;
    Ok(out)
}

fn options(
    out: &mut String,
    list: &[(String, Vec<u8>)],
    known: fn(&str, &[u8]) -> Result<Option<String>, String>,
) -> Result<(), String> {
    if list.is_empty() {
        out.push_str("(none)\n");
        return Ok(());
    }
    out.push('\n');
    for (name, data) in list {
        let value = match known(name, data)? {
            Some(value) => value,
            None if data.is_empty() => " UNKNOWN FLAG OPTION".into(),
            None => {
                let hex = data.iter().fold(String::new(), |mut hex, byte| {
                    let _ = write!(hex, "{byte:02x}");
                    hex
                });
                format!(" UNKNOWN OPTION: {hex} (len {})", data.len())
            }
        };
        let _ = writeln!(out, "                {}{value}", printable(name));
    }
    Ok(())
}

const EXTRA_DATA: &str = "Option corrupt: extra data at end";

/// What is shown behind a critical option's name; `None` for an unknown one.
fn critical(name: &str, data: &[u8]) -> Result<Option<String>, String> {
    match name {
        "force-command" | "source-address" => {
            let mut r = Reader::new(data);
            let value = r
                .string("value")
                .map_err(|_| "show_options: parse critical: incomplete message".to_owned())?;
            if !r.is_empty() {
                return Err(EXTRA_DATA.into());
            }
            let value = String::from_utf8_lossy(value);
            Ok(Some(format!(" {}", printable(&value))))
        }
        "verify-required" => flag(data),
        _ => Ok(None),
    }
}

/// What is shown behind an extension's name; `None` for an unknown one.
fn extension(name: &str, data: &[u8]) -> Result<Option<String>, String> {
    match name {
        "permit-X11-forwarding"
        | "permit-agent-forwarding"
        | "permit-port-forwarding"
        | "permit-pty"
        | "permit-user-rc"
        | "no-touch-required" => flag(data),
        _ => Ok(None),
    }
}

fn flag(data: &[u8]) -> Result<Option<String>, String> {
    if data.is_empty() {
        Ok(Some(String::new()))
    } else {
        Err(EXTRA_DATA.into())
    }
}
