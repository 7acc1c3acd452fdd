//! A tunnel of network devices (`-w`, Tunnel, TunnelDevice).
//!
//! The addresses of the interfaces, and who may use them, are the
//! administrators' business at both ends. What could a hostile server do? Put
//! any packet into the interface at our end, as whoever is at the other end of
//! a wire could.

use std::fs::File;
use std::future::ready;
use std::io;

use carrick::tun::{ANY_UNIT, Layer};
use carrick::{Channel, Connection};
use carrick_config::ssh::Options;
use carrick_config::types::TunnelId;
use carrick_config::words::Tunnel as Mode;
use carrick_sys::tun::{self, OpenError};
use tokio::io::unix::AsyncFd;

use super::FAILED;
use super::forward::Forwards;
use crate::log::{debug, error, info, log};
use crate::text::os_error;

/// Our end of a tunnel, and what is asked of the other.
struct Tunnel {
    device: AsyncFd<File>,
    /// The interface's name.
    name: String,
    layer: Layer,
    remote: u32,
}

/// Ties our device to one of the server's, if that is wanted: our interface's
/// name. `Ok(None)`: it is not, or cannot be, which was told. `Err`: nor can the
/// program go on without it. The tunnel counts as a connection that is carried,
/// which a session's end, and a master's, wait for.
pub(super) async fn start(
    connection: &Connection,
    forwards: &Forwards,
    options: &Options,
) -> Result<Option<String>, u8> {
    let must = options.exit_on_forward_failure;
    let tunnel = match prepare(options) {
        Ok(Some(tunnel)) => tunnel,
        Ok(None) => return Ok(None),
        Err(()) if must => {
            log!(Fatal, "Could not request tunnel forwarding.");
            return Err(FAILED);
        }
        Err(()) => return Ok(None),
    };
    let name = tunnel.name.clone();
    // Before anything else is asked for: a session is told of its tunnels.
    let opening = connection.open_tunnel(tunnel.layer, tunnel.remote);
    let opened = async { answered(opening.await) };
    let forwards = forwards.clone();
    if must {
        let opened = ready(Some(opened.await.ok_or(FAILED)?));
        tokio::spawn(async move { tunnel.run(opened, &forwards).await });
    } else {
        tokio::spawn(async move { tunnel.run(opened, &forwards).await });
    }
    Ok(Some(name))
}

/// The tunnel that the options ask for, with our device open. An error was told.
fn prepare(options: &Options) -> Result<Option<Tunnel>, ()> {
    let layer = match options.tunnel {
        Mode::No => return Ok(None),
        Mode::PointToPoint => Layer::Ip,
        Mode::Ethernet => Layer::Ethernet,
    };
    let (local, remote) = options.tunnel_device;
    debug!(
        "Requesting tun unit {} in mode {}",
        number(local).cast_signed(),
        layer.mode()
    );
    match open(layer, local) {
        Ok((device, name)) => {
            debug!("Tunnel forwarding using interface {name}");
            Ok(Some(Tunnel {
                device,
                name,
                layer,
                remote: number(remote),
            }))
        }
        Err(text) => {
            debug!("sys_tun_open: {text}");
            error!("Tunnel device open failed.");
            Err(())
        }
    }
}

fn number(id: TunnelId) -> u32 {
    match id {
        TunnelId::Any => ANY_UNIT,
        TunnelId::Number(number) => number,
    }
}

fn open(layer: Layer, local: TunnelId) -> Result<(AsyncFd<File>, String), String> {
    let kind = match layer {
        Layer::Ip => tun::Layer::Ip,
        Layer::Ethernet => tun::Layer::Ethernet,
    };
    let unit = match local {
        TunnelId::Any => None,
        TunnelId::Number(number) => Some(number),
    };
    let tun = tun::open(kind, unit).map_err(|problem| match problem {
        OpenError::Control(why) => {
            format!(
                "failed to open tunnel control interface: {}",
                os_error(&why)
            )
        }
        OpenError::Configure(why) => {
            let mode = layer.mode();
            format!(
                "failed to configure tunnel (mode {mode}): {}",
                os_error(&why)
            )
        }
    })?;
    let device = watch(tun.device).map_err(|why| os_error(&why))?;
    Ok((device, tun.name))
}

/// Has the runtime watch `device`.
#[expect(
    deprecated,
    reason = "the owner of a descriptor closes it after the runtime let go of it"
)]
pub(super) fn watch(device: File) -> io::Result<AsyncFd<File>> {
    AsyncFd::new(device)
}

/// What the server says to the request for its end. A refusal was told.
fn answered(opened: Result<Channel, carrick::Error>) -> Option<Channel> {
    match opened {
        Ok(channel) => {
            debug!("tunnel forward established, id={}", channel.id());
            Some(channel)
        }
        Err(why) => {
            match why {
                carrick::Error::OpenRefused { id, reason, text } => {
                    info!("channel {id}: open failed: {reason}: {text}");
                }
                other => debug!("tunnel: {other}"),
            }
            error!("Tunnel forwarding failed");
            None
        }
    }
}

impl Tunnel {
    /// Moves frames through the channel, once it is open, until either end is
    /// gone.
    async fn run(self, opened: impl Future<Output = Option<Channel>>, forwards: &Forwards) {
        let carried = forwards.carry_tunnel(&self.name);
        let Some(channel) = opened.await else {
            return;
        };
        carried.opened(channel.id());
        if let Err(problem) = channel.join_device(&self.device, self.layer).await {
            debug!("{}: {}", self.name, os_error(&problem));
        }
    }
}
