//! X11 forwarding: programs on the server that draw on the user's display.
//!
//! A client asks for it with [`Session::forward_x11`](crate::Session). The server
//! then opens a channel for each program that connects to the display it made:
//!
//! ```no_run
//! # use carrick::x11::{self, Spoof};
//! # async fn run(connection: carrick::Connection, cookie: carrick::Secret) -> Option<()> {
//! let spoof = Spoof::new(x11::MIT_MAGIC_COOKIE_1, cookie, &mut x11::SystemRng)?;
//! let session = connection.open_session().await.ok()?;
//! session.forward_x11(&spoof, 0).await.ok()?;
//! session.exec("xclock").await.ok()?;
//! while let Some(incoming) = connection.accept_open().await {
//!     if !x11::is_wanted_by(&incoming) {
//!         continue; // Dropped: refused.
//!     }
//!     let display = tokio::net::UnixStream::connect("/tmp/.X11-unix/X0").await.ok()?;
//!     if let Err(why) = x11::lend(incoming, display, &spoof).await {
//!         eprintln!("{why}");
//!     }
//! }
//! # Some(()) }
//! ```
//!
//! The server never sees the display's cookie: see [`carrick_proto::x11`]. What
//! a program may do once it is let in is the X server's to say. Give it a cookie
//! that the SECURITY extension calls untrusted, or programs of the server's can
//! read every key that is typed.
//!
//! A server learns that forwarding is wanted by
//! [`Request::X11`](crate::Request::X11), and opens a
//! channel with [`Connection::x11`] for each program.

use std::io;

pub use carrick_crypto::rng::SystemRng;
use carrick_proto::mux::Open;
pub use carrick_proto::x11::{Fault, Greeting, MIT_MAGIC_COOKIE_1, Spoof, from_hex, is_plain};
use carrick_proto::{Client, Server};
use carrick_wire::Secret;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use crate::channel::{Channel, Stream};
use crate::connection::{Connection, Incoming};
use crate::error::Error;
use crate::forward::Originator;
use crate::session::Session;

/// Whether the channel that is asked for would lead to the display.
pub fn is_wanted_by(incoming: &Incoming<Client>) -> bool {
    matches!(incoming.kind, Open::X11 { .. })
}

/// Why a program was not let in.
#[derive(Debug)]
#[non_exhaustive]
pub enum Problem {
    /// By what it said first.
    Refused(Fault),
    /// The channel was closed before it had said enough, or the display takes
    /// nothing.
    Io(io::Error),
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(fault) => fault.fmt(f),
            Self::Io(problem) => problem.fmt(f),
        }
    }
}

impl std::error::Error for Problem {}

impl From<io::Error> for Problem {
    fn from(problem: io::Error) -> Self {
        Self::Io(problem)
    }
}

/// Opens the channel that the server asks for and joins it with a connection to
/// the display, once the program has shown the cookie that it was given. Ends
/// with the channel.
pub async fn lend<T>(
    incoming: Incoming<Client>,
    mut display: T,
    spoof: &Spoof,
) -> Result<(), Problem>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let channel = incoming.accept().map_err(io::Error::from)?;
    let message = greet(&channel, spoof).await?;
    display.write_all(message.expose()).await?;
    drop(message);
    Ok(channel.join(display).await?)
}

/// Waits until the program at the other end of a channel has shown the cookie
/// that it was given: what the display is to be told first, before the channel
/// is joined with it.
pub async fn greet(channel: &Channel<Client>, spoof: &Spoof) -> Result<Secret, Problem> {
    let mut greeting = spoof.greet();
    loop {
        let Some(piece) = channel.chunk(Stream::Data).await else {
            return Err(Problem::Io(io::ErrorKind::UnexpectedEof.into()));
        };
        match greeting.feed(&piece) {
            Ok(Some(message)) => return Ok(message),
            Ok(None) => {}
            Err(fault) => return Err(Problem::Refused(fault)),
        }
    }
}

impl Session {
    /// Asks the server to let the session's programs reach the user's display,
    /// of which they see the screen. It must be asked before the program starts.
    pub async fn forward_x11(&self, spoof: &Spoof, screen: u32) -> Result<(), Error> {
        if self.channel().request(spoof.request(false, screen)).await? {
            Ok(())
        } else {
            Err(Error::RequestRefused("X11 forwarding"))
        }
    }
}

impl Connection<Server> {
    /// Takes a program that has connected to a display of the server's to the
    /// user's.
    pub async fn x11(&self, from: &Originator) -> Result<Channel<Server>, Error> {
        self.open(Open::X11 {
            originator: from.address.clone(),
            originator_port: from.port,
        })
        .await
    }
}
