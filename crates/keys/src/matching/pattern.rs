//! `*` and `?` patterns, lists of them with `!` negation (ssh_config(5),
//! section PATTERNS).

use super::{AddressListError, address_list};

/// Longest pattern in a list that can match anything, as in OpenSSH.
const PATTERN_MAX: usize = 1022;

/// What a list with negations says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// A pattern matched and no negated one did.
    Yes,
    /// No pattern matched.
    No,
    /// A negated pattern matched: this overrides everything else.
    Negated,
}

impl Match {
    /// Whether this is [`Match::Yes`].
    pub fn is_yes(self) -> bool {
        self == Self::Yes
    }
}

/// Whether `text` as a whole matches `pattern`. Time is bounded by the
/// product of both lengths.
pub fn pattern(text: impl AsRef<[u8]>, pattern: impl AsRef<[u8]>) -> bool {
    let (text, pattern) = (text.as_ref(), pattern.as_ref());
    let (mut t, mut p) = (0, 0);
    // Where to go back to: the last star, and the text it has eaten up to.
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(want) if *want == b'?' || want == byte => {
                t += 1;
                p += 1;
            }
            _ => match star {
                Some((at, eaten)) => {
                    star = Some((at, eaten + 1));
                    p = at + 1;
                    t = eaten + 1;
                }
                None => return false,
            },
        }
    }
    pattern
        .get(p..)
        .unwrap_or_default()
        .iter()
        .all(|b| *b == b'*')
}

/// Matches `text` against a comma-separated list of patterns, each of which
/// may be negated by `!`. Case counts.
pub fn pattern_list(text: impl AsRef<[u8]>, list: impl AsRef<[u8]>) -> Match {
    let text = text.as_ref();
    let mut answer = Match::No;
    for item in items(list.as_ref()) {
        let (negated, item) = match item.strip_prefix(b"!") {
            Some(rest) => (true, rest),
            None => (false, item),
        };
        if item.len() > PATTERN_MAX {
            return Match::No;
        }
        if pattern(text, item) {
            if negated {
                return Match::Negated;
            }
            answer = Match::Yes;
        }
    }
    answer
}

/// The items of a comma-separated list; nothing follows a final comma.
fn items(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split_inclusive(|b| *b == b',')
        .map(|item| item.strip_suffix(b",").unwrap_or(item))
}

/// As [`pattern_list`], for host names: case does not count.
pub fn hostname(host: impl AsRef<[u8]>, list: impl AsRef<[u8]>) -> Match {
    pattern_list(
        host.as_ref().to_ascii_lowercase(),
        list.as_ref().to_ascii_lowercase(),
    )
}

/// Whether a client known as `host` and `address` is on a list of patterns
/// and networks (`from=`, `Match Host`, `AllowUsers`). A negated match of
/// either refuses.
pub fn host_and_address(host: &str, address: &str, list: &str) -> Result<bool, AddressListError> {
    let by_address = address_list(Some(address), list)?;
    if by_address == Match::Negated {
        return Ok(false);
    }
    Ok(match hostname(host, list) {
        Match::Negated => false,
        Match::Yes => true,
        Match::No => by_address.is_yes(),
    })
}

/// Whether a login as `name` from `host`/`address` matches `item`, a
/// `USER` or `USER@HOST` pattern (`AllowUsers`, `DenyUsers`).
pub fn user(name: &str, host: &str, address: &str, item: &str) -> Result<bool, AddressListError> {
    match item.rsplit_once('@') {
        None => Ok(pattern(name, item)),
        Some((user_part, hosts)) => {
            Ok(pattern(name, user_part) && host_and_address(host, address, hosts)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        for (text, pat, want) in [
            ("", "", true),
            ("", "*", true),
            ("", "?", false),
            ("a", "", false),
            ("host.example.com", "*.example.com", true),
            ("example.com", "*.example.com", false),
            ("192.168.0.17", "192.168.0.?", false),
            ("192.168.0.1", "192.168.0.?", true),
            ("aab", "*a*b", true),
            ("aaac", "*a*b", false),
            ("abcabd", "*abd", true),
            ("x", "**?**", true),
        ] {
            assert_eq!(pattern(text, pat), want, "{text:?} {pat:?}");
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        assert!(!pattern("a".repeat(4000), "*a".repeat(400) + "b"));
    }

    #[test]
    fn lists_negate() {
        assert_eq!(pattern_list("a.b", "*.b,!a.*"), Match::Negated);
        assert_eq!(pattern_list("c.b", "!a.*,*.b"), Match::Yes);
        assert_eq!(pattern_list("c", "!a.*"), Match::No);
        assert_eq!(pattern_list("c", ""), Match::No);
        assert_eq!(pattern_list("", ","), Match::Yes);
        assert_eq!(pattern_list("HOST", "host"), Match::No);
        assert_eq!(hostname("HOST", "hOst"), Match::Yes);
        assert_eq!(pattern_list("a", "a".repeat(2000) + ",a"), Match::No);
    }

    #[test]
    fn users_at_hosts() {
        let check = |item| user("ann", "h.example.org", "10.0.0.7", item);
        assert_eq!(check("a*"), Ok(true));
        assert_eq!(check("ann@*.example.org"), Ok(true));
        assert_eq!(check("ann@10.0.0.0/24"), Ok(true));
        assert_eq!(check("ann@10.0.0.0/24,!10.0.0.7"), Ok(false));
        assert_eq!(check("bob@*"), Ok(false));
        assert!(check("ann@10.0.0.0/99").is_err());
    }
}
