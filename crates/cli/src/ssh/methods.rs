//! Which login method is next: a pure machine over the server's list and
//! PreferredAuthentications, in OpenSSH's order.

use crate::log::{debug, debug3};

/// The order when none is given.
const DEFAULT_ORDER: &str = "gssapi-with-mic,hostbased,publickey,keyboard-interactive,password";

/// A method that is built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Method {
    /// RFC 4252 section 9.
    HostBased,
    /// RFC 4252 section 7.
    PublicKey,
    /// RFC 4256.
    KeyboardInteractive,
    /// RFC 4252 section 8.
    Password,
}

impl Method {
    const ALL: [Self; 4] = [
        Self::HostBased,
        Self::PublicKey,
        Self::KeyboardInteractive,
        Self::Password,
    ];

    /// As it is named on the wire.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::HostBased => "hostbased",
            Self::PublicKey => "publickey",
            Self::KeyboardInteractive => "keyboard-interactive",
            Self::Password => "password",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.name() == name)
    }
}

/// Where we are in the order.
pub(super) struct Methods {
    preferred: Vec<String>,
    enabled: Vec<Method>,
    /// The server's list that `at` belongs to.
    supported: Vec<String>,
    at: usize,
    current: Option<Method>,
}

impl Methods {
    /// Nothing tried. `enabled` are those that the options allow.
    pub(super) fn new(preferred: Option<&str>, enabled: Vec<Method>) -> Self {
        let preferred = preferred
            .unwrap_or(DEFAULT_ORDER)
            .split(',')
            .map(str::to_owned)
            .collect();
        Self {
            preferred,
            enabled,
            supported: Vec::new(),
            at: 0,
            current: None,
        }
    }

    /// The method to try on a server that can continue with `list`: the
    /// present one as long as it is enabled and the list is the same.
    pub(super) fn next(&mut self, list: &[String]) -> Option<Method> {
        if self.supported != list {
            debug3!("start over, passed a different list {}", list.join(","));
            self.supported = list.to_vec();
            self.at = 0;
            self.current = None;
        } else if let Some(current) = self.current.filter(|c| self.enabled.contains(c)) {
            return Some(current);
        }
        while let Some(name) = self.preferred.get(self.at) {
            self.at += 1;
            if !self.supported.contains(name) {
                continue;
            }
            debug3!("authmethod_lookup {name}");
            if let Some(method) = Method::from_name(name).filter(|m| self.enabled.contains(m)) {
                debug!("Next authentication method: {name}");
                self.current = Some(method);
                return Some(method);
            }
        }
        debug!("No more authentication methods to try.");
        self.current = None;
        None
    }

    /// The method has nothing more to offer.
    pub(super) fn disable(&mut self, method: Method) {
        self.enabled.retain(|m| *m != method);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    #[test]
    fn the_order_is_ours_not_the_servers() {
        let mut m = Methods::new(None, Method::ALL.to_vec());
        let server = list("password,publickey,keyboard-interactive");
        assert_eq!(m.next(&server), Some(Method::PublicKey));
        assert_eq!(m.next(&server), Some(Method::PublicKey));
        m.disable(Method::PublicKey);
        assert_eq!(m.next(&server), Some(Method::KeyboardInteractive));
        m.disable(Method::KeyboardInteractive);
        assert_eq!(m.next(&server), Some(Method::Password));
        m.disable(Method::Password);
        assert_eq!(m.next(&server), None);
    }

    #[test]
    fn another_list_starts_over() {
        let mut m = Methods::new(None, Method::ALL.to_vec());
        assert_eq!(m.next(&list("publickey")), Some(Method::PublicKey));
        assert_eq!(m.next(&list("password")), Some(Method::Password));
        assert_eq!(m.next(&list("publickey,password")), Some(Method::PublicKey));
    }

    #[test]
    fn preferences_and_switches() {
        let mut m = Methods::new(Some("password,publickey"), vec![Method::PublicKey]);
        assert_eq!(m.next(&list("publickey,password")), Some(Method::PublicKey));
        let mut m = Methods::new(Some("hostbased"), Method::ALL.to_vec());
        assert_eq!(m.next(&list("hostbased,password")), Some(Method::HostBased));
        m.disable(Method::HostBased);
        assert_eq!(m.next(&list("hostbased,password")), None);
    }
}
