//! What a login permits, over and above what the configuration does: the
//! options of the key that was used (sshd(8), AUTHORIZED_KEYS FILE FORMAT),
//! of its certificate, and of the principal's line.
//!
//! The monitor makes the value, at each step of a login from what it read
//! itself, and hands it to the broker, which enforces it: a worker that asks
//! for more gets nothing by it.

use super::field::record;

record! {
    /// What a login permits.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Permissions {
        /// Forwarding of ports and of stream-local sockets.
        pub port_forwarding: bool,
        /// Forwarding of the agent.
        pub agent_forwarding: bool,
        /// Forwarding of X11.
        pub x11_forwarding: bool,
        /// A terminal.
        pub pty: bool,
        /// Running ~/.ssh/rc.
        pub user_rc: bool,
        /// Run this, whatever is asked for.
        pub command: Option<Vec<u8>>,
        /// Variables for programs, where PermitUserEnvironment lets them in.
        pub environment: Vec<(String, Vec<u8>)>,
        /// Where forwarded connections may go: host and port, of which `*`
        /// and 0 stand for any; an empty list is no restriction.
        pub permit_open: Vec<(String, u32)>,
        /// The same for where may be listened.
        pub permit_listen: Vec<(String, u32)>,
        /// The tunnel device to use; [`ANY_TUNNEL`] is the next free one.
        pub tunnel: Option<u32>,
    }
}

/// As [`Permissions::tunnel`]: whichever device is free. The number is
/// OpenSSH's.
pub const ANY_TUNNEL: u32 = 0x7fff_ffff;

impl Default for Permissions {
    /// Everything, as for a login by password.
    fn default() -> Self {
        Self {
            port_forwarding: true,
            agent_forwarding: true,
            x11_forwarding: true,
            pty: true,
            user_rc: true,
            ..Self::nothing()
        }
    }
}

/// Two options that cannot both hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conflict;

impl std::fmt::Display for Conflict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("forced command options do not match")
    }
}

impl std::error::Error for Conflict {}

impl Permissions {
    /// None of what can be permitted: where a certificate begins.
    pub fn nothing() -> Self {
        Self {
            port_forwarding: false,
            agent_forwarding: false,
            x11_forwarding: false,
            pty: false,
            user_rc: false,
            command: None,
            environment: Vec::new(),
            permit_open: Vec::new(),
            permit_listen: Vec::new(),
            tunnel: None,
        }
    }

    /// What both permit. Of lists that only one can give, the first's count
    /// where it has one, as in OpenSSH; two forced commands must be the same.
    pub fn and(&self, other: &Self) -> Result<Self, Conflict> {
        fn either<T: Clone>(first: &[T], second: &[T]) -> Vec<T> {
            if first.is_empty() { second } else { first }.to_vec()
        }
        let command = match (&self.command, &other.command) {
            (Some(one), Some(two)) if one != two => return Err(Conflict),
            (one, two) => one.as_ref().or(two.as_ref()).cloned(),
        };
        Ok(Self {
            port_forwarding: self.port_forwarding && other.port_forwarding,
            agent_forwarding: self.agent_forwarding && other.agent_forwarding,
            x11_forwarding: self.x11_forwarding && other.x11_forwarding,
            pty: self.pty && other.pty,
            user_rc: self.user_rc && other.user_rc,
            command,
            environment: either(&self.environment, &other.environment),
            permit_open: either(&self.permit_open, &other.permit_open),
            permit_listen: either(&self.permit_listen, &other.permit_listen),
            tunnel: self.tunnel.or(other.tunnel),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::field::round_trip;
    use super::*;

    fn some() -> Permissions {
        Permissions {
            pty: true,
            command: Some(b"true".to_vec()),
            environment: vec![("A".into(), b"1".to_vec())],
            permit_open: vec![("*".into(), 80)],
            tunnel: Some(ANY_TUNNEL),
            ..Permissions::nothing()
        }
    }

    #[test]
    fn they_survive_the_line() {
        for permissions in [some(), Permissions::default(), Permissions::nothing()] {
            assert_eq!(round_trip(&permissions), permissions);
        }
    }

    #[test]
    fn only_what_both_permit_is_permitted() {
        let both = some().and(&Permissions::default()).unwrap();
        assert_eq!(both, some());
        assert_eq!(Permissions::default().and(&some()).unwrap(), some());
        let neither = some().and(&Permissions::nothing()).unwrap();
        assert!(!neither.pty && neither.command.is_some());
    }

    #[test]
    fn lists_of_the_first_count_and_commands_must_agree() {
        let other = Permissions {
            environment: vec![("B".into(), b"2".to_vec())],
            permit_listen: vec![("*".into(), 1)],
            ..some()
        };
        let both = some().and(&other).unwrap();
        assert_eq!(both.environment, some().environment);
        assert_eq!(both.permit_listen, other.permit_listen);
        let clash = Permissions {
            command: Some(b"false".to_vec()),
            ..some()
        };
        assert_eq!(some().and(&clash), Err(Conflict));
    }
}
