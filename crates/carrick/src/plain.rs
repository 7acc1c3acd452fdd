//! The connection protocol alone, over a socket that only this user can reach:
//! how a program shares the connection of another one (OpenSSH's multiplexing,
//! proxy mode). No keys, no login: the operating system says who is at the
//! other end, and the caller has asked it.

use std::time::Instant;

use carrick_crypto::rng::SystemRng;
use carrick_proto::{Client, CommonConfig, Connection as Machine, Server, Side};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::connection::{Connection, Handle};
use crate::driver::Driver;
use crate::shared::Shared;

/// Asks whoever is at the other end of `stream` for sessions and forwardings.
/// Must be called within a tokio runtime; a task of its own drives it.
pub fn client<T>(stream: T) -> Connection<Client>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let rng = Box::new(SystemRng);
    let machine = Machine::plain_client(CommonConfig::plain(), rng, Instant::now());
    drive(machine, stream)
}

/// Is asked by whoever is at the other end of `stream`.
pub fn server<T>(stream: T) -> Connection<Server>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let rng = Box::new(SystemRng);
    let machine = Machine::plain_server(CommonConfig::plain(), rng, Instant::now());
    drive(machine, stream)
}

fn drive<S, T>(machine: Machine<S>, stream: T) -> Connection<S>
where
    S: Side + Unpin + Send + 'static,
    S::Event: Send,
    S::Step: Send,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shared = Shared::new(machine);
    let handle = Handle::new(shared.clone());
    tokio::spawn(Driver::new(shared, stream));
    Connection::new(handle)
}

#[cfg(test)]
mod tests {
    use carrick_proto::mux::{Open, Request};

    use crate::{Exit, Stream};

    #[tokio::test]
    async fn a_session_over_a_pipe() {
        let (ours, theirs) = tokio::io::duplex(4096);
        let (client, server) = (super::client(ours), super::server(theirs));
        let serving = tokio::spawn(async move {
            let incoming = server.accept_open().await.unwrap();
            assert_eq!(incoming.kind, Open::Session);
            let channel = incoming.accept().unwrap();
            let asked = channel.next_request().await.unwrap();
            assert!(matches!(asked.request, Request::Exec { .. }));
            asked.reply(true);
            channel.send(Stream::Data, &vec![7; 100_000]).await.unwrap();
            channel.notify(Request::ExitStatus { code: 3 }).unwrap();
        });
        let output = client.exec("x").await.unwrap().output().await.unwrap();
        assert_eq!(
            (output.exit, output.stdout.len()),
            (Exit::Status(3), 100_000)
        );
        serving.await.unwrap();
    }
}
