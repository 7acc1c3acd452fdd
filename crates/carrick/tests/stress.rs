//! Many channels on many threads: data both ways, readers of all sizes, handles
//! dropped and tasks cut off in the middle, keys renewed all the time. What is
//! looked for is somebody who waits and whom nobody wakes.

mod common;

use std::time::Duration;

use carrick::{Client, Connection, Exit, GlobalRequest, Request, Stream};
use carrick_proto::transport::RekeyLimit;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use common::{echo_server, pair};

/// Long for a computer, short for a person.
const PATIENCE: Duration = Duration::from_secs(60);

/// A sequence of numbers that is the same every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// Sends `size` bytes through an echo and compares.
async fn whole(client: Connection<Client>, seed: u64, size: usize) {
    let mut numbers = Numbers(seed);
    let reads = [1 + numbers.below(50), 1 + numbers.below(5_000), 60_000][numbers.below(3)];
    let size = if reads < 100 { size / 20 } else { size };
    let session = client.exec(format!("{reads}")).await.unwrap();
    let data: Vec<u8> = (0..size)
        .map(|i| u8::try_from((i * 31 + reads) % 251).unwrap())
        .collect();
    let mut writer = session.channel().clone();
    let sent = data.clone();
    let writes = 1 + numbers.below(40_000);
    let sender = tokio::spawn(async move {
        for piece in sent.chunks(writes) {
            writer.write_all(piece).await.unwrap();
        }
        writer.shutdown().await.unwrap();
    });
    let mut back = vec![0; size];
    let mut at = 0;
    let mut reader = session.channel().clone();
    while at < size {
        let end = (at + 1 + numbers.below(30_000)).min(size);
        let len = reader.read(&mut back[at..end]).await.unwrap();
        assert_ne!(len, 0, "{at} of {size}");
        at += len;
    }
    assert!(back == data);
    sender.await.unwrap();
    assert_eq!(session.wait().await.unwrap(), Exit::Status(7));
}

/// Begins as [`whole`] does, and drops everything somewhere.
async fn torn(client: Connection<Client>, seed: u64) {
    let mut numbers = Numbers(seed);
    let Ok(session) = client.exec("100").await else {
        return;
    };
    let channel = session.channel().clone();
    let sender = tokio::spawn(async move { channel.send(Stream::Data, &vec![3; 3_000_000]).await });
    let mut reader = session.channel().clone();
    let mut buf = vec![0; 1 + numbers.below(20_000)];
    for _ in 0..numbers.below(20) {
        if reader.read(&mut buf).await.is_err() {
            break;
        }
    }
    if numbers.below(2) == 0 {
        session.channel().close();
    }
    sender.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_is_forgotten_among_many_threads() {
    let often = RekeyLimit {
        bytes: Some(300_000),
        time: None,
    };
    let (client, server) = pair(100_000, |client, server| {
        client.common.rekey = often;
        server.common.rekey = often;
    })
    .await;
    tokio::spawn(echo_server(server));
    let mut good = Vec::new();
    let mut numbers = Numbers(1);
    for n in 0..24 {
        let (size, seed) = (numbers.below(400_000), numbers.0);
        good.push(tokio::spawn(whole(client.clone(), seed, size)));
        let bad = tokio::spawn(torn(client.clone(), seed + 1));
        if n % 3 == 0 {
            let after = Duration::from_micros(numbers.below(20_000) as u64);
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                bad.abort();
            });
        }
    }
    let keys = tokio::spawn({
        let client = client.clone();
        async move {
            for _ in 0..20 {
                client.rekey();
                tokio::time::sleep(Duration::from_millis(7)).await;
            }
        }
    });
    let all = async {
        for one in good {
            one.await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, all)
        .await
        .expect("somebody waits for ever");
    keys.await.unwrap();
    // And the connection is as good as before.
    tokio::time::timeout(PATIENCE, whole(client.clone(), 5, 100_000))
        .await
        .unwrap();
    assert!(client.error().is_none(), "{:?}", client.error());
}

/// More replies in one read than the machine hands out at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_beyond_one_portion_is_not_left_behind() {
    let (client, server) = pair(4 << 20, |_, _| {}).await;
    tokio::spawn(echo_server(server));
    for channels in [5, 7, 12] {
        let mut asked = Vec::new();
        let mut sessions = Vec::new();
        for _ in 0..channels {
            let session = client.exec("x").await.unwrap();
            for _ in 0..1000 {
                asked.push(session.channel().request_later(Request::Keepalive).unwrap());
            }
            sessions.push(session);
        }
        let all = async {
            for one in asked {
                assert!(!one.granted().await.unwrap());
            }
        };
        tokio::time::timeout(PATIENCE, all)
            .await
            .expect("a reply was left behind");
    }
}

#[tokio::test]
async fn global_requests_go_on_after_one_was_dropped() {
    let (client, server) = pair(64 * 1024, |_, _| {}).await;
    let ask = || client.global_request(GlobalRequest::Keepalive);
    for _ in 0..100 {
        let _ = tokio::time::timeout(Duration::ZERO, ask()).await;
    }
    assert_eq!(ask().await.unwrap(), None);
    drop(server);
}
