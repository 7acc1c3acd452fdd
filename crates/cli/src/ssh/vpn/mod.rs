//! The networks behind a connection, in one command (`ssh --vpn`, ours): they
//! are routed into a device of ours, what programs send there is taken apart
//! by [`carrick_vpn`], and each TCP connection goes through a channel of its
//! own. The server needs no privilege for it: it is asked to connect, as for
//! `-L`.
//!
//! What could each of these do with it?
//! - The server sees, and may change, what goes through it, as every router
//!   on the way could. It cannot reach into this machine: nothing it says
//!   makes a packet that was not waited for, and it opens no connection here.
//!   With `--vpn-dns` it decides what names mean; what it says its resolver is
//!   becomes the target of a connection that the server itself makes.
//! - Another user of this machine reaches those networks as they reach any
//!   network that this machine has a route to.
//!
//! Everything that outlives the process is written down before it is done and
//! undone at its end ([`journal`]).

mod dns;
mod hex;
mod journal;
mod machine;
pub(super) mod network;
mod resolv;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use carrick::{Connection, Open, Request};
use carrick_crypto::rng::{Rng as _, SystemRng};
use carrick_sys::netlink::{Netlink, Route};
use carrick_sys::tun;
use tokio::io::AsyncReadExt as _;
use tokio::task::AbortHandle;

use self::dns::Names;
use self::journal::{Journal, Step};
use self::machine::Service;
use self::network::{Network, Resolver, Wanted};
use super::FAILED;
use super::relay::{Signals, tell_killed};
use super::tun::watch;
use crate::log::{debug, log, verbose};
use crate::text::os_error;

/// What the device is called.
const NAME: &str = "carrick%d";
/// The longest packet. They go no further than from the kernel to us: long ones
/// save work.
const MTU: u16 = 16384;
/// How long the server may take to say what its resolver is, and how long what
/// it says may be.
const PATIENCE: Duration = Duration::from_secs(10);
const RESOLV_CONF: u64 = 64 * 1024;

/// A device that is there, and has no addresses yet.
pub(super) struct Prepared {
    device: tun::Tun,
    wanted: Wanted,
    journal: Journal,
}

/// The networks, for as long as this lives.
struct Running {
    // Routes and resolver go back before the device goes.
    _journal: Journal,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Undoes what processes have left that were killed, and makes the device: who
/// may not have one is told before anything else. `proxied`: the server is
/// reached by way of a command, who knows where.
pub(super) fn prepare(wanted: Wanted, proxied: bool) -> Result<Prepared, String> {
    let everything = |network: &&Network| network.prefix == 0;
    if let (true, Some(network)) = (proxied, wanted.networks.iter().find(everything)) {
        return Err(format!(
            "--vpn {network}: with a proxy the server's own address is not known, which has to go another way"
        ));
    }
    let device = tun::open_named(tun::Layer::Ip, NAME).map_err(|problem| {
        let (tun::OpenError::Control(why) | tun::OpenError::Configure(why)) = problem;
        format!(
            "--vpn: this system gives us no network device: {}",
            os_error(&why)
        )
    })?;
    let journal = Journal::begin().map_err(|why| format!("--vpn: {}", os_error(&why)))?;
    debug!("vpn: interface {}", device.name);
    Ok(Prepared {
        device,
        wanted,
        journal,
    })
}

/// The device's addresses: of a range that is nobody's (RFC 2544), and of one
/// that is ours alone (RFC 4193); another for each device.
struct Own {
    v4: Ipv4Addr,
    v6: Ipv6Addr,
    /// What the server's resolver is called here.
    resolver: Ipv4Addr,
}

impl Own {
    fn of(interface: u32) -> Self {
        let [.., high, low] = interface.to_be_bytes();
        let v4 = |last| Ipv4Addr::new(198, 18 + (high & 1), low, last);
        let group = u16::from_be_bytes([high, low]);
        Self {
            v4: v4(1),
            v6: Ipv6Addr::new(0xfd43, 0x6172, 0x7269, group, 0, 0, 0, 1),
            resolver: v4(53),
        }
    }

    fn source(&self, target: IpAddr) -> IpAddr {
        match target {
            IpAddr::V4(_) => self.v4.into(),
            IpAddr::V6(_) => self.v6.into(),
        }
    }
}

impl Prepared {
    /// Routes the networks through `connection`, to a server at `peer`, for as
    /// long as `work` lasts: its exit status.
    ///
    /// A signal ends it, even while the work does not look for signals: without
    /// that, one that comes before the session has begun would leave the
    /// machine with a resolver that is not there.
    pub(super) async fn during(
        self,
        work: impl Future<Output = u8>,
        connection: &Connection,
        peer: Option<IpAddr>,
    ) -> u8 {
        let mut signals = match Signals::new() {
            Ok(signals) => signals,
            Err(why) => {
                log!(Fatal, "--vpn: {}", os_error(&why));
                return FAILED;
            }
        };
        let all = async {
            match self.start(connection, peer).await {
                // To the end of the work.
                Ok(_running) => work.await,
                Err(text) => {
                    log!(Fatal, "{text}");
                    FAILED
                }
            }
        };
        tokio::select! {
            // What the work makes of a signal goes before.
            biased;
            status = all => status,
            number = signals.ended() => {
                tell_killed(number);
                FAILED
            }
        }
    }

    async fn start(self, connection: &Connection, peer: Option<IpAddr>) -> Result<Running, String> {
        let Self {
            device,
            wanted,
            mut journal,
        } = self;
        let resolver = match wanted.resolver {
            None => None,
            Some(Resolver::At(address)) => Some((address, address)),
            Some(Resolver::Servers) => {
                Some((IpAddr::from([0; 4]), servers_resolver(connection).await?))
            }
        };
        let failed = |what: &str, why: io::Error| format!("--vpn: {what}: {}", os_error(&why));
        let mut line = Netlink::open().map_err(|why| failed("netlink", why))?;
        let interface = line
            .interface(&device.name)
            .map_err(|why| failed(&device.name, why))?;
        let own = Own::of(interface);
        // The name that it has here, and the one that the server knows it by.
        let resolver = resolver.map(|(here, there)| {
            let here = if here.is_unspecified() {
                own.resolver.into()
            } else {
                here
            };
            (here, there)
        });
        let mut networks = wanted.networks.clone();
        if let Some((here, _)) = resolver
            && !networks.iter().any(|network| network.contains(here))
        {
            networks.push(Network::of(here));
        }
        set_up(&mut line, interface, &own, &networks).map_err(|why| failed(&device.name, why))?;
        if let Some(peer) = peer
            && networks.iter().any(|network| network.contains(peer))
        {
            keep_way_to(&mut line, &mut journal, peer)
                .map_err(|why| failed(&format!("route to {peer}"), why))?;
        }
        for network in networks.iter().flat_map(|network| network.routed()) {
            let route = Route {
                target: network.address,
                prefix: network.prefix,
                interface,
                via: None,
                source: Some(own.source(network.address)),
            };
            line.add_route(&route)
                .map_err(|why| failed(&format!("route to {network}"), why))?;
            verbose!("vpn: {network} through {}", device.name);
        }
        if let Some((here, there)) = resolver {
            use_resolver(&mut journal, &device.name, here)
                .map_err(|why| failed("resolver", why))?;
            verbose!("vpn: names are asked for at {there}");
        }
        let names = resolver.map(|(_, there)| Arc::new(Names::new(connection.clone(), there)));
        let config = carrick_vpn::Config {
            mtu: usize::from(MTU),
            resolvers: resolver.iter().map(|(here, _)| *here).collect(),
            seed: seed(),
        };
        let service = Service {
            device: watch(device.device).map_err(|why| failed(&device.name, why))?,
            mtu: usize::from(MTU),
            connection: connection.clone(),
            names,
            config,
        };
        Ok(Running {
            _journal: journal,
            task: tokio::spawn(service.run()).abort_handle(),
        })
    }
}

fn seed() -> u64 {
    let mut bytes = [0; 8];
    SystemRng.fill(&mut bytes);
    u64::from_ne_bytes(bytes)
}

/// Gives the device its addresses, of the families that the networks have, and
/// switches it on.
fn set_up(line: &mut Netlink, interface: u32, own: &Own, networks: &[Network]) -> io::Result<()> {
    line.set_up(interface, u32::from(MTU))?;
    for address in [IpAddr::from(own.v4), own.v6.into()] {
        if networks
            .iter()
            .any(|network| network.address.is_ipv4() == address.is_ipv4())
        {
            line.add_address(interface, address)?;
        }
    }
    Ok(())
}

/// Has the connection itself go on as it goes now.
fn keep_way_to(line: &mut Netlink, journal: &mut Journal, peer: IpAddr) -> io::Result<()> {
    let Some(route) = line.way_to(peer)? else {
        // It does not leave this machine.
        return Ok(());
    };
    journal.write(Step::Route(route.clone()))?;
    match line.add_route(&route) {
        // Somebody else's, who may remove it.
        Err(problem) if problem.kind() == io::ErrorKind::AlreadyExists => journal.take_back(),
        outcome => outcome,
    }
}

/// Makes `resolver` the system's.
fn use_resolver(journal: &mut Journal, interface: &str, resolver: IpAddr) -> io::Result<()> {
    if resolv::is_resolved() {
        return resolv::tell_resolved(interface, resolver);
    }
    let change = resolv::Change::plan(resolver)?;
    journal.write(Step::Resolver(change.clone()))?;
    change.make()
}

/// The resolver that the server itself asks, by its resolv.conf.
async fn servers_resolver(connection: &Connection) -> Result<IpAddr, String> {
    let ask = async {
        let mut channel = connection.open(Open::Session).await.ok()?;
        let command = b"cat /etc/resolv.conf".to_vec();
        channel
            .request(Request::Exec { command })
            .await
            .ok()
            .filter(|granted| *granted)?;
        // It reads nothing.
        channel.send_eof().ok()?;
        let mut text = Vec::new();
        (&mut channel)
            .take(RESOLV_CONF)
            .read_to_end(&mut text)
            .await
            .ok()?;
        dns::first_resolver(&String::from_utf8_lossy(&text))
    };
    let answer = tokio::time::timeout(PATIENCE, ask).await.ok().flatten();
    answer.ok_or_else(|| {
        "--vpn-dns: the server does not say what its resolver is: name one, as in --vpn-dns=10.1.0.53".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_device_has_addresses_of_its_own() {
        let all: std::collections::HashSet<_> = (0..512).map(|i| Own::of(i).v4).collect();
        assert_eq!(all.len(), 512);
        let own = Own::of(7);
        assert_eq!(
            (own.v4.to_string(), own.resolver.to_string()),
            ("198.18.7.1".into(), "198.18.7.53".into())
        );
        assert_eq!(
            own.source("2001:db8::1".parse().unwrap()),
            IpAddr::from(own.v6)
        );
    }
}
