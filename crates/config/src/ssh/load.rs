//! Reading: lines, blocks, files, includes.

use super::keywords;
use super::matcher;
use super::options::{KeyPath, Options};
use crate::error::{Error, Fault};
use crate::forward::{self, ForwardKind};
use crate::hooks::{Hooks, Level, strerror};
use crate::keyword::{Dialect, Keyword, Kind, Line, Parse, Repeat};
use crate::lex::{self, Statement};
use crate::tokens;
use crate::types::{Forward, Target};
use crate::words::CanonicalizeHostname;
use carrick_keys::matching;
use std::collections::VecDeque;
use std::io;

/// Includes may nest this deep.
const MAX_DEPTH: u32 = 16;

/// The user who runs us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalUser {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Home directory.
    pub home: String,
}

/// The files to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// `-F`: read this file alone; `none` = no file at all.
    pub only: Option<String>,
    /// The system's file, read after `~/.ssh/config`.
    pub system: String,
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            only: None,
            system: "/etc/ssh/ssh_config".into(),
        }
    }
}

/// Options while they are being read.
pub struct Config<'h> {
    pub(super) hooks: &'h dyn Hooks,
    pub(super) user: LocalUser,
    pub(super) local_host: String,
    pub(super) version: String,
    pub(super) options: Options,
    /// What lines are read into that do not count but are checked.
    scratch: Options,
    /// The remote command as typed.
    pub(super) command: String,
    /// `-W` was given.
    pub(super) stdio_forward: bool,
    sources: Sources,
    wants_final: bool,
    errors: Vec<Error>,
}

/// Where a line stands.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) file: &'a str,
    pub(super) number: u32,
    /// `-o`, or the user's own file.
    pub(super) user_config: bool,
    pub(super) command_line: bool,
    /// An include from a block that does not apply: checked only.
    pub(super) never: bool,
    pub(super) last_pass: bool,
    pub(super) check_owner: bool,
    pub(super) depth: u32,
}

const COMMAND_LINE: Place<'static> = Place {
    file: "command-line",
    number: 0,
    user_config: true,
    command_line: true,
    never: false,
    last_pass: false,
    check_owner: false,
    depth: 0,
};

impl<'h> Config<'h> {
    /// No option set yet. `version` is what `Match version` compares with.
    pub fn new(hooks: &'h dyn Hooks, user: LocalUser, local_host: &str, version: &str) -> Self {
        Self {
            hooks,
            user,
            local_host: local_host.to_owned(),
            version: version.to_owned(),
            options: Options::default(),
            scratch: Options::default(),
            command: String::new(),
            stdio_forward: false,
            sources: Sources::default(),
            wants_final: false,
            errors: Vec::new(),
        }
    }

    /// One `-o` option, as written.
    pub fn option(&mut self, text: &str) -> Result<(), Error> {
        let mut active = true;
        let result = self.line(text, COMMAND_LINE, &mut active);
        self.settle(result)
    }

    /// What a flag stands for: sets `keyword` to these arguments, that are
    /// taken literally. As with `-o`, an earlier value stays.
    pub fn set(&mut self, keyword: &str, args: &[&str]) -> Result<(), Error> {
        let rest = args.join(" ");
        let args = args.iter().map(|a| (*a).to_owned()).collect();
        let result = match keywords::find(keyword) {
            Some(found) => self.setting(found, &rest, args, COMMAND_LINE, true),
            None => Err(unknown(keyword, COMMAND_LINE)),
        };
        self.settle(result)
    }

    /// `-i`, or a default of the program's own: adds an identity file.
    pub fn add_identity(&mut self, path: &str, user_provided: bool) {
        if !self.options.set.has("IdentityFile") {
            self.options.identity_files.clear();
            let (file, number) = (COMMAND_LINE.file.to_owned(), 0);
            self.options.set.insert("IdentityFile", file, number);
        }
        let key = KeyPath {
            path: path.to_owned(),
            user_provided,
        };
        if !self.options.identity_files.contains(&key) {
            self.options.identity_files.push(key);
        }
    }

    /// `-L`, `-R`, `-D`: adds a forwarding; `None` if the specification is wrong.
    pub fn add_forward(&mut self, kind: ForwardKind, spec: &str) -> Option<()> {
        let forward = forward::forward(spec, kind, self.hooks)?;
        self.options.add_forward(kind, forward);
        let name = match kind {
            ForwardKind::Local => "LocalForward",
            ForwardKind::Dynamic => "DynamicForward",
            ForwardKind::Remote | ForwardKind::RemoteDynamic => "RemoteForward",
        };
        self.options
            .set
            .insert(name, COMMAND_LINE.file.to_owned(), 0);
        Some(())
    }

    /// `-W` was given: forwardings are dropped and failures fatal, unless options say else.
    pub fn set_stdio_forward(&mut self) {
        self.stdio_forward = true;
    }

    /// The options as far as they are read: for log levels before the files,
    /// and for values (`-J`, `-X`) that a program wants to look at.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Reads the files for `host`, as the user typed it, and the remote
    /// command (empty = none).
    pub fn load(&mut self, sources: &Sources, host: &str, command: &str) -> Result<(), Error> {
        self.sources = sources.clone();
        host.clone_into(&mut self.options.host_argument);
        command.clone_into(&mut self.command);
        self.read_all(false)?;
        if self.wants_final {
            self.hooks
                .note(Level::Debug1, "configuration requests final Match pass");
        }
        if self.options.set.has("Hostname") {
            let host = &self.options.host_argument;
            self.options.hostname = tokens::expand(&self.options.hostname, &[('h', host)])
                .map_err(|why| expansion(&why, "percent_expand: failed"))?;
        } else {
            self.options
                .hostname
                .clone_from(&self.options.host_argument);
        }
        if self.options.hostname.parse::<std::net::IpAddr>().is_err() {
            self.options.hostname.make_ascii_lowercase();
        }
        Ok(())
    }

    /// The name to connect to, as far as the files say: after [`Config::load`]
    /// the program completes it if CanonicalizeHostname asks for that.
    pub fn connect_host(&self) -> String {
        self.options.hostname.clone()
    }

    /// Whether the files are to be read again, by `Match final` or because of
    /// CanonicalizeHostname.
    pub fn wants_final_pass(&self) -> bool {
        self.wants_final || self.options.canonicalize_hostname != CanonicalizeHostname::No
    }

    /// Reads the files again, now that the host's name is known.
    pub fn final_pass(&mut self, host: &str) -> Result<(), Error> {
        self.hooks.note(Level::Debug1, "re-parsing configuration");
        host.clone_into(&mut self.options.hostname);
        self.read_all(true)
    }

    fn read_all(&mut self, last_pass: bool) -> Result<(), Error> {
        let sources = self.sources.clone();
        let mut active = true;
        let user = Place {
            user_config: true,
            command_line: false,
            last_pass,
            ..COMMAND_LINE
        };
        if let Some(only) = &sources.only {
            if only.eq_ignore_ascii_case("none") {
                return Ok(());
            }
            let place = Place { file: only, ..user };
            return match self.file(place, &mut active)? {
                Ok(()) => Ok(()),
                Err(why) => {
                    let text = format!("Can't open user config file {only}: {}", strerror(&why));
                    Err(Error {
                        unreadable: true,
                        ..Error::new(only, 0, text)
                    })
                }
            };
        }
        let own = format!("{}/.ssh/config", self.user.home);
        let place = Place {
            file: &own,
            check_owner: true,
            ..user
        };
        let _ = self.file(place, &mut active)?;
        active = true;
        let place = Place {
            file: &sources.system,
            user_config: false,
            ..user
        };
        let _ = self.file(place, &mut active)?;
        Ok(())
    }

    /// Reads one file; the inner error is that it cannot be opened.
    pub(super) fn file(
        &mut self,
        place: Place<'_>,
        active: &mut bool,
    ) -> Result<io::Result<()>, Error> {
        if place.depth > MAX_DEPTH {
            let text = "Too many recursive configuration includes";
            return Err(self.give_up(Error::new(place.file, 0, text)));
        }
        let text = match self.hooks.read(place.file) {
            Ok(text) => text,
            Err(why) => return Ok(Err(why)),
        };
        if place.check_owner
            && ((text.owner != 0 && text.owner != self.user.uid) || text.mode & 0o022 != 0)
        {
            let text = format!("Bad owner or permissions on {}", place.file);
            return Err(self.give_up(Error::new(place.file, 0, text)));
        }
        self.hooks.note(
            Level::Debug1,
            &format!("Reading configuration data {}", place.file),
        );
        let mut bad = 0u32;
        let mut number = 0u32;
        for line in text.text.split(|b| *b == b'\n') {
            number = number.saturating_add(1);
            let place = Place { number, ..place };
            let result = match std::str::from_utf8(line) {
                Ok(line) => self.line(line, place, active),
                Err(_) => not_text(line, place),
            };
            match result {
                Ok(()) => {}
                Err(Fault::Bad(lines)) => {
                    bad += 1;
                    self.remember(place, lines);
                }
                Err(Fault::Fatal(error)) => return Err(self.give_up(error)),
            }
        }
        if bad > 0 {
            let text = format!(
                "{}: terminating, {bad} bad configuration options",
                place.file
            );
            return Err(self.give_up(Error::new(place.file, 0, text)));
        }
        Ok(Ok(()))
    }

    fn remember(&mut self, place: Place<'_>, lines: Vec<String>) {
        let mut lines = lines.into_iter();
        if let Some(first) = lines.next() {
            let mut error = Error::new(place.file, place.number, first);
            error.lines.extend(lines);
            self.errors.push(error);
        }
    }

    /// An error that ends reading, with all that was wrong before it.
    fn give_up(&mut self, last: Error) -> Error {
        let mut all = std::mem::take(&mut self.errors).into_iter();
        let Some(mut first) = all.next() else {
            return last;
        };
        for error in all.chain([last]) {
            first.lines.extend(error.lines);
        }
        first
    }

    fn settle(&mut self, result: Result<(), Fault>) -> Result<(), Error> {
        match result {
            Ok(()) => Ok(()),
            Err(Fault::Fatal(error)) => Err(self.give_up(error)),
            Err(Fault::Bad(mut lines)) => {
                let last = lines.pop().unwrap_or_default();
                self.remember(COMMAND_LINE, lines);
                Err(self.give_up(Error::new(COMMAND_LINE.file, 0, last)))
            }
        }
    }

    /// One line of a file, or an `-o` option.
    fn line(&mut self, text: &str, place: Place<'_>, active: &mut bool) -> Result<(), Fault> {
        let at = |what: String| format!("{} line {}: {what}", place.file, place.number);
        let (word, rest) = match lex::statement(text) {
            Statement::Nothing => return Ok(()),
            Statement::BadQuotes => return Err(Fault::Bad(vec![at("invalid quotes".into())])),
            Statement::Keyword(word, rest) => (word.to_ascii_lowercase(), rest),
        };
        let rest = rest.trim_start_matches(lex::BLANKS);
        if rest.is_empty() {
            let text = at(format!("no argument after keyword \"{word}\""));
            return Err(Fault::Bad(vec![text]));
        }
        let Some(keyword) = keywords::find(&word) else {
            let ignored = self.options.ignore_unknown.as_deref().unwrap_or("");
            if matching::pattern_list(&word, ignored.to_ascii_lowercase()).is_yes() {
                let text = at(format!("Ignored unknown option \"{word}\""));
                self.hooks.note(Level::Debug1, &text);
                return Ok(());
            }
            let mut fault = unknown(&word, place);
            if let (Fault::Bad(lines), None) = (&mut fault, lex::arguments(rest)) {
                lines.push(at("invalid quotes".into()));
            }
            return Err(fault);
        };
        let args =
            lex::arguments(rest).ok_or_else(|| Fault::Bad(vec![at("invalid quotes".into())]))?;
        let mut args: VecDeque<String> = args.into();
        match keyword.kind {
            Kind::Host | Kind::Match | Kind::Include if place.command_line => {
                let text = format!(
                    "{} directive not supported as a command-line option",
                    keyword.name
                );
                Err(Fault::Bad(vec![text]))
            }
            Kind::Host => self.host(&mut args, place, active),
            Kind::Match => {
                let (hit, wants_final) = matcher::evaluate(self, &mut args, place)?;
                self.wants_final |= wants_final;
                *active = hit && !place.never;
                Ok(())
            }
            Kind::Include => self.include(&mut args, place, active),
            _ => {
                // The word as written may be an alias, and messages repeat it.
                self.setting_called(keyword, &word, rest, args, place, *active)
            }
        }
    }

    fn setting(
        &mut self,
        keyword: &'static Keyword<Options>,
        rest: &str,
        args: VecDeque<String>,
        place: Place<'_>,
        active: bool,
    ) -> Result<(), Fault> {
        let word = keyword.name.to_ascii_lowercase();
        self.setting_called(keyword, &word, rest, args, place, active)
    }

    fn setting_called(
        &mut self,
        keyword: &'static Keyword<Options>,
        word: &str,
        rest: &str,
        args: VecDeque<String>,
        place: Place<'_>,
        active: bool,
    ) -> Result<(), Fault> {
        let mut line = Line {
            dialect: Dialect::Client,
            file: place.file,
            number: place.number,
            keyword: word.to_owned(),
            rest,
            args,
            active,
            first: !self.options.set.has(keyword.name),
            user_provided: place.user_config,
            hooks: self.hooks,
        };
        let (repeat, parse): (Repeat, Parse<Options>) = match keyword.kind {
            Kind::Value(repeat, parse) => (repeat, parse),
            Kind::Deprecated => {
                line.note(Level::Debug1, format!("Deprecated option \"{word}\""));
                return Ok(());
            }
            Kind::Unsupported => {
                line.note(Level::Error, format!("Unsupported option \"{word}\""));
                return Ok(());
            }
            _ => return Ok(()),
        };
        if active && (line.first || repeat != Repeat::First) {
            parse(&mut line, &mut self.options)?;
            self.options.set.record(keyword.name, &line);
        } else {
            parse(&mut line, &mut self.scratch)?;
        }
        if line.args.is_empty() {
            return Ok(());
        }
        Err(line.bad(format!("keyword {word} extra arguments at end of line")))
    }
}

fn unknown(word: &str, place: Place<'_>) -> Fault {
    let text = format!(
        "{}: line {}: Bad configuration option: {}",
        place.file,
        place.number,
        word.to_ascii_lowercase()
    );
    Fault::Bad(vec![text])
}

/// A line that is not UTF-8: fine in a comment.
fn not_text(line: &[u8], place: Place<'_>) -> Result<(), Fault> {
    if line.trim_ascii_start().first() == Some(&b'#') {
        return Ok(());
    }
    let text = format!("{} line {}: not valid UTF-8", place.file, place.number);
    Err(Fault::Bad(vec![text]))
}

/// A value that cannot be expanded.
pub(super) fn expansion(why: &tokens::ExpandError, then: &str) -> Error {
    let mut error = Error::new("", 0, format!("vdollar_percent_expand: {why}"));
    error.lines.push(then.to_owned());
    error
}

impl Options {
    /// Adds a forwarding unless it is there already.
    pub(super) fn add_forward(&mut self, kind: ForwardKind, forward: Forward) {
        let list = match kind {
            ForwardKind::Local | ForwardKind::Dynamic => &mut self.local_forwards,
            ForwardKind::Remote | ForwardKind::RemoteDynamic => &mut self.remote_forwards,
        };
        if !list.contains(&forward) {
            list.push(forward);
        }
    }

    /// Whether any forwarding of either kind asks for SOCKS at the far end.
    pub fn has_remote_socks(&self) -> bool {
        self.remote_forwards
            .iter()
            .any(|f| f.connect == Target::Socks)
    }
}
