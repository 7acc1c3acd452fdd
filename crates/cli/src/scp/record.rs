//! The records of the legacy protocol, that of rcp: one line each.
//!
//! ```text
//! C0644 1234 name      a file: its mode and size; its bytes follow, and a 0
//! D0755 0 name         a folder: what is in it follows, up to
//! E                    its end
//! T1700000000 0 1700000001 0    when the next was modified and accessed
//! ```
//!
//! Each is answered by a 0, or by 1 (it failed, go on) or 2 (it is over) and
//! a line of text. A sender may put 1 or 2 and a line in place of a record.
//!
//! A sender may be hostile: a name that is none of a single file is an error
//! here, so that no caller can forget to look.

/// The longest record that is taken, its line end left out. A name is at most
/// 255 bytes on most systems.
pub(crate) const MAX_LEN: usize = 16 * 1024;
/// The most of a name that a folder's record carries, as OpenSSH cuts it.
const MAX_FOLDER_NAME: usize = 1024;

/// What a sender said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    /// Something failed; more may follow.
    Warning(&'a [u8]),
    /// Something failed, and the sender gave up.
    Fatal(&'a [u8]),
    /// The folder has no more.
    End,
    /// For the next file or folder; `None` if they cannot be told here.
    Times(Option<Times>),
    File(Entry<'a>),
    Folder(Entry<'a>),
}

/// When a file was changed and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) modified: Stamp,
    pub(crate) accessed: Stamp,
}

/// A time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Since 1970.
    pub(crate) seconds: i64,
    pub(crate) micros: u32,
}

/// A file or a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// Permission bits, with set-uid and the like.
    pub(crate) mode: u32,
    /// Fits an `off_t`.
    pub(crate) size: u64,
    /// Of one file: not empty, no slash, neither `.` nor `..`.
    pub(crate) name: &'a [u8],
}

/// What a sender may not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bad<'a> {
    /// It is no record at all: a shell's complaint, perhaps.
    NoRecord,
    /// It is malformed.
    Malformed(&'static str),
    /// The name leads elsewhere.
    Name(&'a [u8]),
}

/// Reads a line, its end left out.
pub(crate) fn parse(line: &[u8]) -> Result<Record<'_>, Bad<'_>> {
    let (kind, rest) = line
        .split_first()
        .ok_or(Bad::Malformed("unexpected <newline>"))?;
    match kind {
        1 => Ok(Record::Warning(rest)),
        2 => Ok(Record::Fatal(rest)),
        b'E' => Ok(Record::End),
        b'T' => times(rest).map(Record::Times).map_err(Bad::Malformed),
        b'C' => entry(rest).map(Record::File),
        b'D' => entry(rest).map(Record::Folder),
        _ => Err(Bad::NoRecord),
    }
}

fn times(text: &[u8]) -> Result<Option<Times>, &'static str> {
    let (modified, rest) = stamp(
        text,
        [
            "mtime.sec not present",
            "mtime.sec not delimited",
            "mtime.usec not delimited",
        ],
    )?;
    let rest = space(rest).ok_or("mtime.usec not delimited")?;
    let (accessed, rest) = stamp(
        rest,
        [
            "atime.sec not present",
            "atime.sec not delimited",
            "atime.usec not delimited",
        ],
    )?;
    if !rest.is_empty() {
        return Err("atime.usec not delimited");
    }
    Ok(modified
        .zip(accessed)
        .map(|(modified, accessed)| Times { modified, accessed }))
}

/// Seconds and microseconds, and what follows; what to say of each if it is
/// not there.
fn stamp<'a>(
    text: &'a [u8],
    whys: [&'static str; 3],
) -> Result<(Option<Stamp>, &'a [u8]), &'static str> {
    let [no_seconds, no_space, no_micros] = whys;
    let (seconds, rest) = number(text).ok_or(no_seconds)?;
    let rest = space(rest).ok_or(no_space)?;
    let (micros, rest) = number(rest).ok_or(no_micros)?;
    let micros = u32::try_from(micros).ok().filter(|v| *v < 1_000_000);
    let micros = micros.ok_or(no_micros)?;
    let seconds = i64::try_from(seconds).ok();
    Ok((seconds.map(|seconds| Stamp { seconds, micros }), rest))
}

fn entry(text: &[u8]) -> Result<Entry<'_>, Bad<'_>> {
    let bad = Bad::Malformed;
    let (digits, rest) = text.split_at_checked(4).ok_or(bad("bad mode"))?;
    let mode = digits.iter().try_fold(0, |mode, digit| match digit {
        b'0'..=b'7' => Ok(mode << 3 | u32::from(digit - b'0')),
        _ => Err(bad("bad mode")),
    })?;
    let rest = space(rest).ok_or(bad("mode not delimited"))?;
    let (size, rest) = number(rest).ok_or(bad("size not present"))?;
    let name = space(rest).ok_or(bad("size not delimited"))?;
    if i64::try_from(size).is_err() {
        return Err(bad("size out of range"));
    }
    if matches!(name, b"" | b"." | b"..") || name.iter().any(|b| matches!(b, b'/' | 0)) {
        return Err(Bad::Name(name));
    }
    Ok(Entry { mode, size, name })
}

/// Digits at the start, and what follows. Past the range it is the greatest.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let end = text.iter().position(|b| !b.is_ascii_digit());
    let (digits, rest) = text.split_at(end.unwrap_or(text.len()));
    let value = digits.iter().fold(0_u64, |value, digit| {
        value
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    });
    (!digits.is_empty()).then_some((value, rest))
}

fn space(text: &[u8]) -> Option<&[u8]> {
    text.strip_prefix(b" ")
}

/// The record for a file or a folder, its line end included.
pub(crate) fn entry_line(folder: bool, mode: u32, size: u64, name: &[u8]) -> Vec<u8> {
    let (kind, name) = if folder {
        ('D', name.get(..MAX_FOLDER_NAME).unwrap_or(name))
    } else {
        ('C', name)
    };
    let mut line = format!("{kind}{mode:04o} {size} ").into_bytes();
    push_name(&mut line, name);
    line.push(b'\n');
    line
}

/// The record for times in whole seconds, its line end included. Times before
/// 1970 cannot be told.
pub(crate) fn times_line(modified: i64, accessed: i64) -> Vec<u8> {
    format!("T{} 0 {} 0\n", modified.max(0), accessed.max(0)).into_bytes()
}

/// A name that holds a line end would end the record: then all that is not
/// printable in it is written as vis(3) writes it, as OpenSSH does.
pub(crate) fn push_name(line: &mut Vec<u8>, name: &[u8]) {
    if !name.contains(&b'\n') {
        line.extend_from_slice(name);
        return;
    }
    for byte in name {
        match byte {
            b'\\' => line.extend(br"\\"),
            b' ' | b'\t' | 0x21..=0x7e => line.push(*byte),
            0xa0 => line.extend(br"\240"),
            _ => {
                line.push(b'\\');
                if byte & 0x80 != 0 {
                    line.push(b'M');
                }
                match byte & 0x7f {
                    0x7f => line.extend(b"^?"),
                    low @ 0..0x20 => line.extend([b'^', low + 0x40]),
                    low => line.extend([b'-', low]),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: [&[u8]; 7] = [
        b"C0644 1234 a name",
        b"D2755 0 d",
        b"E",
        b"T1 2 3 999999",
        b"\x01scp: no",
        b"\x02scp: no",
        b"C0000 9223372036854775807 \xff\x1b[2J",
    ];

    #[test]
    fn records() {
        let name = b"a name";
        let (mode, size) = (0o644, 1234);
        let file = Record::File(Entry { mode, size, name });
        assert_eq!(parse(VALID[0]), Ok(file));
        assert!(matches!(parse(VALID[1]), Ok(Record::Folder(e)) if e.mode == 0o2755));
        assert_eq!(parse(VALID[2]), Ok(Record::End));
        let stamp = |seconds, micros| Stamp { seconds, micros };
        let (modified, accessed) = (stamp(1, 2), stamp(3, 999_999));
        assert_eq!(
            parse(VALID[3]),
            Ok(Record::Times(Some(Times { modified, accessed })))
        );
        assert_eq!(parse(VALID[4]), Ok(Record::Warning(b"scp: no")));
        assert_eq!(parse(VALID[5]), Ok(Record::Fatal(b"scp: no")));
        assert!(matches!(parse(VALID[6]), Ok(Record::File(e)) if e.size == i64::MAX as u64));
        let late = parse(b"T99999999999999999999 0 0 0");
        assert_eq!(late, Ok(Record::Times(None)));
    }

    #[test]
    fn what_is_malformed_is_named() {
        for (line, why) in [
            ("", "unexpected <newline>"),
            ("C", "bad mode"),
            ("C064", "bad mode"),
            ("C0648 1 x", "bad mode"),
            ("C06444 1 x", "mode not delimited"),
            ("C0644  1 x", "size not present"),
            ("C0644 -1 x", "size not present"),
            ("C0644 1x x", "size not delimited"),
            ("C0644 1", "size not delimited"),
            ("C0644 9223372036854775808 x", "size out of range"),
            ("T", "mtime.sec not present"),
            ("T1", "mtime.sec not delimited"),
            ("T1 1000000 3 4", "mtime.usec not delimited"),
            ("T1 -2 3 4", "mtime.usec not delimited"),
            ("T1 2", "mtime.usec not delimited"),
            ("T1 2 x 4", "atime.sec not present"),
            ("T1 2 3", "atime.sec not delimited"),
            ("T1 2 3 4 ", "atime.usec not delimited"),
        ] {
            assert_eq!(parse(line.as_bytes()), Err(Bad::Malformed(why)), "{line}");
        }
        for line in ["No match.", "c0644 1 x", "X", "\x03x"] {
            assert_eq!(parse(line.as_bytes()), Err(Bad::NoRecord), "{line}");
        }
    }

    #[test]
    fn names_that_lead_elsewhere() {
        for name in ["", ".", "..", "/", "a/b", "../a", "a\0b"] {
            for kind in ["C", "D"] {
                let line = format!("{kind}0644 1 {name}");
                assert_eq!(
                    parse(line.as_bytes()),
                    Err(Bad::Name(name.as_bytes())),
                    "{name}"
                );
            }
        }
        for name in ["...", ".a", "-", "a b", " ", "\\"] {
            assert!(
                parse(format!("C0644 1 {name}").as_bytes()).is_ok(),
                "{name}"
            );
        }
    }

    #[test]
    fn broken_lines_do_not_panic() {
        for line in VALID {
            for end in 0..line.len() {
                let _ = parse(&line[..end]);
            }
            for at in 0..line.len() {
                for bit in 0..8 {
                    let mut line = line.to_vec();
                    line[at] ^= 1 << bit;
                    let _ = parse(&line);
                }
            }
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let line = entry_line(false, 0o4755, 7, b"x y");
        assert_eq!(line, b"C4755 7 x y\n");
        assert_eq!(
            entry_line(true, 0o700, 0, &[b'x'; 2000]).len(),
            8 + 1024 + 1
        );
        assert_eq!(times_line(-5, 9), b"T0 0 9 0\n");
        let line = entry_line(false, 0o644, 7, b"a\nb\\ \x7f\xc3\x83\xa0");
        assert_eq!(line, b"C0644 7 a\\^Jb\\\\ \\^?\\M-C\\M^C\\240\n");
    }
}
