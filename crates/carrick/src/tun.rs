//! Tunnels of a network device (OpenSSH's PROTOCOL, section 2.3): a channel
//! whose messages are frames.
//!
//! A network loses frames, and what runs on it copes with that; it copes less
//! well with frames that come late. So nothing is queued here beyond what the
//! channel and the connection hold anyway. Without room for a frame none is
//! read: the device's own queue fills, and its sender is told there and then,
//! as by any slow interface. A frame that the device does not take is dropped,
//! and the window is granted as if it had been taken: a device that is down
//! stalls neither the channel nor the connection.

use std::fs::File;
use std::future::poll_fn;
use std::io::{self, IoSliceMut, Read as _, Write as _};
use std::task::{Context, Poll, ready};

use carrick_proto::Side;
use carrick_proto::mux::{Open, Stream};
use tokio::io::unix::AsyncFd;

use crate::channel::Channel;
use crate::connection::Connection;
use crate::error::Error;

/// As a device's number: whichever is free.
pub const ANY_UNIT: u32 = 0x7fff_ffff;

/// The longest frame that a device may have.
const LONGEST: usize = 64 * 1024;

/// Space for a frame before longer ones were seen: the usual Ethernet, and
/// what may stand before it.
const USUAL: usize = 1600;

/// What a tunnel carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// IP packets (layer 3), each with its address family in front.
    Ip,
    /// Ethernet frames (layer 2).
    Ethernet,
}

impl Layer {
    /// By its number in messages.
    pub fn from_mode(mode: u32) -> Option<Self> {
        match mode {
            1 => Some(Self::Ip),
            2 => Some(Self::Ethernet),
            _ => None,
        }
    }

    /// Its number in messages.
    pub fn mode(self) -> u32 {
        match self {
            Self::Ip => 1,
            Self::Ethernet => 2,
        }
    }

    /// How many bytes stand before each frame.
    fn prefix(self) -> usize {
        match self {
            Self::Ip => 4,
            Self::Ethernet => 0,
        }
    }

    /// What stands before `packet`: the address family, in OpenBSD's numbers
    /// whatever the system. `None` for what no tunnel carries.
    fn family(packet: &[u8]) -> Option<[u8; 4]> {
        match packet.first()? >> 4 {
            4 => Some([0, 0, 0, 2]),
            6 => Some([0, 0, 0, 24]),
            _ => None,
        }
    }
}

impl<S: Side> Connection<S> {
    /// Asks for a tunnel to a device of the other side's, of this number or,
    /// with [`ANY_UNIT`], of any. The request goes out at once: a session that
    /// is asked for after it finds the device there.
    pub fn open_tunnel(
        &self,
        layer: Layer,
        unit: u32,
    ) -> impl Future<Output = Result<Channel<S>, Error>> + use<S> {
        let mode = layer.mode();
        let asked = self.begin_open(&Open::Tun { mode, unit });
        async move {
            let channel = asked?;
            channel.opened().await?;
            Ok(channel)
        }
    }
}

impl<S: Side> Channel<S> {
    /// Moves frames between the channel and a network device, of which each
    /// read and each write is one frame and none waits, until one of them ends.
    pub async fn join_device(self, device: &AsyncFd<File>, layer: Layer) -> io::Result<()> {
        let mut outward = Outward::new(layer);
        let outcome = poll_fn(|cx| {
            if let Poll::Ready(outcome) = poll_inward(cx, &self, device, layer) {
                return Poll::Ready(outcome);
            }
            outward.poll(cx, &self, device)
        })
        .await;
        self.close();
        outcome
    }
}

/// From the channel to the device.
fn poll_inward<S: Side>(
    cx: &Context<'_>,
    channel: &Channel<S>,
    device: &AsyncFd<File>,
    layer: Layer,
) -> Poll<io::Result<()>> {
    while let Some(frame) = ready!(channel.poll_take(cx, Stream::Data)) {
        // The family is for systems that want it told apart from the packet.
        let Some(frame) = frame.get(layer.prefix()..).filter(|f| !f.is_empty()) else {
            continue;
        };
        match device.get_ref().write(frame) {
            Err(problem) if is_gone(&problem) => return Poll::Ready(Err(problem)),
            // Dropped, if it was not taken.
            Ok(_) | Err(_) => {}
        }
    }
    Poll::Ready(Ok(()))
}

/// From the device to the channel.
struct Outward {
    layer: Layer,
    /// Space that is asked for.
    size: usize,
    /// What a frame has beyond its space.
    spill: Vec<u8>,
    /// A frame that was longer than its space, to be sent next.
    held: Vec<u8>,
}

impl Outward {
    fn new(layer: Layer) -> Self {
        Self {
            layer,
            size: USUAL,
            spill: vec![0; LONGEST],
            held: Vec::new(),
        }
    }

    fn poll<S: Side>(
        &mut self,
        cx: &mut Context<'_>,
        channel: &Channel<S>,
        device: &AsyncFd<File>,
    ) -> Poll<io::Result<()>> {
        loop {
            let outcome = if self.held.is_empty() {
                let mut ready = ready!(device.poll_read_ready(cx))?;
                let size = self.size;
                let mut fill = |space: &mut [u8]| self.read(device.get_ref(), space);
                let outcome = ready!(channel.poll_fill(cx, Stream::Data, size, &mut fill));
                if matches!(&outcome, Err(problem) if problem.kind() == io::ErrorKind::WouldBlock) {
                    ready.clear_ready();
                    continue;
                }
                outcome
            } else {
                let held = std::mem::take(&mut self.held);
                let mut fill = |space: &mut [u8]| {
                    // A peer that never takes as much goes without.
                    let Some(space) = space.get_mut(..held.len()) else {
                        return Err(io::ErrorKind::Interrupted.into());
                    };
                    space.copy_from_slice(&held);
                    Ok(held.len())
                };
                match channel.poll_fill(cx, Stream::Data, held.len(), &mut fill) {
                    Poll::Ready(outcome) => outcome,
                    Poll::Pending => {
                        self.held = held;
                        return Poll::Pending;
                    }
                }
            };
            match outcome {
                Ok(0) => return Poll::Ready(Ok(())),
                Ok(_) => {}
                Err(problem) if problem.kind() == io::ErrorKind::Interrupted => {}
                Err(problem) => return Poll::Ready(Err(problem)),
            }
        }
    }

    /// Reads one frame into `space`. Interrupted: there was one, and it is not
    /// in there.
    fn read(&mut self, mut device: &File, space: &mut [u8]) -> io::Result<usize> {
        let prefix = self.layer.prefix();
        let Some((before, rest)) = space.split_at_mut_checked(prefix) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let room = rest.len();
        let mut parts = [IoSliceMut::new(rest), IoSliceMut::new(&mut self.spill)];
        let len = device.read_vectored(&mut parts)?;
        let packet = rest.get(..len.min(room)).unwrap_or_default();
        if self.layer == Layer::Ip {
            let Some(family) = Layer::family(packet) else {
                return if len == 0 {
                    Ok(0)
                } else {
                    Err(io::ErrorKind::Interrupted.into())
                };
            };
            before.copy_from_slice(&family);
        }
        if len > room {
            self.held.extend_from_slice(before);
            self.held.extend_from_slice(packet);
            let beyond = self.spill.get(..len - room).unwrap_or_default();
            self.held.extend_from_slice(beyond);
            self.size = self.size.max(self.held.len().next_multiple_of(512));
            return Err(io::ErrorKind::Interrupted.into());
        }
        Ok(if len == 0 { 0 } else { prefix + len })
    }
}

/// Whether the device itself is gone, and not just down or busy: EBADFD, the
/// kernel's word for a descriptor whose interface was removed.
fn is_gone(problem: &io::Error) -> bool {
    const EBADFD: i32 = 77;
    problem.raw_os_error() == Some(EBADFD)
}
