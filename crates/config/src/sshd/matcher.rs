//! Match of sshd_config, and the connection that it is asked about.

use crate::error::{Error, Fault};
use crate::hooks::{Hooks, Level};
use crate::value;
use carrick_keys::matching;
use std::collections::VecDeque;

/// What Match conditions are compared with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionSpec {
    /// The name that the client wants to log in as.
    pub user: Option<String>,
    /// There is no such account.
    pub invalid_user: bool,
    /// The client's host name, if UseDNS found one, else its address.
    pub host: Option<String>,
    /// The client's address.
    pub address: Option<String>,
    /// Our address.
    pub local_address: Option<String>,
    /// Our port.
    pub local_port: Option<u16>,
    /// Routing domain.
    pub rdomain: Option<String>,
    /// For `-T`: a condition about something that is not given is false
    /// instead of an error.
    pub test: bool,
}

impl ConnectionSpec {
    /// Adds what `-C` says (`user=x,host=y,addr=z,laddr=,lport=,rdomain=,invalid-user`).
    pub fn parse(&mut self, spec: &str, hooks: &dyn Hooks) -> Result<(), Error> {
        self.test = true;
        for part in spec.split(',') {
            if part.is_empty() {
                break;
            }
            let invalid = || format!("Invalid test mode specification {part}");
            let value = |text: &str| Some(text.to_owned());
            match part.split_once('=') {
                Some(("user", v)) => self.user = value(v),
                Some(("host", v)) => self.host = value(v),
                Some(("addr", v)) => self.address = value(v),
                Some(("laddr", v)) => self.local_address = value(v),
                Some(("rdomain", v)) => self.rdomain = value(v),
                Some(("lport", v)) => {
                    let port = value::port(v, hooks).ok_or_else(|| {
                        let text = format!("Invalid port '{v}' in test mode specification {part}");
                        Error::new("", 0, text)
                    })?;
                    self.local_port = Some(port);
                }
                None if part == "invalid-user" => self.invalid_user = true,
                _ => return Err(Error::new("", 0, invalid())),
            }
        }
        Ok(())
    }
}

/// A line and what it is compared with; no connection = syntax only.
pub(super) struct Matcher<'a> {
    pub(super) file: &'a str,
    pub(super) number: u32,
    pub(super) version: &'a str,
    pub(super) spec: Option<&'a ConnectionSpec>,
    pub(super) hooks: &'a dyn Hooks,
}

/// What ends the evaluation: an error with more to say, or at once.
enum Bad {
    Line(String),
    Fatal(String),
}

impl Matcher<'_> {
    /// Whether the line matches; without a connection only `all` and `version` do.
    pub(super) fn evaluate(&self, args: &mut VecDeque<String>) -> Result<bool, Fault> {
        let place = format!("{} line {}", self.file, self.number);
        let result = self.conditions(args);
        if let (Ok(hit), Some(_)) = (&result, self.spec) {
            let text = format!("{place}: match {}found", if *hit { "" } else { "not " });
            self.hooks.note(Level::Debug3, &text);
        }
        result.map_err(|bad| {
            let mut error = match bad {
                Bad::Fatal(text) => return Error::new(self.file, self.number, text).into(),
                Bad::Line(text) => Error::new(self.file, self.number, text),
            };
            error.lines.push(format!("{place}: Bad Match condition"));
            Fault::Fatal(error)
        })
    }

    fn conditions(&self, args: &mut VecDeque<String>) -> Result<bool, Bad> {
        let mut result = true;
        let mut count = 0;
        while let Some(word) = args.pop_front() {
            count += 1;
            let lower = word.to_ascii_lowercase();
            if lower == "all" {
                if count > 1 || args.front().is_some_and(|a| !a.is_empty()) {
                    let text = "'all' cannot be combined with other Match attributes";
                    return Err(Bad::Line(text.into()));
                }
                args.clear();
                return Ok(true);
            }
            if lower == "invalid-user" {
                result &= self.spec.is_some_and(|s| s.invalid_user);
                continue;
            }
            let (name, arg) = argument(&lower, &word, args)?;
            result &= self.condition(&name, &arg, &word)?;
        }
        if count == 0 {
            return Err(Bad::Line(
                "One or more attributes required for Match".into(),
            ));
        }
        Ok(result)
    }

    fn condition(&self, name: &str, arg: &str, word: &str) -> Result<bool, Bad> {
        match name {
            "user" => self.about(
                |s| s.user.as_deref(),
                "User",
                "user",
                |user| Ok(matching::pattern_list(user, arg).is_yes()),
            ),
            "group" => self.about(
                |s| s.user.as_deref(),
                "Group",
                "user",
                |user| Ok(self.group(user, arg)),
            ),
            "host" => self.about(
                |s| s.host.as_deref(),
                "Host",
                "host",
                |host| Ok(matching::hostname(host, arg).is_yes()),
            ),
            "address" => self.address(|s| s.address.as_deref(), ["Address", "addr"], arg),
            "localaddress" => self.address(
                |s| s.local_address.as_deref(),
                ["LocalAddress", "laddr"],
                arg,
            ),
            "localport" => {
                let Some(port) = value::port(arg, self.hooks) else {
                    return Err(Bad::Line(format!(
                        "Invalid LocalPort '{arg}' on Match line"
                    )));
                };
                let Some(spec) = self.spec else {
                    return Ok(false);
                };
                match spec.local_port {
                    Some(local) => Ok(local == port),
                    None if spec.test => Ok(false),
                    None => Err(missing("LocalPort", "lport")),
                }
            }
            "rdomain" => self.about(
                |s| s.rdomain.as_deref(),
                "RDomain",
                "rdomain",
                |domain| Ok(matching::pattern_list(domain, arg).is_yes()),
            ),
            "version" => Ok(matching::pattern_list(self.version, arg).is_yes()),
            _ => Err(Bad::Line(format!("Unsupported Match attribute {word}"))),
        }
    }

    /// A condition on one fact of the connection.
    fn about(
        &self,
        fact: impl Fn(&ConnectionSpec) -> Option<&str>,
        criterion: &str,
        attribute: &str,
        test: impl Fn(&str) -> Result<bool, Bad>,
    ) -> Result<bool, Bad> {
        let Some(spec) = self.spec else {
            return Ok(false);
        };
        match fact(spec) {
            Some(value) => test(value),
            None if spec.test => Ok(false),
            None => Err(missing(criterion, attribute)),
        }
    }

    fn address(
        &self,
        fact: impl Fn(&ConnectionSpec) -> Option<&str>,
        [criterion, attribute]: [&str; 2],
        list: &str,
    ) -> Result<bool, Bad> {
        // The list is checked even if nothing is compared with it.
        if matching::address_list(None, list).is_err() {
            let what = if criterion == "Address" {
                "address"
            } else {
                "localaddress"
            };
            let text = format!(
                "Invalid Match {what} argument '{list}' at line {}",
                self.number
            );
            return Err(Bad::Fatal(text));
        }
        self.about(fact, criterion, attribute, |address| {
            Ok(matching::address_list(Some(address), list).is_ok_and(matching::Match::is_yes))
        })
    }

    fn group(&self, user: &str, patterns: &str) -> bool {
        let Some(groups) = self.hooks.groups(user) else {
            let text = format!(
                "Can't match group at line {} because user {user} does not exist",
                self.number
            );
            self.hooks.note(Level::Debug1, &text);
            return false;
        };
        let mut hit = false;
        for group in groups {
            match matching::pattern_list(&group, patterns) {
                matching::Match::Yes => hit = true,
                matching::Match::No => {}
                matching::Match::Negated => return false,
            }
        }
        hit
    }
}

fn missing(criterion: &str, attribute: &str) -> Bad {
    Bad::Fatal(format!(
        "'Match {criterion}' in configuration but '{attribute}' not in connection \
         test specification."
    ))
}

/// Takes the argument of a condition: `name=argument` or the next word.
fn argument(lower: &str, word: &str, args: &mut VecDeque<String>) -> Result<(String, String), Bad> {
    const NAMES: [&str; 8] = [
        "user",
        "group",
        "host",
        "address",
        "localaddress",
        "localport",
        "rdomain",
        "version",
    ];
    let joined = lower.split_once('=').filter(|(n, _)| NAMES.contains(n));
    let (name, arg) = match joined {
        // The argument keeps its case.
        Some((n, _)) => (n, Some(word.get(n.len() + 1..).unwrap_or("").to_owned())),
        None => (lower, args.pop_front()),
    };
    if let Some(arg) = arg.filter(|a| !a.is_empty()) {
        return Ok((name.to_owned(), arg));
    }
    let shown = word.get(..name.len()).unwrap_or(word);
    Err(Bad::Line(format!("Missing Match criteria for {shown}")))
}
