//! Sessions: environment, terminal, subsystems, X11, logs, timeouts.

use super::super::options::{Options, Subsystem, UserEnvironment};
use super::{Done, file, flag, integer, keyword, patterns, seconds};
use crate::hooks::Level;
use crate::keyword::{Keyword, Line, none, words_or};
use crate::lex;
use crate::words::{LogLevel, SyslogFacility, Words};

pub(super) static KEYWORDS: &[Keyword<Options>] = &[
    keyword!(Anywhere Append "AcceptEnv", "variables to take from the client",
        |l, o| patterns(l, &mut o.accept_env, env_pattern), |o, d| d.each("AcceptEnv", &o.accept_env)),
    file!(Anywhere "Banner", banner, "file to show before login"),
    keyword!(Anywhere First "ChannelTimeout", "close idle channels",
    |l, o| { o.channel_timeouts = l.channel_timeouts()?; Ok(()) },
    |o, d| {
        let shown: Vec<String> = o.channel_timeouts.iter().map(|t| t.text.clone()).collect();
        d.line("ChannelTimeout", words_or(&shown, "none"));
    }),
    integer!(Anywhere "ClientAliveCountMax", client_alive_count_max,
        "unanswered probes before giving up"),
    seconds!(Anywhere "ClientAliveInterval", client_alive_interval, "time between probes"),
    keyword!(Anywhere First "ForceCommand", "run this whatever was asked for",
        |l, o| {
            o.force_command = none(l.rest.trim_start_matches(lex::BLANKS).to_owned());
            l.consume();
            Ok(())
        },
        |o, d| super::auth::or_none("ForceCommand", o.force_command.as_ref(), d)),
    keyword!(Anywhere First "IPQoS", "traffic class for interactive and for bulk sessions",
        |l, o| { o.ip_qos = l.ip_qos()?; Ok(()) },
        |o, d| d.line("IPQoS", format!("{} {}", o.ip_qos.interactive, o.ip_qos.bulk))),
    keyword!(Anywhere First "LogLevel", "how much to log",
        |l, o| {
            let word = l.next().unwrap_or_default();
            o.log_level = LogLevel::find(&word)
                .ok_or_else(|| l.fatal(format!("unsupported log level '{word}'")))?;
            Ok(())
        },
        |o, d| d.line("LogLevel", o.log_level.word())),
    keyword!(Anywhere First "LogVerbose", "places in the source that always log",
    |l, o| { o.log_verbose = l.list_or_none()?; Ok(()) },
    |o, d| if !o.log_verbose.is_empty() {
        d.line("LogVerbose", o.log_verbose.join(" "));
    }),
    integer!(Anywhere "MaxSessions", max_sessions, "sessions per connection"),
    flag!(Anywhere "PermitTTY", permit_tty, "terminals"),
    keyword!(Global First "PermitUserEnvironment", "variables from the user's files",
    user_environment, |o, d| d.line("PermitUserEnvironment",
        match &o.permit_user_environment {
            UserEnvironment::No => "no",
            UserEnvironment::Yes => "yes",
            UserEnvironment::Only(patterns) => patterns,
        })),
    flag!(Anywhere "PermitUserRC", permit_user_rc, "run ~/.ssh/rc"),
    flag!(Global "PrintLastLog", print_last_log, "show the last login"),
    flag!(Global "PrintMotd", print_motd, "show the message of the day"),
    keyword!(Anywhere First "SetEnv", "variables to set",
        |l, o| { o.set_env = l.set_env()?; Ok(()) },
        |o, d| d.each("SetEnv", o.set_env.iter().map(|p| format!("{}={}", p.name, p.value)))),
    keyword!(Anywhere Append "Subsystem", "program for a name", subsystem,
        |o, d| d.each("Subsystem",
            o.subsystems.iter().map(|s| format!("{} {}", s.name, s.line)))),
    keyword!(Global First "SyslogFacility", "facility to log to",
        |l, o| {
            let word = l.next().unwrap_or_default();
            o.syslog_facility = SyslogFacility::find(&word)
                .ok_or_else(|| l.fatal(format!("unsupported log facility '{word}'")))?;
            Ok(())
        },
        |o, d| d.line("SyslogFacility", o.syslog_facility.word())),
    keyword!(Anywhere First "UnusedConnectionTimeout", "end a connection without channels",
    unused_timeout, |o, d| match o.unused_connection_timeout {
        Some(time) => d.line("UnusedConnectionTimeout", time.as_secs()),
        None => d.line("UnusedConnectionTimeout", "none"),
    }),
    integer!(Anywhere "X11DisplayOffset", x11_display_offset, "first display number"),
    flag!(Anywhere "X11Forwarding", x11_forwarding, "forward X11"),
    flag!(Anywhere "X11UseLocalhost", x11_use_localhost, "listen for X11 on loopback only"),
    file!(Global "XAuthLocation", xauth_location, "the xauth program"),
];

fn env_pattern(line: &Line<'_>, word: &str) -> Done {
    if word.is_empty() || word.contains('=') {
        return Err(line.fatal("Invalid environment name."));
    }
    Ok(())
}

fn user_environment(line: &mut Line<'_>, options: &mut Options) -> Done {
    options.permit_user_environment = match line.word()?.as_str() {
        "yes" => UserEnvironment::Yes,
        "no" => UserEnvironment::No,
        patterns => UserEnvironment::Only(patterns.to_owned()),
    };
    Ok(())
}

fn unused_timeout(line: &mut Line<'_>, options: &mut Options) -> Done {
    if line
        .args
        .front()
        .is_some_and(|w| w.eq_ignore_ascii_case("none"))
    {
        line.next();
        options.unused_connection_timeout = None;
    } else {
        options.unused_connection_timeout = Some(line.time()?).filter(|t| !t.is_zero());
    }
    Ok(())
}

/// Of one name the first definition counts; in a Match block it replaces the
/// global one of that name.
fn subsystem(line: &mut Line<'_>, options: &mut Options) -> Done {
    let name = line.word()?;
    if !line.active {
        line.consume();
        return Ok(());
    }
    if line.first {
        options.subsystems_of_pass.clear();
    }
    if options.subsystems_of_pass.contains(&name) {
        line.note(
            Level::Debug1,
            format!("Subsystem '{name}' already defined."),
        );
        line.consume();
        return Ok(());
    }
    let command = line.next().filter(|c| !c.is_empty());
    let command = command.ok_or_else(|| line.fatal("Missing subsystem command."))?;
    let args: Vec<String> = line.args.drain(..).collect();
    let mut text = lex::join(std::slice::from_ref(&command));
    if !args.is_empty() {
        text.push(' ');
        text.push_str(&lex::join(&args));
    }
    options.subsystems_of_pass.push(name.clone());
    let new = Subsystem {
        name,
        command,
        line: text,
    };
    match options.subsystems.iter_mut().find(|s| s.name == new.name) {
        Some(old) => *old = new,
        None => options.subsystems.push(new),
    }
    Ok(())
}
