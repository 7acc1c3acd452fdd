//! Who we are and whom we trust: identities, methods, host keys.

use super::super::options::{AddKeysToAgent, ForwardAgent, KeyPath, Options};
use super::{Done, bounded_list, choice, flag, integer, keyword, text, text_or_none};
use crate::error::Fault;
use crate::keyword::{Dump, Keyword, Line, words_or};
use crate::tokens;
use crate::value;
use crate::words::{AddKeys, Words, client_flag, yes_no};
use std::time::Duration;

/// As many identity and certificate files as OpenSSH takes.
const MAX_IDENTITIES: usize = 100;
const MAX_HOST_FILES: usize = 32;

pub(super) static KEYWORDS: &[Keyword<Options>] = &[
    keyword!(First "AddKeysToAgent", "give keys that were unlocked to the agent",
        add_keys_to_agent, dump_add_keys),
    flag!("BatchMode", batch_mode, "never ask the user"),
    keyword!(Append "CertificateFile", "certificate for an identity",
        |l, o| add_key_path(l, o, true), |o, d| d.each("CertificateFile", paths(&o.certificate_files))),
    flag!(
        "CheckHostIP",
        check_host_ip,
        "check the address in known_hosts too"
    ),
    flag!(
        "EnableSSHKeysign",
        enable_ssh_keysign,
        "let ssh-keysign sign for hostbased logins"
    ),
    keyword!(First "ForwardAgent", "let the remote side use our agent",
        forward_agent, dump_forward_agent),
    keyword!(First "GlobalKnownHostsFile", "the system's host key files",
        |l, o| { o.global_known_hosts_files = bounded_list(l, MAX_HOST_FILES)?; Ok(()) },
        |o, d| d.line("GlobalKnownHostsFile", words_or(&o.global_known_hosts_files, "none"))),
    flag!(
        "GSSAPIAuthentication",
        gssapi_authentication,
        "log in by Kerberos"
    ),
    flag!(
        "GSSAPIDelegateCredentials",
        gssapi_delegate_credentials,
        "forward Kerberos tickets"
    ),
    flag!(
        "HashKnownHosts",
        hash_known_hosts,
        "hide host names in known_hosts"
    ),
    flag!(
        "HostbasedAuthentication",
        hostbased_authentication,
        "log in by this host's key"
    ),
    text!(
        "HostKeyAlias",
        host_key_alias,
        "name of the host in known_hosts"
    ),
    flag!(
        "IdentitiesOnly",
        identities_only,
        "do not try other keys that the agent has"
    ),
    keyword!(First "IdentityAgent", "the agent's socket",
        |l, o| { let path = l.word()?; o.identity_agent = Some(agent_path(l, path)?); Ok(()) },
        |o, d| d.maybe("IdentityAgent", o.identity_agent.as_deref())),
    keyword!(Append "IdentityFile" ["IdentityFile2"], "private key to log in with",
        |l, o| add_key_path(l, o, false), |o, d| d.each("IdentityFile", paths(&o.identity_files))),
    flag!("KbdInteractiveAuthentication" ["ChallengeResponseAuthentication",
        "SKeyAuthentication", "TISAuthentication"],
        kbd_interactive_authentication, "answer the server's questions"),
    text!(
        "KbdInteractiveDevices",
        kbd_interactive_devices,
        "methods to propose to the server"
    ),
    flag!(
        "NoHostAuthenticationForLocalhost",
        no_host_authentication_for_localhost,
        "do not check the host key of loopback addresses"
    ),
    integer!(
        "NumberOfPasswordPrompts",
        number_of_password_prompts,
        "tries"
    ),
    flag!(
        "PasswordAuthentication",
        password_authentication,
        "log in by password"
    ),
    text_or_none!(
        "PKCS11Provider"["SmartcardDevice"],
        pkcs11_provider,
        "library for smart cards"
    ),
    text!(
        "PreferredAuthentications",
        preferred_authentications,
        "methods in order"
    ),
    choice!(
        "PubkeyAuthentication"["DSAAuthentication"],
        pubkey_authentication,
        "log in by key"
    ),
    keyword!(First "RevokedHostKeys", "files with host keys that are never accepted",
    |l, o| { o.revoked_host_keys = l.list_or_none()?; Ok(()) },
    |o, d| if !o.revoked_host_keys.is_empty() {
        d.line("RevokedHostKeys", o.revoked_host_keys.join(" "));
    }),
    text_or_none!(
        "SecurityKeyProvider",
        security_key_provider,
        "library for FIDO keys"
    ),
    choice!(
        "StrictHostKeyChecking",
        strict_host_key_checking,
        "what to do with unknown host keys"
    ),
    choice!(
        "UpdateHostKeys",
        update_host_keys,
        "learn further keys from the server"
    ),
    keyword!(First "UserKnownHostsFile", "the user's host key files",
        |l, o| { o.user_known_hosts_files = bounded_list(l, MAX_HOST_FILES)?; Ok(()) },
        |o, d| d.line("UserKnownHostsFile", words_or(&o.user_known_hosts_files, "none"))),
    choice!(
        "VerifyHostKeyDNS",
        verify_host_key_dns,
        "look for the host key in the DNS (SSHFP)"
    ),
    flag!(
        "VisualHostKey",
        visual_host_key,
        "show the key as a picture"
    ),
];

fn paths(list: &[KeyPath]) -> impl Iterator<Item = &str> {
    list.iter().map(|k| k.path.as_str())
}

fn add_key_path(line: &mut Line<'_>, options: &mut Options, certificate: bool) -> Done {
    let path = KeyPath {
        path: line.word()?,
        user_provided: line.user_provided,
    };
    let (list, what) = if certificate {
        (&mut options.certificate_files, "certificate")
    } else {
        (&mut options.identity_files, "identity")
    };
    if line.first {
        list.clear();
    }
    if list.len() >= MAX_IDENTITIES {
        let text = format!("Too many {what} files specified (max {MAX_IDENTITIES}).");
        return Err(line.bad(text));
    }
    if !list.contains(&path) {
        list.push(path);
    }
    Ok(())
}

fn add_keys_to_agent(line: &mut Line<'_>, options: &mut Options) -> Done {
    let first = line.next().unwrap_or_default();
    let second = line.next();
    let unsupported = || line.bad("unsupported option");
    let invalid_time = || line.bad("invalid time value.");
    let (mode, lifetime) = match (AddKeys::find(&first), second) {
        (Some(AddKeys::Confirm), Some(time)) => (
            AddKeys::Confirm,
            value::time(&time).ok_or_else(invalid_time)?,
        ),
        (Some(mode), None) => (mode, Duration::ZERO),
        (None, None) => (AddKeys::Yes, value::time(&first).ok_or_else(unsupported)?),
        _ => return Err(unsupported()),
    };
    options.add_keys_to_agent = AddKeysToAgent { mode, lifetime };
    Ok(())
}

fn dump_add_keys(options: &Options, dump: &mut Dump) {
    let AddKeysToAgent { mode, lifetime } = options.add_keys_to_agent;
    if lifetime.is_zero() {
        dump.line("AddKeysToAgent", mode.word());
    } else {
        let confirm = if mode == AddKeys::Confirm {
            "confirm "
        } else {
            ""
        };
        dump.line("AddKeysToAgent", format!("{confirm}{}", lifetime.as_secs()));
    }
}

fn forward_agent(line: &mut Line<'_>, options: &mut Options) -> Done {
    let word = line.next().filter(|w| !w.is_empty());
    let word = word.ok_or_else(|| line.bad("missing argument."))?;
    options.forward_agent = match client_flag(&word) {
        Some(true) => ForwardAgent::Yes,
        Some(false) => ForwardAgent::No,
        None => ForwardAgent::Socket(agent_path(line, word)?),
    };
    Ok(())
}

fn dump_forward_agent(options: &Options, dump: &mut Dump) {
    match &options.forward_agent {
        ForwardAgent::Socket(path) => dump.line("ForwardAgent", path),
        other => dump.line("ForwardAgent", yes_no(*other == ForwardAgent::Yes)),
    }
}

/// A path with `${VAR}` that is set, or the old form `$VAR`.
fn agent_path(line: &Line<'_>, path: String) -> Result<String, Fault> {
    if let Err(why) = tokens::expand_env(&path, &|name| line.hooks.env(name)) {
        return Err(Fault::Bad(vec![
            format!("vdollar_percent_expand: {why}"),
            line.at(format!("Invalid environment expansion {path}.")),
        ]));
    }
    match path.strip_prefix('$') {
        Some(name) if !name.starts_with('{') && !value::is_env_name(name) => {
            Err(line.bad(format!("Invalid environment name {path}.")))
        }
        _ => Ok(path),
    }
}
