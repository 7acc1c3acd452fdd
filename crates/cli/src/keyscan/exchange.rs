//! One connection: a key exchange that ends as soon as the host has shown a
//! key and proved that it owns it.

use std::io;
use std::time::{Duration, Instant};

use carrick::Client;
use carrick::client::ClientConfig;
use carrick::proto::{ClientEvent, Connection, Error, Event};
use carrick_crypto::rng::SystemRng;
use carrick_keys::PublicKey;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::ssh::SOFTWARE;

/// How many timeouts a host may take in all, whatever it says meanwhile.
const PATIENCE: u32 = 10;

/// What [`carrick::proto::NoCommon`] calls it.
const HOST_KEY_TYPE: &str = "host key type";

/// What came of a connection.
pub(super) struct Answer {
    /// How the host called itself, once it did.
    pub(super) ident: Option<String>,
    /// Its key, or why there is none.
    pub(super) key: Result<PublicKey, NoKey>,
}

/// Why there is no key.
#[derive(Debug)]
pub(super) enum NoKey {
    /// The host was silent, or slow, for too long.
    Slow,
    /// The connection broke.
    Io(io::Error),
    /// The host broke the protocol, or has no such key.
    Protocol(Error),
}

/// A key exchange over `stream` for a key of one of `algorithms`. As soon as
/// it is known which algorithms the host has keys for, `heard` is told, with
/// the host's identification.
pub(super) async fn ask(
    stream: TcpStream,
    algorithms: &[&str],
    limit: Duration,
    heard: impl FnOnce(&str, &str),
) -> Answer {
    let mut config = ClientConfig::new(SOFTWARE);
    config.common.preferences.host_key = algorithms.iter().map(|n| (*n).to_owned()).collect();
    let mut exchange = Exchange {
        machine: Connection::client(config, Box::new(SystemRng), Instant::now()),
        stream,
        limit,
    };
    let all = limit.saturating_mul(PATIENCE);
    let key = within(all, exchange.run(heard)).await.flatten();
    let ident = exchange.machine.peer_ident();
    Answer {
        ident: ident.map(|ident| ident.as_str().to_owned()),
        key,
    }
}

/// Waits for `what`, no longer than `limit`.
pub(super) async fn within<T>(limit: Duration, what: impl Future<Output = T>) -> Result<T, NoKey> {
    tokio::time::timeout(limit, what)
        .await
        .map_err(|_| NoKey::Slow)
}

struct Exchange {
    machine: Connection<Client>,
    stream: TcpStream,
    /// For each time that the host is waited for.
    limit: Duration,
}

impl Exchange {
    async fn run(&mut self, heard: impl FnOnce(&str, &str)) -> Result<PublicKey, NoKey> {
        let mut heard = Some(heard);
        loop {
            while let Some(event) = self.machine.poll_event() {
                carrick::log::event(&self.machine, &event);
                match event {
                    Event::KexStarted { .. } => self.tell(heard.take()),
                    Event::Side(ClientEvent::VerifyHostKey(question)) => {
                        return PublicKey::from_blob(&question.host_key)
                            .map_err(|_| NoKey::Protocol(Error::Crypto("reading the host key")));
                    }
                    _ => {}
                }
            }
            if let Some(error) = self.machine.error().cloned() {
                self.tell_lacking(&error, heard);
                return Err(NoKey::Protocol(error));
            }
            self.write().await?;
            self.read().await?;
        }
    }

    /// Passes on which keys the host has.
    fn tell(&self, heard: Option<impl FnOnce(&str, &str)>) {
        if let (Some(heard), Some(ident), Some(negotiated)) =
            (heard, self.machine.peer_ident(), self.machine.negotiated())
        {
            heard(ident.as_str(), &negotiated.server_host_keys);
        }
    }

    /// A host that has no key of the kind says as well which it has.
    fn tell_lacking(&self, error: &Error, heard: Option<impl FnOnce(&str, &str)>) {
        if let (Some(heard), Some(ident), Error::NoCommon(lacking)) =
            (heard, self.machine.peer_ident(), error)
            && lacking.what == HOST_KEY_TYPE
        {
            heard(ident.as_str(), &lacking.theirs);
        }
    }

    /// Writes what is to be written, and no longer than the host takes it.
    async fn write(&mut self) -> Result<(), NoKey> {
        while let Some(batch) = self.machine.poll_transmit() {
            let batch = batch.seal();
            let wrote = within(self.limit, self.stream.write_all(batch.bytes())).await?;
            self.machine.recycle(batch);
            wrote.map_err(NoKey::Io)?;
        }
        Ok(())
    }

    /// Reads once.
    async fn read(&mut self) -> Result<(), NoKey> {
        if !self.machine.wants_read() {
            // The events are taken by now: what waited for that goes on.
            self.machine.resume(Instant::now());
            return Ok(());
        }
        let mut buf = self.machine.take_recv_buf();
        let read = within(self.limit, self.stream.read_buf(&mut buf)).await;
        self.machine.handle_recv(buf, Instant::now());
        if read?.map_err(NoKey::Io)? == 0 {
            self.machine.handle_eof(Instant::now());
        }
        Ok(())
    }
}
