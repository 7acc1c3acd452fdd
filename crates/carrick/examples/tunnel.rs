//! Forwards a local port: `tunnel HOST:PORT USER PASSWORD LISTEN TARGET:PORT`.
//! What connects to LISTEN (`127.0.0.1:8080`) is taken to TARGET:PORT as the
//! server sees it. It takes any host key, which a real program must not.
//!
//! Without arguments it shows itself: a server and a client of it, a tunnel
//! through both to a small service, and one line that comes back.

use std::sync::Arc;

use carrick::client::{AuthReply, ClientConfig, Unverified};
use carrick::forward::Forwarder;
use carrick::server::{Application, AuthAnswer, Decision, Method, ServerConfig, accept};
use carrick::{Connection, Open, OpenReason, Secret, Server};
use carrick_crypto::rng::SystemRng;
use carrick_keys::{KeyType, PrivateKey};
use carrick_proto::SignQuestion;
use carrick_proto::auth::AuthAttempt;
use carrick_proto::kex::GroupSizes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

type Anything = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Anything> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.as_slice() {
        [] => demonstrate().await,
        [address, user, password, listen, target] => {
            let connection = log_in(address, user, password).await?;
            forward(connection, TcpListener::bind(listen).await?, target).await
        }
        _ => Err("usage: tunnel HOST:PORT USER PASSWORD LISTEN TARGET:PORT".into()),
    }
}

async fn log_in(address: &str, user: &str, password: &str) -> Result<Connection, Anything> {
    let socket = TcpStream::connect(address).await?;
    let host = Unverified::connect(socket, ClientConfig::new("CarrickExample_0.1")).await?;
    let mut login = host.accept().await?;
    let reply = login.password(user, &Secret::from(password)).await?;
    if reply != AuthReply::Success {
        return Err(format!("not let in: {reply:?}").into());
    }
    login.into_connection().map_err(|_| "not logged in".into())
}

/// Takes each connection to `target`, in a task of its own.
async fn forward(
    connection: Connection,
    listener: TcpListener,
    target: &str,
) -> Result<(), Anything> {
    let (host, port) = target.rsplit_once(':').ok_or("TARGET:PORT")?;
    let port: u16 = port.parse()?;
    loop {
        let (socket, peer) = listener.accept().await?;
        let (connection, host) = (connection.clone(), host.to_owned());
        tokio::spawn(async move {
            let channel = connection.direct_tcpip(&host, port, &peer.into()).await;
            match channel {
                // How it ended, the two ends know.
                Ok(channel) => drop(channel.join_tcp(socket).await),
                Err(why) => eprintln!("{peer}: {why}"),
            }
        });
    }
}

async fn demonstrate() -> Result<(), Anything> {
    let service = TcpListener::bind("127.0.0.1:0").await?;
    let target = service.local_addr()?.to_string();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = service.accept().await {
            let _ = socket.write_all(b"hello from the far end\n").await;
        }
    });
    let server = TcpListener::bind("127.0.0.1:0").await?;
    let address = server.local_addr()?.to_string();
    tokio::spawn(async move {
        if let Err(why) = serve(server).await {
            eprintln!("server: {why}");
        }
    });
    let connection = log_in(&address, "anybody", "sesame").await?;
    let entry = TcpListener::bind("127.0.0.1:0").await?;
    let near = entry.local_addr()?;
    tokio::spawn(async move {
        if let Err(why) = forward(connection, entry, &target).await {
            eprintln!("client: {why}");
        }
    });
    let mut text = String::new();
    let mut visitor = TcpStream::connect(near).await?;
    visitor.read_to_string(&mut text).await?;
    print!("{text}");
    Ok(())
}

/// Serves one client: whatever it wants to reach on this machine.
async fn serve(listener: TcpListener) -> Result<(), Anything> {
    let (socket, _) = listener.accept().await?;
    let key = Arc::new(PrivateKey::generate(KeyType::Ed25519, 256, &mut SystemRng)?);
    let keys = vec![("ssh-ed25519".to_owned(), key.public().to_blob())];
    let config = ServerConfig::new("CarrickExample_0.1", keys);
    let connection: Connection<Server> = accept(socket, config, Doorkeeper(key)).await?;
    let forwarder = Forwarder::new(connection.clone());
    while let Some(incoming) = connection.accept_open().await {
        match &incoming.kind {
            Open::DirectTcpip { host, .. } if host == "127.0.0.1" => {
                let forwarder = forwarder.clone();
                tokio::spawn(async move { forwarder.connect(incoming).await });
            }
            _ => incoming.refuse(OpenReason::ADMINISTRATIVELY_PROHIBITED, "not there"),
        }
    }
    Ok(())
}

struct Doorkeeper(Arc<PrivateKey>);

impl Application for Doorkeeper {
    async fn sign(&mut self, question: SignQuestion) -> Option<Vec<u8>> {
        let hash = question.transcript.hash(question.hash);
        self.0.sign(&question.algorithm, &hash).ok()
    }

    async fn group(&mut self, _: GroupSizes) -> Option<(Vec<u8>, Vec<u8>)> {
        None
    }

    async fn auth(&mut self, attempt: AuthAttempt) -> Decision {
        let answer = match &attempt.method {
            Method::Password { password, .. } if password.expose() == b"sesame" => {
                AuthAnswer::Success
            }
            _ => AuthAnswer::Failure {
                methods: vec!["password".into()],
                partial: false,
            },
        };
        answer.into()
    }
}
