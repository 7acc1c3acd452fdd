//! What a sender of scp's legacy protocol says, a line at a time: what is read
//! is the name of a single file, and says the same when it is written again.
#![no_main]

use libfuzzer_sys::fuzz_target;

// The program is no library, and this part of it needs nothing else of it.
#[allow(dead_code, unreachable_pub, reason = "only the reader is tried")]
#[path = "../../crates/cli/src/scp/record.rs"]
mod record;

use record::{Record, entry_line, parse};

fuzz_target!(|line: &[u8]| {
    let (folder, entry) = match parse(line) {
        Ok(Record::File(entry)) => (false, entry),
        Ok(Record::Folder(entry)) => (true, entry),
        Ok(Record::Times(Some(times))) => {
            assert!(times.modified.micros < 1_000_000 && times.accessed.micros < 1_000_000);
            assert!(times.modified.seconds >= 0 && times.accessed.seconds >= 0);
            return;
        }
        _ => return,
    };
    assert!(!matches!(entry.name, b"" | b"." | b".."));
    assert!(!entry.name.iter().any(|b| matches!(b, b'/' | 0)));
    assert!(entry.mode <= 0o7777 && i64::try_from(entry.size).is_ok());
    if entry.name.len() <= 1024 && !entry.name.contains(&b'\n') {
        let again = entry_line(folder, entry.mode, entry.size, entry.name);
        assert_eq!(parse(&again[..again.len() - 1]), parse(line));
    }
});
