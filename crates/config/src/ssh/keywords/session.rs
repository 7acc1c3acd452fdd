//! The session: terminal, commands, environment, logs.

use super::super::options::{KEYSTROKE_INTERVAL, Options};
use super::{Done, choice, command, flag, keyword, text};
use crate::hooks::Level;
use crate::keyword::{Dump, Keyword, Line, words_or};
use crate::value;
use crate::words::{LogLevel, SyslogFacility, Words};
use carrick_keys::matching;
use std::time::Duration;

pub(super) static KEYWORDS: &[Keyword<Options>] = &[
    keyword!(First "ChannelTimeout", "close idle channels",
    |l, o| { o.channel_timeouts = l.channel_timeouts()?; Ok(()) },
    |o, d| {
        let shown: Vec<String> = o.channel_timeouts.iter().map(|t| t.text.clone()).collect();
        d.line("ChannelTimeout", words_or(&shown, "none"));
    }),
    flag!(
        "EnableEscapeCommandline",
        enable_escape_commandline,
        "the ~C prompt"
    ),
    keyword!(First "EscapeChar", "the escape character", escape_char, dump_escape),
    flag!(
        "ForkAfterAuthentication",
        fork_after_authentication,
        "go to the background"
    ),
    text!(
        "IgnoreUnknown",
        ignore_unknown,
        "patterns of keywords that may be unknown"
    ),
    command!("LocalCommand", local_command, "run here after login"),
    keyword!(First "LogLevel", "how much to say",
        |l, o| {
            let word = l.next().unwrap_or_default();
            o.log_level = LogLevel::find(&word)
                .ok_or_else(|| l.bad(format!("unsupported log level '{word}'")))?;
            Ok(())
        },
        |o, d| d.line("LogLevel", o.log_level.word())),
    keyword!(First "LogVerbose", "places in the source that always log",
        |l, o| { o.log_verbose = super::bounded_list(l, usize::MAX)?; Ok(()) },
        |o, d| d.line("LogVerbose", words_or(&o.log_verbose, "none"))),
    keyword!(First "ObscureKeystrokeTiming", "hide when keys are pressed",
        keystroke_timing, dump_keystroke_timing),
    flag!(
        "PermitLocalCommand",
        permit_local_command,
        "allow LocalCommand and ~C !"
    ),
    command!(
        "RemoteCommand",
        remote_command,
        "run there instead of a shell"
    ),
    choice!("RequestTTY", request_tty, "ask for a terminal"),
    keyword!(Append "SendEnv", "variables to send", send_env, |o, d| d.each("SendEnv", &o.send_env)),
    choice!("SessionType", session_type, "shell, subsystem or none"),
    keyword!(First "SetEnv", "variables to set there",
        |l, o| { o.set_env = l.set_env()?; Ok(()) },
        |o, d| d.each("SetEnv", o.set_env.iter().map(|p| format!("{}={}", p.name, p.value)))),
    flag!("StdinNull", stdin_null, "read nothing"),
    keyword!(First "SyslogFacility", "facility for -y",
        |l, o| {
            let word = l.next().unwrap_or_default();
            o.syslog_facility = SyslogFacility::find(&word)
                .ok_or_else(|| l.bad(format!("unsupported log facility '{word}'")))?;
            Ok(())
        },
        |o, d| d.line("SyslogFacility", o.syslog_facility.word())),
];

fn escape_char(line: &mut Line<'_>, options: &mut Options) -> Done {
    let word = line.word()?;
    options.escape_char = match word.as_bytes() {
        b"none" => None,
        [one] => Some(*one),
        [b'^', letter] if (64..128).contains(letter) => Some(letter & 31),
        _ => return Err(line.bad("Bad escape character.")),
    };
    Ok(())
}

/// The character as `vis(3)` shows it.
fn dump_escape(options: &Options, dump: &mut Dump) {
    let shown = match options.escape_char {
        None => "none".to_owned(),
        Some(b'\\') => "\\\\".to_owned(),
        Some(c) if c.is_ascii_graphic() => char::from(c).to_string(),
        Some(c) if c & 0x7f == b' ' => format!("\\{c:03o}"),
        Some(c) => {
            let low = c & 0x7f;
            let meta = if c >= 0x80 { "M" } else { "" };
            match low {
                0x7f => format!("\\{meta}^?"),
                0..0x20 => format!("\\{meta}^{}", char::from(low + b'@')),
                _ => format!("\\M-{}", char::from(low)),
            }
        }
    };
    dump.line("EscapeChar", shown);
}

fn keystroke_timing(line: &mut Line<'_>, options: &mut Options) -> Done {
    let word = line.next().ok_or_else(|| line.bad("missing argument"))?;
    let value = match word.as_str() {
        "yes" | "true" => Some(KEYSTROKE_INTERVAL),
        "no" | "false" => None,
        other => {
            let Some(ms) = other.strip_prefix("interval:") else {
                return Err(line.bad(format!("unsupported argument \"{other}\"")));
            };
            let ms = value::integer(Some(ms))
                .map_err(|what| line.bad(format!("integer value {what}.")))?;
            if !(1..=1000).contains(&ms) {
                return Err(line.bad("value out of range."));
            }
            Some(Duration::from_millis(u64::from(ms)))
        }
    };
    if line.next().is_some() {
        return Err(line.bad("invalid arguments"));
    }
    options.obscure_keystroke_timing = value;
    Ok(())
}

fn dump_keystroke_timing(options: &Options, dump: &mut Dump) {
    match options.obscure_keystroke_timing {
        None => dump.line("ObscureKeystrokeTiming", "no"),
        Some(KEYSTROKE_INTERVAL) => dump.line("ObscureKeystrokeTiming", "yes"),
        Some(other) => dump.line("ObscureKeystrokeTiming", other.as_millis()),
    }
}

fn send_env(line: &mut Line<'_>, options: &mut Options) -> Done {
    let mut found = false;
    while let Some(word) = line.next() {
        if word.is_empty() || word.contains('=') {
            return Err(line.bad("Invalid environment name."));
        }
        found = true;
        match word.strip_prefix('-') {
            Some(pattern) => options.send_env.retain(|name| {
                let goes = matching::pattern(name, pattern);
                if goes {
                    line.note(Level::Debug3, format!("removing environment {name}"));
                }
                !goes
            }),
            None => options.send_env.push(word),
        }
    }
    if found {
        Ok(())
    } else {
        Err(line.fatal(format!("no {} specified", line.keyword)))
    }
}
