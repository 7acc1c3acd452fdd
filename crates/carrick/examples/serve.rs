//! A small server: `serve [PORT]` listens on the loopback address, prints a
//! throwaway host key and password, and answers each command with its words
//! counted. Try it: `ssh -p PORT anybody@127.0.0.1 some words`.

use std::sync::Arc;

use carrick::server::{Application, AuthAnswer, Decision, Method, ServerConfig, accept};
use carrick::{Connection, Open, OpenReason, Request, Server, Stream};
use carrick_crypto::rng::{Rng, SystemRng};
use carrick_keys::{KeyType, PrivateKey};
use carrick_proto::SignQuestion;
use carrick_proto::auth::AuthAttempt;
use carrick_proto::kex::GroupSizes;

type Anything = Box<dyn std::error::Error>;

/// Holds the host key, and knows the password.
struct Doorkeeper {
    key: Arc<PrivateKey>,
    password: String,
}

impl Application for Doorkeeper {
    async fn sign(&mut self, question: SignQuestion) -> Option<Vec<u8>> {
        let hash = question.transcript.hash(question.hash);
        self.key.sign(&question.algorithm, &hash).ok()
    }

    async fn group(&mut self, _: GroupSizes) -> Option<(Vec<u8>, Vec<u8>)> {
        None
    }

    async fn auth(&mut self, attempt: AuthAttempt) -> Decision {
        let answer = match &attempt.method {
            Method::Password { password, .. } if password.expose() == self.password.as_bytes() => {
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

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Anything> {
    let port: u16 = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    let key = Arc::new(PrivateKey::generate(KeyType::Ed25519, 256, &mut SystemRng)?);
    let mut random = [0; 6];
    SystemRng.fill(&mut random);
    let password = random
        .map(|byte| char::from(b'a' + byte % 26))
        .iter()
        .collect::<String>();
    println!(
        "listening on {}, password {password}",
        listener.local_addr()?
    );
    println!("host key {}", key.public().to_line("serve"));
    loop {
        let (socket, peer) = listener.accept().await?;
        let keys = vec![("ssh-ed25519".to_owned(), key.public().to_blob())];
        let config = ServerConfig::new("CarrickExample_0.1", keys);
        let door = Doorkeeper {
            key: key.clone(),
            password: password.clone(),
        };
        tokio::spawn(async move {
            match accept(socket, config, door).await {
                Ok(connection) => sessions(connection).await,
                Err(error) => eprintln!("{peer}: {error}"),
            }
        });
    }
}

/// Serves one connection's sessions, one after the other.
async fn sessions(connection: Connection<Server>) {
    while let Some(incoming) = connection.accept_open().await {
        if incoming.kind != Open::Session {
            incoming.refuse(OpenReason::UNKNOWN_CHANNEL_TYPE, "sessions only");
            continue;
        }
        let Ok(channel) = incoming.accept() else {
            continue;
        };
        while let Some(asked) = channel.next_request().await {
            let Request::Exec { command } = &asked.request else {
                asked.reply(false);
                continue;
            };
            let words = String::from_utf8_lossy(command).split_whitespace().count();
            asked.reply(true);
            let answer = format!("{words} words\n");
            // The client may be gone: then there is nobody to tell.
            let _ = channel.send(Stream::Data, answer.as_bytes()).await;
            let _ = channel.notify(Request::ExitStatus { code: 0 });
            channel.close();
        }
    }
}
