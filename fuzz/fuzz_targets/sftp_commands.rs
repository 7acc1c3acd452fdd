//! What is typed at sftp's prompt: lines cut into words, and commands.
#![no_main]
#![allow(dead_code, reason = "the program uses more of these modules")]
#![allow(unused_imports, unused_macros, reason = "likewise")]

#[path = "../../crates/cli/src/text.rs"]
mod text;
/// The modules as they stand in the program.
#[path = "."]
mod sftp {
    #[path = "../../crates/cli/src/sftp/command/mod.rs"]
    mod command;
    #[path = "../../crates/cli/src/sftp/ls.rs"]
    mod ls;
    #[path = "../../crates/cli/src/sftp/words.rs"]
    mod words;

    /// A line's promises.
    pub fn check(line: &[u8]) {
        // A line is read, or there is a reason, and that can be told.
        let parsed = command::parse(line);
        if let Err(bad) = &parsed.command {
            assert!(!bad.to_string().is_empty());
        }
        let Ok(split) = words::split(line) else {
            return;
        };
        assert!(split.tail <= line.len() && split.list.len() <= line.len().min(128));
        for word in &split.list {
            // Protecting a name gives that name again, in quotes or without.
            let name = word.name();
            let again = words::Word::literal(&name);
            assert_eq!(again.name(), name);
            if let Ok(name) = std::str::from_utf8(&name)
                && !name.is_empty()
            {
                let bare = words::quoted(name, None);
                let within = format!("'{}'", words::quoted(name, Some('\'')));
                for line in [bare, within] {
                    // What the editor does not take cannot be typed.
                    if !name.chars().any(char::is_control) {
                        let words = words::split(line.as_bytes()).expect("a word").list;
                        assert_eq!(words.len(), 1);
                        assert_eq!(words[0].name(), name.as_bytes());
                    }
                }
            }
        }
    }
}

use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| sftp::check(&line[..line.len().min(4096)]));
