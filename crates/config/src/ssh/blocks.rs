//! Host blocks, Include, and what is known of the connection while reading.

use super::load::{Config, Place};
use crate::error::Fault;
use crate::glob;
use crate::hooks::{Level, strerror};
use crate::tokens::{self, ClientTokens};
use carrick_keys::matching;
use std::collections::VecDeque;

impl Config<'_> {
    /// Whether the block that begins here applies.
    pub(super) fn host(
        &mut self,
        args: &mut VecDeque<String>,
        place: Place<'_>,
        active: &mut bool,
    ) -> Result<(), Fault> {
        *active = false;
        let host = self.match_host_argument(place);
        let mut shown = None;
        while let Some(arg) = args.pop_front() {
            if arg.is_empty() {
                let text = "keyword host empty argument";
                let text = format!("{} line {}: {text}", place.file, place.number);
                return Err(Fault::Bad(vec![text]));
            }
            if place.never {
                return Ok(());
            }
            let (negated, pattern) = arg
                .strip_prefix('!')
                .map_or((false, arg.as_str()), |p| (true, p));
            if !matching::pattern(&host, pattern) {
                continue;
            }
            if negated {
                self.hooks.note(
                    Level::Debug1,
                    &format!(
                        "{} line {}: Skipping Host block because of negated match for {pattern}",
                        place.file, place.number
                    ),
                );
                *active = false;
                return Ok(());
            }
            shown = shown.or_else(|| Some(pattern.to_owned()));
            *active = true;
        }
        if let Some(pattern) = shown {
            let text = format!(
                "{} line {}: Applying options for {pattern}",
                place.file, place.number
            );
            self.hooks.note(Level::Debug1, &text);
        }
        Ok(())
    }

    /// The name that Host patterns are compared with.
    fn match_host_argument(&self, place: Place<'_>) -> String {
        if place.last_pass {
            self.options.hostname.clone()
        } else {
            self.options.host_argument.clone()
        }
    }

    /// Reads the files that match, at this place.
    pub(super) fn include(
        &mut self,
        args: &mut VecDeque<String>,
        place: Place<'_>,
        active: &mut bool,
    ) -> Result<(), Fault> {
        let at = |text: String| format!("{} line {}: {text}", place.file, place.number);
        let bad = |text: String| Fault::Bad(vec![at(text)]);
        while let Some(arg) = args.pop_front() {
            if arg.is_empty() {
                return Err(bad("keyword include empty argument".into()));
            }
            let known = self.tokens_so_far(place);
            let env = |name: &str| self.hooks.env(name);
            let path = match tokens::expand_all(&arg, &known.table(), &env) {
                Ok(path) => path,
                Err(why) => {
                    let text = format!("vdollar_percent_expand: {why}");
                    self.hooks.note(Level::Error, &text);
                    let text = at(format!("Unable to expand user config file '{arg}'"));
                    self.hooks.note(Level::Error, &text);
                    continue;
                }
            };
            if path.starts_with('~') && !place.user_config {
                return Err(bad(format!("bad include path {path}.")));
            }
            let pattern = if path.starts_with(['/', '~']) {
                path
            } else if place.user_config {
                format!("~/.ssh/{path}")
            } else {
                format!("/etc/ssh/{path}")
            };
            let files = glob::glob(&pattern, true, self.hooks);
            if files.is_empty() {
                let text = at(format!("include {pattern} matched no files"));
                self.hooks.note(Level::Debug1, &text);
            }
            for file in files {
                self.included(&file, place, active)?;
            }
        }
        Ok(())
    }

    fn included(&mut self, file: &str, place: Place<'_>, active: &mut bool) -> Result<(), Fault> {
        let outer = *active;
        let inner = Place {
            file,
            check_owner: true,
            never: place.never || !outer,
            depth: place.depth + 1,
            ..place
        };
        let result = self.file(inner, active);
        // A block in the included file ends with that file.
        *active = outer;
        match result? {
            Ok(()) => Ok(()),
            Err(why) => {
                let why = strerror(&why);
                let text = format!(
                    "{} line {}: Can't open user config file {file}: {why}",
                    place.file, place.number
                );
                Err(Fault::Bad(vec![text]))
            }
        }
    }

    /// The host that `Match host` compares with, from what is read so far.
    pub(super) fn host_so_far(&self, place: Place<'_>) -> String {
        if place.last_pass || !self.options.set.has("Hostname") {
            return self.match_host_argument(place);
        }
        let host = &self.options.host_argument;
        tokens::expand(&self.options.hostname, &[('h', host)])
            .unwrap_or_else(|_| self.options.hostname.clone())
    }

    /// The remote user from what is read so far.
    pub(super) fn user_so_far(&self) -> &str {
        if self.options.set.has("User") {
            &self.options.user
        } else {
            &self.user.name
        }
    }

    /// The tokens of `Match exec` and Include.
    pub(super) fn tokens_so_far(&self, place: Place<'_>) -> ClientTokens {
        let host = self.host_so_far(place);
        let alias = self.options.host_key_alias.clone();
        self.client_tokens(
            &host,
            &alias.unwrap_or_else(|| host.clone()),
            self.user_so_far(),
        )
    }
}
