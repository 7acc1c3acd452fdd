//! Forwarded connections, over a pipe in memory and real sockets at its ends.

mod common;

use std::io::ErrorKind;
use std::time::Duration;

use carrick::forward::{Forwarder, Originator, Place};
use carrick::{
    Client, Connection, Error, GlobalAnswer, GlobalRequest, Open, OpenReason, Server, Stream,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::timeout;

use common::pair;

const PIPE: usize = 64 * 1024;
const SOON: Duration = Duration::from_secs(20);

/// Both sides; the server does whatever it is asked.
async fn forwarding_pair(software: &'static str) -> Connection<Client> {
    let (client, server) = pair(PIPE, |client, server| {
        client.common.software = software.into();
        server.common.software = software.into();
    })
    .await;
    serve(&server);
    client
}

fn serve(server: &Connection<Server>) {
    let forwarder = Forwarder::new(server.clone());
    let (opens, connection) = (forwarder.clone(), server.clone());
    tokio::spawn(async move {
        while let Some(incoming) = connection.accept_open().await {
            let opens = opens.clone();
            tokio::spawn(async move { opens.connect(incoming).await });
        }
    });
    let connection = server.clone();
    tokio::spawn(async move {
        while let Some(asked) = connection.next_global_request().await {
            forwarder.answer(asked).await;
        }
    });
}

/// A listener here, which hundreds may wait for, and its port.
fn listener() -> (TcpListener, u16) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1024).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn noise(len: usize) -> Vec<u8> {
    (0..u32::try_from(len).unwrap())
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0])
        .collect()
}

/// A tunnel: a socket at our end, and the one that it leads to.
async fn tunnel(client: &Connection<Client>) -> (TcpStream, TcpStream) {
    let (target, port) = listener();
    let (entry, entry_port) = listener();
    let client = client.clone();
    tokio::spawn(async move {
        let (socket, from) = entry.accept().await.unwrap();
        let channel = client.direct_tcpip("127.0.0.1", port, &from.into()).await;
        let _ = channel.unwrap().join_tcp(socket).await;
    });
    let near = TcpStream::connect(("127.0.0.1", entry_port)).await.unwrap();
    let (far, _) = target.accept().await.unwrap();
    (near, far)
}

#[tokio::test]
async fn each_direction_ends_by_itself_and_loses_nothing() {
    let client = forwarding_pair("Carrick_test").await;
    let (mut near, mut far) = tunnel(&client).await;
    let (question, answer) = (noise(3_000_000), noise(2_000_001));
    let asked = async {
        near.write_all(&question).await.unwrap();
        near.shutdown().await.unwrap();
        let mut back = Vec::new();
        near.read_to_end(&mut back).await.unwrap();
        back
    };
    let answered = async {
        let mut got = Vec::new();
        far.read_to_end(&mut got).await.unwrap();
        // Only now, when the question is at its end.
        far.write_all(&answer).await.unwrap();
        far.shutdown().await.unwrap();
        got
    };
    let (back, got) = timeout(SOON, async { tokio::join!(asked, answered) })
        .await
        .unwrap();
    assert!(got == question && back == answer);
}

#[tokio::test]
async fn a_reset_is_a_reset_at_the_other_end_and_among_ourselves_only() {
    for (software, reset) in [("Carrick_test", true), ("Other_1", false)] {
        let client = forwarding_pair(software).await;
        let (mut near, mut far) = tunnel(&client).await;
        far.write_all(b"x").await.unwrap();
        assert_eq!(near.read_u8().await.unwrap(), b'x');
        near.set_zero_linger().unwrap();
        drop(near);
        let end = timeout(SOON, far.read(&mut [0; 8])).await.unwrap();
        match end {
            Ok(0) => assert!(!reset),
            Err(problem) => assert!(reset && problem.kind() == ErrorKind::ConnectionReset),
            Ok(_) => panic!("data out of nothing"),
        }
    }
}

#[tokio::test]
async fn the_last_words_before_a_close_arrive() {
    let client = forwarding_pair("Carrick_test").await;
    for round in 0..20 {
        let (mut near, mut far) = tunnel(&client).await;
        let words = noise(200_000 + round);
        far.write_all(&words).await.unwrap();
        drop(far);
        let mut got = Vec::new();
        timeout(SOON, near.read_to_end(&mut got))
            .await
            .unwrap()
            .unwrap();
        assert!(got == words);
    }
}

#[tokio::test]
async fn what_cannot_be_reached_is_a_refusal_that_says_why() {
    let client = forwarding_pair("Carrick_test").await;
    let (closed, port) = listener();
    drop(closed);
    let from = Originator::default();
    let refused = client.direct_tcpip("127.0.0.1", port, &from).await;
    let Err(Error::OpenRefused { reason, text, .. }) = refused else {
        panic!("not refused");
    };
    assert_eq!(reason, OpenReason::CONNECT_FAILED);
    assert!(text.contains("refused"), "{text}");
    let refused = client.direct_streamlocal("/nonexistent/socket").await;
    assert!(matches!(refused, Err(Error::OpenRefused { .. })));
}

#[tokio::test]
async fn a_server_chooses_a_port_and_its_connections_come_here() {
    let client = forwarding_pair("Carrick_test").await;
    let listener = client.listen_remote("127.0.0.1", 0).await.unwrap();
    let port = listener.port().unwrap();
    let other = client.listen_remote("127.0.0.1", 0).await.unwrap();
    assert_ne!(other.port(), Some(port));
    for _ in 0..3 {
        let mut visitor = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let incoming = listener.accept().await.unwrap();
        let Open::ForwardedTcpip {
            originator_port, ..
        } = &incoming.kind
        else {
            panic!("{:?}", incoming.kind);
        };
        let ours = visitor.local_addr().unwrap().port();
        assert_eq!(*originator_port, u32::from(ours));
        let mut channel = incoming.accept().unwrap();
        visitor.write_all(b"ping").await.unwrap();
        let mut got = [0; 4];
        channel.read_exact(&mut got).await.unwrap();
        channel.write_all(b"pong").await.unwrap();
        visitor.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"pong");
    }
    assert!(listener.cancel().await.unwrap());
    let gone = TcpStream::connect(("127.0.0.1", port)).await;
    assert_eq!(gone.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    // The other one still listens, until it is dropped.
    let port = other.port().unwrap();
    TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    drop(other);
    let stopped = async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, stopped).await.unwrap();
}

#[tokio::test]
async fn unix_sockets_at_both_ends() {
    let client = forwarding_pair("Carrick_test").await;
    let folder = std::env::temp_dir().join(format!("carrick-forward-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (target, entry) = (folder.join("target"), folder.join("entry"));
    let target_listener = UnixListener::bind(&target).unwrap();
    let bytes = |path: &std::path::Path| path.to_str().unwrap().as_bytes().to_vec();
    let listener = client.listen_remote_unix(&bytes(&entry)).await.unwrap();
    assert_eq!(
        *listener.place(),
        Place::Unix {
            path: bytes(&entry)
        }
    );
    let mut visitor = UnixStream::connect(&entry).await.unwrap();
    let incoming = listener.accept().await.unwrap();
    let outward = client.direct_streamlocal(bytes(&target)).await.unwrap();
    let (mut far, _) = target_listener.accept().await.unwrap();
    // From one socket there to another one, by way of here.
    let inward = incoming.accept().unwrap();
    let (near, other) = UnixStream::pair().unwrap();
    tokio::spawn(inward.join(near));
    tokio::spawn(outward.join(other));
    visitor.write_all(b"hello").await.unwrap();
    visitor.shutdown().await.unwrap();
    let mut got = Vec::new();
    far.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"hello");
    far.write_all(b"well").await.unwrap();
    drop(far);
    got.clear();
    visitor.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"well");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn a_listener_that_takes_no_more_still_sends() {
    let client = forwarding_pair("Carrick_test").await;
    let (near, mut ours) = UnixStream::pair().unwrap();
    let (target, port) = listener();
    let from = Originator::default();
    let channel = client.direct_tcpip("127.0.0.1", port, &from).await.unwrap();
    let (mut far, _) = target.accept().await.unwrap();
    tokio::spawn(channel.join(near));
    let std = ours.into_std().unwrap();
    std.shutdown(std::net::Shutdown::Read).unwrap();
    ours = UnixStream::from_std(std).unwrap();
    // More than fits anywhere: it is dropped, and the way back stays open.
    timeout(SOON, far.write_all(&noise(8_000_000)))
        .await
        .unwrap()
        .unwrap();
    ours.write_all(b"still here").await.unwrap();
    drop(ours);
    let mut got = Vec::new();
    timeout(SOON, far.read_to_end(&mut got))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(got, b"still here");
}

#[tokio::test]
async fn what_was_read_before_a_join_is_not_lost() {
    let (client, server) = pair(PIPE, |_, _| {}).await;
    let from = Originator::default();
    let opened = tokio::spawn(async move {
        let mut channel = client.direct_tcpip("h", 1, &from).await.unwrap();
        channel.write_all(b"headbody").await.unwrap();
        channel.shutdown().await.unwrap();
        channel
    });
    let incoming = server.accept_open().await.unwrap();
    let mut channel = incoming.accept().unwrap();
    let mut head = [0; 4];
    channel.read_exact(&mut head).await.unwrap();
    let (near, mut far) = tokio::io::duplex(100);
    tokio::spawn(channel.join(near));
    let mut body = Vec::new();
    far.read_to_end(&mut body).await.unwrap();
    assert_eq!((&head[..], &body[..]), (&b"head"[..], &b"body"[..]));
    drop(opened);
}

/// A server that answers a request for a port in a way of its own.
async fn odd_server(answer: GlobalAnswer) -> Result<carrick::forward::RemoteListener, Error> {
    let (client, server) = pair(PIPE, |_, _| {}).await;
    let asked = client.listen_remote("", 0);
    let request = server.next_global_request().await.unwrap();
    let expected = GlobalRequest::TcpipForward {
        address: String::new(),
        port: 0,
    };
    assert_eq!(request.request, expected);
    request.reply(answer);
    asked.await
}

#[tokio::test]
async fn a_port_that_is_none_is_an_error() {
    for data in [
        &b""[..],
        b"\0\0\0\0",
        b"\0\x01\0\0",
        b"\0\0\x1f",
        b"\0\0\0\x50\0",
    ] {
        let outcome = odd_server(GlobalAnswer::Success(data.to_vec())).await;
        assert!(matches!(outcome, Err(Error::NoPort)), "{data:?}");
    }
    let refused = odd_server(GlobalAnswer::Failure).await;
    assert!(matches!(refused, Err(Error::RequestRefused(_))));
    let listener = odd_server(GlobalAnswer::Success(b"\0\0\0\x50".to_vec())).await;
    assert_eq!(listener.unwrap().port(), Some(80));
}

#[tokio::test]
async fn channels_for_no_listener_of_ours_go_where_all_go() {
    let (client, server) = pair(PIPE, |_, _| {}).await;
    let asked = client.listen_remote("localhost", 4000);
    server
        .next_global_request()
        .await
        .unwrap()
        .reply(GlobalAnswer::Success(Vec::new()));
    let listener = asked.await.unwrap();
    let from = Originator::default();
    let opens = tokio::spawn(async move {
        let wrong = server.forwarded_tcpip("localhost", 4001, &from).await;
        let right = server.forwarded_tcpip("localhost", 4000, &from).await;
        (wrong.err(), right)
    });
    client
        .accept_open()
        .await
        .unwrap()
        .refuse(OpenReason::ADMINISTRATIVELY_PROHIBITED, "no");
    let channel = listener.accept().await.unwrap().accept().unwrap();
    let (wrong, right) = opens.await.unwrap();
    assert!(matches!(wrong, Some(Error::OpenRefused { .. })));
    right.unwrap().send(Stream::Data, b"x").await.unwrap();
    assert_eq!(channel.chunk(Stream::Data).await.unwrap(), "x");
}

#[tokio::test]
async fn hundreds_at_once_are_all_served() {
    let client = forwarding_pair("Carrick_test").await;
    let (target, port) = listener();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = target.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut read, mut write) = socket.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    let mut all = tokio::task::JoinSet::new();
    for i in 0..500_u32 {
        let client = client.clone();
        all.spawn(async move {
            let from = Originator::default();
            let mut channel = client.direct_tcpip("127.0.0.1", port, &from).await.unwrap();
            channel.write_all(&i.to_be_bytes()).await.unwrap();
            channel.shutdown().await.unwrap();
            let mut back = Vec::new();
            channel.read_to_end(&mut back).await.unwrap();
            assert_eq!(back, i.to_be_bytes());
        });
    }
    timeout(SOON, all.join_all()).await.unwrap();
}
