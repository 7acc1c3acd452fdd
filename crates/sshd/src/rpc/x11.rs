//! What worker and broker say of X11 forwarding (RFC 4254 section 6.3).

use carrick_wire::Secret;

use super::field::record;

record! {
    /// Make a display for a session, before its program starts.
    #[derive(Debug, Clone)]
    pub struct Show {
        /// The session.
        pub session: u32,
        /// The worker's number for the listener, unused so far: who connects is
        /// a visitor of it.
        pub listener: u32,
        /// Only one connection is taken.
        pub single: bool,
        /// The protocol of authentication.
        pub protocol: String,
        /// The cookie, in hexadecimal digits.
        pub cookie: Secret,
        /// The screen.
        pub screen: u32,
    }
}

record! {
    /// What the configuration says on displays.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Rules {
        /// The first number that is tried (X11DisplayOffset).
        pub offset: u32,
        /// Only this machine can reach them (X11UseLocalhost).
        pub localhost: bool,
        /// The program that keeps cookies (XAuthLocation).
        pub xauth: Option<String>,
    }
}

#[cfg(test)]
mod tests {
    use super::super::field::round_trip;
    use super::*;

    #[test]
    fn messages_survive_the_line() {
        let show = Show {
            session: 1,
            listener: 2,
            single: true,
            protocol: "MIT-MAGIC-COOKIE-1".into(),
            cookie: Secret::from("00ff"),
            screen: 3,
        };
        assert_eq!(round_trip(&show).cookie.expose(), b"00ff");
        assert!(!format!("{show:?}").contains("00ff"));
        let rules = Rules {
            offset: 10,
            localhost: true,
            xauth: Some("/usr/bin/xauth".into()),
        };
        assert_eq!(round_trip(&rules), rules);
    }
}
