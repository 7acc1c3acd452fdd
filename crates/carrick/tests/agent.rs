//! An agent lent to the server, over a pipe in memory.

mod common;

use std::time::Duration;

use carrick::agent::{self, Names, SessionBinding};
use carrick::client::AuthReply;
use carrick::{Client, Connection, Open, Request, Secret, Server};
use carrick_wire::Reader;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use common::door;

const PIPE: usize = 64 * 1024;
const SOON: Duration = Duration::from_secs(20);

/// Both sides logged in, and what binds the session.
async fn bound_pair() -> (Connection<Client>, Connection<Server>, SessionBinding) {
    let (mut login, server) = door(PIPE, |_, _| {}).await;
    let binding = login.session_binding();
    let right = login.password("me", &Secret::from("sesame")).await.unwrap();
    assert_eq!(right, AuthReply::Success);
    let client = login.into_connection().map_err(|_| ()).unwrap();
    (client, server.await.unwrap().unwrap(), binding)
}

/// Reads one framed message.
async fn message(from: &mut (impl AsyncReadExt + Unpin)) -> Vec<u8> {
    let len = from.read_u32().await.unwrap();
    let mut body = vec![0; usize::try_from(len).unwrap()];
    from.read_exact(&mut body).await.unwrap();
    body
}

/// An agent that takes note of the session, then sends everything back.
async fn echo_agent(mut socket: DuplexStream, answer: &'static [u8]) {
    let bind = message(&mut socket).await;
    let mut r = Reader::new(&bind);
    assert_eq!(r.u8("number").unwrap(), 27);
    assert_eq!(r.text("name").unwrap(), "session-bind@openssh.com");
    assert!(bind.ends_with(&[1]), "it says that it is forwarded");
    socket.write_all(answer).await.unwrap();
    let (mut read, mut write) = tokio::io::split(socket);
    tokio::io::copy(&mut read, &mut write).await.unwrap();
    write.shutdown().await.unwrap();
}

/// Lends `agents` in turn to the channels that the server opens.
fn lend_all(client: &Connection<Client>, binding: &SessionBinding, agents: Vec<DuplexStream>) {
    let (client, binding) = (client.clone(), binding.clone());
    tokio::spawn(async move {
        for socket in agents {
            let incoming = client.accept_open().await.unwrap();
            assert!(agent::is_wanted_by(&incoming));
            let binding = binding.clone();
            tokio::spawn(async move { agent::lend(incoming, socket, &binding).await });
        }
    });
}

#[tokio::test]
async fn the_rfcs_names_are_used_where_the_server_knows_them() {
    let (client, server, _) = bound_pair().await;
    assert_eq!(client.agent_names(), Names::Rfc);
    let asks = tokio::spawn(async move {
        let session = client.open_session().await.unwrap();
        session.forward_agent().await
    });
    let channel = server.accept_open().await.unwrap().accept().unwrap();
    let asked = channel.next_request().await.unwrap();
    assert_eq!(asked.request, Request::AgentReq);
    assert_eq!(Names::asked_by(&asked.request), Some(Names::Rfc));
    asked.reply(true);
    asks.await.unwrap().unwrap();
}

#[tokio::test]
async fn bytes_go_both_ways_until_both_ends() {
    let (client, server, binding) = bound_pair().await;
    for (kind, answer) in [
        (Open::AuthAgent, &b"\0\0\0\x01\x06"[..]),
        // An agent that does not know the extension is lent all the same.
        (Open::AgentConnect, b"\0\0\0\x01\x1c"),
    ] {
        let (ours, theirs) = tokio::io::duplex(100);
        tokio::spawn(echo_agent(theirs, answer));
        lend_all(&client, &binding, vec![ours]);
        let mut channel = server.open(kind).await.unwrap();
        let data: Vec<u8> = (0..300_000u32).map(|i| i.to_le_bytes()[0]).collect();
        let mut reader = channel.clone();
        let (back, sent) = tokio::join!(
            async {
                let mut back = Vec::new();
                reader.read_to_end(&mut back).await.unwrap();
                back
            },
            async {
                channel.write_all(&data).await.unwrap();
                channel.shutdown().await.unwrap();
            }
        );
        let () = sent;
        assert!(back == data);
        tokio::time::timeout(SOON, channel.closed()).await.unwrap();
    }
}

#[tokio::test]
async fn a_slow_agent_stalls_nobody() {
    let (client, server, binding) = bound_pair().await;
    let (slow, mut never_answers) = tokio::io::duplex(1000);
    let (ours, theirs) = tokio::io::duplex(100);
    tokio::spawn(echo_agent(theirs, b"\0\0\0\x01\x06"));
    lend_all(&client, &binding, vec![slow, ours]);
    let waits = tokio::spawn({
        let server = server.clone();
        async move { server.open(Open::AuthAgent).await.map(|_| ()) }
    });
    message(&mut never_answers).await;
    let mut channel = tokio::time::timeout(SOON, server.open(Open::AuthAgent))
        .await
        .unwrap()
        .unwrap();
    channel.write_all(b"x").await.unwrap();
    assert_eq!(channel.read_u8().await.unwrap(), b'x');
    assert!(!waits.is_finished());
}

#[tokio::test]
async fn an_agent_that_is_gone_is_a_refusal() {
    let (client, server, binding) = bound_pair().await;
    let (ours, theirs) = tokio::io::duplex(100);
    drop(theirs);
    lend_all(&client, &binding, vec![ours]);
    assert!(server.open(Open::AuthAgent).await.is_err());
}

#[tokio::test]
async fn a_program_that_goes_away_frees_the_agent() {
    let (client, server, binding) = bound_pair().await;
    let (ours, mut theirs) = tokio::io::duplex(1000);
    lend_all(&client, &binding, vec![ours]);
    let agent = tokio::spawn(async move {
        message(&mut theirs).await;
        theirs.write_all(b"\0\0\0\x01\x06").await.unwrap();
        // It reads what was sent before the channel was closed.
        let mut rest = Vec::new();
        theirs.read_to_end(&mut rest).await.unwrap();
        rest
    });
    let mut channel = server.open(Open::AuthAgent).await.unwrap();
    channel.write_all(b"last words").await.unwrap();
    drop(channel);
    let rest = tokio::time::timeout(SOON, agent).await.unwrap().unwrap();
    assert_eq!(rest, b"last words");
}
