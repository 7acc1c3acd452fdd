use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, poll};

use super::*;
use crate::broker::env::tests::start;

fn dial(id: u32, host: &str, port: u16) -> Dial {
    Dial {
        id,
        to: Place::Tcp((host.to_owned(), u32::from(port))),
        from: ("192.0.2.1".to_owned(), 1),
    }
}

fn listen(id: u32, address: &str, port: u32) -> Listen {
    Listen {
        id,
        at: Place::Tcp((address.to_owned(), port)),
    }
}

/// As the broker's loop: until there is some news.
fn wait(forwarding: &mut Forwarding) -> Vec<News> {
    loop {
        let fired: Vec<bool> = {
            let watched = forwarding.watched();
            let mut fds: Vec<_> = watched
                .map(|(fd, flags)| PollFd::from_borrowed_fd(fd, flags))
                .collect();
            poll(&mut fds, None).unwrap();
            fds.iter().map(|fd| !fd.revents().is_empty()).collect()
        };
        let news = forwarding.serve(&fired);
        if !news.is_empty() {
            return news;
        }
    }
}

/// Asks, and waits for the answer.
fn dialled(forwarding: &mut Forwarding, ask: Dial) -> News {
    let news = forwarding.dial(&start(), ask).unwrap();
    news.unwrap_or_else(|| wait(forwarding).remove(0))
}

#[test]
fn connections_are_made_by_number_and_by_name() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = target.local_addr().unwrap().port();
    let mut forwarding = Forwarding::default();
    for (id, host) in [(1, "127.0.0.1"), (2, "localhost")] {
        let (answer, fd) = dialled(&mut forwarding, dial(id, host, port));
        assert_eq!(answer, Answer::Dialled(id));
        let mut stream = TcpStream::from(fd.unwrap());
        assert!(stream.nodelay().unwrap());
        stream.write_all(b"x").unwrap();
        let (mut far, _) = target.accept().unwrap();
        far.read_exact(&mut [0]).unwrap();
    }
    drop(target);
    let (answer, fd) = dialled(&mut forwarding, dial(3, "127.0.0.1", port));
    let refused = Refusal::Failed("Connection refused".to_owned());
    assert_eq!(answer, Answer::NotDialled((3, refused)));
    assert!(fd.is_none());
    let (answer, _) = dialled(&mut forwarding, dial(4, &"x".repeat(70), 1));
    assert!(matches!(
        answer,
        Answer::NotDialled((4, Refusal::Failed(_)))
    ));
    assert!(forwarding.dials.is_empty());
}

#[test]
fn a_name_server_that_is_slow_holds_up_nobody_else() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = target.local_addr().unwrap().port();
    let mut forwarding = Forwarding::default();
    // Whatever becomes of these, and whenever.
    for id in 100..200 {
        let asked = forwarding.dial(&start(), dial(id, "name.invalid", 1));
        assert!(asked.unwrap().is_none());
    }
    let news = forwarding
        .dial(&start(), dial(1, "127.0.0.1", port))
        .unwrap();
    let mut all: Vec<News> = news.into_iter().collect();
    while !all.iter().any(|(answer, _)| *answer == Answer::Dialled(1)) {
        all.extend(wait(&mut forwarding));
    }
}

#[test]
fn there_is_a_bound_and_a_number_counts_once() {
    let mut forwarding = Forwarding::default();
    let most = u32::try_from(DIALS).unwrap();
    for id in 0..most {
        let asked = forwarding.dial(&start(), dial(id, "name.invalid", 1));
        assert!(asked.unwrap().is_none());
    }
    let (answer, _) = forwarding
        .dial(&start(), dial(most, "name.invalid", 1))
        .unwrap()
        .unwrap();
    assert_eq!(answer, Answer::NotDialled((most, Refusal::TooMany)));
    assert!(forwarding.dial(&start(), dial(0, "h", 1)).is_err());

    let most = u32::try_from(LISTENERS).unwrap();
    for id in 0..most {
        let (answer, _) = forwarding
            .listen(&start(), listen(id, "127.0.0.1", 0))
            .unwrap()
            .unwrap();
        assert!(matches!(answer, Answer::Listening((it, 1..)) if it == id));
    }
    let (answer, _) = forwarding
        .listen(&start(), listen(most, "127.0.0.1", 0))
        .unwrap()
        .unwrap();
    assert_eq!(answer, Answer::NotListening((most, Refusal::TooMany)));
    assert!(forwarding.listen(&start(), listen(0, "", 0)).is_err());
}

#[test]
fn a_listener_takes_visitors_until_it_is_told_to_stop() {
    let mut forwarding = Forwarding::default();
    let (answer, _) = forwarding
        .listen(&start(), listen(7, "localhost", 0))
        .unwrap()
        .unwrap();
    let Answer::Listening((7, port)) = answer else {
        panic!("{answer:?}");
    };
    let port = u16::try_from(port).unwrap();
    let mut guest = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let (answer, fd) = wait(&mut forwarding).remove(0);
    let from = guest.local_addr().unwrap();
    let from = Some((from.ip().to_string(), u32::from(from.port())));
    let visitor = crate::rpc::forward::Visitor { listener: 7, from };
    assert_eq!(answer, Answer::Visitor(visitor));
    drop(fd);
    assert_eq!(guest.read(&mut [0]).unwrap(), 0);
    // Its place is taken as long as it stays.
    let (answer, _) = forwarding
        .listen(&start(), listen(8, "localhost", u32::from(port)))
        .unwrap()
        .unwrap();
    assert!(matches!(answer, Answer::NotListening((8, _))));
    forwarding.unlisten(7);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn unix_sockets_both_ways() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let place = || Place::Unix(path.as_os_str().as_encoded_bytes().to_vec());
    let mut forwarding = Forwarding::default();
    let (answer, _) = forwarding
        .listen(&start(), Listen { id: 1, at: place() })
        .unwrap()
        .unwrap();
    assert_eq!(answer, Answer::Listening((1, 0)));
    let mut guest = UnixStream::connect(&path).unwrap();
    let (answer, fd) = wait(&mut forwarding).remove(0);
    assert!(matches!(answer, Answer::Visitor(visitor) if visitor.from.is_none()));
    let mut host = UnixStream::from(fd.unwrap());
    guest.write_all(b"x").unwrap();
    host.read_exact(&mut [0]).unwrap();
    let ask = |id| Dial {
        to: place(),
        ..dial(id, "", 0)
    };
    assert_eq!(dialled(&mut forwarding, ask(2)).0, Answer::Dialled(2));
    forwarding.unlisten(1);
    let (answer, _) = dialled(&mut forwarding, ask(3));
    let refused = Refusal::Failed("Connection refused".to_owned());
    assert_eq!(answer, Answer::NotDialled((3, refused)));
}

#[test]
fn what_is_forbidden_is_not_tried() {
    let mut start = start();
    start.forwarding.permit_open = Some(Vec::new());
    start.forwarding.tcp_remote = false;
    let mut forwarding = Forwarding::default();
    let (answer, _) = forwarding.dial(&start, dial(1, "h", 1)).unwrap().unwrap();
    assert_eq!(answer, Answer::NotDialled((1, Refusal::Prohibited)));
    let (answer, _) = forwarding
        .listen(&start, listen(1, "", 0))
        .unwrap()
        .unwrap();
    assert_eq!(answer, Answer::NotListening((1, Refusal::Prohibited)));
    assert!(forwarding.resolver.watched().is_none());
}
