//! A session at the client: a shell, a command or a subsystem (RFC 4254
//! section 6), and how it ended.

use carrick_proto::Client;
use carrick_proto::mux::{Open, PtySize, Request};
use tokio::io::AsyncReadExt;

use crate::channel::{Channel, Stream};
use crate::connection::Connection;
use crate::error::Error;

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// With a status.
    Status(u32),
    /// By a signal.
    Signal {
        /// Its name, without `SIG`.
        name: String,
        /// Whether a core file was written.
        core_dumped: bool,
        /// The server's words about it.
        message: String,
    },
    /// The channel was closed without a word about the command.
    Unknown,
}

/// What a command wrote, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub exit: Exit,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

/// A session whose command has not been started, or is running.
pub struct Session {
    channel: Channel<Client>,
}

impl Connection<Client> {
    /// Opens a session.
    pub async fn open_session(&self) -> Result<Session, Error> {
        Ok(Session {
            channel: self.open(Open::Session).await?,
        })
    }

    /// Opens a session and runs `command` in it.
    pub async fn exec(&self, command: impl AsRef<[u8]>) -> Result<Session, Error> {
        let session = self.open_session().await?;
        session.exec(command).await?;
        Ok(session)
    }

    /// Opens a session with a subsystem, as a byte stream.
    pub async fn subsystem(&self, name: &str) -> Result<Channel<Client>, Error> {
        let session = self.open_session().await?;
        session.subsystem(name).await?;
        Ok(session.channel)
    }
}

impl Session {
    /// The session's channel: its standard streams.
    pub fn channel(&self) -> &Channel<Client> {
        &self.channel
    }

    /// The session's channel, to keep.
    pub fn into_channel(self) -> Channel<Client> {
        self.channel
    }

    async fn ask(&self, what: &'static str, request: Request) -> Result<(), Error> {
        if self.channel.request(request).await? {
            Ok(())
        } else {
            Err(Error::RequestRefused(what))
        }
    }

    /// Asks for a terminal; `modes` are encoded as RFC 4254 section 8 has it.
    pub async fn pty(&self, term: &str, size: PtySize, modes: &[u8]) -> Result<(), Error> {
        let request = Request::Pty {
            term: term.to_owned(),
            size,
            modes: modes.to_vec(),
        };
        self.ask("PTY allocation", request).await
    }

    /// Passes an environment variable; servers take few, and say nothing.
    pub fn env(&self, name: &str, value: &[u8]) -> Result<(), Error> {
        self.channel.notify(Request::Env {
            name: name.to_owned(),
            value: value.to_vec(),
        })
    }

    /// Starts the login shell.
    pub async fn shell(&self) -> Result<(), Error> {
        self.ask("shell", Request::Shell).await
    }

    /// Starts a command.
    pub async fn exec(&self, command: impl AsRef<[u8]>) -> Result<(), Error> {
        self.ask(
            "exec",
            Request::Exec {
                command: command.as_ref().to_vec(),
            },
        )
        .await
    }

    /// Starts a subsystem.
    pub async fn subsystem(&self, name: &str) -> Result<(), Error> {
        self.ask(
            "subsystem",
            Request::Subsystem {
                name: name.to_owned(),
            },
        )
        .await
    }

    /// Sends a signal, named without `SIG`, to the command.
    pub fn signal(&self, name: &str) -> Result<(), Error> {
        self.channel.notify(Request::Signal {
            name: name.to_owned(),
        })
    }

    /// The terminal has a new size.
    pub fn window_change(&self, size: PtySize) -> Result<(), Error> {
        self.channel.notify(Request::WindowChange(size))
    }

    /// Waits for the end of the command. What it writes must be read
    /// meanwhile, or it may wait for that forever.
    pub async fn wait(&self) -> Result<Exit, Error> {
        let mut exit = Exit::Unknown;
        while let Some(incoming) = self.channel.next_request().await {
            match &incoming.request {
                Request::ExitStatus { code } => exit = Exit::Status(*code),
                Request::ExitSignal {
                    name,
                    core_dumped,
                    message,
                    ..
                } => {
                    exit = Exit::Signal {
                        name: name.clone(),
                        core_dumped: *core_dumped,
                        message: message.clone(),
                    };
                }
                _ => {}
            }
        }
        Ok(exit)
    }

    /// Sends EOF, gathers what the command writes, and waits for its end.
    pub async fn output(self) -> Result<Output, Error> {
        // A command may be over before it is told that there is no input.
        let _ = self.channel.send_eof();
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut out = self.channel.clone();
        let mut err = self.channel.stderr();
        let (out_done, err_done, exit) = tokio::join!(
            out.read_to_end(&mut stdout),
            err.read_to_end(&mut stderr),
            self.wait()
        );
        out_done?;
        err_done?;
        Ok(Output {
            exit: exit?,
            stdout,
            stderr,
        })
    }
}

impl Session {
    /// Takes the next piece of standard output or error; see
    /// [`Channel::chunk`].
    pub async fn chunk(&self, stream: Stream) -> Option<bytes::Bytes> {
        self.channel.chunk(stream).await
    }
}
