//! What the listener does: ports, addresses, limits before login, files.

use super::super::options::{ListenAddress, MaxStartups, Options, Overflow, Penalties};
use super::{Done, choice, file, flag, keyword, seconds};
use crate::forward::host_and_rest;
use crate::keyword::{Dump, Keyword, Line};
use crate::value;
use carrick_keys::matching;
use std::time::Duration;

const MAX_PORTS: usize = 256;

pub(super) static KEYWORDS: &[Keyword<Options>] = &[
    keyword!(Global Append "Port", "port to listen on", port, |o, d| d.each("Port", &o.ports)),
    choice!(Global "AddressFamily", address_family, "IPv4, IPv6 or both"),
    keyword!(Global Append "ListenAddress", "address to listen on", listen_address,
        super::super::dump::listen_addresses),
    seconds!(Global "LoginGraceTime", login_grace_time, "time to log in"),
    keyword!(Global Last "MaxStartups", "connections that have not logged in",
    max_startups, |o, d| {
        let MaxStartups { begin, rate, full } = o.max_startups;
        d.line("MaxStartups", format!("{begin}:{rate}:{full}"));
    }),
    file!(Global "ModuliFile", moduli_file, "groups for the group exchange"),
    keyword!(Global First "PerSourceMaxStartups", "the same per source address",
    per_source_max_startups, |o, d| match o.per_source_max_startups {
        Some(limit) => d.line("PerSourceMaxStartups", limit),
        None => d.line("PerSourceMaxStartups", "none"),
    }),
    keyword!(Global Last "PerSourceNetBlockSize", "what counts as one source address",
        net_block_size, |o, d| d.line("PerSourceNetBlockSize",
            format!("{}:{}", o.per_source_net_block_size.0, o.per_source_net_block_size.1))),
    keyword!(Global Append "PerSourcePenalties", "how long bad behaviour bars a source",
        penalties, dump_penalties),
    keyword!(Global First "PerSourcePenaltyExemptList", "addresses that are never barred",
        exempt_list, |o, d| d.line("PerSourcePenaltyExemptList",
            o.per_source_penalty_exempt_list.as_deref().unwrap_or("none"))),
    file!(Global "PidFile", pid_file, "where the listener's process id goes"),
    file!(Global "SshdAuthPath", sshd_auth_path, "accepted for compatibility"),
    file!(Global "SshdSessionPath", sshd_session_path, "accepted for compatibility"),
    flag!(Global "TCPKeepAlive" ["KeepAlive"], tcp_keep_alive, "TCP's own probes"),
    flag!(Global "UseDNS", use_dns, "look up the client's name"),
    keyword!(Global First "VersionAddendum", "text after our identification",
        |l, o| {
            o.version_addendum = Some(l.version_addendum()?).filter(|t| !t.is_empty());
            Ok(())
        },
        |o, d| d.line("VersionAddendum", o.version_addendum.as_deref().unwrap_or("none"))),
    flag!(Anywhere "RefuseConnection", refuse_connection, "end the connection"),
    keyword!(Anywhere First "RDomain", "routing domain of the session", rdomain,
        |o, d| d.line("RDomain", o.rdomain.as_deref().unwrap_or("none"))),
];

fn rdomain(line: &mut Line<'_>, options: &mut Options) -> Done {
    let word = line.word()?;
    let none = word.eq_ignore_ascii_case("none");
    if !none && word != "%D" && !line.hooks.is_rdomain(&word) {
        return Err(line.fatal("invalid routing domain"));
    }
    options.rdomain = (!none).then_some(word);
    Ok(())
}

fn port(line: &mut Line<'_>, options: &mut Options) -> Done {
    let word = line.next().filter(|w| !w.is_empty());
    let word = word.ok_or_else(|| line.fatal("missing port number."))?;
    let port = value::real_port(&word, line.hooks)
        .ok_or_else(|| line.fatal("Badly formatted port number."))?;
    if line.first {
        options.ports.clear();
    }
    if options.ports.len() >= MAX_PORTS {
        return Err(line.fatal("too many ports."));
    }
    options.ports.push(port);
    Ok(())
}

fn listen_address(line: &mut Line<'_>, options: &mut Options) -> Done {
    let word = line.next().filter(|w| !w.is_empty());
    let word = word.ok_or_else(|| line.fatal("missing address"))?;
    // An IPv6 address may stand without brackets, and then without a port.
    let bare = !word.contains('[') && word.matches(':').count() > 1;
    let (host, port) = if bare {
        (word.as_str(), None)
    } else {
        host_and_rest(&word).ok_or_else(|| line.fatal("bad address:port usage"))?
    };
    let port = match port {
        None => None,
        Some(port) => {
            Some(value::real_port(port, line.hooks).ok_or_else(|| line.fatal("bad port number"))?)
        }
    };
    let rdomain = match line.next() {
        None => None,
        Some(rdomain) if rdomain == "rdomain" => {
            let name = line
                .next()
                .ok_or_else(|| line.fatal("bad ListenAddress syntax"))?;
            if !line.hooks.is_rdomain(&name) {
                return Err(line.fatal("bad routing domain"));
            }
            Some(name)
        }
        Some(_) => return Err(line.fatal("bad ListenAddress syntax")),
    };
    options.listen_addresses.push(ListenAddress {
        host: host.to_owned(),
        port,
        rdomain,
    });
    Ok(())
}

fn max_startups(line: &mut Line<'_>, options: &mut Options) -> Done {
    let word = line.word()?;
    let numbers = value::colon_numbers(&word);
    let positive = |n: i64| u32::try_from(n).ok().filter(|n| *n > 0);
    let spec = match numbers.as_slice() {
        [begin] => positive(*begin).map(|begin| MaxStartups {
            begin,
            rate: options.max_startups.rate,
            full: begin,
        }),
        [begin, rate, full, ..] => match (positive(*begin), positive(*rate), positive(*full)) {
            (Some(begin), Some(rate), Some(full)) if begin <= full && rate <= 100 => {
                Some(MaxStartups { begin, rate, full })
            }
            _ => None,
        },
        _ => None,
    };
    options.max_startups =
        spec.ok_or_else(|| line.fatal(format!("Invalid {} spec.", line.keyword)))?;
    Ok(())
}

fn per_source_max_startups(line: &mut Line<'_>, options: &mut Options) -> Done {
    let word = line.word()?;
    options.per_source_max_startups = if word == "none" {
        None
    } else {
        let limit = value::integer(Some(&word))
            .map_err(|what| line.fatal(format!("{} integer value {what}.", line.keyword)))?;
        Some(limit)
    };
    Ok(())
}

fn net_block_size(line: &mut Line<'_>, options: &mut Options) -> Done {
    let word = line.word()?;
    let within = |n: i64, max: u32| u32::try_from(n).ok().filter(|n| *n <= max);
    let sizes = match value::colon_numbers(&word).as_slice() {
        [v4] => within(*v4, 32).map(|v4| (v4, options.per_source_net_block_size.1)),
        [v4, v6, ..] => within(*v4, 32).zip(within(*v6, 128)),
        [] => None,
    };
    options.per_source_net_block_size =
        sizes.ok_or_else(|| line.fatal(format!("Invalid {} spec.", line.keyword)))?;
    Ok(())
}

fn exempt_list(line: &mut Line<'_>, options: &mut Options) -> Done {
    let word = line.next().filter(|w| !w.is_empty());
    let word = word.ok_or_else(|| line.fatal("missing argument."))?;
    let none = word.eq_ignore_ascii_case("none");
    if !none && matching::address_list(None, &word).is_err() {
        let text = format!("keyword {} invalid address argument.", line.keyword);
        return Err(line.fatal(text));
    }
    options.per_source_penalty_exempt_list = (!none).then_some(word);
    Ok(())
}

/// Each word of PerSourcePenalties counts once: the first value of it stays.
fn penalties(line: &mut Line<'_>, options: &mut Options) -> Done {
    let mut found = false;
    while let Some(word) = line.next() {
        found = true;
        let switch = word.eq_ignore_ascii_case("yes");
        if switch || word.eq_ignore_ascii_case("no") {
            if !line.args.is_empty() {
                let text = format!(
                    "keyword {} \"{word}\" argument must appear alone.",
                    line.keyword
                );
                return Err(line.fatal(text));
            }
            if first(options, "enabled") {
                options.per_source_penalties.enabled = switch;
            }
            continue;
        }
        penalty(line, &word, options)?;
    }
    if found {
        Ok(())
    } else {
        Err(line.fatal(format!("no {} specified", line.keyword)))
    }
}

fn first(options: &mut Options, word: &'static str) -> bool {
    let fresh = !options.penalty_words.contains(&word);
    if fresh {
        options.penalty_words.push(word);
    }
    fresh
}

type Slot = fn(&mut Penalties) -> &mut Duration;

const TIMES: [(&str, Slot); 8] = [
    ("crash", |p| &mut p.crash),
    ("authfail", |p| &mut p.authfail),
    ("invaliduser", |p| &mut p.invaliduser),
    ("noauth", |p| &mut p.noauth),
    ("grace-exceeded", |p| &mut p.grace_exceeded),
    ("refuseconnection", |p| &mut p.refuseconnection),
    ("max", |p| &mut p.max),
    ("min", |p| &mut p.min),
];

fn penalty(line: &Line<'_>, word: &str, options: &mut Options) -> Done {
    let unsupported = || line.fatal(format!("unsupported {} keyword {word}", line.keyword));
    let (name, text) = word.split_once(':').ok_or_else(unsupported)?;
    if let Some((name, slot)) = TIMES.iter().find(|(n, _)| *n == name) {
        let invalid = || line.fatal(format!("invalid {} time value.", line.keyword));
        let time = value::time(text).ok_or_else(invalid)?;
        if first(options, name) {
            *slot(&mut options.per_source_penalties) = time;
            options.per_source_penalties.enabled = true;
        }
        return Ok(());
    }
    let number = || {
        value::integer(Some(text))
            .map_err(|what| line.fatal(format!("{} value {what}.", line.keyword)))
    };
    let overflow = || match text {
        "deny-all" => Ok(Overflow::DenyAll),
        "permissive" => Ok(Overflow::Permissive),
        _ => Err(unsupported()),
    };
    let set: Box<dyn FnOnce(&mut Penalties)>;
    let name = match name {
        "max-sources4" => {
            let n = number()?;
            set = Box::new(move |p| p.max_sources4 = n);
            "max-sources4"
        }
        "max-sources6" => {
            let n = number()?;
            set = Box::new(move |p| p.max_sources6 = n);
            "max-sources6"
        }
        "overflow" => {
            let mode = overflow()?;
            set = Box::new(move |p| p.overflow = mode);
            "overflow"
        }
        "overflow6" => {
            let mode = overflow()?;
            set = Box::new(move |p| p.overflow6 = Some(mode));
            "overflow6"
        }
        _ => return Err(unsupported()),
    };
    if first(options, name) {
        set(&mut options.per_source_penalties);
        options.per_source_penalties.enabled = true;
    }
    Ok(())
}

fn dump_penalties(options: &Options, dump: &mut Dump) {
    let p = &options.per_source_penalties;
    if !p.enabled {
        dump.line("PerSourcePenalties", "no");
        return;
    }
    let mode = |overflow| match overflow {
        Overflow::DenyAll => "deny-all",
        Overflow::Permissive => "permissive",
    };
    // Newer than OpenSSH 10.0, so shown only where it says something.
    let invalid_user = if p.invaliduser == Penalties::default().invaliduser {
        String::new()
    } else {
        format!(" invaliduser:{}", p.invaliduser.as_secs())
    };
    dump.line(
        "PerSourcePenalties",
        format!(
            "crash:{} authfail:{}{invalid_user} noauth:{} grace-exceeded:{} refuseconnection:{} \
             max:{} min:{} max-sources4:{} max-sources6:{} overflow:{} overflow6:{}",
            p.crash.as_secs(),
            p.authfail.as_secs(),
            p.noauth.as_secs(),
            p.grace_exceeded.as_secs(),
            p.refuseconnection.as_secs(),
            p.max.as_secs(),
            p.min.as_secs(),
            p.max_sources4,
            p.max_sources6,
            mode(p.overflow),
            mode(p.overflow6.unwrap_or(p.overflow)),
        ),
    );
}
