//! A display lent to the server, over a pipe in memory.

mod common;

use std::sync::Arc;

use carrick::forward::Originator;
use carrick::x11::{self, Fault, MIT_MAGIC_COOKIE_1, Problem, Spoof, SystemRng};
use carrick::{Channel, Connection, Open, Request, Secret, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

const REAL: &[u8; 16] = b"the real cookie.";

/// What an X client says first.
fn setup(cookie: &[u8]) -> Vec<u8> {
    let mut out = b"l\0\x0b\0\0\0\x12\0\x10\0\0\0MIT-MAGIC-COOKIE-1\0\0".to_vec();
    out.extend(cookie);
    out
}

/// A client that lends a display for one channel, and the server that was asked
/// for it, with the made-up cookie.
async fn lent() -> (
    Connection<Server>,
    Vec<u8>,
    DuplexStream,
    JoinHandle<Result<(), Problem>>,
) {
    let (client, server) = common::pair(64 * 1024, |_, _| {}).await;
    let real = Secret::from(&REAL[..]);
    let spoof = Spoof::new(MIT_MAGIC_COOKIE_1, real, &mut SystemRng).unwrap();
    let asked = {
        let server = server.clone();
        tokio::spawn(async move {
            let session = server.accept_open().await.unwrap().accept().unwrap();
            let incoming = session.next_request().await.unwrap();
            let Request::X11 {
                cookie,
                screen: 2,
                single: false,
                ..
            } = &incoming.request
            else {
                panic!("{:?}", incoming.request)
            };
            let cookie = x11::from_hex(cookie).unwrap().expose().to_vec();
            incoming.reply(true);
            cookie
        })
    };
    let session = client.open_session().await.unwrap();
    session.forward_x11(&spoof, 2).await.unwrap();
    let (display, ours) = tokio::io::duplex(1024);
    let lending = tokio::spawn(async move {
        let spoof = Arc::new(spoof);
        let incoming = client.accept_open().await.unwrap();
        assert!(x11::is_wanted_by(&incoming));
        assert!(matches!(
            &incoming.kind,
            Open::X11 { originator, originator_port: 7 } if originator == "192.0.2.1"
        ));
        x11::lend(incoming, ours, &spoof).await
    });
    (server, asked.await.unwrap(), display, lending)
}

async fn program(server: &Connection<Server>) -> Channel<Server> {
    let from = Originator {
        address: "192.0.2.1".into(),
        port: 7,
    };
    server.x11(&from).await.unwrap()
}

#[tokio::test]
async fn the_display_sees_the_real_cookie_and_the_server_the_made_up_one() {
    let (server, fake, mut display, lending) = lent().await;
    assert_eq!(fake.len(), REAL.len());
    assert_ne!(fake, REAL);
    let mut program = program(&server).await;
    let said = setup(&fake);
    for piece in [&said[..1], &said[1..20], &said[20..], b"draw"] {
        program.write_all(piece).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut told = vec![0; said.len() + 4];
    display.read_exact(&mut told).await.unwrap();
    assert_eq!(told, [&setup(REAL)[..], b"draw"].concat());
    display.write_all(b"drawn").await.unwrap();
    let mut answer = [0; 5];
    program.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"drawn");
    drop(display);
    program.shutdown().await.unwrap();
    lending.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_wrong_cookie_is_not_let_in_and_one_that_ends_early_neither() {
    let (server, _, mut display, lending) = lent().await;
    let mut program_one = program(&server).await;
    program_one.write_all(&setup(REAL)).await.unwrap();
    let outcome = lending.await.unwrap();
    assert!(matches!(outcome, Err(Problem::Refused(Fault::Cookie))));
    assert_eq!(program_one.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(display.read(&mut [0]).await.unwrap(), 0);

    let (server, fake, mut display, lending) = lent().await;
    let mut program_two = program(&server).await;
    program_two.write_all(&setup(&fake)[..30]).await.unwrap();
    program_two.shutdown().await.unwrap();
    assert!(matches!(lending.await.unwrap(), Err(Problem::Io(_))));
    assert_eq!(display.read(&mut [0]).await.unwrap(), 0);
}
