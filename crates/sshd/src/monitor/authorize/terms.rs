//! The terms on which a key lets a user in: what the options of its line, of
//! a principal's line and of a certificate demand and permit, in one form, so
//! that they can be put together and judged alike.

use carrick_config::sshd::{Options, UserEnvironment};
use carrick_config::words::AllowForwarding;
use carrick_keys::CertOptions;
use carrick_keys::authorized_keys::{self, CivilTime, OptionError, Permit, Tunnel};
use carrick_keys::matching::{AddressListError, cidr_list, host_and_address};
use carrick_sys::localtime::LocalTime;

use super::Context;
use crate::log::{debug, error, info};
use crate::rpc::permissions::{ANY_TUNNEL, Conflict, Permissions};

/// Demands and permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// What the session may do.
    pub permissions: Permissions,
    /// A security key must have been touched.
    pub touch_required: bool,
    /// A security key must have verified its user.
    pub verify_required: bool,
    /// The last second at which the line counts, since 1970.
    expires: Option<u64>,
    /// Hosts and networks that the user may come from (`from=`).
    from: Option<String>,
    /// Networks that the certificate may be used from.
    source_address: Option<String>,
    /// Names of which the certificate must carry one (`principals=`).
    pub principals: Option<String>,
    /// The line's key is an authority.
    pub cert_authority: bool,
}

impl Default for Terms {
    /// Those of a key without options.
    fn default() -> Self {
        Self {
            permissions: Permissions::default(),
            touch_required: true,
            verify_required: false,
            expires: None,
            from: None,
            source_address: None,
            principals: None,
            cert_authority: false,
        }
    }
}

impl Terms {
    /// The terms of a line with these options.
    pub fn of_line(options: authorized_keys::Options) -> Result<Self, OptionError> {
        let name = "expiry-time";
        let times: Option<Vec<u64>> = options.expiry.into_iter().map(seconds).collect();
        let times = times.ok_or(OptionError::BadValue { name })?;
        let place = |permit: Permit| (permit.host, permit.port.map_or(0, u32::from));
        Ok(Self {
            permissions: Permissions {
                port_forwarding: options.port_forwarding,
                agent_forwarding: options.agent_forwarding,
                x11_forwarding: options.x11_forwarding,
                pty: options.pty,
                user_rc: options.user_rc,
                command: options.command,
                environment: options.environment,
                permit_open: options.permit_open.into_iter().map(place).collect(),
                permit_listen: options.permit_listen.into_iter().map(place).collect(),
                tunnel: options.tunnel.map(|tunnel| match tunnel {
                    Tunnel::Any => ANY_TUNNEL,
                    Tunnel::Device(number) => number,
                }),
            },
            touch_required: options.touch_required,
            verify_required: options.verify_required,
            expires: times.into_iter().min(),
            from: options.from,
            source_address: None,
            principals: options.principals,
            cert_authority: options.cert_authority,
        })
    }

    /// The terms of a certificate: it permits nothing but what it names.
    pub fn of_certificate(options: &CertOptions) -> Self {
        Self {
            permissions: Permissions {
                port_forwarding: options.permit_port_forwarding,
                agent_forwarding: options.permit_agent_forwarding,
                x11_forwarding: options.permit_x11_forwarding,
                pty: options.permit_pty,
                user_rc: options.permit_user_rc,
                command: options.force_command.clone(),
                ..Permissions::nothing()
            },
            touch_required: !options.no_touch_required,
            verify_required: options.verify_required,
            source_address: options.source_address.clone(),
            ..Self::default()
        }
    }

    /// Both: what each demands, and what both permit.
    pub fn and(&self, other: &Self) -> Result<Self, Conflict> {
        let earliest = match (self.expires, other.expires) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        let either =
            |one: &Option<String>, two: &Option<String>| one.as_ref().or(two.as_ref()).cloned();
        Ok(Self {
            permissions: self.permissions.and(&other.permissions)?,
            touch_required: self.touch_required || other.touch_required,
            verify_required: self.verify_required || other.verify_required,
            expires: earliest,
            from: either(&self.from, &other.from),
            source_address: either(&self.source_address, &other.source_address),
            principals: None,
            cert_authority: false,
        })
    }

    /// What is left of them for the session, once they are met: it may last
    /// longer than the line counts.
    #[must_use]
    pub fn met(self) -> Self {
        Self {
            expires: None,
            ..self
        }
    }

    /// Whether they are met by who comes, now. `place` is where they stand,
    /// and `authority` tells whether an authority's key may stand there. If
    /// they are not met, the log says why.
    pub fn admit(&self, context: &Context<'_>, place: &str, authority: bool) -> bool {
        if let Some(expires) = self.expires.filter(|expires| *expires < context.now) {
            debug!("{place}: entry expired at {}", shown_time(expires));
            return false;
        }
        if self.principals.is_some() && !self.cert_authority {
            debug!("{place}: principals on non-CA key");
            return false;
        }
        if self.cert_authority && !authority {
            debug!("{place}: cert-authority flag invalid here");
            return false;
        }
        if !self.comes_from_where_it_may(context, place) {
            return false;
        }
        self.tell(context.options, place);
        true
    }

    fn comes_from_where_it_may(&self, context: &Context<'_>, place: &str) -> bool {
        let (name, host, address) = (
            &context.account.name,
            &context.peer.host,
            &context.peer.address,
        );
        if let Some(list) = &self.from {
            let found: Result<bool, AddressListError> = host_and_address(host, address, list);
            if found.is_err() {
                debug!("{place}: invalid from criteria");
            }
            if !found.unwrap_or(false) {
                info!(
                    "{place}: Authentication tried for {name} with correct key but not from a permitted host (host={host}, ip={address}, required={list})."
                );
                return false;
            }
        }
        if let Some(list) = &self.source_address {
            let found = cidr_list(address.parse().ok(), list);
            if found.is_err() {
                error!("{place}: Certificate source-address invalid");
            }
            if !found.unwrap_or(false) {
                info!(
                    "{place}: Authentication tried for {name} with valid certificate but not from a permitted source address ({address})."
                );
                return false;
            }
        }
        true
    }

    /// Logs them. `place` is where they stand.
    pub fn tell(&self, options: &Options, place: &str) {
        let p = &self.permissions;
        let environment = options.permit_user_environment != UserEnvironment::No;
        let forwards = |way| {
            options.allow_tcp_forwarding == AllowForwarding::Yes
                || options.allow_tcp_forwarding == way
        };
        let opens = forwards(AllowForwarding::Local) && !p.permit_open.is_empty();
        let listens = forwards(AllowForwarding::Remote) && !p.permit_listen.is_empty();
        let tunnel = p.tunnel.map(|number| format!(" tun={number}"));
        let words = [
            (p.agent_forwarding, " agent-forwarding"),
            (p.command.is_some(), " command"),
            (environment && !p.environment.is_empty(), " environment"),
            // OpenSSH leaves the blank out here.
            (self.expires.is_some(), "expires"),
            (!self.touch_required, " no-touch-required"),
            (opens, " permitopen"),
            (listens, " permitlisten"),
            (p.port_forwarding, " port-forwarding"),
            (self.principals.is_some(), " principals"),
            (p.pty, " pty"),
            (self.verify_required, " uv"),
            (tunnel.is_some(), tunnel.as_deref().unwrap_or_default()),
            (p.user_rc, " user-rc"),
            (p.x11_forwarding, " x11-forwarding"),
        ];
        let said: String = words
            .iter()
            .filter_map(|(given, word)| given.then_some(*word))
            .collect();
        debug!("{place}: key options:{said}");
        if environment {
            for (name, value) in &p.environment {
                let value = String::from_utf8_lossy(value);
                debug!("{place}: environment: {name}={value}");
            }
        }
        if let Some(expires) = self.expires {
            debug!("{place}: expires at {}", shown_time(expires));
        }
        if let Some(principals) = &self.principals {
            debug!("{place}: authorized principals: \"{principals}\"");
        }
        if let Some(command) = &p.command {
            let command = String::from_utf8_lossy(command);
            debug!("{place}: forced command: \"{command}\"");
        }
        let lists = [
            ("open", opens, &p.permit_open),
            ("listen", listens, &p.permit_listen),
        ];
        for (way, _, list) in lists.iter().filter(|(_, told, _)| *told) {
            for (host, port) in *list {
                debug!("{place}: permitted {way}: {}", shown_place(host, *port));
            }
        }
    }
}

/// A place as options name it.
fn shown_place(host: &str, port: u32) -> String {
    let port = match port {
        0 => "*".to_owned(),
        port => port.to_string(),
    };
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// Seconds since 1970 of a time in UTC or in this machine's zone.
fn seconds(time: CivilTime) -> Option<u64> {
    time.seconds(|year, rest| LocalTime::new(year, rest).seconds())
        .filter(|seconds| *seconds > 0)
}

fn shown_time(seconds: u64) -> String {
    let local = i64::try_from(seconds).ok().and_then(LocalTime::at);
    local.map_or_else(|| seconds.to_string(), |local| local.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::tests::scene;
    use super::*;

    fn terms(options: &str) -> Terms {
        Terms::of_line(authorized_keys::Options::parse(options.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn no_options_permit_all_and_restrict_nothing() {
        assert_eq!(terms(""), Terms::default());
        assert_eq!(terms("restrict").permissions, Permissions::nothing());
        let certificate = Terms::of_certificate(&CertOptions::default());
        assert_eq!(certificate.permissions, Permissions::nothing());
        assert!(certificate.touch_required && !certificate.verify_required);
    }

    #[test]
    fn both_is_the_stricter_of_each() {
        let both = terms("no-touch-required,expiry-time=\"20300101Z\"")
            .and(&terms("verify-required,no-pty,expiry-time=\"20290101Z\""))
            .unwrap();
        assert!(both.touch_required && both.verify_required && !both.permissions.pty);
        assert_eq!(both.expires, terms("expiry-time=\"20290101Z\"").expires);
        // One time alone counts, whichever side has it.
        let one = terms("").and(&terms("expiry-time=\"20290101Z\"")).unwrap();
        assert_eq!(one.expires, both.expires);
    }

    #[test]
    fn lines_count_from_where_and_when_they_say() {
        let scene = scene();
        let admits = |options: &str| terms(options).admit(&scene.context(), "x:1", false);
        assert!(admits(""));
        // The scene's peer is 192.0.2.1, now is 2026.
        assert!(admits("from=\"192.0.2.0/24\"") && admits("from=\"*.example,192.0.2.?\""));
        assert!(!admits("from=\"198.51.100.0/24\"") && !admits("from=\"!192.0.2.1,*\""));
        assert!(!admits("from=\"192.0.2.0/33\"") && !admits("from=\"\""));
        assert!(admits("expiry-time=\"20400101\"") && !admits("expiry-time=\"20200101\""));
        assert!(!admits(
            "expiry-time=\"20400101\",expiry-time=\"20200101Z\""
        ));
        assert!(!admits("principals=\"me\"") && !admits("cert-authority"));
        assert!(terms("cert-authority").admit(&scene.context(), "x:1", true));
    }

    #[test]
    fn certificates_count_from_where_they_say() {
        let scene = scene();
        let admits = |list: &str| {
            let options = CertOptions {
                source_address: Some(list.to_owned()),
                ..CertOptions::default()
            };
            Terms::of_certificate(&options).admit(&scene.context(), "cert", false)
        };
        assert!(admits("192.0.2.0/24,10.0.0.0/8"));
        assert!(!admits("10.0.0.0/8") && !admits("") && !admits("192.0.2.*"));
    }

    #[test]
    fn a_time_before_1970_is_none() {
        let options = authorized_keys::Options::parse(b"expiry-time=\"19600101Z\"").unwrap();
        assert!(Terms::of_line(options).is_err());
    }
}
