//! Finding and reaching the host: names, addresses, proxies, keepalive.

use super::super::options::{ControlPersist, Options};
use super::{Done, choice, command, flag, integer, keyword, seconds, text};
use crate::error::Error;
use crate::error::Fault;
use crate::forward;
use crate::keyword::{Dump, Keyword, Line};
use crate::types::CnameRule;
use crate::value;
use crate::words::yes_no;

pub(super) static KEYWORDS: &[Keyword<Options>] = &[
    keyword!(First "User", "login name on the remote machine",
        |l, o| { o.user = l.word()?; Ok(()) }, |o, d| d.line("User", &o.user)),
    keyword!(First "Hostname", "real name or address to connect to",
        |l, o| { o.hostname = l.word()?; Ok(()) }, |o, d| d.line("Hostname", &o.hostname)),
    keyword!(First "Port", "port on the remote machine", port, |o, d| d.line("Port", o.port)),
    choice!("AddressFamily", address_family, "IPv4, IPv6 or both"),
    text!("BindAddress", bind_address, "source address"),
    text!(
        "BindInterface",
        bind_interface,
        "interface whose address is the source"
    ),
    keyword!(First "CanonicalDomains", "domains to look for a short name in",
        canonical_domains, dump_canonical_domains),
    flag!(
        "CanonicalizeFallbackLocal",
        canonicalize_fallback_local,
        "use the name as it is if no domain has it"
    ),
    choice!(
        "CanonicalizeHostname",
        canonicalize_hostname,
        "complete host names ourselves"
    ),
    integer!(
        "CanonicalizeMaxDots",
        canonicalize_max_dots,
        "names with more dots are not completed"
    ),
    keyword!(First "CanonicalizePermittedCNAMEs", "aliases to follow while completing",
        permitted_cnames, dump_permitted_cnames),
    integer!(
        "ConnectionAttempts",
        connection_attempts,
        "tries, one per second"
    ),
    keyword!(First "ConnectTimeout", "time for connecting and the key exchange",
    |l, o| { o.connect_timeout = l.time_or_none()?; Ok(()) },
    |o, d| match o.connect_timeout {
        Some(time) => d.line("ConnectTimeout", time.as_secs()),
        None => d.line("ConnectTimeout", "none"),
    }),
    choice!(
        "ControlMaster",
        control_master,
        "share this connection with later sessions"
    ),
    keyword!(First "ControlPath", "socket of the shared connection",
        |l, o| { o.control_path = l.optional()?; Ok(()) },
        |o, d| d.maybe("ControlPath", o.control_path.as_deref())),
    keyword!(First "ControlPersist", "how long the shared connection stays without sessions",
        control_persist, dump_control_persist),
    keyword!(First "IPQoS", "traffic class for interactive and for bulk sessions",
        |l, o| { o.ip_qos = l.ip_qos()?; Ok(()) },
        |o, d| d.line("IPQoS", format!("{} {}", o.ip_qos.interactive, o.ip_qos.bulk))),
    keyword!(First "ProxyCommand", "command whose stdin and stdout reach the host",
    proxy_command, |o, d| if o.proxy_jump.is_none() {
        d.maybe("ProxyCommand", o.proxy_command.as_deref());
    }),
    keyword!(First "ProxyJump", "hosts to go through", proxy_jump, dump_proxy_jump),
    flag!(
        "ProxyUseFdpass",
        proxy_use_fdpass,
        "ProxyCommand passes a connected socket back"
    ),
    keyword!(First "RefuseConnection", "refuse to connect, with this message",
        refuse_connection, |_, _| ()),
    integer!(
        "ServerAliveCountMax",
        server_alive_count_max,
        "unanswered probes before giving up"
    ),
    seconds!(
        "ServerAliveInterval",
        server_alive_interval,
        "time between probes"
    ),
    keyword!(First "Tag", "a name for Match tagged",
        |l, o| { o.tag = Some(l.word()?); Ok(()) }, |o, d| d.maybe("Tag", o.tag.as_deref())),
    flag!(
        "TCPKeepAlive"["KeepAlive"],
        tcp_keep_alive,
        "TCP's own probes"
    ),
    keyword!(First "VersionAddendum", "text after our identification",
        |l, o| { o.version_addendum = Some(l.version_addendum()?); Ok(()) },
        |o, d| d.maybe("VersionAddendum", o.version_addendum.as_deref())),
    command!(
        "KnownHostsCommand",
        known_hosts_command,
        "command that prints host keys"
    ),
];

fn port(line: &mut Line<'_>, options: &mut Options) -> Done {
    let word = line.word()?;
    options.port = value::real_port(&word, line.hooks)
        .ok_or_else(|| line.bad(format!("Bad port '{word}'.")))?;
    Ok(())
}

fn canonical_domains(line: &mut Line<'_>, options: &mut Options) -> Done {
    let mut list = Vec::new();
    while let Some(word) = line.next() {
        line.none_alone(&word, list.len())?;
        list.push(value::domain(&word).map_err(|what| line.bad(what))?);
    }
    if list.is_empty() {
        return Err(line.fatal(format!("no {} specified", line.keyword)));
    }
    options.canonical_domains = list;
    Ok(())
}

fn dump_canonical_domains(options: &Options, dump: &mut Dump) {
    dump.line(
        "CanonicalDomains",
        crate::keyword::words_or(&options.canonical_domains, "none"),
    );
}

fn permitted_cnames(line: &mut Line<'_>, options: &mut Options) -> Done {
    let mut rules = Vec::new();
    let mut seen = 0;
    while let Some(word) = line.next() {
        line.none_alone(&word, seen)?;
        seen += 1;
        if word.eq_ignore_ascii_case("none") {
            continue;
        }
        let (source, target) = if word == "*" {
            ("*".to_owned(), "*".to_owned())
        } else {
            let lower = word.to_ascii_lowercase();
            match lower
                .split_once(':')
                .filter(|(_, target)| !target.is_empty())
            {
                Some((source, target)) => (source.to_owned(), target.to_owned()),
                None => return Err(line.bad(format!("Invalid permitted CNAME \"{lower}\""))),
            }
        };
        rules.push(CnameRule { source, target });
    }
    if seen == 0 {
        return Err(line.fatal(format!("no {} specified", line.keyword)));
    }
    options.canonicalize_permitted_cnames = rules;
    Ok(())
}

fn dump_permitted_cnames(options: &Options, dump: &mut Dump) {
    let rules = &options.canonicalize_permitted_cnames;
    let shown: Vec<String> = rules
        .iter()
        .map(|r| format!("{}:{}", r.source, r.target))
        .collect();
    // OpenSSH's own mixture of cases.
    let shown = crate::keyword::words_or(&shown, "none");
    dump.verbatim(format!("canonicalizePermittedcnames {shown}"));
}

fn control_persist(line: &mut Line<'_>, options: &mut Options) -> Done {
    let word = line.next().filter(|w| !w.is_empty());
    let word = word.ok_or_else(|| line.bad("Missing ControlPersist argument."))?;
    options.control_persist = match word.as_str() {
        "no" | "false" => ControlPersist::No,
        "yes" | "true" => ControlPersist::Forever,
        time => match value::time(time) {
            Some(time) if time.is_zero() => ControlPersist::Forever,
            Some(time) => ControlPersist::For(time),
            None => return Err(line.bad("Bad ControlPersist argument.")),
        },
    };
    Ok(())
}

fn dump_control_persist(options: &Options, dump: &mut Dump) {
    match options.control_persist {
        ControlPersist::For(time) => dump.line("ControlPersist", time.as_secs()),
        other => dump.line("ControlPersist", yes_no(other == ControlPersist::Forever)),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the type of all parsers")]
fn proxy_command(line: &mut Line<'_>, options: &mut Options) -> Done {
    // Whichever of the two stands first counts.
    if !options.set.has("ProxyJump") {
        options.proxy_command = crate::keyword::none(line.raw().to_owned());
    }
    line.consume();
    Ok(())
}

fn proxy_jump(line: &mut Line<'_>, options: &mut Options) -> Done {
    let text = line.raw().to_owned();
    let strict = line.number == 0;
    let jump = if text.eq_ignore_ascii_case("none") {
        None
    } else {
        let jump = forward::proxy_jump(&text, strict, line.hooks);
        Some(jump.ok_or_else(|| line.bad(format!("Invalid ProxyJump \"{text}\"")))?)
    };
    if !options.set.has("ProxyCommand") {
        options.proxy_jump = jump;
    }
    line.consume();
    Ok(())
}

fn dump_proxy_jump(options: &Options, dump: &mut Dump) {
    let Some(jump) = &options.proxy_jump else {
        return;
    };
    let host = &jump.last.host;
    let numeric = host.contains(':') || host.chars().all(|c| c.is_ascii_digit() || c == '.');
    let mut text = String::new();
    if let Some(before) = &jump.before {
        text.push_str(before);
        text.push(',');
    }
    if let Some(user) = &jump.last.user {
        text.push_str(user);
        text.push('@');
    }
    let host = if numeric {
        format!("[{host}]")
    } else {
        host.clone()
    };
    let port = jump
        .last
        .port
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    dump.line("ProxyJump", format!("{text}{host}{port}"));
}

fn refuse_connection(line: &mut Line<'_>, _: &mut Options) -> Done {
    let text = line.word()?;
    if !line.active {
        return Ok(());
    }
    let text = line.at(format!("RefuseConnection: {text}"));
    Err(Fault::Fatal(Error::new(line.file, line.number, text)))
}
