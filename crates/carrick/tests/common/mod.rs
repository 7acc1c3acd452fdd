//! A server that lets one user in, and a client of it, over a pipe in memory.

#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

use std::sync::Arc;

use carrick::client::{AuthReply, ClientConfig, Login, Unverified};
use carrick::server::{Application, AuthAnswer, Decision, Method, ServerConfig, accept};
use carrick::{
    Channel, Client, Connection, Error, Open, OpenReason, Request, Secret, Server, Stream,
};
use carrick_crypto::rng::SystemRng;
use carrick_keys::{KeyType, PrivateKey};
use carrick_proto::SignQuestion;
use carrick_proto::auth::AuthAttempt;
use carrick_proto::kex::GroupSizes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

/// Lets `me` in with `sesame`.
struct Door(Arc<PrivateKey>);

impl Application for Door {
    async fn sign(&mut self, question: SignQuestion) -> Option<Vec<u8>> {
        let hash = question.transcript.hash(question.hash);
        self.0.sign(&question.algorithm, &hash).ok()
    }

    async fn group(&mut self, _: GroupSizes) -> Option<(Vec<u8>, Vec<u8>)> {
        None
    }

    async fn auth(&mut self, attempt: AuthAttempt) -> Decision {
        let answer = match attempt.method {
            Method::Password { password, .. } if password.expose() == b"sesame" => {
                AuthAnswer::Success
            }
            _ => AuthAnswer::Failure {
                methods: vec!["password".into()],
                partial: false,
            },
        };
        Decision {
            banner: Some("mind the step\n".into()),
            ..answer.into()
        }
    }
}

/// A client that has not logged in, and the server to be.
pub async fn door(
    pipe: usize,
    change: impl FnOnce(&mut ClientConfig, &mut ServerConfig),
) -> (Login, JoinHandle<Result<Connection<Server>, Error>>) {
    let (host, server) = step(pipe, change).await;
    let login = host.accept().await.unwrap();
    assert_eq!(login.server_takes("ssh-ed25519"), Some(true));
    (login, server)
}

/// A client before the server's host key, and the server to be.
pub async fn step(
    pipe: usize,
    change: impl FnOnce(&mut ClientConfig, &mut ServerConfig),
) -> (Unverified, JoinHandle<Result<Connection<Server>, Error>>) {
    let key = Arc::new(PrivateKey::generate(KeyType::Ed25519, 256, &mut SystemRng).unwrap());
    let blob = key.public().to_blob();
    let (ours, theirs) = tokio::io::duplex(pipe);
    let mut server = ServerConfig::new("Test_1", vec![("ssh-ed25519".to_owned(), blob.clone())]);
    let mut config = ClientConfig::new("Test_1");
    change(&mut config, &mut server);
    let server = tokio::spawn(accept(theirs, server, Door(key)));
    let host = Unverified::connect(ours, config).await.unwrap();
    assert_eq!(host.host_key_blob(), blob);
    (host, server)
}

/// Both sides, logged in.
pub async fn pair(
    pipe: usize,
    change: impl FnOnce(&mut ClientConfig, &mut ServerConfig),
) -> (Connection<Client>, Connection<Server>) {
    let (mut login, server) = door(pipe, change).await;
    let wrong = login.password("me", &Secret::from("wrong")).await.unwrap();
    assert_eq!(
        wrong,
        AuthReply::Failure {
            methods: vec!["password".into()],
            partial: false
        }
    );
    assert_eq!(login.next_banner().as_deref(), Some("mind the step\n"));
    let right = login.password("me", &Secret::from("sesame")).await.unwrap();
    assert_eq!(right, AuthReply::Success);
    let client = login.into_connection().map_err(|_| ()).unwrap();
    (client, server.await.unwrap().unwrap())
}

/// Answers every command by sending its input back, its length on standard
/// error, and 7.
pub async fn echo_server(connection: Connection<Server>) {
    while let Some(incoming) = connection.accept_open().await {
        if incoming.kind != Open::Session {
            incoming.refuse(OpenReason::CONNECT_FAILED, "no\x1b[31m way");
            continue;
        }
        let Ok(channel) = incoming.accept() else {
            break;
        };
        // A client that goes away in the middle is no fault.
        tokio::spawn(async move { echo(channel).await.ok() });
    }
}

/// The command, if it is a number, is how much to read at once.
async fn echo(mut channel: Channel<Server>) -> Result<(), Error> {
    let asked = channel.next_request().await.ok_or(Error::ChannelClosed)?;
    let Request::Exec { command } = &asked.request else {
        panic!("not a command")
    };
    let size = String::from_utf8_lossy(command).parse().unwrap_or(50_000);
    asked.reply(true);
    let mut total = 0u64;
    let mut buf = vec![0; size];
    loop {
        let len = channel.read(&mut buf).await?;
        if len == 0 {
            break;
        }
        total += len as u64;
        channel.write_all(&buf[..len]).await?;
    }
    let total = format!("{total}");
    channel.send(Stream::Stderr, total.as_bytes()).await?;
    channel.notify(Request::ExitStatus { code: 7 })?;
    channel.close();
    Ok(())
}
