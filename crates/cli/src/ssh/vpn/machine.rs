//! The packet machine, the device that it serves, and the tasks that its
//! connections have.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use carrick::forward::Originator;
use carrick::{Connection, OpenReason};
use carrick_vpn::{Config, Event, FlowId, Read, Refusal, Stack};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use super::dns::Names;
use crate::log::{debug, debug2};
use crate::text::os_error;

/// How many packets are taken from the device before something else is done.
const PACKETS: usize = 64;

/// The machine, as its users share it.
pub(super) struct Machine {
    state: Mutex<State>,
    /// Something was asked of it: there may be packets to send.
    kick: Notify,
}

struct State {
    stack: Stack,
    wakers: HashMap<FlowId, Wakers>,
}

/// Who waits for a connection.
#[derive(Default)]
struct Wakers {
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// What the device's task works with.
pub(super) struct Service {
    pub(super) device: AsyncFd<File>,
    pub(super) mtu: usize,
    pub(super) connection: Connection,
    pub(super) names: Option<Arc<Names>>,
    pub(super) config: Config,
}

impl Service {
    /// Serves the device until it or the connection is gone.
    pub(super) async fn run(self) {
        let machine = Arc::new(Machine {
            state: Mutex::new(State {
                stack: Stack::new(self.config.clone(), Instant::now()),
                wakers: HashMap::new(),
            }),
            kick: Notify::new(),
        });
        let _ending = Ending(&self, &machine);
        let mut packet = vec![0; self.mtu];
        loop {
            if let Err(problem) = self.take_packets(&machine, &mut packet).await {
                debug!("vpn: {}", os_error(&problem));
                return;
            }
            self.serve(&machine);
        }
    }

    /// Waits until there is something to do, and takes packets if there are some.
    async fn take_packets(&self, machine: &Machine, packet: &mut [u8]) -> io::Result<()> {
        let timeout = machine.lock().stack.poll_timeout();
        let sleep = async {
            match timeout {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ready = self.device.readable() => {
                let mut ready = ready?;
                let mut state = machine.lock();
                let now = Instant::now();
                for _ in 0..PACKETS {
                    match self.device.get_ref().read(packet) {
                        Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                        Ok(len) => state.stack.input(now, packet.get(..len).unwrap_or_default()),
                        Err(problem) if problem.kind() == io::ErrorKind::WouldBlock => {
                            ready.clear_ready();
                            break;
                        }
                        Err(problem) if problem.kind() == io::ErrorKind::Interrupted => {}
                        Err(problem) => return Err(problem),
                    }
                }
            }
            () = machine.kick.notified() => {}
            () = sleep => {}
        }
        Ok(())
    }

    /// Does what is due.
    fn serve(&self, machine: &Arc<Machine>) {
        let mut state = machine.lock();
        self.send_packets(&mut state.stack);
        while let Some(event) = state.stack.poll_event() {
            match event {
                Event::Connect { flow, from, to } => {
                    let task = connect(
                        Arc::clone(machine),
                        self.connection.clone(),
                        flow,
                        from,
                        self.real(to),
                    );
                    tokio::spawn(task);
                }
                Event::Readable(flow) => {
                    wake(state.wakers.get_mut(&flow).and_then(|w| w.reader.take()));
                }
                Event::Writable(flow) => {
                    wake(state.wakers.get_mut(&flow).and_then(|w| w.writer.take()));
                }
                Event::Query { query, message, .. } => {
                    let (machine, names) = (Arc::clone(machine), self.names.clone());
                    tokio::spawn(async move {
                        let answer = match names {
                            Some(names) => names.ask(&message).await,
                            None => None,
                        };
                        machine.lock().stack.answer(query, answer.as_deref());
                        machine.kick.notify_one();
                    });
                }
            }
        }
    }

    /// Lets connections do what is due, and gives the device what they say.
    fn send_packets(&self, stack: &mut Stack) {
        let now = Instant::now();
        loop {
            stack.run(now);
            let mut sent = false;
            while let Some(packet) = stack.poll_output() {
                // A packet that the device does not take is lost, as on any wire.
                let _ = self.device.get_ref().write(&packet);
                stack.recycle(packet);
                sent = true;
            }
            if !sent {
                return;
            }
        }
    }

    /// Where a connection really goes: the resolver may have a name of ours.
    fn real(&self, to: SocketAddr) -> SocketAddr {
        match &self.names {
            Some(names) if self.config.resolvers.contains(&to.ip()) => {
                SocketAddr::new(names.resolver(), to.port())
            }
            _ => to,
        }
    }
}

/// However it ends: programs are told, or they would wait for a network that
/// is no more.
struct Ending<'a>(&'a Service, &'a Machine);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let Self(service, machine) = self;
        let mut state = machine.lock();
        state.stack.end();
        service.send_packets(&mut state.stack);
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Machine {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has the server connect, and moves what both sides say to the end of it.
async fn connect(
    machine: Arc<Machine>,
    connection: Connection,
    flow: FlowId,
    from: SocketAddr,
    to: SocketAddr,
) {
    debug2!("vpn: {from} connects to {to}");
    let host = to.ip().to_string();
    let opened = connection
        .direct_tcpip(&host, to.port(), &Originator::from(from))
        .await;
    let channel = match opened {
        Ok(channel) => channel,
        Err(why) => {
            debug!("vpn: {to}: {why}");
            machine.lock().stack.refused(flow, refusal(&why));
            machine.kick.notify_one();
            return;
        }
    };
    machine.lock().stack.connected(flow, Instant::now());
    machine.kick.notify_one();
    let stream = FlowStream {
        machine,
        connection,
        flow,
        reset: false,
    };
    let (mut stream, reset) = channel.join_resettable(stream).await;
    stream.reset |= reset;
}

/// What a program is told of a refusal.
fn refusal(why: &carrick::Error) -> Refusal {
    let carrick::Error::OpenRefused { reason, text, .. } = why else {
        return Refusal::Unreachable;
    };
    if *reason != OpenReason::CONNECT_FAILED {
        return Refusal::Prohibited;
    }
    // The system's words at the other end, which is all there is.
    let text = text.to_ascii_lowercase();
    let far = ["timed out", "unreachable", "no route"];
    if far.iter().any(|word| text.contains(word)) {
        Refusal::Unreachable
    } else {
        Refusal::Refused
    }
}

/// A program's connection, as a stream.
struct FlowStream {
    machine: Arc<Machine>,
    connection: Connection,
    flow: FlowId,
    /// It ends by a reset.
    reset: bool,
}

impl Drop for FlowStream {
    fn drop(&mut self) {
        let mut state = self.machine.lock();
        state.stack.release(self.flow, self.reset);
        let wakers = state.wakers.remove(&self.flow);
        drop(state);
        drop(wakers);
        self.machine.kick.notify_one();
    }
}

fn reset() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

impl AsyncRead for FlowStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.machine.lock();
        match state.stack.read(self.flow, buf.initialize_unfilled()) {
            Read::Data(len) => {
                buf.advance(len);
                // There is room again, of which the program is to know.
                self.machine.kick.notify_one();
                Poll::Ready(Ok(()))
            }
            Read::Nothing => {
                state.wakers.entry(self.flow).or_default().reader = Some(cx.waker().clone());
                Poll::Pending
            }
            Read::End => Poll::Ready(Ok(())),
            Read::Reset => Poll::Ready(Err(reset())),
        }
    }
}

impl AsyncWrite for FlowStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.machine.lock();
        let mut all = 0;
        for slice in slices.iter().filter(|slice| !slice.is_empty()) {
            let wrote = state.stack.write(self.flow, slice).map_err(|_| reset())?;
            all += wrote;
            if wrote < slice.len() {
                break;
            }
        }
        if all == 0 {
            state.wakers.entry(self.flow).or_default().writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.machine.kick.notify_one();
        Poll::Ready(Ok(all))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.connection.is_closed() {
            // Not what the other end has said: a program must not take what it
            // has for all there is.
            self.reset = true;
            return Poll::Ready(Err(reset()));
        }
        self.machine.lock().stack.finish(self.flow);
        self.machine.kick.notify_one();
        Poll::Ready(Ok(()))
    }
}
