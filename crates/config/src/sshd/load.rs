//! Reading: the global section, and Match blocks for one connection.

use super::keywords;
use super::matcher::{ConnectionSpec, Matcher};
use super::options::Options;
use super::source::{File, Included, Source};
use crate::error::{Error, Fault};
use crate::glob;
use crate::hooks::{Hooks, Level, strerror};
use crate::keyword::{Dialect, Keyword, Kind, Line, Repeat, Scope, SetKeywords};
use crate::lex::{self, Statement};
use std::collections::VecDeque;

/// Includes may nest this deep.
const MAX_DEPTH: u32 = 16;

/// A reading of all files.
struct Pass<'a> {
    hooks: &'a dyn Hooks,
    options: Options,
    /// What was set in this pass; a value of an earlier pass is replaced.
    set: SetKeywords,
    mentioned: SetKeywords,
    /// What lines are read into that do not count but are checked.
    scratch: Options,
    included: Vec<Included>,
    /// `None` reads the global section, else the Match blocks.
    spec: Option<&'a ConnectionSpec>,
    /// Match blocks are looked for, and none was met in this file.
    before_blocks: bool,
    version: String,
    /// `-p` was given.
    fixed_ports: bool,
    errors: Vec<Error>,
}

/// Where lines stand.
#[derive(Clone, Copy)]
struct Place<'a> {
    file: &'a str,
    number: u32,
    command_line: bool,
    /// An include from a block that does not apply.
    never: bool,
    depth: u32,
}

impl Options {
    /// The global section: command line, file, defaults. Included files are
    /// read now and kept in `source`. Match blocks are checked.
    pub fn load(source: &mut Source, hooks: &dyn Hooks) -> Result<Self, Error> {
        let mut options = Self::default();
        if !source.ports.is_empty() {
            options.ports.clone_from(&source.ports);
        }
        let mut pass = Pass::new(options, hooks, None);
        pass.version.clone_from(&source.version);
        pass.fixed_ports = !source.ports.is_empty();
        pass.included = std::mem::take(&mut source.included);
        for text in &source.options {
            pass.command_line(text)?;
        }
        if let Some(main) = &source.main {
            pass.file(main, Place::top(main), &mut true)?;
        }
        source.included = pass.included;
        let mut options = pass.options;
        options.set.extend(pass.set);
        options.mentioned.extend(pass.mentioned);
        Ok(options)
    }

    /// The options for one connection: these, with the Match blocks that apply.
    pub fn for_connection(
        &self,
        source: &Source,
        spec: &ConnectionSpec,
        hooks: &dyn Hooks,
    ) -> Result<Self, Error> {
        let mut pass = Pass::new(self.clone(), hooks, Some(spec));
        pass.version.clone_from(&source.version);
        pass.included.clone_from(&source.included);
        if let Some(main) = &source.main {
            pass.file(main, Place::top(main), &mut false)?;
        }
        let mut options = pass.options;
        options.set.extend(pass.set);
        Ok(options)
    }
}

impl<'a> Place<'a> {
    fn top(main: &'a File) -> Self {
        Self {
            file: &main.name,
            number: 0,
            command_line: false,
            never: false,
            depth: 0,
        }
    }
}

impl<'a> Pass<'a> {
    fn new(options: Options, hooks: &'a dyn Hooks, spec: Option<&'a ConnectionSpec>) -> Self {
        Self {
            hooks,
            options,
            set: SetKeywords::default(),
            mentioned: SetKeywords::default(),
            scratch: Options::default(),
            included: Vec::new(),
            spec,
            before_blocks: spec.is_some(),
            version: String::new(),
            fixed_ports: false,
            errors: Vec::new(),
        }
    }

    fn command_line(&mut self, text: &str) -> Result<(), Error> {
        let place = Place {
            file: "command-line",
            number: 0,
            command_line: true,
            never: false,
            depth: 0,
        };
        match self.line(text, place, &mut true) {
            Ok(()) => Ok(()),
            Err(Fault::Fatal(error)) => Err(self.give_up(error)),
            Err(Fault::Bad(lines)) => {
                let mut error = Error::new(place.file, 0, lines.join("\n"));
                error.lines = lines;
                Err(self.give_up(error))
            }
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

    fn file(&mut self, file: &File, place: Place<'_>, active: &mut bool) -> Result<(), Error> {
        if place.depth > MAX_DEPTH {
            let text = "Too many recursive configuration includes";
            return Err(self.give_up(Error::new(place.file, 0, text)));
        }
        let mut bad = 0u32;
        let mut number = 0u32;
        for line in file.text.split(|b| *b == b'\n') {
            number = number.saturating_add(1);
            let place = Place { number, ..place };
            let result = match std::str::from_utf8(line) {
                Ok(line) => self.line(line, place, active),
                Err(_) if line.trim_ascii_start().first() == Some(&b'#') => Ok(()),
                Err(_) => Err(Fault::Bad(vec![at(place, "not valid UTF-8")])),
            };
            match result {
                Ok(()) => {}
                Err(Fault::Fatal(error)) => return Err(self.give_up(error)),
                Err(Fault::Bad(lines)) => {
                    bad += 1;
                    let mut error = Error::new(
                        place.file,
                        number,
                        lines.first().cloned().unwrap_or_default(),
                    );
                    error.lines = lines;
                    self.errors.push(error);
                }
            }
        }
        if bad > 0 {
            let text = format!(
                "{}: terminating, {bad} bad configuration options",
                place.file
            );
            return Err(self.give_up(Error::new(place.file, 0, text)));
        }
        Ok(())
    }

    fn line(&mut self, text: &str, place: Place<'_>, active: &mut bool) -> Result<(), Fault> {
        let (word, rest) = match lex::statement(text) {
            Statement::Nothing => return Ok(()),
            Statement::BadQuotes => return Err(Fault::Bad(vec![at(place, "invalid quotes")])),
            Statement::Keyword(word, rest) => (word, rest),
        };
        if rest.is_empty() {
            let text = format!("no argument after keyword \"{word}\"");
            return Err(Fault::Bad(vec![at(place, &text)]));
        }
        let Some(keyword) = keywords::find(&word) else {
            let text = format!(
                "{}: line {}: Bad configuration option: {word}",
                place.file, place.number
            );
            let mut lines = vec![text];
            if lex::arguments(rest).is_none() {
                lines.push(at(place, "invalid quotes"));
            }
            return Err(Fault::Bad(lines));
        };
        let args =
            lex::arguments(rest).ok_or_else(|| Fault::Bad(vec![at(place, "invalid quotes")]))?;
        let mut args: VecDeque<String> = args.into();
        if self.spec.is_some() && keyword.scope == Scope::Global {
            // Of the global section, and that was read before.
            return Ok(());
        }
        if !*active && keyword.scope == Scope::Global {
            let text = format!("Directive '{word}' is not allowed within a Match block");
            return Err(Error::new(place.file, place.number, at(place, &text)).into());
        }
        match keyword.kind {
            Kind::Match | Kind::Include if place.command_line => {
                let text = format!(
                    "{} directive not supported as a command-line option",
                    keyword.name
                );
                Err(Error::new(place.file, 0, text).into())
            }
            Kind::Match => {
                let matcher = Matcher {
                    file: place.file,
                    number: place.number,
                    version: &self.version,
                    spec: self.spec.filter(|_| !place.never),
                    hooks: self.hooks,
                };
                // `Match all` holds without a connection: what follows it
                // belongs to the global section again.
                let hit = matcher.evaluate(&mut args)?;
                *active = hit && !place.never;
                self.before_blocks = false;
                Ok(())
            }
            Kind::Include => self.include(&mut args, place, active),
            _ => self.setting(keyword, &word, rest, args, place, *active),
        }
    }

    fn setting(
        &mut self,
        keyword: &'static Keyword<Options>,
        word: &str,
        rest: &str,
        args: VecDeque<String>,
        place: Place<'_>,
        active: bool,
    ) -> Result<(), Fault> {
        let mut line = Line {
            dialect: Dialect::Server,
            file: place.file,
            number: place.number,
            keyword: word.to_owned(),
            rest,
            args,
            active,
            first: !self.set.has(keyword.name),
            user_provided: true,
            hooks: self.hooks,
        };
        let Kind::Value(repeat, parse) = keyword.kind else {
            let (level, what) = match keyword.kind {
                Kind::Unsupported => (Level::Info, "Unsupported"),
                Kind::Ignored => (Level::Debug2, "Deprecated"),
                _ => (Level::Info, "Deprecated"),
            };
            line.note(level, format!("{what} option {word}"));
            return Ok(());
        };
        self.mentioned.record(keyword.name, &line);
        if keyword.name == "Port" && self.fixed_ports {
            return Ok(());
        }
        if active && (line.first || repeat != Repeat::First) {
            parse(&mut line, &mut self.options)?;
            self.set.record(keyword.name, &line);
        } else {
            parse(&mut line, &mut self.scratch)?;
        }
        if line.args.is_empty() {
            return Ok(());
        }
        Err(line.bad(format!("keyword {word} extra arguments at end of line")))
    }

    fn include(
        &mut self,
        args: &mut VecDeque<String>,
        place: Place<'_>,
        active: &mut bool,
    ) -> Result<(), Fault> {
        let mut any = false;
        while let Some(arg) = args.pop_front() {
            if arg.is_empty() {
                let text = at(place, "keyword Include empty argument");
                return Err(Fault::Bad(vec![text]));
            }
            any = true;
            let pattern = if arg.starts_with(['/', '~']) {
                arg
            } else {
                format!("/etc/ssh/{arg}")
            };
            let files = self.included_files(&pattern)?;
            let outer = *active;
            for file in files {
                let inner = Place {
                    file: &file.name,
                    number: 0,
                    // While Match blocks are looked for, the global section
                    // that includes files is not active, but the blocks in
                    // those files count.
                    never: !outer && !self.before_blocks,
                    depth: place.depth + 1,
                    ..place
                };
                let before_blocks = self.before_blocks;
                let result = self.file(&file, inner, active);
                // A block in the included file ends with that file.
                self.before_blocks = before_blocks;
                *active = outer;
                result?;
            }
        }
        if any {
            return Ok(());
        }
        let text = at(place, "Include missing filename argument");
        Err(Error::new(place.file, place.number, text).into())
    }

    /// The files of a pattern: as they were when it was first met.
    fn included_files(&mut self, pattern: &str) -> Result<Vec<File>, Error> {
        if let Some(known) = self.included.iter().find(|i| i.pattern == pattern) {
            return Ok(known.files.clone());
        }
        let paths = glob::glob(pattern, false, self.hooks);
        let mut files = Vec::new();
        for name in paths {
            match self.hooks.read(&name) {
                Ok(text) => files.push(File {
                    name,
                    text: text.text,
                }),
                Err(why) => {
                    let text = format!("{name}: {}", strerror(&why));
                    let error = Error {
                        unreadable: true,
                        ..Error::new(name, 0, text)
                    };
                    return Err(self.give_up(error));
                }
            }
        }
        let pattern = pattern.to_owned();
        self.included.push(Included {
            pattern,
            files: files.clone(),
        });
        Ok(files)
    }
}

fn at(place: Place<'_>, text: &str) -> String {
    format!("{} line {}: {text}", place.file, place.number)
}
