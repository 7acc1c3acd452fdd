//! A file's line in a list, as `ls -l` has it and OpenSSH's server: clients
//! show it to people, and some take it apart.

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use carrick_sys::localtime::LocalTime;
use rustix::fs::{FileType, Stat};

use super::accounts::Accounts;

/// Half a year: an older file's line has the year in place of the time of day.
const HALF_A_YEAR: i64 = 365 * 24 * 60 * 60 / 2;
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Puts a file's line into `into`, in place of what was there.
pub(super) fn write(into: &mut Vec<u8>, name: &[u8], stat: &Stat, accounts: &mut Accounts) {
    into.clear();
    into.extend_from_slice(&mode(stat.st_mode));
    // Writing to a vector cannot fail.
    let _ = write!(into, "  {:3} ", stat.st_nlink);
    owner(into, accounts.user(stat.st_uid), stat.st_uid);
    owner(into, accounts.group(stat.st_gid), stat.st_gid);
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    let _ = write!(into, "{size:8} ");
    when(into, stat.st_mtime, now());
    into.push(b' ');
    into.extend_from_slice(name);
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

fn owner(into: &mut Vec<u8>, name: Option<&str>, id: u32) {
    let _ = match name {
        Some(name) => write!(into, "{name:8} "),
        None => write!(into, "{id:<8} "),
    };
}

fn when(into: &mut Vec<u8>, time: i64, now: i64) {
    let local = LocalTime::at(time);
    let Some((local, month)) = local.and_then(|local| {
        let month = MONTHS.get(usize::from(local.month).checked_sub(1)?)?;
        Some((local, month))
    }) else {
        return;
    };
    let LocalTime {
        year,
        day,
        hour,
        minute,
        ..
    } = local;
    let _ = if now.saturating_sub(HALF_A_YEAR) < time && time <= now {
        write!(into, "{month} {day:2} {hour:02}:{minute:02}")
    } else {
        write!(into, "{month} {day:2}  {year}")
    };
}

/// What a file is and who may do what with it, as strmode(3) words it.
fn mode(bits: u32) -> [u8; 10] {
    let kind = match FileType::from_raw_mode(bits) {
        FileType::RegularFile => b'-',
        FileType::Directory => b'd',
        FileType::Symlink => b'l',
        FileType::Fifo => b'p',
        FileType::Socket => b's',
        FileType::CharacterDevice => b'c',
        FileType::BlockDevice => b'b',
        FileType::Unknown => b'?',
    };
    let may = |bit: u32, letter: u8| if bits & bit == 0 { b'-' } else { letter };
    let run = |bit: u32, special: u32, both: u8, only: u8| match (bits & special, bits & bit) {
        (0, _) => may(bit, b'x'),
        (_, 0) => only,
        (_, _) => both,
    };
    [
        kind,
        may(0o400, b'r'),
        may(0o200, b'w'),
        run(0o100, 0o4000, b's', b'S'),
        may(0o040, b'r'),
        may(0o020, b'w'),
        run(0o010, 0o2000, b's', b'S'),
        may(0o004, b'r'),
        may(0o002, b'w'),
        run(0o001, 0o1000, b't', b'T'),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_worded() {
        for (bits, words) in [
            (0o100_644, "-rw-r--r--"),
            (0o040_755, "drwxr-xr-x"),
            (0o120_777, "lrwxrwxrwx"),
            (0o107_000, "---S--S--T"),
            (0o107_777, "-rwsrwsrwt"),
            (0o020_000, "c---------"),
            (0o060_000, "b---------"),
            (0o010_000, "p---------"),
            (0o140_000, "s---------"),
            (0, "?---------"),
        ] {
            assert_eq!(core::str::from_utf8(&mode(bits)), Ok(words));
        }
    }

    #[test]
    fn an_old_time_has_its_year_and_a_new_one_its_hour() {
        let text = |time, now| {
            let mut out = Vec::new();
            when(&mut out, time, now);
            String::from_utf8(out).unwrap()
        };
        let now = 1_750_000_000;
        assert!(text(now, now).contains(':'));
        assert!(text(now - HALF_A_YEAR + 1, now).contains(':'));
        for time in [now - HALF_A_YEAR, now + 1] {
            let old = text(time, now);
            assert!(!old.contains(':') && old.contains("  202"), "{old}");
        }
        assert_eq!(text(now, now).len(), text(0, now).len());
        assert_eq!(text(i64::MAX, now), "");
    }
}
