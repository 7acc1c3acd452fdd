//! Devices for tunnels (PermitTunnel; OpenSSH's PROTOCOL, section 2.3).
//!
//! They are opened with the user's rights: root may have any, and others those
//! that the administrator made theirs (`ip tuntap add ... user`). What could a
//! hostile worker do with it? Ask for those that configuration and key permit,
//! as often as it likes: a device that the user may open is there for the
//! user's own programs too, and each that is open takes one of the worker's
//! descriptors, of which it has so many. With one in hand it can do what the
//! peer could: put packets into that interface.

use std::os::fd::OwnedFd;

use carrick_sys::tun::{self, Layer, OpenError};

use crate::log::{debug, info};
use crate::rpc::broker::Start;
use crate::rpc::forward::{Refusal, Tunnel};
use crate::rpc::permissions::ANY_TUNNEL;

/// The greatest number that a device is asked for by.
const LAST: u32 = 0x7fff_fffd;

/// Opens a device, if that is permitted: with the interface's name.
pub fn open(start: &Start, ask: &Tunnel) -> Result<(OwnedFd, String), Refusal> {
    let rules = &start.forwarding;
    let (layer, permitted) = match ask.mode {
        1 => (Layer::Ip, rules.tunnel_ip),
        2 => (Layer::Ethernet, rules.tunnel_ethernet),
        other => {
            debug!("Unsupported tunnel device mode {other}.");
            return Err(Refusal::Prohibited);
        }
    };
    if !permitted {
        info!("Server has rejected tunnel device forwarding");
        return Err(Refusal::Prohibited);
    }
    let unit = match start.permissions.tunnel {
        Some(forced) if ask.unit != ANY_TUNNEL && ask.unit != forced => {
            debug!("tunnel device {} is not the key's", ask.unit);
            return Err(Refusal::Prohibited);
        }
        Some(forced) => forced,
        None => ask.unit,
    };
    let failed = |why: String| {
        debug!("sys_tun_open: {why}");
        Err(Refusal::Failed("open failed".to_owned()))
    };
    let unit = match unit {
        ANY_TUNNEL => None,
        0..=LAST => Some(unit),
        _ => return failed(format!("invalid tunnel id {unit:x}")),
    };
    match tun::open(layer, unit) {
        Ok(tun) => {
            debug!("Tunnel forwarding using interface {}", tun.name);
            Ok((tun.device.into(), tun.name))
        }
        Err(OpenError::Control(why)) => {
            failed(format!("failed to open tunnel control interface: {why}"))
        }
        Err(OpenError::Configure(why)) => {
            let mode = ask.mode;
            failed(format!("failed to configure tunnel (mode {mode}): {why}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::env::tests::start;

    const ASK: Tunnel = Tunnel {
        id: 1,
        mode: 1,
        unit: 5,
    };

    #[test]
    fn what_the_configuration_does_not_permit_is_not_opened() {
        let mut start = start();
        start.forwarding.tunnel_ethernet = true;
        assert_eq!(open(&start, &ASK).unwrap_err(), Refusal::Prohibited);
        start.forwarding.tunnel_ip = true;
        start.forwarding.tunnel_ethernet = false;
        let ethernet = Tunnel { mode: 2, ..ASK };
        assert_eq!(open(&start, &ethernet).unwrap_err(), Refusal::Prohibited);
        let neither = Tunnel { mode: 3, ..ASK };
        assert_eq!(open(&start, &neither).unwrap_err(), Refusal::Prohibited);
    }

    #[test]
    fn a_key_that_names_a_device_permits_no_other() {
        let mut start = start();
        start.forwarding.tunnel_ip = true;
        start.permissions.tunnel = Some(6);
        assert_eq!(open(&start, &ASK).unwrap_err(), Refusal::Prohibited);
        // One that cannot be, so that none is made here.
        start.permissions.tunnel = Some(u32::MAX);
        let any = Tunnel {
            unit: ANY_TUNNEL,
            ..ASK
        };
        let failed = Refusal::Failed("open failed".to_owned());
        assert_eq!(open(&start, &any).unwrap_err(), failed);
    }
}
