//! The line to the broker. Nobody in this process waits for room in it but the
//! task that has something to ask: a worker that stood still there, while the
//! broker waits to be read, would stand still for good.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::OnceCell;

use super::stream::watch;
use crate::rpc::Link;
use crate::rpc::broker::{Answer, Ask};

/// What the broker says, with descriptors.
pub type News = (Answer, Vec<OwnedFd>);

/// The line.
pub struct Line {
    link: AsyncFd<Link>,
    /// The same, watched for room: once there was none.
    room: OnceCell<AsyncFd<OwnedFd>>,
}

impl Line {
    /// Over the link that came with the login.
    pub fn new(link: Link) -> io::Result<Self> {
        Ok(Self {
            link: watch(link, Interest::READABLE)?,
            room: OnceCell::new(),
        })
    }

    /// Asks something.
    pub async fn ask(&self, ask: &Ask) -> io::Result<()> {
        loop {
            match self.link.get_ref().answer(ask, &[]) {
                Err(problem) if problem.kind() == io::ErrorKind::WouldBlock => {
                    let room = self.room.get_or_try_init(|| async {
                        let link = self.link.get_ref().as_fd().try_clone_to_owned()?;
                        watch(link, Interest::WRITABLE)
                    });
                    room.await?.writable().await?.clear_ready();
                }
                outcome => return outcome,
            }
        }
    }

    /// The next that the broker says.
    pub async fn next(&self) -> io::Result<News> {
        loop {
            let mut ready = self.link.readable().await?;
            match self.link.get_ref().receive_now() {
                Ok(Some(news)) => return Ok(news),
                Ok(None) => return Err(io::Error::other("the broker has ended")),
                Err(problem) if problem.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                Err(problem) => return Err(problem),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_broker_that_waits_to_be_read_is_read() {
        let (ours, theirs) = Link::pair().unwrap();
        let line = Line::new(ours).unwrap();
        let asks = 20_000;
        // It answers each question before it reads the next one.
        let broker = std::thread::spawn(move || {
            for _ in 0..asks {
                let (ask, _) = theirs.receive::<Ask>().unwrap().unwrap();
                let Ask::Agent(id) = ask else {
                    panic!("{ask:?}");
                };
                theirs.send(&Answer::Agent(id), &[]).unwrap();
            }
        });
        let asking = async {
            for id in 0..asks {
                line.ask(&Ask::Agent(id)).await.unwrap();
            }
        };
        let listening = async {
            for id in 0..asks {
                assert_eq!(line.next().await.unwrap().0, Answer::Agent(id));
            }
        };
        tokio::join!(asking, listening);
        broker.join().unwrap();
        assert!(line.next().await.is_err());
    }
}
