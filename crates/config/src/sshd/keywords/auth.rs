//! How users prove who they are, and the keys that matter for it.

use super::super::options::{Options, PubkeyAuthOptions};
use super::{Done, absolute, choice, file, flag, integer, keyword, optional, tilde};
use crate::error::{Error, Fault};
use crate::keyword::{Dump, Keyword, Line, none};

pub(super) static KEYWORDS: &[Keyword<Options>] = &[
    keyword!(Anywhere First "AuthenticationMethods", "methods that must all succeed",
        methods, |o, d| d.line("AuthenticationMethods",
            crate::keyword::words_or(&o.authentication_methods, "any"))),
    keyword!(Anywhere First "AuthorizedKeysCommand", "program that prints authorized keys",
        |l, o| { o.authorized_keys_command = command(l)?; Ok(()) },
        |o, d| or_none("AuthorizedKeysCommand", o.authorized_keys_command.as_ref(), d)),
    keyword!(Anywhere First "AuthorizedKeysCommandUser", "account that it runs as",
        |l, o| { o.authorized_keys_command_user = Some(local_user(l)?); Ok(()) },
        |o, d| or_none("AuthorizedKeysCommandUser", o.authorized_keys_command_user.as_ref(), d)),
    keyword!(Anywhere First "AuthorizedKeysFile", "files with authorized keys",
    authorized_keys, |o, d| if !o.authorized_keys_files.is_empty() {
        d.line("AuthorizedKeysFile", o.authorized_keys_files.join(" "));
    }),
    keyword!(Anywhere First "AuthorizedPrincipalsCommand",
        "program that prints names that certificates may carry",
        |l, o| { o.authorized_principals_command = command(l)?; Ok(()) },
        |o, d| or_none("AuthorizedPrincipalsCommand",
            o.authorized_principals_command.as_ref(), d)),
    keyword!(Anywhere First "AuthorizedPrincipalsCommandUser", "account that it runs as",
        |l, o| { o.authorized_principals_command_user = Some(local_user(l)?); Ok(()) },
        |o, d| or_none("AuthorizedPrincipalsCommandUser",
            o.authorized_principals_command_user.as_ref(), d)),
    keyword!(Anywhere First "AuthorizedPrincipalsFile",
        "file with names that certificates may carry",
        |l, o| {
            let word = l.word()?;
            o.authorized_principals_file = none(tilde(l, &word)?);
            Ok(())
        },
        |o, d| or_none("AuthorizedPrincipalsFile", o.authorized_principals_file.as_ref(), d)),
    flag!(Anywhere "ExposeAuthInfo", expose_auth_info, "tell the session how the user logged in"),
    flag!(Anywhere "GSSAPIAuthentication", gssapi_authentication, "log in by Kerberos"),
    flag!(Global "GSSAPICleanupCredentials", gssapi_cleanup_credentials,
        "remove tickets at logout"),
    flag!(Global "GSSAPIDelegateCredentials", gssapi_delegate_credentials, "accept tickets"),
    flag!(Global "GSSAPIStrictAcceptorCheck", gssapi_strict_acceptor_check,
        "tickets for our own name only"),
    flag!(Anywhere "HostbasedAuthentication", hostbased_authentication, "log in by host key"),
    flag!(Anywhere "HostbasedUsesNameFromPacketOnly", hostbased_uses_name_from_packet_only,
        "believe the client's name for itself"),
    keyword!(Global Append "HostCertificate", "certificate for a host key",
        |l, o| add_file(l, |o| &mut o.host_certificates, o),
        |o, d| d.each("HostCertificate", &o.host_certificates)),
    keyword!(Global Append "HostKey" ["HostDSAKey"], "host key file",
        |l, o| add_file(l, |o| &mut o.host_keys, o),
        |o, d| d.each("HostKey", &o.host_keys)),
    keyword!(Global First "HostKeyAgent", "agent that holds host keys", host_key_agent,
        |o, d| or_none("HostKeyAgent", o.host_key_agent.as_ref(), d)),
    choice!(Anywhere "IgnoreRhosts", ignore_rhosts, "ignore .rhosts and .shosts"),
    flag!(Global "IgnoreUserKnownHosts", ignore_user_known_hosts, "ignore ~/.ssh/known_hosts"),
    flag!(Anywhere "KbdInteractiveAuthentication" ["ChallengeResponseAuthentication",
        "SKeyAuthentication"], kbd_interactive_authentication, "ask the user questions"),
    flag!(Anywhere "KerberosAuthentication", kerberos_authentication,
        "check passwords by Kerberos"),
    flag!(Global "KerberosGetAFSToken", kerberos_get_afs_token, "get an AFS token"),
    flag!(Global "KerberosOrLocalPasswd", kerberos_or_local_passwd, "or the local password"),
    flag!(Global "KerberosTicketCleanup", kerberos_ticket_cleanup, "remove tickets at logout"),
    integer!(Anywhere "MaxAuthTries", max_auth_tries, "tries per connection"),
    keyword!(Anywhere First "PAMServiceName", "service name for PAM",
        |l, o| {
            let word = l.next().filter(|w| !w.is_empty());
            o.pam_service_name = word.ok_or_else(|| l.fatal("missing argument."))?;
            Ok(())
        },
        |o, d| d.line("PAMServiceName", &o.pam_service_name)),
    flag!(Anywhere "PasswordAuthentication", password_authentication, "log in by password"),
    flag!(Anywhere "PermitEmptyPasswords", permit_empty_passwords, "accounts without password"),
    choice!(Anywhere "PermitRootLogin", permit_root_login, "how root may log in"),
    flag!(Anywhere "PubkeyAuthentication" ["DSAAuthentication"], pubkey_authentication,
        "log in by key"),
    keyword!(Anywhere First "PubkeyAuthOptions", "what FIDO keys must show",
        pubkey_options, dump_pubkey_options),
    keyword!(Anywhere First "RevokedKeys", "files with keys that are never accepted",
        |l, o| {
            let mut files = Vec::new();
            for word in l.list_or_none()? {
                files.push(absolute(l, &word)?);
            }
            o.revoked_keys = files;
            Ok(())
        },
        |o, d| d.line("RevokedKeys", crate::keyword::words_or(&o.revoked_keys, "none"))),
    keyword!(Global First "SecurityKeyProvider", "library for FIDO host keys",
        |l, o| {
            let word = l.word()?;
            o.security_key_provider = match none(word) {
                Some(word) if word.eq_ignore_ascii_case("internal") => Some(word),
                Some(word) => Some(absolute(l, &word)?),
                None => None,
            };
            Ok(())
        },
        |o, d| or_none("SecurityKeyProvider", o.security_key_provider.as_ref(), d)),
    flag!(Global "StrictModes", strict_modes, "check who can write the user's files"),
    file!(Anywhere "TrustedUserCAKeys", trusted_user_ca_keys, "keys that sign user certificates"),
    flag!(Global "UsePAM", use_pam, "use PAM"),
    optional!(Anywhere "ChrootDirectory", chroot_directory, "root directory of the session"),
];

pub(super) fn or_none(name: &str, value: Option<&String>, dump: &mut Dump) {
    dump.line(name, value.map_or("none", String::as_str));
}

const METHODS: [&str; 6] = [
    "none",
    "publickey",
    "gssapi-with-mic",
    "password",
    "keyboard-interactive",
    "hostbased",
];

/// What is wrong with a comma-separated list of methods, each with a
/// sub-method after a colon or without: the name that is unknown, or nothing
/// for an empty list.
fn bad_method(list: &str) -> Option<String> {
    if list.is_empty() {
        return Some(String::new());
    }
    let unknown = |entry: &&str| {
        let (name, sub) = entry.split_once(':').unwrap_or((entry, "x"));
        !METHODS.contains(&name) || sub.is_empty()
    };
    list.split(',').find(unknown).map(str::to_owned)
}

fn methods(line: &mut Line<'_>, options: &mut Options) -> Done {
    let mut lists: Vec<String> = Vec::new();
    while let Some(word) = line.next() {
        let any = word == "any";
        if (any && !lists.is_empty()) || lists.iter().any(|l| l == "any") {
            let text = format!("\"any\" must appear alone in {}", line.keyword);
            return Err(line.fatal(text));
        }
        if let Some(name) = bad_method(&word).filter(|_| !any) {
            let text = line.at(format!("invalid {} method list.", line.keyword));
            let mut error = Error::new(line.file, line.number, text);
            if !name.is_empty() {
                let unknown = format!("Unknown authentication method \"{name}\" in list");
                error.lines.insert(0, unknown);
            }
            return Err(error.into());
        }
        lists.push(word);
    }
    if lists.is_empty() {
        return Err(line.fatal(format!("no {} specified", line.keyword)));
    }
    lists.retain(|l| l != "any");
    options.authentication_methods = lists;
    Ok(())
}

/// A command line with an absolute program, or `none`.
fn command(line: &mut Line<'_>) -> Result<Option<String>, Fault> {
    let text = line.rest.trim_start_matches(crate::lex::BLANKS).to_owned();
    if !text.starts_with('/') && !text.eq_ignore_ascii_case("none") {
        return Err(line.fatal(format!("{} must be an absolute path", line.keyword)));
    }
    line.consume();
    Ok(none(text))
}

fn local_user(line: &mut Line<'_>) -> Result<String, Fault> {
    let word = line.next().filter(|w| !w.is_empty());
    word.ok_or_else(|| line.fatal(format!("missing {} argument.", line.keyword)))
}

fn authorized_keys(line: &mut Line<'_>, options: &mut Options) -> Done {
    let mut files = Vec::new();
    while let Some(word) = line.next() {
        if word.is_empty() {
            return Err(line.empty_argument());
        }
        files.push(tilde(line, &word)?);
    }
    if files.is_empty() {
        return Err(line.fatal(format!("no {} specified", line.keyword)));
    }
    options.authorized_keys_files = files;
    Ok(())
}

/// Adds to a list of files; `none` adds nothing, and so takes the defaults away.
fn add_file(
    line: &mut Line<'_>,
    list: fn(&mut Options) -> &mut Vec<String>,
    o: &mut Options,
) -> Done {
    let path = super::file_name(line)?;
    let list = list(o);
    if line.first {
        list.clear();
    }
    list.extend(path);
    Ok(())
}

fn host_key_agent(line: &mut Line<'_>, options: &mut Options) -> Done {
    let word = line.next().filter(|w| !w.is_empty());
    let word = word.ok_or_else(|| line.fatal("missing socket name."))?;
    options.host_key_agent = match none(word) {
        Some(word) if word == "SSH_AUTH_SOCK" => Some(word),
        Some(word) => Some(absolute(line, &word)?),
        None => None,
    };
    Ok(())
}

fn pubkey_options(line: &mut Line<'_>, options: &mut Options) -> Done {
    let mut value = PubkeyAuthOptions::default();
    while let Some(word) = line.next() {
        match word.to_ascii_lowercase().as_str() {
            "none" => {}
            "touch-required" => value.touch_required = true,
            "verify-required" => value.verify_required = true,
            _ => {
                return Err(line.bad(format!("unsupported {} option {word}", line.keyword)));
            }
        }
    }
    options.pubkey_auth_options = value;
    Ok(())
}

fn dump_pubkey_options(options: &Options, dump: &mut Dump) {
    let PubkeyAuthOptions {
        touch_required,
        verify_required,
    } = options.pubkey_auth_options;
    let shown = match (touch_required, verify_required) {
        (false, false) => "none",
        (true, false) => "touch-required",
        (false, true) => "verify-required",
        (true, true) => "touch-required verify-required",
    };
    dump.line("PubkeyAuthOptions", shown);
}
