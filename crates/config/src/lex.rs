//! A configuration line: keyword, `=` or blanks, arguments with quotes,
//! backslashes and a comment at the end.
//!
//! A keyword ends at a blank or at one `=`. Arguments are split at blanks and
//! tabs; single or double quotes keep blanks, a backslash escapes quotes,
//! itself and (outside quotes) a blank, and `#` at the start of an argument
//! begins a comment.

/// White space as the line reader sees it.
pub(crate) const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

/// What a line holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Statement<'a> {
    /// Empty or a comment.
    Nothing,
    /// A quote around the keyword is never closed.
    BadQuotes,
    /// A keyword as written and the text after it.
    Keyword(String, &'a str),
}

/// Takes a line apart into the keyword and the rest.
pub(crate) fn statement(line: &str) -> Statement<'_> {
    let line = line.trim_end_matches([' ', '\t', '\r', '\n', '\x0c']);
    let mut next = match delimited(line) {
        Some((word, Some(rest))) if word.is_empty() => delimited(rest),
        other => other,
    };
    match next.take() {
        None => Statement::BadQuotes,
        Some((word, _)) if word.is_empty() || word.starts_with('#') => Statement::Nothing,
        Some((word, rest)) => Statement::Keyword(word, rest.unwrap_or("")),
    }
}

/// The first word and what follows; `None` if a quote stays open.
fn delimited(text: &str) -> Option<(String, Option<&str>)> {
    let is_end = |c: char| BLANKS.contains(&c) || c == '"' || c == '=';
    let Some(at) = text.find(is_end) else {
        return Some((text.to_owned(), None));
    };
    let (head, tail) = text.split_at(at);
    let (mark, tail) = tail.split_at(1);
    if mark == "\"" {
        let (quoted, rest) = tail.split_once('"')?;
        return Some((
            format!("{head}{quoted}"),
            Some(rest.trim_start_matches(BLANKS)),
        ));
    }
    let mut rest = tail.trim_start_matches(BLANKS);
    if let Some(after) = rest.strip_prefix('=').filter(|_| mark != "=") {
        rest = after.trim_start_matches(BLANKS);
    }
    Some((head.to_owned(), Some(rest)))
}

/// Splits arguments; `None` if a quote stays open.
pub(crate) fn arguments(text: &str) -> Option<Vec<String>> {
    words(text, true)
}

/// As [`arguments`]; `comments` tells whether `#` may begin one.
pub(crate) fn words(text: &str, comments: bool) -> Option<Vec<String>> {
    let mut all = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        match chars.peek() {
            None => return Some(all),
            Some('#') if comments => return Some(all),
            Some(_) => all.push(argument(&mut chars)?),
        }
    }
}

fn argument(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<String> {
    let mut word = String::new();
    let mut quote = None;
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', _) => {
                let next = chars
                    .next_if(|n| matches!(n, '\'' | '"' | '\\') || (quote.is_none() && *n == ' '));
                word.push(next.unwrap_or('\\'));
            }
            (' ' | '\t', None) => return Some(word),
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(q)) if c == q => quote = None,
            (c, _) => word.push(c),
        }
    }
    quote.is_none().then_some(word)
}

/// Joins arguments so that [`arguments`] gives them back.
pub(crate) fn join(args: &[String]) -> String {
    let mut line = String::new();
    for (i, arg) in args.iter().enumerate() {
        if i > 0 {
            line.push(' ');
        }
        let blank = arg.contains([' ', '\t']);
        if blank {
            line.push('"');
        }
        for c in arg.chars() {
            if matches!(c, '\\' | '\'' | '"') {
                line.push('\\');
            }
            line.push(c);
        }
        if blank {
            line.push('"');
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements() {
        let check = |line: &str, keyword: &str, rest: &str| {
            let got = statement(line);
            let Statement::Keyword(k, r) = got else {
                panic!("{line}: {got:?}")
            };
            assert_eq!((k.as_str(), r), (keyword, rest), "{line}");
        };
        check("Port 22", "Port", "22");
        check("Port=22", "Port", "22");
        check("Port = 22", "Port", "22");
        check("  \tPort\t22 \t\x0c", "Port", "22");
        check("Port ==22", "Port", "=22");
        check("\"Port\" 22", "Port", "22");
        check("Port", "Port", "");
        check("ProxyCommand a=b", "ProxyCommand", "a=b");
        for line in ["", "   ", "# x", "  # x", "\t"] {
            assert_eq!(statement(line), Statement::Nothing, "{line:?}");
        }
        assert_eq!(statement("\"Port 22"), Statement::BadQuotes);
    }

    #[test]
    fn splits() {
        let check = |text: &str, expect: Option<&[&str]>| {
            let got = arguments(text);
            let got: Option<Vec<&str>> =
                got.as_ref().map(|v| v.iter().map(String::as_str).collect());
            assert_eq!(got.as_deref(), expect, "{text}");
        };
        check("a b\tc", Some(&["a", "b", "c"]));
        check("\"a b\" c", Some(&["a b", "c"]));
        check("a'b c'd", Some(&["ab cd"]));
        check("a\\ b", Some(&["a b"]));
        check("\"a\\ b\"", Some(&["a\\ b"]));
        check("\"a\\\"b\"", Some(&["a\"b"]));
        check("a\\b", Some(&["a\\b"]));
        check("a # b", Some(&["a"]));
        check("a#b", Some(&["a#b"]));
        check("\"\" x", Some(&["", "x"]));
        check("\"a", None);
        check("a\\", Some(&["a\\"]));
        let kept = words("a #b", false);
        assert_eq!(kept, Some(vec!["a".to_owned(), "#b".to_owned()]));
        for words in [&["a b", "c\"d", "\\e"][..], &["x"], &["it's"]] {
            let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
            assert_eq!(arguments(&join(&words)), Some(words));
        }
    }
}
