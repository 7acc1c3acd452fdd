//! What was asked for, as the far end's shell would read it: the names that
//! a sender of the legacy protocol may use.
//!
//! The far end expands wildcards and braces itself, and could send anything.
//! So what comes is matched here again, as OpenSSH does. What a shell knows
//! beside those (`~`, `$x`, quotes) cannot be foreseen: `-T` turns this off.

use crate::wildcard;

/// How many names braces may stand for.
const MAX_PATTERNS: usize = 64 * 1024;

/// The names that may come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Any.
    Anything,
    /// Those that match one of these.
    Patterns(Vec<Vec<u8>>),
}

/// A pattern whose brackets or braces have no other half, or stand for too much.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Invalid(pub(super) Vec<u8>);

impl Asked {
    /// The files that `path` stands for.
    pub(super) fn files(path: &[u8]) -> Result<Self, Invalid> {
        let patterns = expand(path)?;
        let names = patterns.into_iter().map(|p| last_of(&p).to_vec());
        Ok(Self::Patterns(names.collect()))
    }

    /// The files and folders that `path` stands for. OpenSSH takes any name
    /// where it fetches folders; where nothing in `path` is for a shell to
    /// read, an honest sender can only use its last part.
    pub(super) fn trees(path: &[u8]) -> Self {
        let plain = |b: &u8| b.is_ascii_alphanumeric() || b"/._-+,:@%=".contains(b) || *b >= 0x80;
        let end = path.iter().rposition(|b| *b != b'/').map_or(0, |at| at + 1);
        match last_of(&path[..end]) {
            b"" | b"." | b".." => Self::Anything,
            name if path.iter().all(plain) => Self::Patterns(vec![name.to_vec()]),
            _ => Self::Anything,
        }
    }

    /// Whether this name may come.
    pub(super) fn for_name(&self, name: &[u8]) -> bool {
        match self {
            Self::Anything => true,
            Self::Patterns(patterns) => patterns
                .iter()
                .any(|p| p == name || wildcard::matches(p, name)),
        }
    }

    /// Whether all names that may come were spelled out.
    pub(super) fn is_literal(&self) -> bool {
        match self {
            Self::Anything => false,
            Self::Patterns(patterns) => !patterns.iter().any(|p| wildcard::has_wildcards(p)),
        }
    }
}

fn last_of(path: &[u8]) -> &[u8] {
    path.rsplit(|b| *b == b'/').next().unwrap_or(path)
}

/// All that the braces in a pattern stand for.
fn expand(pattern: &[u8]) -> Result<Vec<Vec<u8>>, Invalid> {
    let mut done = Vec::new();
    let mut todo = vec![pattern.to_vec()];
    while let Some(pattern) = todo.pop() {
        match braces(&pattern) {
            Some(Braces::None) => done.push(pattern),
            Some(Braces::At(start, end)) => {
                for choice in choices(&pattern[start + 1..end]) {
                    todo.push([&pattern[..start], choice, &pattern[end + 1..]].concat());
                }
            }
            None => return Err(Invalid(pattern)),
        }
        if done.len() + todo.len() > MAX_PATTERNS {
            return Err(Invalid(pattern_of(&todo, &done)));
        }
    }
    Ok(done)
}

fn pattern_of(todo: &[Vec<u8>], done: &[Vec<u8>]) -> Vec<u8> {
    todo.last().or(done.last()).cloned().unwrap_or_default()
}

/// Where the first braces are.
enum Braces {
    None,
    /// Of the opening and the closing one.
    At(usize, usize),
}

/// Finds the first braces; `None` if they, or brackets, have no other half.
/// Those in brackets, and `{}`, stand for themselves.
fn braces(pattern: &[u8]) -> Option<Braces> {
    let (mut start, mut depth, mut bracket) = (None, 0_usize, false);
    let mut at = 0;
    while let Some(byte) = pattern.get(at) {
        match byte {
            b'\\' => at += 1,
            b']' if bracket => bracket = false,
            _ if bracket => {}
            b'[' => {
                bracket = true;
                // The first in a set stands for itself.
                at += usize::from(matches!(pattern.get(at + 1), Some(b'!' | b'^')));
                at += usize::from(pattern.get(at + 1) == Some(&b']'));
            }
            b'{' if pattern.get(at + 1) == Some(&b'}') => at += 1,
            b'{' => {
                start = start.or(Some(at));
                depth += 1;
            }
            b'}' => {
                depth = depth.checked_sub(1)?;
                if let (0, Some(start)) = (depth, start) {
                    return Some(Braces::At(start, at));
                }
            }
            _ => {}
        }
        at += 1;
    }
    (depth == 0 && !bracket).then_some(Braces::None)
}

/// What stands between the commas that are in no inner braces or brackets.
fn choices(inner: &[u8]) -> Vec<&[u8]> {
    let (mut all, mut start, mut depth, mut bracket) = (Vec::new(), 0, 0_usize, false);
    let mut at = 0;
    while let Some(byte) = inner.get(at) {
        match byte {
            b'\\' => at += 1,
            b']' => bracket = false,
            _ if bracket => {}
            b'[' => bracket = true,
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                all.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    all.push(&inner[start..]);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_by_what_a_shell_would_make_of_it() {
        for (path, name, fits) in [
            ("/a/b", "b", true),
            ("a/b", "a", false),
            ("{a,b}", "b", true),
            ("{a,b}", "c", false),
            ("{x/a,y/b}", "a", true),
            ("x/{a,b}c", "bc", true),
            ("a{b,c}d{e,f}", "acdf", true),
            ("{a,{b,c}}", "c", true),
            ("{}", "{}", true),
            ("{a}", "a", true),
            ("{a}", "{a}", false),
            ("{,a}b", "b", true),
            ("*", ".hid", true),
            ("a/*", "zz", true),
            ("[!ab]", "a", false),
            ("a\\*", "ab", false),
            ("'a b'", "a b", false),
            ("a\\ b", "a b", true),
            ("~", "root", false),
            ("$X", "y", false),
            ("$X", "$X", true),
            ("a/", "a", false),
            (".", "a", false),
            ("{a/b,c}/d", "d", true),
            ("\\{a,b\\}", "{a,b}", true),
            ("[{]a", "{a", true),
            ("[{a,b}]", "a", true),
            ("{a,b},{c,d}", "b,c", true),
            ("{a\\,b,c}", "a,b", true),
            ("[]a]", "]", true),
        ] {
            let asked = Asked::files(path.as_bytes()).unwrap();
            assert_eq!(asked.for_name(name.as_bytes()), fits, "{path} {name}");
        }
    }

    #[test]
    fn halves() {
        for path in ["{a", "a}", "[a", "\\{a,b}", "x{a,b", "{{a,b}", "{a,b}}"] {
            assert!(Asked::files(path.as_bytes()).is_err(), "{path}");
        }
        assert_eq!(Asked::files(b"a}"), Err(Invalid(b"a}".into())));
    }

    #[test]
    fn too_many() {
        assert!(Asked::files("{a,b}".repeat(15).as_bytes()).is_ok());
        assert!(Asked::files("{a,b}".repeat(40).as_bytes()).is_err());
    }

    #[test]
    fn folders_by_their_name_where_that_is_sure() {
        for path in ["dir", "a/dir", "/a/dir//", "\u{e9}/dir"] {
            let asked = Asked::trees(path.as_bytes());
            assert_eq!(asked, Asked::Patterns(vec![b"dir".into()]), "{path}");
            assert!(asked.is_literal());
        }
        for path in [
            ".", "", "/", "..", "a/.", "~", "~/x", "$x", "d*", "a b", "'a'", "{a,b}",
        ] {
            assert_eq!(Asked::trees(path.as_bytes()), Asked::Anything, "{path}");
        }
    }

    #[test]
    fn spelled_out_or_not() {
        assert!(Asked::files(b"{a,b}/c").unwrap().is_literal());
        assert!(!Asked::files(b"a/*").unwrap().is_literal());
        assert!(Asked::files(b"*/a").unwrap().is_literal());
        assert!(!Asked::Anything.is_literal());
    }
}
