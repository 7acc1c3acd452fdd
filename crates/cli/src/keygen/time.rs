//! Times as the command line and the listings have them, in the machine's
//! zone unless they end in `Z`.

use std::time::{SystemTime, UNIX_EPOCH};

use carrick_keys::VALID_FOREVER;
use carrick_keys::authorized_keys::{CivilTime, parse_time};
use carrick_sys::localtime::LocalTime;

/// A validity ends this long before the clock's minute, so that hosts whose
/// clocks lag a little take a certificate at once.
const BACKDATED: u64 = 59;

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Seconds since 1970 of a time that was read; `None` for one before.
pub(super) fn seconds(time: CivilTime) -> Option<u64> {
    time.seconds(|year, rest| LocalTime::new(year, rest).seconds())
}

/// `YYYYMMDD[HHMM[SS]][Z]`.
pub(super) fn absolute(text: &str) -> Option<u64> {
    seconds(parse_time(text)?)
}

/// `YYYY-MM-DDTHH:MM:SS` in the machine's zone.
pub(super) fn show(seconds: u64) -> String {
    let at = i64::try_from(seconds).unwrap_or(i64::MAX);
    match LocalTime::at(at) {
        Some(local) => local.to_string(),
        None => "UNKNOWN-TIME".into(),
    }
}

/// `YYYYMMDDTHHMMSS` in the machine's zone.
pub(super) fn show_compact(seconds: u64) -> String {
    let shown = show(seconds);
    if shown.starts_with(|c: char| c.is_ascii_digit()) {
        shown.replace(['-', ':'], "")
    } else {
        "<INVALID>".into()
    }
}

/// A certificate's time of validity, in words.
pub(crate) fn show_validity(after: u64, before: u64) -> String {
    match (after, before) {
        (0, VALID_FOREVER) => "forever".into(),
        (0, before) => format!("before {}", show(before)),
        (after, VALID_FOREVER) => format!("after {}", show(after)),
        (after, before) => format!("from {} to {}", show(after), show(before)),
    }
}

/// `-V`: `+TIME` from about now, or `FROM:TO`. The error is the message.
pub(super) fn validity(text: &str, now: u64) -> Result<(u64, u64), String> {
    if let Some(span) = text.strip_prefix('+').filter(|rest| !rest.contains(':')) {
        let span = carrick_config::time(span)
            .ok_or_else(|| format!("Invalid relative certificate life {text}"))?;
        let minute = now.saturating_sub(BACKDATED) / 60 * 60;
        return Ok((minute, now.saturating_add(span.as_secs())));
    }
    let halves = text.split_once(':');
    let (from, to) = halves
        .filter(|(from, to)| !from.is_empty() && !to.is_empty())
        .ok_or_else(|| format!("Invalid certificate life specification {text}"))?;
    let after = match from {
        "always" => 0,
        from => point(from, now, "from")?,
    };
    let before = match to {
        "forever" => VALID_FOREVER,
        to => point(to, now, "to")?,
    };
    if before <= after {
        return Err("Empty certificate validity interval".into());
    }
    Ok((after, before))
}

/// One end of a validity: relative to now, hexadecimal, or a date.
fn point(text: &str, now: u64, which: &str) -> Result<u64, String> {
    if let Some(span) = text.strip_prefix(['+', '-']) {
        let span = carrick_config::time(span)
            .ok_or_else(|| format!("Invalid relative certificate time {text}"))?
            .as_secs();
        return if text.starts_with('-') {
            now.checked_sub(span)
                .ok_or_else(|| format!("Certificate time {text} cannot be represented"))
        } else {
            Ok(now.saturating_add(span))
        };
    }
    if let Some(digits) = text.strip_prefix("0x") {
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err("Invalid certificate time: not a number".into());
        }
        return u64::from_str_radix(digits, 16).map_err(|_| {
            "parse_hex_u64: Invalid certificate time: Numerical result out of range".into()
        });
    }
    absolute(text).ok_or_else(|| format!("Invalid {which} time \"{text}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_750_000_000;

    #[test]
    fn validities() {
        for (text, want) in [
            ("+1d", (1_749_999_900, NOW + 86400)),
            ("-1h:+1w2d", (NOW - 3600, NOW + 9 * 86400)),
            ("always:forever", (0, VALID_FOREVER)),
            ("0x10:0xffffffffffffffff", (16, VALID_FOREVER)),
            ("20200101Z:20300101123000Z", (1_577_836_800, 1_893_501_000)),
            ("20200101utc:0x70000000", (1_577_836_800, 0x7000_0000)),
        ] {
            assert_eq!(validity(text, NOW), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_is_no_validity() {
        for (text, words) in [
            ("x", "Invalid certificate life specification x"),
            (":1", "Invalid certificate life specification :1"),
            ("a:", "Invalid certificate life specification a:"),
            ("+x", "Invalid relative certificate life +x"),
            ("+1.5h", "Invalid relative certificate life +1.5h"),
            ("+x:+1", "Invalid relative certificate time +x"),
            (
                "-24000d:+1",
                "Certificate time -24000d cannot be represented",
            ),
            ("0xzz:1", "Invalid certificate time: not a number"),
            ("forever:always", "Invalid from time \"forever\""),
            ("always:20209901", "Invalid to time \"20209901\""),
            ("20200101:20190101", "Empty certificate validity interval"),
        ] {
            assert_eq!(validity(text, NOW), Err(words.into()), "{text}");
        }
    }

    #[test]
    fn times_are_shown_as_they_are_read() {
        for seconds in [1_577_836_800, 4_000_000_000] {
            let shown = show(seconds);
            let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
            assert_eq!(absolute(&digits), Some(seconds), "{shown}");
        }
        assert_eq!(show_validity(0, VALID_FOREVER), "forever");
        assert!(show_validity(0, 5).starts_with("before "));
        assert!(show_validity(5, VALID_FOREVER).starts_with("after "));
    }
}
