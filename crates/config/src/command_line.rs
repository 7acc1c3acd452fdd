//! A command in the configuration that is run without a shell: its words.

use crate::lex;

/// The words of a command; quotes keep blanks in them, and `#` is a character
/// like any other. `None` if a quote stays open.
pub fn split(text: &str) -> Option<Vec<String>> {
    lex::words(text, false)
}

/// Joins words so that [`split`] gives them back.
pub fn join(words: &[String]) -> String {
    lex::join(words)
}
