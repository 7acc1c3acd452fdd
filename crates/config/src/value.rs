//! Numbers, times, sizes, ports, masks: accepted exactly as OpenSSH accepts them.

use crate::hooks::Hooks;
use crate::types::{Qos, TunnelId};
use std::fmt;
use std::time::Duration;

const INT_MAX: i64 = i32::MAX as i64;

/// A decimal number between bounds; the error is the word that follows
/// "integer value".
pub(crate) fn number(text: &str, min: i64, max: i64) -> Result<i64, &'static str> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or("")),
        Some(b'+') => (false, text.get(1..).unwrap_or("")),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err("invalid");
    }
    let value = digits.parse::<i64>().map(|v| if negative { -v } else { v });
    match value {
        Ok(v) if v < min => Err("too small"),
        Ok(v) if v > max => Err("too large"),
        Ok(v) => Ok(v),
        Err(_) if negative => Err("too small"),
        Err(_) => Err("too large"),
    }
}

/// An integer argument from 0 to 2^31-1.
pub(crate) fn integer(text: Option<&str>) -> Result<u32, &'static str> {
    match text {
        None | Some("") => Err("missing"),
        Some(text) => number(text, 0, INT_MAX).and_then(|v| u32::try_from(v).or(Err("too large"))),
    }
}

/// A port by number (0 to 65535) or service name.
pub(crate) fn port(text: &str, hooks: &dyn Hooks) -> Option<u16> {
    match number(text, 0, 65535) {
        Ok(v) => u16::try_from(v).ok(),
        Err(_) => hooks.service_port(text),
    }
}

/// A port that is not 0.
pub(crate) fn real_port(text: &str, hooks: &dyn Hooks) -> Option<u16> {
    port(text, hooks).filter(|p| *p != 0)
}

/// A time: `90`, `1m30s`, `2h`, `1d`, `1w` and their sums.
pub fn time(text: &str) -> Option<Duration> {
    let mut total: i64 = 0;
    let mut rest = text;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (digits, tail) = rest.split_at(end);
        let count = number(digits, 0, INT_MAX).ok()?;
        let mut unit = tail.chars();
        let factor = match unit.next() {
            None | Some('s' | 'S') => 1,
            Some('m' | 'M') => 60,
            Some('h' | 'H') => 3600,
            Some('d' | 'D') => 86400,
            Some('w' | 'W') => 604_800,
            Some(_) => return None,
        };
        total = count
            .checked_mul(factor)?
            .checked_add(total)
            .filter(|t| *t <= INT_MAX)?;
        rest = unit.as_str();
    }
    u64::try_from(total).ok().map(Duration::from_secs)
}

/// A size with an optional fraction and a suffix `B K M G T P E`; the error
/// is what `strerror` says.
pub fn scaled(text: &str) -> Result<i64, &'static str> {
    const INVALID: &str = "Invalid argument";
    const RANGE: &str = "Numerical result out of range";
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let (negative, body) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or("")),
        Some(b'+') => (false, text.get(1..).unwrap_or("")),
        _ => (false, text),
    };
    let end = body
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(body.len());
    let (digits, suffix) = body.split_at(end);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
        return Err(INVALID);
    }
    let mut letters = suffix.chars();
    let power = match letters.next().map(|c| c.to_ascii_uppercase()) {
        None | Some('B') => 0,
        Some('K') => 1,
        Some('M') => 2,
        Some('G') => 3,
        Some('T') => 4,
        Some('P') => 5,
        Some('E') => 6,
        Some(_) => return Err(INVALID),
    };
    if letters.next().is_some_and(|c| c.is_ascii_alphanumeric()) {
        return Err(INVALID);
    }
    let factor = 1i64 << (10 * power);
    let whole: i64 = if whole.is_empty() {
        0
    } else {
        whole.parse().map_err(|_| RANGE)?
    };
    let mut value = whole.checked_mul(factor).ok_or(RANGE)?;
    // The fraction counts to three digits, as for "1.5K".
    let mut part = 0i64;
    let mut scale = 1i64;
    for digit in fraction.bytes().take(3) {
        part = part * 10 + i64::from(digit - b'0');
        scale *= 10;
    }
    value = value
        .checked_add(factor / scale * part + factor % scale * part / scale)
        .ok_or(RANGE)?;
    Ok(if negative { -value } else { value })
}

/// A mask in octal up to 0777; what follows the digits does not count.
pub(crate) fn octal(text: &str) -> Option<u32> {
    let text = text.trim_start_matches([' ', '\t']);
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text
        .find(|c: char| !('0'..='7').contains(&c))
        .unwrap_or(text.len());
    let value = u32::from_str_radix(text.get(..end)?, 8).ok()?;
    (value <= 0o777).then_some(value)
}

/// The numbers of `N` or `N:M` or `N:M:L`: as many as could be read, each an
/// int, with what follows left unread.
pub(crate) fn colon_numbers(text: &str) -> Vec<i64> {
    let mut all = Vec::new();
    let mut rest = text;
    loop {
        let sign = usize::from(rest.starts_with(['-', '+']));
        let body = rest.get(sign..).unwrap_or("");
        let end = sign
            + body
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(body.len());
        let (digits, tail) = rest.split_at(end);
        match number(digits, i64::from(i32::MIN), INT_MAX) {
            Ok(v) => all.push(v),
            Err(_) => return all,
        }
        match tail.strip_prefix(':') {
            Some(more) => rest = more,
            None => return all,
        }
    }
}

/// `any` or a device number.
fn tunnel_id(text: &str) -> Option<TunnelId> {
    // The two highest ids stand for "error" and "any".
    const MAX: i64 = i32::MAX as i64 - 2;
    if text.eq_ignore_ascii_case("any") {
        return Some(TunnelId::Any);
    }
    let id = number(text, 0, MAX).ok()?;
    u32::try_from(id).ok().map(TunnelId::Number)
}

/// `local[:remote]` of TunnelDevice.
pub(crate) fn tunnel_device(text: &str) -> Option<(TunnelId, TunnelId)> {
    match text.split_once(':') {
        Some((local, remote)) => Some((tunnel_id(local)?, tunnel_id(remote)?)),
        None => Some((tunnel_id(text)?, TunnelId::Any)),
    }
}

const QOS: [(&str, Qos); 26] = [
    ("none", Qos::None),
    ("af11", Qos::Tos(0x28)),
    ("af12", Qos::Tos(0x30)),
    ("af13", Qos::Tos(0x38)),
    ("af21", Qos::Tos(0x48)),
    ("af22", Qos::Tos(0x50)),
    ("af23", Qos::Tos(0x58)),
    ("af31", Qos::Tos(0x68)),
    ("af32", Qos::Tos(0x70)),
    ("af33", Qos::Tos(0x78)),
    ("af41", Qos::Tos(0x88)),
    ("af42", Qos::Tos(0x90)),
    ("af43", Qos::Tos(0x98)),
    ("cs0", Qos::Tos(0x00)),
    ("cs1", Qos::Tos(0x20)),
    ("cs2", Qos::Tos(0x40)),
    ("cs3", Qos::Tos(0x60)),
    ("cs4", Qos::Tos(0x80)),
    ("cs5", Qos::Tos(0xa0)),
    ("cs6", Qos::Tos(0xc0)),
    ("cs7", Qos::Tos(0xe0)),
    ("ef", Qos::Tos(0xb8)),
    ("le", Qos::Tos(0x04)),
    ("lowdelay", Qos::Tos(0x10)),
    ("throughput", Qos::Tos(0x08)),
    ("reliability", Qos::Tos(0x04)),
];

/// A QoS class by name (RFC 2474, 2597, 3246, 8622) or as a number.
pub(crate) fn qos(text: &str) -> Option<Qos> {
    if let Some((_, value)) = QOS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
        return Some(*value);
    }
    let byte = number(text, 0, 255).ok()?;
    u8::try_from(byte).ok().map(Qos::Tos)
}

pub(crate) fn qos_name(f: &mut fmt::Formatter<'_>, value: Qos) -> fmt::Result {
    match (QOS.iter().find(|(_, v)| *v == value), value) {
        (Some((name, _)), _) => f.write_str(name),
        (None, Qos::Tos(byte)) => write!(f, "0x{byte:02x}"),
        (None, Qos::None) => f.write_str("none"),
    }
}

/// A domain name in lower case without its last dot, or what is wrong with it.
pub(crate) fn domain(name: &str) -> Result<String, String> {
    let Some(first) = name.bytes().next() else {
        return Err("empty domain name".into());
    };
    let shown: String = name.chars().take(100).collect();
    if !first.is_ascii_alphanumeric() && first != b'_' {
        return Err(format!(
            "domain name \"{shown}\" starts with invalid character"
        ));
    }
    if name.contains("..") {
        return Err(format!(
            "domain name \"{shown}\" contains consecutive separators"
        ));
    }
    if !name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    {
        return Err(format!(
            "domain name \"{shown}\" contains invalid characters"
        ));
    }
    let lower = name.to_ascii_lowercase();
    Ok(lower.strip_suffix('.').map(str::to_owned).unwrap_or(lower))
}

/// Whether a variable could have this name.
pub(crate) fn is_env_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, expect) in [
            ("0", Some(0)),
            ("90", Some(90)),
            ("1m", Some(60)),
            ("1h30m", Some(5400)),
            (
                "1W2d3H4m5s",
                Some(604_800 + 2 * 86400 + 3 * 3600 + 4 * 60 + 5),
            ),
            ("1m30", Some(90)),
            ("", None),
            ("m", None),
            ("-1", None),
            ("1x", None),
            ("2147483647", Some(2_147_483_647)),
            ("2147483648", None),
            ("2147483647w", None),
        ] {
            assert_eq!(time(text), expect.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, expect) in [
            ("16", Ok(16)),
            ("1K", Ok(1024)),
            ("1.5k", Ok(1536)),
            ("1G", Ok(1 << 30)),
            ("-1", Ok(-1)),
            ("1Kb", Err("Invalid argument")),
            ("1X", Err("Invalid argument")),
            ("", Err("Invalid argument")),
            ("9223372036854775808", Err("Numerical result out of range")),
            ("16E", Err("Numerical result out of range")),
        ] {
            assert_eq!(scaled(text), expect, "{text}");
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(integer(Some("12")), Ok(12));
        assert_eq!(integer(Some("-1")), Err("too small"));
        assert_eq!(integer(Some("2147483648")), Err("too large"));
        assert_eq!(integer(Some("99999999999999999999")), Err("too large"));
        assert_eq!(integer(Some("x")), Err("invalid"));
        assert_eq!(integer(Some("")), Err("missing"));
        assert_eq!(octal("0177"), Some(0o177));
        assert_eq!(octal("1000"), None);
        assert_eq!(octal("8"), None);
        assert_eq!(colon_numbers("10:30:60"), [10, 30, 60]);
        assert_eq!(colon_numbers("10:x"), [10]);
        assert_eq!(colon_numbers("x"), [0i64; 0]);
        assert_eq!(qos("AF21"), Some(Qos::Tos(0x48)));
        assert_eq!(qos("0xff"), None);
        assert_eq!(qos("17").map(|q| q.to_string()).as_deref(), Some("0x11"));
        assert_eq!(
            tunnel_device("1:any"),
            Some((TunnelId::Number(1), TunnelId::Any))
        );
        assert_eq!(domain("Example.ORG.").as_deref(), Ok("example.org"));
        assert!(domain("-x").is_err() && domain("a..b").is_err() && domain("a b").is_err());
    }
}
