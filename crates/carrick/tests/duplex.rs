//! The library's two sides, over a pipe in memory.

mod common;

use std::time::Duration;

use carrick::{Client, Connection, Error, Exit, Open, OpenReason, Stream};
use carrick_proto::transport::RekeyLimit;
use tokio::io::AsyncReadExt;

use common::{echo_server, pair};

const PIPE: usize = 64 * 1024;

#[tokio::test]
async fn a_command_with_its_streams_and_status() {
    let (client, server) = pair(PIPE, |_, _| {}).await;
    tokio::spawn(echo_server(server));
    let output = client.exec("x").await.unwrap().output().await.unwrap();
    assert_eq!(output.exit, Exit::Status(7));
    assert_eq!(output.stderr, b"0");
}

async fn through(client: &Connection<Client>, size: usize) {
    let session = client.exec("x").await.unwrap();
    let channel = session.channel().clone();
    let data: Vec<u8> = (0..size)
        .map(|i| u8::try_from(i * 31 % 251).unwrap())
        .collect();
    let sent = data.clone();
    let writer = tokio::spawn(async move {
        channel.send(Stream::Data, &sent).await.unwrap();
        channel.send_eof().unwrap();
    });
    let mut back = Vec::new();
    let mut reader = session.channel().clone();
    reader.read_to_end(&mut back).await.unwrap();
    writer.await.unwrap();
    assert!(back == data, "{} of {} bytes", back.len(), data.len());
    assert_eq!(session.wait().await.unwrap(), Exit::Status(7));
}

#[tokio::test]
async fn data_both_ways_while_keys_are_renewed() {
    let (client, server) = pair(PIPE, |config, _| {
        config.common.rekey = RekeyLimit {
            bytes: Some(1 << 20),
            time: None,
        };
    })
    .await;
    tokio::spawn(echo_server(server));
    through(&client, 5_000_000).await;
}

/// Regression: the exchange was planned on the timer's wake-up, but sat there
/// until the next packet.
#[tokio::test]
async fn keys_are_renewed_by_time_on_an_idle_connection() {
    let (client, server) = pair(PIPE, |config, _| {
        let time = Some(Duration::from_millis(200));
        config.common.rekey = RekeyLimit { bytes: None, time };
    })
    .await;
    let before = server.transferred().1;
    tokio::time::sleep(Duration::from_millis(700)).await;
    let after = server.transferred().1;
    assert!(after > before + 1000, "{before} {after}");
    drop(client);
}

#[tokio::test]
async fn many_channels_at_once() {
    let (client, server) = pair(PIPE, |_, _| {}).await;
    tokio::spawn(echo_server(server));
    let all: Vec<_> = (0..50)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move { through(&client, 10_000 + n * 1000).await })
        })
        .collect();
    for one in all {
        one.await.unwrap();
    }
}

#[tokio::test]
async fn a_slow_reader_stalls_nobody_else() {
    let (client, server) = pair(PIPE, |_, _| {}).await;
    tokio::spawn(echo_server(server));
    let stalled = client.exec("x").await.unwrap();
    let channel = stalled.channel().clone();
    // More than the windows hold: this cannot end, as nobody reads the echo.
    let writer = tokio::spawn(async move { channel.send(Stream::Data, &vec![1; 8_000_000]).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    tokio::time::timeout(Duration::from_secs(20), through(&client, 1_000_000))
        .await
        .unwrap();
    assert!(!writer.is_finished());
    writer.abort();
}

#[tokio::test]
async fn a_refusal_says_why_and_cannot_harm_the_terminal() {
    let (client, server) = pair(PIPE, |_, _| {}).await;
    tokio::spawn(echo_server(server));
    let refused = client
        .open(Open::DirectStreamlocal { path: "/x".into() })
        .await;
    let Err(Error::OpenRefused { reason, text, .. }) = refused else {
        panic!("not refused")
    };
    assert_eq!(reason, OpenReason::CONNECT_FAILED);
    assert_eq!(text, "no\\u{1b}[31m way");
}

#[tokio::test]
async fn the_last_handle_ends_the_connection() {
    let (client, server) = pair(PIPE, |_, _| {}).await;
    let channel = tokio::spawn({
        let client = client.clone();
        async move { client.open_session().await }
    });
    let incoming = server.accept_open().await.unwrap();
    let theirs = incoming.accept().unwrap();
    let session = channel.await.unwrap().unwrap();
    drop(client);
    assert!(server.error().is_none(), "a session is left");
    drop(session);
    let end = server.closed().await;
    assert!(end.to_string().contains("disconnected by user"), "{end}");
    drop(theirs);
}

#[tokio::test]
async fn a_server_that_dies_is_an_error_for_everybody() {
    let (client, server) = pair(PIPE, |_, _| {}).await;
    let asks = tokio::spawn({
        let client = client.clone();
        async move { client.open_session().await.map(|_| ()) }
    });
    let incoming = server.accept_open().await.unwrap();
    server.disconnect("going down");
    assert!(asks.await.unwrap().is_err());
    assert!(client.closed().await.to_string().contains("going down"));
    assert!(client.open_session().await.is_err());
    drop(incoming);
}
