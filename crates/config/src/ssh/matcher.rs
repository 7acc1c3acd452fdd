//! Match of ssh_config. All conditions of a line are joined by "and".

use super::load::{Config, Place};
use crate::error::{Error, Fault};
use crate::hooks::Level;
use crate::tokens;
use crate::words::SessionType;
use carrick_keys::matching;
use std::collections::VecDeque;

/// What ends the evaluation of a line: text without and with the place.
enum Bad {
    Plain(String),
    Placed(String),
    Fatal(String),
}

/// Whether the line matches, and whether it asks for a final pass.
pub(super) fn evaluate(
    config: &Config<'_>,
    args: &mut VecDeque<String>,
    place: Place<'_>,
) -> Result<(bool, bool), Fault> {
    let at = |text: &str| format!("{} line {}: {text}", place.file, place.number);
    conditions(config, args, place).map_err(|bad| {
        let first = match bad {
            Bad::Plain(text) => text,
            Bad::Placed(text) => at(&text),
            Bad::Fatal(text) => {
                return Fault::Fatal(Error::new(place.file, place.number, at(&text)));
            }
        };
        Fault::Bad(vec![first, at("Bad Match condition")])
    })
}

fn conditions(
    config: &Config<'_>,
    args: &mut VecDeque<String>,
    place: Place<'_>,
) -> Result<(bool, bool), Bad> {
    let mut result = true;
    let mut wants_final = false;
    let mut count = 0;
    while let Some(word) = args.pop_front() {
        let (negated, name) = word
            .strip_prefix('!')
            .map_or((false, word.as_str()), |n| (true, n));
        let lower = name.to_ascii_lowercase();
        if lower == "all" {
            if count > 1 || args.front().is_some_and(|a| !a.is_empty()) {
                let text = format!("'{word}' cannot be combined with other Match attributes");
                return Err(Bad::Placed(text));
            }
            args.clear();
            return Ok((result && !negated, wants_final));
        }
        count += 1;
        let hit = if lower == "canonical" || lower == "final" {
            wants_final |= lower == "final" && !negated;
            place.last_pass
        } else {
            let (name, arg) = argument(&lower, name, &word, args)?;
            // A command is not run when the line cannot match any more.
            if name == "exec" && !result {
                let text = format!("{} line {}: skipped exec", place.file, place.number);
                config.hooks.note(Level::Debug3, &text);
                continue;
            }
            condition(config, &name, &arg, place)?
        };
        config.hooks.note(
            Level::Debug3,
            &format!(
                "{} line {}: {}matched '{word}'",
                place.file,
                place.number,
                if hit == negated { "not " } else { "" }
            ),
        );
        result &= hit != negated;
    }
    if count == 0 {
        return Err(Bad::Plain(
            "One or more attributes required for Match".into(),
        ));
    }
    Ok((result, wants_final))
}

/// Takes the argument of a condition: `name=argument` or the next word.
fn argument(
    lower: &str,
    name: &str,
    word: &str,
    args: &mut VecDeque<String>,
) -> Result<(String, String), Bad> {
    const NAMES: [&str; 10] = [
        "host",
        "originalhost",
        "user",
        "localuser",
        "localnetwork",
        "version",
        "tagged",
        "command",
        "exec",
        "sessiontype",
    ];
    let joined = lower.split_once('=').filter(|(n, _)| NAMES.contains(n));
    let (lower, arg) = match joined {
        // The argument keeps its case.
        Some((n, _)) => (n, name.get(n.len() + 1..).unwrap_or("").to_owned()),
        None => match args.pop_front() {
            Some(arg) => (lower, arg),
            None => return Err(Bad::Placed(format!("missing argument for Match '{word}'"))),
        },
    };
    if arg.is_empty() && lower != "tagged" && lower != "command" {
        return Err(Bad::Plain(format!("Missing Match criteria for {lower}")));
    }
    Ok((lower.to_owned(), arg))
}

/// An empty criterion matches nothing but an empty argument.
fn list_or_empty(value: &str, arg: &str) -> bool {
    if value.is_empty() {
        arg.is_empty()
    } else {
        matching::pattern_list(value, arg).is_yes()
    }
}

fn condition(config: &Config<'_>, name: &str, arg: &str, place: Place<'_>) -> Result<bool, Bad> {
    let list = |value: &str| matching::pattern_list(value, arg).is_yes();
    Ok(match name {
        "host" => matching::hostname(config.host_so_far(place), arg).is_yes(),
        "originalhost" => matching::hostname(&config.options.host_argument, arg).is_yes(),
        "user" => list(config.user_so_far()),
        "localuser" => list(&config.user.name),
        "version" => list(&config.version),
        "tagged" => list_or_empty(config.options.tag.as_deref().unwrap_or(""), arg),
        "command" => list_or_empty(&config.command, arg),
        "sessiontype" => list(match config.options.session_type {
            SessionType::Subsystem => "subsystem",
            SessionType::None => "none",
            SessionType::Default if config.command.is_empty() => "shell",
            SessionType::Default => "exec",
        }),
        "localnetwork" => local_network(config, arg)?,
        "exec" => execute(config, arg, place)?,
        other => return Err(Bad::Plain(format!("Unsupported Match attribute {other}"))),
    })
}

fn local_network(config: &Config<'_>, networks: &str) -> Result<bool, Bad> {
    let wrong = |why: matching::AddressListError| Bad::Plain(format!("match localnetwork: {why}"));
    matching::cidr_list(None, networks).map_err(wrong)?;
    let addresses = config
        .hooks
        .local_addresses()
        .map_err(|why| Bad::Plain(format!("match localnetwork: getifaddrs failed: {why}")))?;
    for address in addresses {
        if matching::cidr_list(Some(address), networks).map_err(wrong)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn execute(config: &Config<'_>, command: &str, place: Place<'_>) -> Result<bool, Bad> {
    let known = config.tokens_so_far(place);
    let command = tokens::expand(command, &known.table())
        .map_err(|_| Bad::Fatal(format!("failed to expand match exec '{command}'")))?;
    config
        .hooks
        .note(Level::Debug1, &format!("Executing command: '{command}'"));
    config
        .hooks
        .exec(&command)
        .map_err(|_| Bad::Fatal(format!("match exec '{command}' error")))
}
