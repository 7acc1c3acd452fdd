//! The file API against our server, over a pipe and over a connection.

mod common;

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream as Pipe;
use std::path::Path;

use carrick::sftp::{Attrs, Code, Error, FileKind, Open, Sftp};
use carrick::{Open as Channels, Request};
use carrick_sftp::local::{Home, Local, serve};
use carrick_sftp::server::{Journal, Level, Policy, Server};
use tempfile::TempDir;
use tokio::net::UnixStream;

struct Silent;

impl Journal for Silent {
    fn level(&self) -> Level {
        Level::Quiet
    }
    fn time(&self, _: u32) -> String {
        String::new()
    }
    fn line(&mut self, _: Level, _: std::fmt::Arguments<'_>) {}
}

/// The other end of a pipe to a server in a thread.
fn server() -> UnixStream {
    let (ours, theirs) = Pipe::pair().unwrap();
    std::thread::spawn(move || {
        let home = Home {
            user: "me".into(),
            directory: b"/".to_vec(),
        };
        let mut server = Server::new(Local::new(home), Policy::default(), Silent);
        serve(&mut server, &theirs, &theirs);
    });
    ours.set_nonblocking(true).unwrap();
    UnixStream::from_std(ours).unwrap()
}

/// Over a connection, to whose server the subsystem is.
async fn over_ssh() -> Sftp {
    let (client, far) = common::pair(1 << 16, |_, _| {}).await;
    tokio::spawn(async move {
        while let Some(incoming) = far.accept_open().await {
            assert_eq!(incoming.kind, Channels::Session);
            let channel = incoming.accept().unwrap();
            let asked = channel.next_request().await.unwrap();
            let Request::Subsystem { name } = &asked.request else {
                panic!("not a subsystem")
            };
            assert_eq!(name, "sftp");
            asked.reply(true);
            tokio::spawn(channel.join(server()));
        }
    });
    client.sftp().await.unwrap()
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

fn noise(len: usize) -> Vec<u8> {
    (0..len)
        .map(|i| (i * i / 7 + i / 255).to_le_bytes()[0])
        .collect()
}

async fn whole_round(sftp: Sftp) {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    for len in [0, 1, 32_768, 5_000_001] {
        std::fs::write(at("a"), noise(len)).unwrap();
        assert_eq!(
            sftp.upload(at("a"), bytes(&at("b"))).await.unwrap(),
            len as u64
        );
        assert_eq!(
            sftp.download(bytes(&at("b")), at("c")).await.unwrap(),
            len as u64
        );
        assert!(std::fs::read(at("c")).unwrap() == noise(len));
    }
    sftp.copy(bytes(&at("a")), bytes(&at("d"))).await.unwrap();
    assert!(std::fs::read(at("d")).unwrap() == noise(5_000_001));
    // No size is known of it, nor has it one.
    let len = sftp.download("/proc/self/status", at("e")).await.unwrap();
    assert!(len > 100);

    let how = Open::READ.and(Open::WRITE).and(Open::CREATE);
    let file = sftp
        .open(bytes(&at("f")), how, Attrs::with_mode(0o600))
        .await
        .unwrap();
    file.write_at(3, b"middle").await.unwrap();
    file.write_at(0, b"the").await.unwrap();
    assert_eq!(file.read_at(0, 100).await.unwrap(), b"themiddle");
    assert_eq!(file.read_at(9, 100).await.unwrap(), b"");
    file.set_attrs(Attrs::with_size(3)).await.unwrap();
    file.sync().await.unwrap();
    assert_eq!(file.stat().await.unwrap().size, Some(3));
    file.close().await.unwrap();

    sftp.create_dir(bytes(&at("sub")), Attrs::with_mode(0o700))
        .await
        .unwrap();
    sftp.rename(bytes(&at("f")), bytes(&at("sub/f")))
        .await
        .unwrap();
    sftp.symlink("f", bytes(&at("sub/l"))).await.unwrap();
    assert_eq!(sftp.read_link(bytes(&at("sub/l"))).await.unwrap(), b"f");
    let mut found = Vec::new();
    let mut walk = sftp.walk(bytes(folder.path()));
    while let Some(file) = walk.next().await {
        let file = file.unwrap();
        let path = file.path.strip_prefix(bytes(folder.path())).unwrap();
        found.push((
            String::from_utf8(path.to_vec()).unwrap(),
            file.attrs.kind().unwrap(),
        ));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let names: Vec<&str> = found.iter().map(|f| f.0.as_str()).collect();
    assert_eq!(
        names,
        ["/a", "/b", "/c", "/d", "/e", "/sub", "/sub/f", "/sub/l"]
    );
    assert_eq!(found[5].1, FileKind::Directory);
    assert_eq!(found[7].1, FileKind::Symlink);

    let gone = sftp.stat("/no/such/file").await.unwrap_err();
    assert!(gone.is_not_found());
    let Error::Refused(refusal) = sftp.remove_dir(bytes(&at("sub"))).await.unwrap_err() else {
        panic!("not refused")
    };
    assert_eq!(refusal.code, Code::FAILURE);
}

#[tokio::test]
async fn over_a_pipe() {
    whole_round(Sftp::start(server()).await.unwrap()).await;
}

#[tokio::test]
async fn over_a_connection() {
    whole_round(over_ssh().await).await;
}

#[tokio::test]
async fn many_at_once() {
    let sftp = over_ssh().await;
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("from"), noise(700_000)).unwrap();
    let mut jobs = tokio::task::JoinSet::new();
    for number in 0..20 {
        let (sftp, folder) = (sftp.clone(), folder.path().to_owned());
        jobs.spawn(async move {
            let (from, to) = (folder.join("from"), folder.join(format!("{number}")));
            if number % 2 == 0 {
                sftp.download(bytes(&from), &to).await.unwrap();
            } else {
                sftp.upload(&from, bytes(&to)).await.unwrap();
            }
            assert!(std::fs::read(to).unwrap() == noise(700_000));
        });
    }
    while let Some(done) = jobs.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn what_is_dropped_is_closed() {
    let sftp = Sftp::start(server()).await.unwrap();
    // More than a process may have open.
    for _ in 0..3000 {
        drop(
            sftp.open("/dev/null", Open::READ, Attrs::default())
                .await
                .unwrap(),
        );
    }
    // Nobody waits for the handle any more.
    for _ in 0..3000 {
        let open = sftp.open("/dev/null", Open::READ, Attrs::default());
        tokio::select! {
            biased;
            _ = open => {}
            () = tokio::task::yield_now() => {}
        }
    }
    sftp.stat("/").await.unwrap();
}

#[tokio::test]
async fn the_end_is_told_to_all() {
    let (ours, theirs) = Pipe::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let begun = tokio::spawn(Sftp::start(UnixStream::from_std(ours).unwrap()));
    drop(theirs);
    assert!(begun.await.unwrap().is_err());
}
