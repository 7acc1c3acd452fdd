//! Shell wildcards, as fnmatch(3) without flags matches them: `*`, `?`,
//! `[a-z]`, `[!a-z]`, `[[:alpha:]]`, and a backslash before what stands for
//! itself. Slashes and leading dots are like other characters.
//!
//! Names are bytes; what is UTF-8 in them counts as characters, and a byte
//! that is not is one of its own.

/// Whether `name` as a whole matches `pattern`. Takes at most their lengths'
/// product of steps.
pub(crate) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut pattern, mut name) = (pattern, name);
    // Behind the last star, and what it was left to match with.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        match (element(pattern), char_at(name)) {
            (None, None) => return true,
            (Some((Element::Star, rest)), _) => {
                retry = Some((rest, name));
                pattern = rest;
                continue;
            }
            (Some((element, rest)), Some((c, after))) if element.takes(c) => {
                (pattern, name) = (rest, after);
                continue;
            }
            _ => {}
        }
        // The star takes one more.
        let Some((rest, from)) = retry else {
            return false;
        };
        let Some((_, after)) = char_at(from) else {
            return false;
        };
        retry = Some((rest, after));
        (pattern, name) = (rest, after);
    }
}

/// Whether anything in a pattern does not stand for itself.
pub(crate) fn has_wildcards(pattern: &[u8]) -> bool {
    pattern
        .iter()
        .any(|b| matches!(b, b'*' | b'?' | b'[' | b'\\'))
}

/// A character, or a byte that is none (above all characters).
type Char = u32;
/// Added to a byte that is no character.
const NO_CHARACTER: Char = 0x11_0000;

/// The first character, and what follows.
fn char_at(text: &[u8]) -> Option<(Char, &[u8])> {
    let first = *text.first()?;
    let len = match first {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    let decoded = text
        .split_at_checked(len)
        .and_then(|(head, rest)| Some((std::str::from_utf8(head).ok()?.chars().next()?, rest)));
    Some(match decoded {
        Some((c, rest)) => (Char::from(c), rest),
        None => (NO_CHARACTER + Char::from(first), &text[1..]),
    })
}

/// One element of a pattern.
enum Element<'a> {
    Star,
    Any,
    Literal(Char),
    /// What is between the brackets, and whether it is what must not be.
    Set(&'a [u8], bool),
}

/// The first element, and what follows.
fn element(pattern: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (c, rest) = char_at(pattern)?;
    Some(match char::from_u32(c) {
        Some('*') => (Element::Star, rest),
        Some('?') => (Element::Any, rest),
        Some('[') => match set(rest) {
            Some((inner, negated, rest)) => (Element::Set(inner, negated), rest),
            None => (Element::Literal(c), rest),
        },
        Some('\\') => {
            let (c, rest) = char_at(rest).unwrap_or((c, rest));
            (Element::Literal(c), rest)
        }
        _ => (Element::Literal(c), rest),
    })
}

/// The inside of a set, whether it is negated, and what follows; `None` if it
/// does not end.
fn set(text: &[u8]) -> Option<(&[u8], bool, &[u8])> {
    let negated = matches!(text.first(), Some(b'!' | b'^'));
    let start = usize::from(negated);
    let mut at = start;
    loop {
        match text.get(at)? {
            // The first stands for itself.
            b']' if at > start => return Some((&text[start..at], negated, &text[at + 1..])),
            b'\\' => at += 2,
            b'[' => at += class(&text[at..]).map_or(1, |(_, _, len)| len),
            _ => at += 1,
        }
    }
}

/// `[:name:]`, `[=c=]` or `[.c.]` at the start of `text`: which kind, what is
/// in it, and how long it is.
fn class(text: &[u8]) -> Option<(u8, &[u8], usize)> {
    let kind = *text.get(1).filter(|k| b":=.".contains(k))?;
    let inner = text.get(2..)?;
    let len = inner.windows(2).position(|two| two == [kind, b']'])?;
    Some((kind, &inner[..len], len + 4))
}

impl Element<'_> {
    fn takes(&self, c: Char) -> bool {
        match self {
            Self::Star => false,
            Self::Any => true,
            Self::Literal(literal) => *literal == c,
            Self::Set(inner, negated) => in_set(inner, c) != *negated,
        }
    }
}

fn in_set(mut set: &[u8], c: Char) -> bool {
    let mut found = false;
    while !set.is_empty() {
        if set[0] == b'['
            && let Some((b':', name, len)) = class(set)
        {
            found |= in_class(name, c);
            set = &set[len..];
            continue;
        }
        let Some((low, rest)) = member(set) else {
            break;
        };
        set = rest;
        let high = match set {
            [b'-', end @ ..] if !end.is_empty() => member(end),
            _ => None,
        };
        match high {
            Some((high, rest)) => {
                found |= (low..=high).contains(&c);
                set = rest;
            }
            None => found |= low == c,
        }
    }
    found
}

/// A single character of a set, and what follows.
fn member(set: &[u8]) -> Option<(Char, &[u8])> {
    if set.first() == Some(&b'[')
        && let Some((_, inner, len)) = class(set)
        && let Some((c, [])) = char_at(inner)
    {
        return Some((c, &set[len..]));
    }
    match set.strip_prefix(b"\\") {
        Some(escaped) if !escaped.is_empty() => char_at(escaped),
        _ => char_at(set),
    }
}

fn in_class(name: &[u8], c: Char) -> bool {
    let Some(c) = char::from_u32(c) else {
        return false;
    };
    match name {
        b"alpha" => c.is_alphabetic(),
        b"digit" => c.is_ascii_digit(),
        b"alnum" => c.is_alphabetic() || c.is_ascii_digit(),
        b"upper" => c.is_uppercase(),
        b"lower" => c.is_lowercase(),
        b"space" => c.is_whitespace(),
        b"blank" => matches!(c, ' ' | '\t'),
        b"punct" => c.is_ascii_punctuation(),
        b"cntrl" => c.is_control(),
        b"graph" => !c.is_control() && !c.is_whitespace(),
        b"print" => !c.is_control(),
        b"xdigit" => c.is_ascii_hexdigit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fnmatch_matches() {
        for (pattern, name) in [
            ("", ""),
            ("*", ""),
            ("*", ".hid"),
            ("**", "q"),
            ("a*b*c", "aXbYbZc"),
            ("a*/b", "ax/b"),
            ("?", "\u{e9}"),
            ("[\u{e9}]x", "\u{e9}x"),
            ("[ab]", "a"),
            ("[!ab]", "c"),
            ("[^ab]", "c"),
            ("[a-c]", "b"),
            ("[a-]", "-"),
            ("[-a]", "-"),
            ("[]a]", "]"),
            ("[!]a]", "b"),
            ("[a\\]]", "]"),
            ("[\\a]", "a"),
            ("[[:alpha:][:digit:]x]", "7"),
            ("[[.a.]]", "a"),
            ("[[=a=]-c]", "b"),
            ("[a", "[a"),
            ("\\*", "*"),
            ("a\\", "a\\"),
            ("\\a", "a"),
            ("[{]a", "{a"),
        ] {
            assert!(
                matches(pattern.as_bytes(), name.as_bytes()),
                "{pattern} {name}"
            );
        }
        assert!(matches(b"?\xff", b"\xfe\xff"));
    }

    #[test]
    fn what_it_does_not() {
        for (pattern, name) in [
            ("", "a"),
            ("?", ""),
            ("?", "ab"),
            ("a*b", "abc"),
            ("[ab]", "c"),
            ("[!ab]", "a"),
            ("[c-a]", "b"),
            ("[[:foo:]]", "a"),
            ("[[:alpha:]]", "1"),
            ("\\*", "x"),
            ("a\\*", "ab"),
            ("[ab", "a"),
        ] {
            assert!(
                !matches(pattern.as_bytes(), name.as_bytes()),
                "{pattern} {name}"
            );
        }
        assert!(!matches(b"\xc3", b"\xc3\xa9"));
    }

    #[test]
    fn many_stars_take_no_time() {
        let pattern = "*a".repeat(500) + "b";
        assert!(!matches(pattern.as_bytes(), "a".repeat(5000).as_bytes()));
    }

    #[test]
    fn wildcards_are_seen() {
        assert!(!has_wildcards(b"a b{c}'~"));
        for pattern in ["a*", "?", "x[", "\\a"] {
            assert!(has_wildcards(pattern.as_bytes()));
        }
    }
}
