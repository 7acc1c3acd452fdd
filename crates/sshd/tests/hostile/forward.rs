//! Workers that ask the broker for connections and listeners that they may not
//! have.

use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use carrick_sshd::rpc::Link;
use carrick_sshd::rpc::broker::{Answer, Ask};
use carrick_sshd::rpc::forward::{Dial, Listen, Place, Refusal, Tunnel};

use super::SLACK;

/// Rules under which none of what is tried here is allowed.
pub(crate) const NOTHING: &str = "PermitOpen 127.0.0.1:1\nPermitListen 127.0.0.1:1\n\
     AllowStreamLocalForwarding no\n";

fn tcp(host: &str, port: u16) -> Place {
    Place::Tcp((host.to_owned(), u32::from(port)))
}

fn dial(broker: &Link, id: u32, to: Place) -> Answer {
    let from = ("x".to_owned(), 0);
    broker.send(&Ask::Dial(Dial { id, to, from }), &[]).unwrap();
    broker.receive().unwrap().unwrap().0
}

fn listen(broker: &Link, id: u32, at: Place) -> Answer {
    broker.send(&Ask::Listen(Listen { id, at }), &[]).unwrap();
    broker.receive().unwrap().unwrap().0
}

fn prohibited(answer: &Answer) -> bool {
    matches!(
        answer,
        Answer::NotDialled((_, Refusal::Prohibited))
            | Answer::NotListening((_, Refusal::Prohibited))
    )
}

/// Asks for a host by each of its names, for a socket's path, and for places to
/// listen at, and for network devices: how many were refused, and whether anything came of it.
pub(crate) fn forbidden(broker: &Link) -> String {
    let dir = tempfile::tempdir().unwrap();
    let (socket, place) = (dir.path().join("socket"), dir.path().join("place"));
    let path = |path: &std::path::Path| Place::Unix(path.to_str().unwrap().as_bytes().to_vec());
    let service = TcpListener::bind("127.0.0.1:0").unwrap();
    let unix = UnixListener::bind(&socket).unwrap();
    let port = service.local_addr().unwrap().port();
    let mut answers = Vec::new();
    for (id, host) in ["127.0.0.1", "localhost", "127.1", "::1", "0.0.0.0", "*", ""]
        .into_iter()
        .enumerate()
    {
        let id = u32::try_from(id).unwrap();
        answers.push(dial(broker, id, tcp(host, port)));
    }
    // The one that is allowed, but for its port, and a port that is none.
    answers.push(dial(
        broker,
        10,
        Place::Tcp(("127.0.0.1".to_owned(), 65537)),
    ));
    answers.push(dial(broker, 11, path(&socket)));
    for (id, address) in ["", "*", "127.0.0.1", "localhost"].into_iter().enumerate() {
        let id = u32::try_from(id).unwrap();
        answers.push(listen(broker, id, tcp(address, 0)));
    }
    answers.push(listen(broker, 10, path(&place)));
    for mode in 1..=2 {
        let (id, unit) = (20 + mode, 7);
        let ask = Ask::Tunnel(Tunnel { id, mode, unit });
        broker.send(&ask, &[]).unwrap();
        let (answer, fds) = broker.receive().unwrap().unwrap();
        assert!(fds.is_empty());
        answers.push(answer);
    }
    for listener in [service.set_nonblocking(true), unix.set_nonblocking(true)] {
        listener.unwrap();
    }
    let reached = service.accept().is_ok() || unix.accept().is_ok();
    let refused = answers.iter().filter(|answer| prohibited(answer)).count();
    format!(
        "{refused} of {} refused; reached: {reached}, made: {}",
        answers.len(),
        place.exists()
    )
}

/// Whether a key's options keep this worker from forwarding.
pub(crate) fn kept_from(broker: &Link) -> &'static str {
    let service = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = service.local_addr().unwrap().port();
    let none = prohibited(&dial(broker, 0, tcp("127.0.0.1", port)))
        && prohibited(&listen(broker, 0, tcp("localhost", 0)));
    if none { "no forwarding" } else { "forwarding" }
}

/// A listener's visitors come one descriptor each, to whoever may have it; one
/// that is cancelled is gone, and so is all with the worker.
pub(crate) fn listeners(broker: &Link) -> String {
    let mut ports = Vec::new();
    for id in 0..3 {
        let Answer::Listening((it, port)) = listen(broker, id, tcp("127.0.0.1", 0)) else {
            return "does not listen".to_owned();
        };
        assert_eq!(it, id);
        ports.push(u16::try_from(port).unwrap());
    }
    let _guest = TcpStream::connect(("127.0.0.1", ports[1])).unwrap();
    let (answer, fds) = broker.receive::<Answer>().unwrap().unwrap();
    assert!(matches!(answer, Answer::Visitor(visitor) if visitor.listener == 1));
    assert_eq!(fds.len(), 1);
    broker.send(&Ask::Unlisten(1), &[]).unwrap();
    // Answered after that.
    assert!(matches!(
        listen(broker, 9, tcp("127.0.0.1", 0)),
        Answer::Listening(_)
    ));
    let listens = |port: u16| TcpStream::connect(("127.0.0.1", port)).is_ok();
    let before: Vec<bool> = ports.iter().map(|port| listens(*port)).collect();
    // A number twice: it ends by this.
    broker
        .send(
            &Ask::Listen(Listen {
                id: 0,
                at: tcp("", 0),
            }),
            &[],
        )
        .unwrap();
    while let Ok(Some(_)) = broker.receive::<Answer>() {}
    let end = Instant::now() + SLACK;
    let mut after = true;
    while after && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
        after = ports.iter().any(|port| listens(*port));
    }
    format!("listened: {before:?}, after the broker: {after}")
}

/// Asks and asks, and does not read: who cannot be held up by it is the monitor.
pub(crate) fn flood(broker: &Link) -> String {
    let mut asked = 0_u32;
    while asked < 100_000 {
        let ask = Ask::Dial(Dial {
            id: asked,
            to: tcp("127.0.0.1", 1),
            from: (String::new(), 0),
        });
        if broker.answer(&ask, &[]).is_err() {
            break;
        }
        asked += 1;
    }
    if asked < 100_000 {
        "stands still"
    } else {
        "goes on"
    }
    .to_owned()
}
