//! How `ls` shows files: columns, lines, and in what order.

use std::cmp::Ordering;
use std::collections::HashMap;

use carrick_sftp::msg::{Attrs, Owner};
use carrick_sys::localtime::LocalTime;

use crate::text::shown;

/// Half a year: what is older is shown with its year.
const RECENT: i64 = 365 * 24 * 60 * 60 / 2;
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The flags of `ls`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct How {
    pub(super) view: View,
    /// `-a`: names that begin with a dot, too.
    pub(super) all: bool,
    /// `-h`: sizes in units.
    pub(super) units: bool,
    /// `-r`.
    pub(super) reverse: bool,
    pub(super) sort: Sort,
}

impl How {
    /// Whether a file of this name is shown among those of its folder.
    pub(super) fn wants(self, name: &[u8]) -> bool {
        self.all || !name.starts_with(b".")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum View {
    #[default]
    Columns,
    /// `-1`.
    Column,
    /// `-l`, `-n`.
    Long {
        /// Numbers for users and groups.
        numeric: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Sort {
    #[default]
    Name,
    /// `-S`: the largest first.
    Size,
    /// `-t`: the newest first.
    Time,
    /// `-f`: as they come.
    None,
}

/// A file that is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// As it is called here: a name or a path.
    pub(super) name: Vec<u8>,
    pub(super) attrs: Attrs,
}

/// Puts files in the order that was asked for. Equal ones stay as they are.
pub(super) fn sort(items: &mut [Item], how: How) {
    sort_by_item(items, how, |item| item);
}

/// The same for what has files in it.
pub(super) fn sort_by_item<T>(all: &mut [T], how: How, item: impl Fn(&T) -> &Item) {
    let order = |a: &Item, b: &Item| -> Ordering {
        let time = |i: &Item| i.attrs.times.map_or(0, |t| t.modified);
        match how.sort {
            Sort::Name => a.name.cmp(&b.name),
            Sort::Size => b.attrs.size.cmp(&a.attrs.size),
            Sort::Time => time(b).cmp(&time(a)),
            Sort::None => Ordering::Equal,
        }
    };
    all.sort_by(|a, b| {
        let order = order(item(a), item(b));
        if how.reverse { order.reverse() } else { order }
    });
}

/// Names in columns of equal width, down to the last line's end. `longest` is
/// how long the longest counts, in bytes, and `width` the terminal's.
pub(super) fn columns(names: &[&[u8]], longest: usize, width: usize) -> String {
    let columns = (width / (longest + 2)).max(1);
    let cell = width / columns;
    let mut out = String::new();
    for line in names.chunks(columns) {
        for name in line {
            out.push_str(&shown(name));
            // What is shown may be longer than the name; OpenSSH pads the name.
            out.extend(std::iter::repeat_n(' ', cell.saturating_sub(name.len())));
        }
        out.push('\n');
    }
    out
}

/// The names of users and groups, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    users: HashMap<u32, String>,
    groups: HashMap<u32, String>,
}

impl Accounts {
    /// The numbers among the files' owners that have not been asked for: users
    /// and groups.
    pub(super) fn missing<'a>(
        &self,
        items: impl Iterator<Item = &'a Attrs>,
    ) -> (Vec<u32>, Vec<u32>) {
        let (mut uids, mut gids) = (Vec::new(), Vec::new());
        for Owner { uid, gid } in items.filter_map(|attrs| attrs.owner) {
            if !self.users.contains_key(&uid) {
                uids.push(uid);
            }
            if !self.groups.contains_key(&gid) {
                gids.push(gid);
            }
        }
        for ids in [&mut uids, &mut gids] {
            ids.sort_unstable();
            ids.dedup();
        }
        (uids, gids)
    }

    /// Takes the answer for `uids` and `gids`: a name each, empty where there
    /// is none. What is not answered is not asked for again.
    pub(super) fn learn(
        &mut self,
        uids: &[u32],
        gids: &[u32],
        users: &[Vec<u8>],
        groups: &[Vec<u8>],
    ) {
        let fill = |map: &mut HashMap<u32, String>, ids: &[u32], names: &[Vec<u8>]| {
            for (n, id) in ids.iter().enumerate() {
                let name = names.get(n).filter(|name| !name.is_empty());
                map.insert(*id, name.map_or_else(|| id.to_string(), |n| shown(n)));
            }
        };
        fill(&mut self.users, uids, users);
        fill(&mut self.groups, gids, groups);
    }

    fn user(&self, uid: u32) -> String {
        self.users
            .get(&uid)
            .cloned()
            .unwrap_or_else(|| uid.to_string())
    }

    fn group(&self, gid: u32) -> String {
        self.groups
            .get(&gid)
            .cloned()
            .unwrap_or_else(|| gid.to_string())
    }
}

/// A line as `ls -l` has it, at the time `now`. How many links a file has is
/// not known.
pub(super) fn long(item: &Item, accounts: &Accounts, how: How, now: i64) -> String {
    let Attrs {
        size, owner, times, ..
    } = item.attrs;
    let numeric = how.view == View::Long { numeric: true };
    let (user, group) = match owner {
        Some(Owner { uid, gid }) if !numeric => (accounts.user(uid), accounts.group(gid)),
        Some(Owner { uid, gid }) => (uid.to_string(), gid.to_string()),
        None => ("0".into(), "0".into()),
    };
    let size = size.unwrap_or(0);
    let size = if how.units {
        in_units(size)
    } else {
        size.to_string()
    };
    let time = times.map_or_else(String::new, |t| date(i64::from(t.modified), now));
    format!(
        "{}  {:>3} {user:<8} {group:<8} {size:>8} {time:>12} {}",
        mode(item.attrs.mode.unwrap_or(0)),
        "?",
        shown(&item.name)
    )
}

/// A mode as ten characters.
fn mode(mode: u32) -> String {
    let kind = match mode & 0o170_000 {
        0o100_000 => '-',
        0o040_000 => 'd',
        0o120_000 => 'l',
        0o060_000 => 'b',
        0o020_000 => 'c',
        0o010_000 => 'p',
        0o140_000 => 's',
        _ => '?',
    };
    let mut out = String::from(kind);
    // For each: how far its bits are shifted, the special bit, its letter.
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        let flag = |bit: u32, letter| if bits & bit != 0 { letter } else { '-' };
        out.push(flag(4, 'r'));
        out.push(flag(2, 'w'));
        out.push(match (mode & special != 0, bits & 1 != 0) {
            (false, _) => flag(1, 'x'),
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
        });
    }
    out
}

/// When, in this machine's time.
fn date(seconds: i64, now: i64) -> String {
    let Some(t) = LocalTime::at(seconds) else {
        return String::new();
    };
    let month = usize::from(t.month)
        .checked_sub(1)
        .and_then(|n| MONTHS.get(n))
        .unwrap_or(&"???");
    if seconds > now - RECENT && seconds <= now {
        format!("{month} {:>2} {:02}:{:02}", t.day, t.hour, t.minute)
    } else {
        format!("{month} {:>2}  {:>4}", t.day, t.year)
    }
}

/// A size in at most four digits and a unit of 1024.
pub(super) fn in_units(size: u64) -> String {
    const UNITS: [char; 7] = ['B', 'K', 'M', 'G', 'T', 'P', 'E'];
    let mut unit = 0;
    let (mut whole, mut below) = (size, 0);
    while whole >= 1024 {
        below = whole % 1024;
        whole /= 1024;
        unit += 1;
    }
    let mut tenths = (10 * below + 512) / 1024;
    if tenths >= 10 {
        whole += 1;
        tenths = 0;
    }
    let letter = UNITS[unit];
    if unit == 0 || whole >= 100 {
        format!("{}{letter}", whole + u64::from(tenths >= 5))
    } else {
        format!("{whole}.{tenths}{letter}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use carrick_sftp::msg::Times;

    fn item(name: &str, size: u64, modified: u32) -> Item {
        Item {
            name: name.into(),
            attrs: Attrs {
                size: Some(size),
                owner: Some(Owner { uid: 0, gid: 7 }),
                mode: Some(0o100_640),
                times: Some(Times {
                    accessed: 0,
                    modified,
                }),
            },
        }
    }

    #[test]
    fn units_as_openssh_rounds_them() {
        for (size, want) in [
            (0, "0B"),
            (1, "1B"),
            (1000, "1000B"),
            (1023, "1023B"),
            (1024, "1.0K"),
            (1126, "1.1K"),
            (10_188, "9.9K"),
            (10_189, "10.0K"),
            (102_348, "99.9K"),
            (102_349, "100K"),
            (102_399, "100K"),
            (1_048_575, "1024K"),
            (1_048_576, "1.0M"),
            (104_857_599, "100M"),
            (1 << 30, "1.0G"),
            (1 << 40, "1.0T"),
            (u64::MAX, "16.0E"),
        ] {
            assert_eq!(in_units(size), want, "{size}");
        }
    }

    #[test]
    fn modes() {
        for (bits, want) in [
            (0o100_644, "-rw-r--r--"),
            (0o040_755, "drwxr-xr-x"),
            (0o120_777, "lrwxrwxrwx"),
            (0o010_600, "prw-------"),
            (0o141_777, "srwxrwxrwt"),
            (0o104_755, "-rwsr-xr-x"),
            (0o104_644, "-rwSr--r--"),
            (0o102_755, "-rwxr-sr-x"),
            (0o041_776, "drwxrwxrwT"),
            (0, "?---------"),
        ] {
            assert_eq!(mode(bits), want);
        }
    }

    #[test]
    fn a_long_line() {
        let mut accounts = Accounts::default();
        let items = [item("a b", 6, 0)];
        let (uids, gids) = accounts.missing(items.iter().map(|i| &i.attrs));
        assert_eq!((uids.as_slice(), gids.as_slice()), (&[0][..], &[7][..]));
        accounts.learn(&uids, &gids, &[b"root".to_vec()], &[Vec::new()]);
        assert_eq!(
            accounts.missing(items.iter().map(|i| &i.attrs)),
            (vec![], vec![])
        );
        let how = How {
            view: View::Long { numeric: false },
            ..How::default()
        };
        let line = long(&items[0], &accounts, how, i64::from(u32::MAX));
        assert!(
            line.starts_with("-rw-r-----    ? root     7               6 "),
            "{line}"
        );
        assert!(line.ends_with("a b"), "{line}");
        let how = How {
            view: View::Long { numeric: true },
            units: true,
            ..how
        };
        let line = long(&items[0], &accounts, how, 0);
        assert!(
            line.starts_with("-rw-r-----    ? 0        7              6B "),
            "{line}"
        );
    }

    #[test]
    fn old_times_have_a_year_and_so_have_future_ones() {
        let now = 1_750_000_000;
        assert!(date(now - 10, now).contains(':'));
        assert!(date(now - RECENT + 1, now).contains(':'));
        assert!(!date(now - RECENT, now).contains(':'));
        assert!(date(now + 1, now).ends_with("  2025"));
        assert_eq!(date(now, now).len(), 12);
    }

    #[test]
    fn orders() {
        let names = |how: How| {
            let mut items = vec![item("b", 2, 5), item("a", 9, 7), item("c", 2, 6)];
            sort(&mut items, how);
            items
                .iter()
                .map(|i| String::from_utf8_lossy(&i.name).into_owned())
                .collect::<String>()
        };
        for (sort, forward, backward) in [
            (Sort::Name, "abc", "cba"),
            (Sort::Size, "abc", "bca"),
            (Sort::Time, "acb", "bca"),
            (Sort::None, "bac", "bac"),
        ] {
            let how = How {
                sort,
                ..How::default()
            };
            assert_eq!(names(how), forward, "{sort:?}");
            let how = How {
                reverse: true,
                ..how
            };
            assert_eq!(names(how), backward, "{sort:?}");
        }
    }

    #[test]
    fn columns_as_openssh_has_them() {
        let names: [&[u8]; 3] = [b"aaaaaaaaaabbbb", b"x", b"y"];
        assert_eq!(
            columns(&names, 14, 80),
            "aaaaaaaaaabbbb  x               y               \n"
        );
        assert_eq!(
            columns(&names, 14, 10),
            "aaaaaaaaaabbbb\nx         \ny         \n"
        );
        assert_eq!(columns(&names[1..], 1, 6), "x  y  \n");
        assert_eq!(columns(&[], 0, 80), "");
    }
}
