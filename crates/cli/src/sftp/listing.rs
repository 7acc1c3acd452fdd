//! `ls`.

use std::time::{SystemTime, UNIX_EPOCH};

use super::ls::{self, How, Item, Sort, View};
use super::session::{Done, Session, Stop, join, refused};
use super::words::Word;
use crate::text::{logged, out, shown};
use crate::transfer::glob::Found;
use crate::transfer::progress::width;
use crate::transfer::{Fault, Kept};

impl Session {
    pub(super) fn ls(&mut self, how: How, word: Option<&Word>) -> Done {
        let Some(word) = word.filter(|word| !word.pattern().is_empty()) else {
            let folder = self.folder.clone();
            return self.list_folder(how, &folder, b"");
        };
        let pattern = self.pattern(word);
        // What is named from where one stands is shown from there.
        let strip = if word.pattern().starts_with(b"/") {
            Vec::new()
        } else {
            join(&self.folder, b"")
        };
        let found = self.find_to_list(&pattern)?;
        if let [only] = found.as_slice()
            && only.attrs.is_dir()
        {
            let shown_as = stripped(&only.marked(), &strip).to_vec();
            return self.list_folder(how, &only.path, &shown_as);
        }
        self.list_found(how, &found, &strip)
    }

    /// The files that a pattern has found.
    fn list_found(&mut self, how: How, found: &[Found], strip: &[u8]) -> Done {
        let longest = found.iter().map(|f| f.marked().len()).max().unwrap_or(0);
        let mut items: Vec<_> = found
            .iter()
            .map(|found| Item {
                name: stripped(&found.marked(), strip).to_vec(),
                attrs: found.attrs,
            })
            .collect();
        ls::sort(&mut items, how);
        self.print(how, &items, longest)
    }

    /// What is in a folder, which the user knows as `shown_as`.
    fn list_folder(&mut self, how: How, path: &[u8], shown_as: &[u8]) -> Done {
        let what = format_args!("remote readdir(\"{}\")", logged(path));
        let listed = match how.view {
            View::Long { numeric: false } if !how.units && !self.knows_accounts() => {
                self.list_as_sent(how, path)
            }
            View::Column if how.sort == Sort::None => self.list_as_it_comes(how, path, shown_as),
            _ => return self.list_whole(how, path, shown_as),
        };
        listed.map_err(|fault| refused(fault, what))
    }

    /// In an order that is known once all is there.
    fn list_whole(&mut self, how: How, path: &[u8], shown_as: &[u8]) -> Done {
        let entries = self.remote.read_dir(path);
        let what = format_args!("remote readdir(\"{}\")", logged(path));
        let mut entries = entries.map_err(|fault| refused(fault, what))?;
        entries.retain(|entry| how.wants(&entry.name));
        let longest = entries.iter().map(|e| e.name.len()).max().unwrap_or(0) + shown_as.len();
        let mut items: Vec<_> = entries
            .into_iter()
            .map(|entry| Item {
                name: entry.name,
                attrs: entry.attrs,
            })
            .collect();
        ls::sort(&mut items, how);
        if !shown_as.is_empty() {
            for item in &mut items {
                item.name = join(shown_as, &item.name);
            }
        }
        self.print(how, &items, longest)
    }

    /// Names in the server's order: however many there are, none is kept.
    fn list_as_it_comes(&mut self, how: How, path: &[u8], shown_as: &[u8]) -> Result<(), Fault> {
        self.remote.each_names(path, |names| {
            let wanted = names.iter().filter(|entry| how.wants(entry.name));
            let lines: String = wanted
                .map(|entry| match shown_as {
                    b"" => shown(entry.name) + "\n",
                    folder => shown(&join(folder, entry.name)) + "\n",
                })
                .collect();
            out!("{lines}");
            Ok(())
        })
    }

    /// Lines as the server made them.
    fn list_as_sent(&mut self, how: How, path: &[u8]) -> Result<(), Fault> {
        let (mut all, mut kept) = (Vec::new(), Kept::default());
        self.remote.each_names(path, |names| {
            let wanted = names.iter().filter(|entry| how.wants(entry.name));
            if how.sort == Sort::None {
                let lines: String = wanted.map(|entry| shown(entry.long) + "\n").collect();
                out!("{lines}");
                return Ok(());
            }
            for entry in wanted {
                kept.add(entry.name.len().saturating_add(entry.long.len()))?;
                let item = Item {
                    name: entry.name.to_vec(),
                    attrs: entry.attrs,
                };
                all.push((item, entry.long.to_vec()));
            }
            Ok(())
        })?;
        ls::sort_by_item(&mut all, how, |(item, _)| item);
        let lines: String = all.iter().map(|(_, long)| shown(long) + "\n").collect();
        out!("{lines}");
        Ok(())
    }

    fn print(&mut self, how: How, items: &[Item], longest: usize) -> Done {
        match how.view {
            View::Columns => {
                let names: Vec<_> = items.iter().map(|item| item.name.as_slice()).collect();
                out!("{}", ls::columns(&names, longest, width()));
            }
            View::Column => {
                let lines: String = items.iter().map(|i| shown(&i.name) + "\n").collect();
                out!("{lines}");
            }
            View::Long { numeric } => {
                if !numeric {
                    self.learn_accounts(items)?;
                }
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                let now = now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
                let lines: String = items
                    .iter()
                    .map(|item| ls::long(item, &self.accounts, how, now) + "\n")
                    .collect();
                out!("{lines}");
            }
        }
        Ok(())
    }

    fn knows_accounts(&self) -> bool {
        self.remote
            .offers()
            .has(carrick_sftp::msg::name::USERS_GROUPS_BY_ID)
    }

    /// Asks for the names of the files' owners. Without them there are numbers.
    fn learn_accounts(&mut self, items: &[Item]) -> Done {
        // A list of all may be longer than a message.
        const AT_ONCE: usize = 1000;
        if !self.knows_accounts() {
            return Ok(());
        }
        let (uids, gids) = self.accounts.missing(items.iter().map(|item| &item.attrs));
        let (mut users, mut groups) = (uids.chunks(AT_ONCE), gids.chunks(AT_ONCE));
        loop {
            let (uids, gids) = (users.next(), groups.next());
            if uids.is_none() && gids.is_none() {
                return Ok(());
            }
            let (uids, gids) = (uids.unwrap_or_default(), gids.unwrap_or_default());
            let names = match self.remote.users_groups(uids, gids) {
                Ok(names) => names,
                Err(Fault::Lost(lost)) => return Err(Stop::Lost(lost)),
                Err(_) => return Ok(()),
            };
            self.accounts.learn(uids, gids, &names.users, &names.groups);
        }
    }
}

/// A path from where one stands.
fn stripped<'a>(path: &'a [u8], strip: &[u8]) -> &'a [u8] {
    path.strip_prefix(strip).unwrap_or(path)
}
