//! One passenger's conversation with the master.

use std::io;

use carrick_wire::control::{Answer, Ask, Forward, Hello, INFO, Place, Port, VERSION};
use tokio::net::UnixStream;

use super::forwarding::{self, Opened};
use super::master::Master;
use super::seat::{News, Ride, Seated};
use super::wire::Wire;
use super::{about, proxy};
use crate::log::{debug, debug2, debug3, error};
use crate::text::{os_error, printable_bytes};

/// Why a request is not granted.
enum No {
    /// The user said so.
    Denied,
    /// Something is wrong with it.
    Failed(String),
}

impl No {
    fn because(why: impl Into<String>) -> Self {
        Self::Failed(why.into())
    }
}

struct Guest {
    master: Master,
    wire: Wire,
    greeted: bool,
    ride: Option<Ride>,
}

/// How a conversation goes on.
enum Next {
    More,
    End,
    /// In the connection protocol.
    Proxy,
}

/// Speaks with the passenger at the other end of `socket` until one of the two
/// has enough. Its session ends with that.
pub(super) async fn serve(master: Master, socket: UnixStream) {
    let mut guest = Guest {
        master,
        wire: Wire::new(socket),
        greeted: false,
        ride: None,
    };
    match guest.converse().await {
        Ok(Next::Proxy) => {
            let (socket, early) = guest.wire.into_inner();
            if early.is_empty() {
                proxy::serve(&guest.master, socket).await;
            } else {
                error!("mux_master_process_proxy: data before the reply");
            }
        }
        Ok(_) => {}
        Err(e) => debug!("mux client: {}", os_error(&e)),
    }
}

impl Guest {
    async fn converse(&mut self) -> io::Result<Next> {
        let hello = Hello::ours(&[INFO]);
        self.wire.send(&Answer::Hello(hello)).await?;
        loop {
            let next = tokio::select! {
                message = self.wire.receive() => match message? {
                    Some(message) => self.asked(&message).await?,
                    None => Next::End,
                },
                news = Ride::news(&mut self.ride) => self.ride_news(news).await?,
            };
            if !matches!(next, Next::More) {
                return Ok(next);
            }
        }
    }

    async fn asked(&mut self, message: &[u8]) -> io::Result<Next> {
        let ask = match Ask::decode(message) {
            Ok(ask) => ask,
            Err(e) => {
                error!("mux_master_read_cb: malformed message: {e}");
                return Ok(Next::End);
            }
        };
        if let Ask::Hello(hello) = ask {
            return Ok(self.hello(&hello));
        }
        if !self.greeted {
            error!("mux_master_read_cb: expected MUX_MSG_HELLO");
            return Ok(Next::End);
        }
        self.request(ask).await
    }

    fn hello(&mut self, hello: &Hello<'_>) -> Next {
        if self.greeted {
            error!("mux_master_process_hello: HELLO received twice");
            return Next::End;
        }
        if hello.version != VERSION {
            error!(
                "mux_master_process_hello: unsupported multiplexing protocol version {} \
                 (expected {VERSION})",
                hello.version
            );
            return Next::End;
        }
        debug2!("mux_master_process_hello: client version {}", hello.version);
        self.greeted = true;
        Next::More
    }

    async fn request(&mut self, ask: Ask<'_>) -> io::Result<Next> {
        let host = &self.master.options().hostname;
        let (id, outcome) = match ask {
            Ask::Hello(_) => return Ok(Next::End),
            Ask::NewSession(id, wanted) => {
                let wanted = Seated::session(&wanted);
                return self.board::<3>(id, wanted).await;
            }
            Ask::NewStdioForward(id, place) => {
                let Some(wanted) = Seated::stdio(&place) else {
                    return Ok(Next::End);
                };
                return self.board::<2>(id, wanted).await;
            }
            Ask::AliveCheck(id) => {
                let pid = std::process::id();
                self.wire.send(&Answer::Alive { id, pid }).await?;
                return Ok(Next::More);
            }
            Ask::Info(id, what) => {
                self.info(id, what).await?;
                return Ok(Next::More);
            }
            Ask::Terminate(id) => {
                debug2!("mux_master_process_terminate: terminate request");
                let question = format!("Terminate shared connection to {host}? ");
                (id, self.permitted(question).await)
            }
            Ask::StopListening(id) => {
                debug!("mux_master_process_stop_listening: stop listening");
                let question =
                    format!("Disable further multiplexing on shared connection to {host}? ");
                (id, self.permitted(question).await)
            }
            Ask::Proxy(id) => {
                debug!("mux_master_process_proxy: proxy request");
                let question = "Allow multiplex proxy connection?".to_owned();
                (id, self.permitted(question).await)
            }
            Ask::OpenForward(id, ref forward) => {
                let outcome = self.open_forward(id, forward).await?;
                (id, outcome)
            }
            Ask::CloseForward(id, ref forward) => {
                let closed = forwarding::close(&self.master, forward).await;
                (id, closed.map_err(No::because))
            }
            Ask::Unknown(id, number) => {
                error!("mux_master_read_cb: unsupported mux message 0x{number:08x}");
                (id, Err(No::because("unsupported request")))
            }
        };
        match (outcome, &ask) {
            (Ok(()), Ask::Proxy(id)) => {
                self.wire.send(&Answer::Proxy(*id)).await?;
                Ok(Next::Proxy)
            }
            (Ok(()), ask) => {
                if matches!(ask, Ask::StopListening(_)) {
                    self.master.stop();
                }
                // What OPEN_FWD has to say was said.
                if !matches!(ask, Ask::OpenForward(..)) {
                    self.wire.send(&Answer::Ok(id)).await?;
                }
                if matches!(ask, Ask::Terminate(_)) {
                    self.master.quit();
                }
                Ok(Next::More)
            }
            (Err(no), _) => {
                self.refuse(id, &no).await?;
                Ok(Next::More)
            }
        }
    }

    async fn permitted(&self, question: String) -> Result<(), No> {
        if self.master.permits(question).await {
            Ok(())
        } else {
            debug2!("refused by user");
            Err(No::Denied)
        }
    }

    async fn refuse(&mut self, id: u32, no: &No) -> io::Result<()> {
        let answer = match no {
            No::Denied => Answer::Denied {
                id,
                reason: b"Permission denied",
            },
            No::Failed(why) => Answer::Failure {
                id,
                reason: why.as_bytes(),
            },
        };
        self.wire.send(&answer).await
    }

    async fn info(&mut self, id: u32, what: &[u8]) -> io::Result<()> {
        debug2!("mux_master_process_ext_info: info request");
        let text = match what {
            b"connection" => Some(about::connection(self.master.connection())),
            b"channels" => Some(about::channels(&self.master)),
            _ => None,
        };
        let known = text.is_some();
        let text = text.unwrap_or_else(|| "info request type not supported".to_owned());
        let text = text.as_bytes();
        self.wire.send(&Answer::Info { id, known, text }).await
    }

    /// Opens a forwarding, and says so.
    async fn open_forward(&mut self, id: u32, forward: &Forward<'_>) -> io::Result<Result<(), No>> {
        let wanted = match forwarding::understand(forward) {
            Ok(wanted) => wanted,
            Err(why) => return Ok(Err(No::because(why))),
        };
        if !self.master.known().has(&wanted) {
            let host = &self.master.options().hostname;
            let question = format!("Open {} on {host}?", wanted.shown());
            if let Err(no) = self.permitted(question).await {
                return Ok(Err(no));
            }
        }
        let answer = match forwarding::open(&self.master, wanted).await {
            Ok(Opened::AsAsked) => Answer::Ok(id),
            Ok(Opened::AtPort(port)) => Answer::RemotePort {
                id,
                port: port.into(),
            },
            Err(why) => return Ok(Err(No::because(why))),
        };
        self.wire.send(&answer).await?;
        Ok(Ok(()))
    }

    /// Takes the passenger's descriptors, and gives it what it wants to have
    /// behind them.
    async fn board<const N: usize>(&mut self, id: u32, wanted: Seated) -> io::Result<Next> {
        let Some(fds) = self.wire.descriptors::<N>().await? else {
            error!("failed to receive fds from client");
            let no = No::because("did not receive file descriptors");
            self.refuse(id, &no).await?;
            return Ok(Next::End);
        };
        if self.ride.is_some() {
            debug2!("session already open");
            let no = No::because("Multiple sessions not supported");
            self.refuse(id, &no).await?;
            return Ok(Next::More);
        }
        let question = wanted.question(&self.master.options().hostname);
        match self.permitted(question).await {
            Ok(()) => {
                let fds = fds.into_iter().collect();
                self.ride = Some(Ride::start(self.master.clone(), id, wanted, fds));
            }
            Err(no) => self.refuse(id, &no).await?,
        }
        Ok(Next::More)
    }

    async fn ride_news(&mut self, news: News) -> io::Result<Next> {
        match news {
            News::Opened { id, session } => {
                debug3!("mux_session_confirm: sending success reply");
                let answer = Answer::SessionOpened { id, session };
                self.wire.send(&answer).await?;
            }
            News::Refused { id } => {
                debug3!("mux_session_confirm: sending failure reply");
                self.ride = None;
                let no = No::because("Session open refused by peer");
                self.refuse(id, &no).await?;
            }
            News::NoTty { session } => {
                self.wire.send(&Answer::TtyAllocFail { session }).await?;
            }
            News::Ended { session, status } => {
                if let Some(status) = status {
                    debug3!("channel {session}: exit message, exitval {status}");
                    let answer = Answer::Exit { session, status };
                    self.wire.send(&answer).await?;
                }
                return Ok(Next::End);
            }
        }
        Ok(Next::More)
    }
}

/// How a place is shown in questions and in the log.
pub(super) fn shown(place: &Place<'_>) -> String {
    let name = printable_bytes(place.name);
    match place.port {
        Port::Number(port) => format!("[{name}]:{port}"),
        Port::Unix => format!("path {name}"),
    }
}
