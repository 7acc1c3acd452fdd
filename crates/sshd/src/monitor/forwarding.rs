//! What the configuration says on forwarding, as the broker enforces it.

use carrick_config::forward::permitted_place;
use carrick_config::sshd::{Options, Permit};
use carrick_config::words::{AddressFamily, AllowForwarding, GatewayPorts, PermitTunnel};

use crate::rpc::forward::{Gateway, Rules};
use crate::rpc::x11;
use crate::settings::HOOKS;

/// The rules for a user with these options.
pub fn rules(options: &Options) -> Rules {
    let allowed = |allowed: AllowForwarding, way: AllowForwarding| {
        !options.disable_forwarding && (allowed == AllowForwarding::Yes || allowed == way)
    };
    let tunnel =
        |of: &[PermitTunnel]| !options.disable_forwarding && of.contains(&options.permit_tunnel);
    let (tcp, unix) = (
        options.allow_tcp_forwarding,
        options.allow_stream_local_forwarding,
    );
    Rules {
        tcp_local: allowed(tcp, AllowForwarding::Local),
        tcp_remote: allowed(tcp, AllowForwarding::Remote),
        unix_local: allowed(unix, AllowForwarding::Local),
        unix_remote: allowed(unix, AllowForwarding::Remote),
        tunnel_ip: tunnel(&[PermitTunnel::PointToPoint, PermitTunnel::Yes]),
        tunnel_ethernet: tunnel(&[PermitTunnel::Ethernet, PermitTunnel::Yes]),
        permit_open: places(&options.permit_open),
        permit_listen: places(&options.permit_listen),
        gateway: match options.gateway_ports {
            GatewayPorts::No => Gateway::No,
            GatewayPorts::Yes => Gateway::Yes,
            GatewayPorts::ClientSpecified => Gateway::ClientSpecified,
        },
        ipv4: match options.address_family {
            AddressFamily::Any => None,
            AddressFamily::Inet => Some(true),
            AddressFamily::Inet6 => Some(false),
        },
        bind_mask: options.stream_local_bind_mask,
        bind_unlink: options.stream_local_bind_unlink,
    }
}

/// The rules of displays; `None`: there are none.
pub fn x11(options: &Options) -> Option<x11::Rules> {
    let wanted = options.x11_forwarding && !options.disable_forwarding;
    wanted.then(|| x11::Rules {
        offset: options.x11_display_offset,
        localhost: options.x11_use_localhost,
        xauth: options.xauth_location.clone(),
    })
}

/// Where one may go. An entry that cannot be read was refused as the
/// configuration was; should one come here, it permits nothing.
fn places(permit: &Permit) -> Option<Vec<(String, u32)>> {
    match permit {
        Permit::Any => None,
        Permit::None => Some(Vec::new()),
        Permit::Only(list) => {
            let place = |entry: &String| permitted_place(entry, HOOKS);
            Some(list.iter().filter_map(place).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(change: fn(&mut Options)) -> Rules {
        let mut options = Options::default();
        change(&mut options);
        rules(&options)
    }

    #[test]
    fn directions() {
        let ways = |rules: &Rules| {
            (
                rules.tcp_local,
                rules.tcp_remote,
                rules.unix_local,
                rules.unix_remote,
            )
        };
        assert_eq!(ways(&of(|_| {})), (true, true, true, true));
        let one = of(|o| o.allow_tcp_forwarding = AllowForwarding::Local);
        assert_eq!(ways(&one), (true, false, true, true));
        let one = of(|o| o.allow_stream_local_forwarding = AllowForwarding::Remote);
        assert_eq!(ways(&one), (true, true, false, true));
        let one = of(|o| o.allow_tcp_forwarding = AllowForwarding::No);
        assert_eq!(ways(&one), (false, false, true, true));
        let none = of(|o| o.disable_forwarding = true);
        assert_eq!(ways(&none), (false, false, false, false));
    }

    #[test]
    fn displays() {
        let of = |change: fn(&mut Options)| {
            let mut options = Options::default();
            change(&mut options);
            x11(&options)
        };
        assert_eq!(of(|_| {}), None);
        let rules = of(|o| o.x11_forwarding = true).unwrap();
        assert_eq!((rules.offset, rules.localhost), (10, true));
        assert_eq!(rules.xauth.as_deref(), Some("/usr/bin/xauth"));
        let none = of(|o| (o.x11_forwarding, o.disable_forwarding) = (true, true));
        assert_eq!(none, None);
    }

    #[test]
    fn tunnels() {
        let layers = |change| {
            let rules = of(change);
            (rules.tunnel_ip, rules.tunnel_ethernet)
        };
        assert_eq!(layers(|_| {}), (false, false));
        let one = layers(|o| o.permit_tunnel = PermitTunnel::Yes);
        assert_eq!(one, (true, true));
        let one = layers(|o| o.permit_tunnel = PermitTunnel::PointToPoint);
        assert_eq!(one, (true, false));
        let one = layers(|o| o.permit_tunnel = PermitTunnel::Ethernet);
        assert_eq!(one, (false, true));
        let none = layers(|o| {
            o.permit_tunnel = PermitTunnel::Yes;
            o.disable_forwarding = true;
        });
        assert_eq!(none, (false, false));
    }

    #[test]
    fn lists() {
        assert_eq!(of(|_| {}).permit_open, None);
        assert_eq!(
            of(|o| o.permit_open = Permit::None).permit_open,
            Some(vec![])
        );
        let some = of(|o| {
            o.permit_open = Permit::Only(vec!["h:80".into(), "[::1]:*".into()]);
            o.permit_listen = Permit::Only(vec!["*:8080".into()]);
        });
        let open = vec![("h".to_owned(), 80), ("::1".to_owned(), 0)];
        assert_eq!(some.permit_open, Some(open));
        assert_eq!(some.permit_listen, Some(vec![("*".to_owned(), 8080)]));
    }
}
