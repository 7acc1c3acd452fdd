//! Between worker and monitor once the user is in.

use super::field::{choice, record};
use super::preauth::{Ending, Group, Line, SignKex, Sizes};

record! {
    /// What the worker may do for the user.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Session {
        /// The most open sessions.
        pub max_sessions: u32,
        /// Patterns of variables that the broker will take from the client.
        pub accept_env: Vec<String>,
        /// Seconds between probes of a silent peer; 0: none.
        pub alive_interval: u64,
        /// Unanswered probes until the connection is given up.
        pub alive_count: u32,
    }
}

choice! {
    /// From the worker.
    pub enum Ask {
        /// For the log.
        1 = Log(Line),
        /// Sign a key exchange.
        2 = SignKex(SignKex),
        /// Choose a group.
        3 = Group(Sizes),
        /// The last message: how the connection ended.
        6 = Ended(Ending),
    }
}

choice! {
    /// From the monitor.
    pub enum Answer {
        /// The signature.
        1 = Signed(Vec<u8>),
        /// The group; none fits.
        2 = Group(Option<Group>),
    }
}

#[cfg(test)]
mod tests {
    use super::super::field::{from_bytes, round_trip};
    use super::*;

    #[test]
    fn messages_survive_the_line() {
        round_trip(&Ask::Log(Line {
            level: 1,
            text: "t".into(),
        }));
        round_trip(&Answer::Signed(vec![9; 64]));
        round_trip(&Session {
            max_sessions: 10,
            accept_env: vec!["LC_*".into()],
            alive_interval: 60,
            alive_count: 3,
        });
    }

    #[test]
    fn a_login_cannot_be_asked_for_again() {
        use super::super::{field::to_bytes, preauth};
        let again = preauth::Ask::Responses(Vec::new());
        assert!(from_bytes::<Ask>(&to_bytes(&again)).is_err());
    }
}
