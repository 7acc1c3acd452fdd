//! One TCP connection of a program on this machine: an end for it that answers
//! in the name of wherever it wants to go.
//!
//! Each connection has a stack of its own, with one socket and one address: so
//! a packet costs the same with one connection or thousands, and none can hold
//! up another.

use std::net::{IpAddr, SocketAddr};

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Checksum, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{self, RecvError, State};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

use crate::output::Output;

/// How often a program that says nothing is asked whether it is still there,
/// and how long it may stay away. Its system answers for it, and is this one:
/// without an answer nobody is left who could end the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
const ABSENCE: Duration = Duration::from_secs(180);

/// How long a connection that both we and the channel have done with waits for
/// the program's end of it, as Linux does.
const LINGER: Duration = Duration::from_secs(60);

/// The connection.
pub(crate) struct Flow {
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    /// Somebody wants to know when there is something to read.
    pub(crate) reader_waits: bool,
    /// Or room to write.
    pub(crate) writer_waits: bool,
    /// The application has no more use for it.
    pub(crate) released: bool,
    /// When it is given up.
    expires: Option<Instant>,
    /// It is in the queue of those that have something to do.
    pub(crate) queued: bool,
    /// The time at which it has something to do.
    pub(crate) timer: Option<Instant>,
}

/// What reading found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// So many bytes.
    Data(usize),
    /// None now; `Readable` comes when there are.
    Nothing,
    /// The program has said all.
    End,
    /// The program has reset the connection, or is gone.
    Reset,
}

/// A connection that was reset, or is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

impl std::fmt::Display for Gone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("connection reset")
    }
}

impl std::error::Error for Gone {}

/// The device of a flow: one packet comes in, the others go out.
struct Wire<'a> {
    input: Option<&'a [u8]>,
    output: &'a mut Output,
    mtu: usize,
}

struct Received<'a>(&'a [u8]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

struct Space<'a>(&'a mut Output);

impl TxToken for Space<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        self.0.write(len, f)
    }
}

impl Device for Wire<'_> {
    type RxToken<'a>
        = Received<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Space<'a>
    where
        Self: 'a;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Space<'_>)> {
        let input = self.input.take()?;
        Some((Received(input), Space(self.output)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Space<'_>> {
        self.output.has_room().then_some(Space(self.output))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu;
        // What comes in was made by this machine, and went over no wire.
        capabilities.checksum.ipv4 = Checksum::Tx;
        capabilities.checksum.tcp = Checksum::Tx;
        capabilities
    }
}

impl Flow {
    /// An end at `at` that waits for its first packet, and lets up to `room`
    /// bytes wait in each direction. `None` for an address that nobody can have.
    pub(crate) fn new(
        at: SocketAddr,
        room: usize,
        seed: u64,
        mtu: usize,
        now: Instant,
    ) -> Option<Self> {
        let mut none = Output::default();
        let mut wire = Wire {
            input: None,
            output: &mut none,
            mtu,
        };
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut interface = Interface::new(config, &mut wire, now);
        let address = IpAddress::from(at.ip());
        interface.update_ip_addrs(|addresses| {
            // There is room for more than one.
            let _ = addresses.push(IpCidr::new(address, if at.is_ipv4() { 32 } else { 128 }));
        });
        let routes = interface.routes_mut();
        match at.ip() {
            IpAddr::V4(ip) => routes.add_default_ipv4_route(ip).ok().map(drop)?,
            IpAddr::V6(ip) => routes.add_default_ipv6_route(ip).ok().map(drop)?,
        }
        let buffer = || tcp::SocketBuffer::new(vec![0; room]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        socket.set_keep_alive(Some(KEEP_ALIVE));
        socket.set_timeout(Some(ABSENCE));
        socket.listen((address, at.port())).ok()?;
        let mut sockets = SocketSet::new(Vec::with_capacity(1));
        let handle = sockets.add(socket);
        Some(Self {
            interface,
            sockets,
            handle,
            reader_waits: true,
            writer_waits: true,
            released: false,
            expires: None,
            queued: false,
            timer: None,
        })
    }

    fn socket(&mut self) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(self.handle)
    }

    /// Lets it do what there is to do, with a packet for it if there is one.
    pub(crate) fn run(
        &mut self,
        input: Option<&[u8]>,
        output: &mut Output,
        mtu: usize,
        now: Instant,
    ) {
        let mut wire = Wire { input, output, mtu };
        self.interface.poll(now, &mut wire, &mut self.sockets);
        if self.released {
            self.drain(now);
            let mut wire = Wire {
                input: None,
                output,
                mtu,
            };
            self.interface.poll(now, &mut wire, &mut self.sockets);
        }
    }

    /// Nobody reads any more. What the program sent before it could know is
    /// dropped; once it has all that was for it, it is told by a reset.
    fn drain(&mut self, now: Instant) {
        let expires = self.expires.is_some_and(|at| at <= now);
        let socket = self.socket();
        let state = socket.state();
        let unread = socket.can_recv();
        while let Ok(1..) = socket.recv(|bytes| (bytes.len(), bytes.len())) {}
        if expires || (state == State::FinWait2 && unread) {
            socket.abort();
        } else if state == State::FinWait2 && self.expires.is_none() {
            self.expires = Some(now + LINGER);
        }
    }

    /// When there is something to do: a time in the past is now.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Instant> {
        let next = self.interface.poll_at(now, &self.sockets);
        [next, self.expires].into_iter().flatten().min()
    }

    /// Whether the program's end of it is gone, or may be forgotten.
    pub(crate) fn is_over(&mut self) -> bool {
        let released = self.released;
        let socket = self.socket();
        match socket.state() {
            // A reset that is still to be sent has somebody to be sent to.
            State::Closed => socket.remote_endpoint().is_none(),
            // Nothing was lost on the way here that would be sent again.
            State::TimeWait => released,
            _ => false,
        }
    }

    /// Whether a reader would find something: data, the end, or a reset.
    pub(crate) fn is_readable(&mut self) -> bool {
        let socket = self.socket();
        socket.can_recv() || !(socket.may_recv() || is_starting(socket.state()))
    }

    /// Whether a writer would find room, or that it is over.
    pub(crate) fn is_writable(&mut self) -> bool {
        let socket = self.socket();
        socket.can_send() || !(socket.may_send() || is_starting(socket.state()))
    }

    pub(crate) fn read(&mut self, into: &mut [u8]) -> Read {
        let socket = self.socket();
        match socket.recv_slice(into) {
            Ok(0) => {
                self.reader_waits = true;
                Read::Nothing
            }
            Ok(len) => Read::Data(len),
            Err(RecvError::Finished) => Read::End,
            Err(RecvError::InvalidState) if is_starting(socket.state()) => {
                self.reader_waits = true;
                Read::Nothing
            }
            Err(RecvError::InvalidState) => Read::Reset,
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<usize, Gone> {
        let socket = self.socket();
        let wrote = match socket.send_slice(bytes) {
            Ok(len) => len,
            Err(_) if is_starting(socket.state()) => 0,
            Err(_) => return Err(Gone),
        };
        if wrote == 0 {
            self.writer_waits = true;
        }
        Ok(wrote)
    }

    /// No more is written.
    pub(crate) fn finish(&mut self) {
        self.socket().close();
    }

    /// The connection is to be reset.
    pub(crate) fn abort(&mut self) {
        self.socket().abort();
    }
}

/// The program has not agreed to the connection yet.
fn is_starting(state: State) -> bool {
    matches!(state, State::Listen | State::SynReceived)
}
