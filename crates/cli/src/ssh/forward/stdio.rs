//! `-W`: standard input and output are one forwarded connection.

use std::future::{Future as _, poll_fn};
use std::io;
use std::task::{Context, Poll, ready};

use carrick::forward::Originator;
use carrick::{Channel, Connection, Pieces, Stream};
use carrick_config::types::Endpoint;

use super::super::stdio::End;
use super::tell_refused;
use crate::log::{debug, log};
use crate::text::os_error;

/// Most that is read into one packet.
const PACKET: usize = 64 * 1024;

/// Opens the connection. `None`: there is none, which was told.
pub(in crate::ssh) async fn open(connection: &Connection, to: &Endpoint) -> Option<Channel> {
    dial(connection, to)
        .await
        .inspect_err(|_| log!(Fatal, "stdio forwarding failed"))
        .ok()
}

/// Opens the connection; an error was told.
pub(in crate::ssh) async fn dial(
    connection: &Connection,
    to: &Endpoint,
) -> Result<Channel, carrick::Error> {
    // Standard input has no address.
    let from = Originator::default();
    let opened = match to {
        Endpoint::Tcp { host, port } => {
            let host = host.as_deref().unwrap_or_default();
            debug!("channel_connect_stdio_fwd: {host}:{port}");
            connection.direct_tcpip(host, *port, &from).await
        }
        Endpoint::Unix { path } => {
            debug!("channel_connect_stdio_fwd: {path}:-2");
            connection.direct_streamlocal(path).await
        }
    };
    opened.inspect_err(tell_refused)
}

/// Carries the connection to its end. A lost connection is the error.
pub(in crate::ssh) async fn carry(
    channel: Channel,
    stdin_null: bool,
) -> Result<(), carrick::Error> {
    let stdin = if stdin_null {
        // The end of input comes at once, as from /dev/null.
        let _ = channel.send_eof();
        None
    } else {
        Some(End::stdin()?)
    };
    let lost = pipe(channel, stdin, End::stdout()?, true).await;
    debug!("stdio forwarding: done");
    lost.map_or(Ok(()), Err)
}

/// Carries the connection between two descriptors, to its end; why it ended if
/// it was lost. `own`: they are this program's standard ones.
pub(in crate::ssh) async fn pipe(
    channel: Channel,
    stdin: Option<End>,
    stdout: End,
    own: bool,
) -> Option<carrick::Error> {
    let mut pipe = Pipe {
        stdin,
        stdout: Some(stdout),
        own,
        pieces: Pieces::default(),
        channel,
    };
    poll_fn(|cx| pipe.poll(cx)).await;
    pipe.channel.lost()
}

struct Pipe {
    channel: Channel,
    /// Until its end.
    stdin: Option<End>,
    /// Until the end of what comes, or of who reads it.
    stdout: Option<End>,
    /// They are this program's own.
    own: bool,
    pieces: Pieces,
}

impl Pipe {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.stdout.is_some() && self.poll_out(cx).is_ready() {
            self.stdout = None;
            if self.own {
                // Whoever reads it sees the end: nothing more is written there.
                let _ = carrick_sys::daemonize::to_dev_null(false, true, false);
            }
        }
        if self.stdin.is_some() && self.poll_in(cx).is_ready() {
            self.stdin = None;
            // A channel that is closed needs no end.
            let _ = self.channel.send_eof();
        }
        let closed = std::pin::pin!(self.channel.closed());
        if self.stdout.is_none() && (self.stdin.is_none() || closed.poll(cx).is_ready()) {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while ready!(self.pieces.poll_gather(cx, &self.channel, Stream::Data)) {
            let Some(out) = &mut self.stdout else {
                break;
            };
            if let Err(e) = ready!(out.poll_write(cx, &mut self.pieces)) {
                debug!("write failed: {}", os_error(&e));
                // Nobody reads on: there is no use in the connection.
                let _ = self.channel.discard();
                break;
            }
        }
        Poll::Ready(())
    }

    fn poll_in(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(end) = &self.stdin else {
            return Poll::Ready(());
        };
        loop {
            let Ok(guard) = ready!(end.poll_readable(cx)) else {
                return Poll::Ready(());
            };
            let mut read = |space: &mut [u8]| end.read_now(space);
            match ready!(self.channel.poll_fill(cx, Stream::Data, PACKET, &mut read)) {
                Ok(1..) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => match guard {
                    Some(mut guard) => guard.clear_ready(),
                    None => return Poll::Pending,
                },
                Ok(0) | Err(_) => return Poll::Ready(()),
            }
        }
    }
}
