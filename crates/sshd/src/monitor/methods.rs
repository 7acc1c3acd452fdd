//! Which methods of authentication are offered, and how several of them make
//! one login (AuthenticationMethods).

use carrick_config::sshd::Options;

/// The methods that can be tried, in the order in which they are named to
/// the client.
pub const NAMES: [&str; 4] = ["publickey", "password", KEYBOARD_INTERACTIVE, "hostbased"];

/// The method that shows nothing: it is there, and lets in who has an empty
/// password where that is allowed.
const NONE: &str = "none";
/// The one method that has devices (RFC 4256).
const KEYBOARD_INTERACTIVE: &str = "keyboard-interactive";

/// The device behind keyboard-interactive, as AuthenticationMethods may name it.
const DEVICE: &str = "bsdauth";

/// What is left to do for each way into the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ways {
    enabled: Vec<&'static str>,
    /// Chains of methods, each to be gone through in order; no chain at all
    /// means that any one enabled method is enough.
    chains: Option<Vec<Vec<String>>>,
}

impl Ways {
    /// The ways that the configuration gives. `passwords` tells whether this
    /// process can check one at all. `None` if there is no way in.
    pub fn new(options: &Options, passwords: bool) -> Option<Self> {
        let enabled: Vec<_> = NAMES
            .into_iter()
            .filter(|name| match *name {
                "publickey" => options.pubkey_authentication,
                "hostbased" => options.hostbased_authentication,
                "password" => options.password_authentication && passwords,
                _ => options.kbd_interactive_authentication && passwords,
            })
            .collect();
        let lists = &options.authentication_methods;
        let any = lists.is_empty() || lists.iter().any(|list| list == "any");
        let chains = (!any).then(|| {
            lists
                .iter()
                .map(|list| list.split(',').map(str::to_owned).collect::<Vec<_>>())
                .filter(|chain| chain.iter().all(|method| is_enabled(&enabled, method)))
                .collect::<Vec<_>>()
        });
        if chains.as_ref().is_some_and(Vec::is_empty) || enabled.is_empty() {
            return None;
        }
        Some(Self { enabled, chains })
    }

    /// Whether `method` may be tried now.
    pub fn allows(&self, method: &str) -> bool {
        (method == NONE || self.enabled.contains(&method))
            && self.chains.as_ref().is_none_or(|chains| {
                chains
                    .iter()
                    .any(|chain| chain.first().is_some_and(|next| is_method(next, method)))
            })
    }

    /// The names of the methods that may be tried now.
    pub fn names(&self) -> Vec<String> {
        self.enabled
            .iter()
            .filter(|name| self.allows(name))
            .map(|name| (*name).to_owned())
            .collect()
    }

    /// Marks `method` as done; whether the user is in.
    pub fn done(&mut self, method: &str) -> bool {
        let Some(chains) = &mut self.chains else {
            return true;
        };
        let mut complete = false;
        for chain in chains.iter_mut() {
            if chain.first().is_some_and(|next| is_method(next, method)) {
                chain.remove(0);
                complete |= chain.is_empty();
            }
        }
        complete
    }
}

/// Whether `entry` of AuthenticationMethods, which may name a device after a
/// colon, means `method`.
fn is_method(entry: &str, method: &str) -> bool {
    match entry.split_once(':') {
        Some((name, device)) => {
            name == method && method == KEYBOARD_INTERACTIVE && device == DEVICE
        }
        None => entry == method,
    }
}

fn is_enabled(enabled: &[&str], entry: &str) -> bool {
    let mut all = enabled.iter().chain(&[NONE]);
    all.any(|method| is_method(entry, method))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ways(methods: &[&str]) -> Option<Ways> {
        let mut options = Options::default();
        options.authentication_methods = methods.iter().map(|m| (*m).to_owned()).collect();
        Ways::new(&options, true)
    }

    #[test]
    fn any_enabled_method_is_enough_by_default() {
        let mut ways = ways(&[]).unwrap();
        assert_eq!(ways.names(), NAMES[..3]);
        assert!(ways.allows("none"));
        assert!(ways.done("password"));
    }

    #[test]
    fn a_chain_is_gone_through_in_order() {
        let mut ways = ways(&[
            "publickey,password",
            "publickey,keyboard-interactive:bsdauth",
        ])
        .unwrap();
        assert_eq!(ways.names(), ["publickey"]);
        assert!(!ways.allows("none") && !ways.allows("password"));
        assert!(!ways.done("publickey"));
        assert_eq!(ways.names(), ["password", "keyboard-interactive"]);
        assert!(ways.done("keyboard-interactive"));
    }

    #[test]
    fn none_may_be_a_step_like_others() {
        let ways = ways(&["none", "password"]).unwrap();
        assert!(ways.allows("none") && ways.allows("password"));
        assert_eq!(ways.names(), ["password"]);
    }

    #[test]
    fn the_same_method_can_be_asked_for_twice() {
        let mut ways = ways(&["publickey,publickey"]).unwrap();
        assert!(!ways.done("publickey"));
        assert!(ways.done("publickey"));
    }

    #[test]
    fn a_chain_with_a_disabled_method_is_no_way_in() {
        assert_eq!(ways(&["hostbased"]), None);
        assert_eq!(
            ways(&["publickey,hostbased", "password"]).unwrap().names(),
            ["password"]
        );
        let mut options = Options::default();
        options.pubkey_authentication = false;
        assert_eq!(Ways::new(&options, false), None);
        options.hostbased_authentication = true;
        let ways = Ways::new(&options, false).unwrap();
        assert_eq!(ways.names(), ["hostbased"]);
    }
}
