//! `ls`.

use std::time::{SystemTime, UNIX_EPOCH};

use super::ls::{self, How, Item, View};
use super::session::{Done, Session, Stop, join, refused};
use super::words::Word;
use crate::text::{logged, out, shown};
use crate::transfer::glob::Found;
use crate::transfer::progress::width;
use crate::transfer::{DirEntry, Fault};

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
        let entries = self.remote.read_dir(path);
        let what = format_args!("remote readdir(\"{}\")", logged(path));
        let mut entries = entries.map_err(|fault| refused(fault, what))?;
        entries.retain(|entry| how.all || !entry.name.starts_with(b"."));
        let longest = entries.iter().map(|e| e.name.len()).max().unwrap_or(0) + shown_as.len();
        if let View::Long { numeric: false } = how.view
            && !how.units
            && !self.knows_accounts()
        {
            print_as_sent(how, &mut entries);
            return Ok(());
        }
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

/// Lines as the server made them.
fn print_as_sent(how: How, entries: &mut [DirEntry]) {
    let items = entries.iter().map(|entry| Item {
        name: entry.name.clone(),
        attrs: entry.attrs,
    });
    let mut order: Vec<(Item, &[u8])> = items.zip(entries.iter().map(|e| &*e.long)).collect();
    ls::sort_by_item(&mut order, how, |(item, _)| item);
    let lines: String = order.iter().map(|(_, long)| shown(long) + "\n").collect();
    out!("{lines}");
}

/// A path from where one stands.
fn stripped<'a>(path: &'a [u8], strip: &[u8]) -> &'a [u8] {
    path.strip_prefix(strip).unwrap_or(path)
}
