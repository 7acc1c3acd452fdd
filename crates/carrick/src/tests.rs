//! Futures and handles dropped at any moment leave nothing behind. Only the
//! inside can tell.

#[path = "../tests/common/mod.rs"]
mod common;

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use carrick_proto::Side;

use crate::client::AuthReply;
use crate::{Channel, Connection, GlobalRequest, Open, Request, Secret};
use common::{door, echo_server, pair, step};

const PIPE: usize = 64 * 1024;

/// Polls a future once, and drops it.
fn touch<F: Future>(future: F) {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(pin!(future).poll(&mut cx).is_pending());
}

/// Channels and global replies that somebody may wait for.
fn kept<S: Side>(connection: &Connection<S>) -> (usize, usize) {
    let state = connection.state();
    (state.channels.len(), state.global_replies.len())
}

fn requests<S: Side>(channel: &Channel<S>) -> (usize, usize) {
    let state = channel.state();
    let channel = &state.channels[&channel.id()];
    (channel.requests.len(), channel.replies.len())
}

/// Waits for something that must come soon.
async fn soon(what: impl Fn() -> bool) {
    for _ in 0..500 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came");
}

#[tokio::test]
async fn an_open_that_is_dropped_closes_the_channel() {
    let (client, server) = pair(PIPE, |_, _| {}).await;
    for _ in 0..3 {
        touch(client.open(Open::Session));
        assert_eq!(kept(&client), (0, 0));
        let channel = server.accept_open().await.unwrap().accept().unwrap();
        tokio::time::timeout(Duration::from_secs(10), channel.closed())
            .await
            .unwrap();
    }
    assert_eq!(kept(&server), (0, 0));
    assert!(client.error().is_none());
}

#[tokio::test]
async fn a_refused_open_leaves_nothing() {
    let (client, server) = pair(PIPE, |_, _| {}).await;
    tokio::spawn(echo_server(server));
    let refused = client.open(Open::AuthAgent).await;
    assert!(refused.is_err());
    assert_eq!(kept(&client), (0, 0));
}

#[tokio::test]
async fn a_global_request_that_is_dropped_leaves_nothing() {
    let (client, _server) = pair(PIPE, |_, _| {}).await;
    for _ in 0..100 {
        touch(client.global_request(GlobalRequest::Keepalive));
    }
    assert_eq!(
        client
            .global_request(GlobalRequest::Keepalive)
            .await
            .unwrap(),
        None
    );
    assert_eq!(kept(&client), (0, 0));
}

#[tokio::test]
async fn a_request_that_is_dropped_leaves_nothing() {
    let (client, server) = pair(PIPE, |_, _| {}).await;
    tokio::spawn(echo_server(server));
    let session = client.open_session().await.unwrap();
    for _ in 0..100 {
        touch(session.channel().request(Request::Keepalive));
    }
    assert_eq!(requests(session.channel()), (0, 0));
    assert!(!session.channel().request(Request::Keepalive).await.unwrap());
    assert_eq!(requests(session.channel()), (0, 0));
    drop(session);
    assert_eq!(kept(&client), (0, 0));
}

#[tokio::test]
async fn requests_that_nobody_takes_are_bounded_and_the_last_are_kept() {
    let (client, server) = pair(PIPE, |_, _| {}).await;
    let theirs = tokio::spawn(async move {
        (
            server.accept_open().await.unwrap().accept().unwrap(),
            server,
        )
    });
    let session = client.open_session().await.unwrap();
    let (theirs, server) = theirs.await.unwrap();
    for _ in 0..5000 {
        session.signal("HUP").unwrap();
        client
            .global_notify(GlobalRequest::TcpipForward {
                address: String::new(),
                port: 1,
            })
            .unwrap();
        tokio::task::yield_now().await;
    }
    session.signal("TERM").unwrap();
    soon(|| {
        let state = theirs.state();
        let last = state.channels[&theirs.id()].requests.back();
        last.is_some_and(|(request, _)| {
            *request
                == Request::Signal {
                    name: "TERM".into(),
                }
        })
    })
    .await;
    let bound = carrick_proto::limits::PENDING_REQUESTS;
    assert_eq!(requests(&theirs).0, bound);
    assert_eq!(server.state().global_requests.len(), bound);
    assert!(client.error().is_none() && server.error().is_none());
}

#[tokio::test]
async fn exchanges_leave_no_news_behind() {
    let (client, server) = pair(PIPE, |_, _| {}).await;
    for _ in 0..5 {
        client.rekey();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(client.state().side_events.is_empty());
    assert!(server.state().side_events.is_empty());
}

/// Asked along with the service where the server is known to take it, and
/// otherwise after it: the answer is the same, and there is one.
#[tokio::test]
async fn what_there_is_may_be_asked_early() {
    for (software, early) in [("Carrick_1", true), ("Test_1", false)] {
        let (host, server) = step(PIPE, |_, server| server.common.software = software.into()).await;
        let mut login = host.accept_for("me").await.unwrap();
        assert_eq!(login.asked.is_some(), early);
        assert_eq!(login.server_takes("ssh-ed25519"), Some(true));
        for _ in 0..2 {
            let reply = login.none("me").await.unwrap();
            assert!(matches!(reply, AuthReply::Failure { .. }), "{reply:?}");
        }
        let right = login.password("me", &Secret::from("sesame")).await.unwrap();
        assert_eq!(right, AuthReply::Success);
        server.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn the_reply_to_a_dropped_attempt_is_not_taken_for_anothers() {
    let (mut login, server) = door(PIPE, |_, _| {}).await;
    let (wrong, right) = (Secret::from("wrong"), Secret::from("sesame"));
    for wait in [0, 50] {
        touch(login.password("me", &wrong));
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let query = login.none("me").await.unwrap();
        assert!(matches!(query, AuthReply::Failure { .. }));
    }
    touch(login.password("me", &wrong));
    assert_eq!(
        login.password("me", &right).await.unwrap(),
        AuthReply::Success
    );
    let client = login.into_connection().map_err(|_| ()).unwrap();
    let _server = server.await.unwrap().unwrap();
    assert!(client.error().is_none());
}

#[tokio::test]
async fn a_login_that_succeeds_behind_a_dropped_attempt() {
    let (mut login, server) = door(PIPE, |_, _| {}).await;
    touch(login.password("me", &Secret::from("sesame")));
    let reply = login.password("me", &Secret::from("wrong")).await.unwrap();
    assert_eq!(reply, AuthReply::Success);
    assert!(login.into_connection().is_ok());
    drop(server);
}

/// Far more news in one read than the machine hands out at once: the last must
/// come though nothing follows it.
#[tokio::test]
async fn news_beyond_one_portion_is_not_left_behind() {
    for count in [8_000, 8_800, 9_600] {
        let (client, server) = pair(4 << 20, |_, _| {}).await;
        let opening = tokio::spawn(async move { client.open_session().await });
        let theirs = server.accept_open().await.unwrap().accept().unwrap();
        let session = opening.await.unwrap().unwrap();
        for _ in 0..count {
            let name = "A".to_owned();
            theirs.notify(Request::Signal { name }).unwrap();
        }
        theirs.notify(Request::ExitStatus { code: 3 }).unwrap();
        let news = async {
            while let Some(asked) = session.channel().next_request().await {
                if asked.request == (Request::ExitStatus { code: 3 }) {
                    return;
                }
            }
            panic!("closed");
        };
        tokio::time::timeout(Duration::from_secs(10), news)
            .await
            .expect("news was left behind");
    }
}

/// Reads `size` bytes and drops them.
async fn drain<S: Side>(channel: &Channel<S>, mut size: usize) {
    while size > 0 {
        let piece = channel.chunk(crate::Stream::Data).await.unwrap();
        size -= piece.len();
    }
}

/// One who was told that there is room and does not come must not keep another
/// from being told.
#[tokio::test]
async fn a_writer_that_does_not_come_back_holds_up_nobody() {
    const WINDOW: usize = carrick_proto::limits::WINDOW_FIRST as usize;
    let (client, server) = pair(PIPE, |_, _| {}).await;
    let mut ends = Vec::new();
    for _ in 0..2 {
        let client = client.clone();
        let opening = tokio::spawn(async move { client.open_session().await });
        let theirs = server.accept_open().await.unwrap().accept().unwrap();
        ends.push((opening.await.unwrap().unwrap().into_channel(), theirs));
    }
    let [(lazy, lazy_end), (keen, keen_end)] = ends.try_into().ok().unwrap();
    let data = vec![0; WINDOW + 100];
    let keen = tokio::spawn({
        let data = data.clone();
        async move { keen.send(crate::Stream::Data, &data).await.map(|()| keen) }
    });
    // However long that takes.
    let (first, more) = data.split_at(WINDOW);
    lazy.send(crate::Stream::Data, first).await.unwrap();
    let cut = tokio::time::timeout(
        Duration::from_millis(500),
        lazy.send(crate::Stream::Data, more),
    );
    assert!(cut.await.is_err(), "both windows are used up");
    // Now the lazy one may write again, and is told so; nobody is there.
    drain(&lazy_end, WINDOW).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let rest = drain(&keen_end, WINDOW + 100);
    tokio::time::timeout(Duration::from_secs(10), rest)
        .await
        .expect("held up");
    keen.await.unwrap().unwrap();
}

/// Of many that always have something to send each gets as much as the others,
/// also those that opened late, with a small window.
#[tokio::test]
async fn a_crowd_shares_fairly() {
    crowd().await;
}

/// With writers on other threads than the driver.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_on_threads_shares_fairly() {
    crowd().await;
}

async fn crowd() {
    const CROWD: usize = 60;
    const ENOUGH: usize = 64 * 1024 * 1024;
    let (client, server) = pair(PIPE, |_, _| {}).await;
    let got = std::sync::Arc::new([const { AtomicUsize::new(0) }; CROWD]);
    let mut writers = Vec::new();
    for n in 0..CROWD {
        let client = client.clone();
        let opening = tokio::spawn(async move { client.open_session().await });
        let theirs = server.accept_open().await.unwrap().accept().unwrap();
        let mine = opening.await.unwrap().unwrap().into_channel();
        writers.push(tokio::spawn(async move {
            let data = vec![0; 256 * 1024];
            while theirs.send(crate::Stream::Data, &data).await.is_ok() {}
        }));
        let got = std::sync::Arc::clone(&got);
        tokio::spawn(async move {
            while let Some(piece) = mine.chunk(crate::Stream::Data).await {
                got[n].fetch_add(piece.len(), Ordering::Relaxed);
            }
        });
    }
    // Those that opened first had the line for themselves until here.
    got.iter().for_each(|got| got.store(0, Ordering::Relaxed));
    let shares = || got.iter().map(|got| got.load(Ordering::Relaxed));
    soon(|| shares().sum::<usize>() >= ENOUGH).await;
    let (least, all) = (shares().min().unwrap(), shares().sum::<usize>());
    assert!(
        least * 2 >= all / CROWD,
        "{:?}",
        shares().collect::<Vec<_>>()
    );
    writers.iter().for_each(tokio::task::JoinHandle::abort);
}

/// So much a reader may leave unread in the next two tests.
const UNREAD: usize = carrick_proto::limits::AHEAD as usize * 2;

/// A session whose client may leave [`UNREAD`] bytes, and the server's end.
async fn for_a_late_reader(
    pipe: usize,
) -> (
    (Connection<crate::Client>, Channel<crate::Client>),
    (Connection<crate::Server>, Channel<crate::Server>),
) {
    let (client, server) = pair(pipe, |ours, _| {
        ours.common.mux.first_window = carrick_proto::limits::AHEAD * 2;
    })
    .await;
    let opening = tokio::spawn(async move { (client.open_session().await, client) });
    let theirs = server.accept_open().await.unwrap().accept().unwrap();
    let (session, client) = opening.await.unwrap();
    ((client, session.unwrap().into_channel()), (server, theirs))
}

async fn all_of<S: Side>(channel: &Channel<S>) -> Vec<u8> {
    let mut got = Vec::new();
    while let Some(piece) = channel.chunk(crate::Stream::Data).await {
        got.extend_from_slice(&piece);
    }
    got
}

/// A reader that takes nothing gets what its window allows, by and by, and the
/// other side is answered meanwhile and after; then all of it is there. The
/// clock stands still but for the waiting.
#[tokio::test(start_paused = true)]
async fn a_reader_far_behind_is_waited_for_and_holds_up_no_answers() {
    let begin = tokio::time::Instant::now();
    let ((_client, mine), (server, theirs)) = for_a_late_reader(PIPE).await;
    let data: Vec<u8> = (0..=250).cycle().take(UNREAD).collect();
    for part in data.chunks(UNREAD / 16) {
        theirs.send(crate::Stream::Data, part).await.unwrap();
        let answer = server.global_request(GlobalRequest::Keepalive);
        let answer = tokio::time::timeout(Duration::from_secs(5), answer).await;
        answer.expect("held up").unwrap();
    }
    // The second half comes in pipes' sizes, with 2 ms before each.
    let waited = begin.elapsed();
    assert!(waited >= Duration::from_millis(100), "{waited:?}");
    drop(theirs);
    assert!(all_of(&mine).await == data);
}

/// Nothing can be written any more, and the reader is far behind: what the
/// other side has sent before it went is read nevertheless.
#[tokio::test(start_paused = true)]
async fn a_reader_far_behind_loses_nothing_to_a_peer_that_goes() {
    let ((client, mine), (server, theirs)) = for_a_late_reader(UNREAD * 2).await;
    let data: Vec<u8> = (0..=250).cycle().take(UNREAD).collect();
    theirs.send(crate::Stream::Data, &data).await.unwrap();
    drop((theirs, server));
    while client.error().is_none() {
        let _ = client.global_notify(GlobalRequest::Keepalive);
        tokio::task::yield_now().await;
    }
    assert_eq!(all_of(&mine).await.len(), data.len());
}

/// Both ends hear that somebody types beside another channel, and that it is
/// over; a terminal alone, or a program's data, is no reason.
#[tokio::test]
async fn both_ends_hear_of_typing_beside_others() {
    let (client, server) = pair(PIPE, |_, _| {}).await;
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let tell = |who: &'static str| {
        let told = told.clone();
        move |typing| {
            let _ = told.send((who, typing));
        }
    };
    client.on_typing(tell("client"));
    server.on_typing(tell("server"));
    let open = async || {
        let client = client.clone();
        let opening = tokio::spawn(async move { client.open_session().await });
        let theirs = server.accept_open().await.unwrap().accept().unwrap();
        (opening.await.unwrap().unwrap().into_channel(), theirs)
    };
    let say = async |from: &Channel<_>, to: &Channel<_>| {
        from.send(crate::Stream::Data, b"k").await.unwrap();
        drain(to, 1).await;
    };
    let (terminal, terminal_end) = open().await;
    let pty = Request::Pty {
        term: String::new(),
        size: carrick_proto::mux::PtySize::default(),
        modes: Vec::new(),
    };
    terminal.notify(pty).unwrap();
    say(&terminal, &terminal_end).await;
    let (other, other_end) = open().await;
    // The second has both drivers look at what the first has left.
    for _ in 0..2 {
        say(&other, &other_end).await;
    }
    tokio::task::yield_now().await;
    heard.try_recv().unwrap_err();
    say(&terminal, &terminal_end).await;
    let mut next = async || {
        let one = heard.recv().await.unwrap();
        let two = heard.recv().await.unwrap();
        (one.1, two.1, one.0 != two.0)
    };
    let long = Duration::from_secs(10);
    for typing in [true, false] {
        // A driver looks when it has something to do.
        say(&other, &other_end).await;
        let said = tokio::time::timeout(long, next()).await.expect("not told");
        assert_eq!(said, (typing, typing, true));
    }
}
