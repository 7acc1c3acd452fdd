//! Quoting for shells and for sftp.

/// A word that a shell takes as it stands; one that could be an option stays
/// one. Good for sh, and for csh and fish too as long as there is no line end.
pub(super) fn shell(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// [`shell`], where a person would quote.
pub(super) fn if_needed(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "%+,-./:=@_".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        shell(word)
    }
}

/// A word of an sftp command, which is no pattern.
pub(super) fn sftp(word: &str) -> String {
    let mut out = String::from("\"");
    for c in word.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_shell_gives_the_word_back() {
        for word in [
            "plain",
            "two words",
            "it's",
            "''",
            "$HOME `id` \"x\" \\n !",
            "*",
            "-e",
            "",
        ] {
            for quoted in [shell(word), if_needed(word)] {
                let script = format!("printf %s {quoted}");
                let script = format!("exec sh -c {}", shell(&script.replace("%s", "%s--")));
                let out = Command::new("sh").args(["-c", &script]).output().unwrap();
                assert_eq!(String::from_utf8(out.stdout).unwrap(), format!("{word}--"));
            }
        }
        assert_eq!(if_needed("me@host"), "me@host");
    }

    #[test]
    fn sftp_words() {
        assert_eq!(sftp(r#"a b"c\d"#), r#""a b\"c\\d""#);
    }
}
