//! Escape sequences: a character at the start of a line that talks to the
//! client instead of the far side. A pure machine: bytes in, bytes for the
//! far side and actions out.

/// What an escape asks for.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum Action {
    /// `~.`: end the connection.
    Disconnect,
    /// `~^Z`: suspend this program.
    Suspend,
    /// `~B`: send a BREAK.
    Break,
    /// `~R`: new keys now.
    Rekey,
    /// `~V`: tell less.
    LessVerbose,
    /// `~v`: tell more.
    MoreVerbose,
    /// `~&`: go to the background.
    Background,
    /// `~?`: show the escapes.
    Help,
    /// `~#`: show the open connections.
    Connections,
    /// `~C`: the command line.
    CommandLine,
    /// `~I`: about this connection.
    ConnectionInfo,
}

/// Where in the input we are.
pub(crate) struct Escapes {
    /// The escape character; `None` switches all of this off.
    character: Option<u8>,
    /// The last byte ended a line (or nothing was typed yet).
    at_line_start: bool,
    /// The escape character was typed and waits for the next.
    pending: bool,
}

/// One step's result.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// All input was consumed.
    Done,
    /// An escape came; the input after the first `usize` bytes is still to be fed.
    Act(Action, usize),
}

impl Escapes {
    pub(crate) fn new(character: Option<u8>) -> Self {
        Self {
            character,
            at_line_start: true,
            pending: false,
        }
    }

    /// The character, if escapes are on.
    pub(crate) fn character(&self) -> Option<u8> {
        self.character
    }

    /// Consumes input up to an escape or its end; bytes for the far side are
    /// appended to `out`.
    pub(crate) fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Step {
        let Some(escape) = self.character else {
            out.extend_from_slice(input);
            return Step::Done;
        };
        for (i, &b) in input.iter().enumerate() {
            if self.pending {
                self.pending = false;
                if let Some(action) = action(b) {
                    return Step::Act(action, i + 1);
                }
                // Not an escape: both go through; the escape twice sends it once.
                if b != escape {
                    out.push(escape);
                }
            } else if self.at_line_start && b == escape {
                self.pending = true;
                continue;
            }
            self.at_line_start = b == b'\r' || b == b'\n';
            out.push(b);
        }
        Step::Done
    }
}

fn action(b: u8) -> Option<Action> {
    Some(match b {
        b'.' => Action::Disconnect,
        0x1a => Action::Suspend,
        b'B' => Action::Break,
        b'R' => Action::Rekey,
        b'V' => Action::LessVerbose,
        b'v' => Action::MoreVerbose,
        b'&' => Action::Background,
        b'?' => Action::Help,
        b'#' => Action::Connections,
        b'C' => Action::CommandLine,
        b'I' => Action::ConnectionInfo,
        _ => return None,
    })
}

/// The key of an escape that acts on the whole program, which is not for those
/// who share its connection.
pub(crate) fn only_alone(action: Action) -> Option<&'static str> {
    Some(match action {
        Action::Suspend => "^Z",
        Action::LessVerbose => "V",
        Action::MoreVerbose => "v",
        Action::Background => "&",
        Action::CommandLine => "C",
        _ => return None,
    })
}

/// The text of `~?`; for a `passenger`, who shares another program's
/// connection, without what acts on all of it.
pub(crate) fn help(escape: char, command_line: bool, passenger: bool) -> String {
    use std::fmt::Write as _;
    let mut text = format!("{escape}?\r\nSupported escape sequences:\r\n");
    let end = if passenger {
        "terminate session"
    } else {
        "terminate connection (and any multiplexed sessions)"
    };
    for (key, what) in [
        (".", end),
        ("B", "send a BREAK to the remote system"),
        ("C", "open a command line"),
        ("I", "show connection information"),
        ("R", "request rekey"),
        ("V/v", "decrease/increase verbosity (LogLevel)"),
        ("^Z", "suspend ssh"),
        ("#", "list forwarded connections"),
        (
            "&",
            "background ssh (when waiting for connections to terminate)",
        ),
        ("?", "this message"),
    ] {
        let alone = matches!(key, "C" | "V/v" | "^Z" | "&");
        if !(alone && passenger || key == "C" && !command_line) {
            let _ = write!(text, " {escape}{key:<3} - {what}\r\n");
        }
    }
    let _ = write!(
        text,
        " {escape}{escape}   - send the escape character by typing it twice\r\n\
         (Note that escapes are only recognized immediately after newline.)\r\n"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds whole and byte by byte; both must agree.
    fn run(input: &[u8]) -> (Vec<u8>, Vec<Action>) {
        let mut results = Vec::new();
        for piece in [input.len().max(1), 1] {
            let (mut e, mut out, mut actions) = (Escapes::new(Some(b'~')), Vec::new(), Vec::new());
            for mut chunk in input.chunks(piece) {
                while let Step::Act(action, used) = e.feed(chunk, &mut out) {
                    actions.push(action);
                    chunk = &chunk[used..];
                }
            }
            results.push((out, actions));
        }
        assert_eq!(results[0], results[1]);
        results.remove(0)
    }

    #[test]
    fn only_at_the_start_of_a_line() {
        assert_eq!(run(b"~."), (vec![], vec![Action::Disconnect]));
        assert_eq!(run(b"a~."), (b"a~.".to_vec(), vec![]));
        assert_eq!(run(b"a\r~."), (b"a\r".to_vec(), vec![Action::Disconnect]));
        assert_eq!(
            run(b"a\n~R~?b"),
            (b"a\nb".to_vec(), vec![Action::Rekey, Action::Help])
        );
    }

    #[test]
    fn twice_sends_one_and_an_unknown_one_passes() {
        assert_eq!(run(b"~~."), (b"~.".to_vec(), vec![]));
        assert_eq!(run(b"~x"), (b"~x".to_vec(), vec![]));
        assert_eq!(run(b"~\r~."), (b"~\r".to_vec(), vec![Action::Disconnect]));
    }

    #[test]
    fn every_action() {
        let all = run(b"~\x1a~B~R~V~v~&~?~#~C~I~.");
        assert_eq!(all.0, b"");
        assert_eq!(all.1.len(), 11);
    }

    #[test]
    fn off_means_off() {
        let (mut e, mut out) = (Escapes::new(None), Vec::new());
        assert_eq!(e.feed(b"~.", &mut out), Step::Done);
        assert_eq!(out, b"~.");
    }

    #[test]
    fn help_hides_the_command_line_when_it_is_off() {
        assert!(!help('~', false, false).contains("~C "));
        assert!(help('%', true, false).contains(" %C   - open a command line\r\n"));
    }

    #[test]
    fn what_acts_on_the_program_is_not_for_passengers() {
        let text = help('~', true, true);
        assert!(text.contains(" ~.   - terminate session\r\n"));
        for (key, action) in [
            ("~^Z", Action::Suspend),
            ("~V/v", Action::MoreVerbose),
            ("~&", Action::Background),
            ("~C", Action::CommandLine),
        ] {
            assert!(!text.contains(key) && only_alone(action).is_some(), "{key}");
            assert!(help('~', true, false).contains(key), "{key}");
        }
    }
}
