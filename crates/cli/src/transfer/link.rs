//! The two pipes of a child, moved bytes through as they let us: never waiting
//! for one while the other could go on.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use carrick_sftp::client::Conversation;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};

use super::fault::Lost;
use super::pace::Pace;
use super::remote::Remote;

/// No wait is longer: whoever watches wants to be heard.
pub(super) const TICK: Duration = Duration::from_millis(500);

/// A running child and the pipes to it.
#[derive(Debug)]
pub(crate) struct Link {
    /// None for a server in this process.
    child: Option<Child>,
    /// To its input, until that is closed.
    to: Option<OwnedFd>,
    from: OwnedFd,
    pace: Option<Pace>,
}

impl Link {
    pub(super) fn new(child: Child, to: OwnedFd, from: OwnedFd) -> io::Result<Self> {
        let link = Self::over(to, from)?;
        Ok(Self {
            child: Some(child),
            ..link
        })
    }

    /// Over descriptors of whatever kind.
    pub(super) fn over(to: OwnedFd, from: OwnedFd) -> io::Result<Self> {
        ioctl_fionbio(&to, true)?;
        ioctl_fionbio(&from, true)?;
        Ok(Self {
            child: None,
            to: Some(to),
            from,
            pace: None,
        })
    }

    /// Bounds both ways together.
    pub(super) fn set_pace(&mut self, pace: Pace) {
        self.pace = Some(pace);
    }

    /// How many of `wanted` bytes may be moved now.
    fn most(&self, wanted: usize) -> usize {
        let most = |pace: &Pace| pace.most(Instant::now()).min(wanted);
        self.pace.as_ref().map_or(wanted, most)
    }

    fn spend(&mut self, len: usize) {
        if let Some(pace) = &mut self.pace {
            pace.spend(len, Instant::now());
        }
    }

    /// The child's process id: for who is told to end it.
    pub(crate) fn child_id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Moves what can be moved at once, or waits until something can, but no
    /// longer than [`TICK`]: whether anything was.
    pub(super) fn exchange(&mut self, talk: &mut Conversation) -> Result<bool, Lost> {
        if self.turn(talk)? {
            return Ok(true);
        }
        wait(&[(self, !talk.output().is_empty())])?;
        Ok(false)
    }

    /// Moves what can be moved at once: whether anything was.
    fn turn(&mut self, talk: &mut Conversation) -> Result<bool, Lost> {
        let wrote = self.send(talk)?;
        let read = self.read(talk)?;
        Ok(wrote || read)
    }

    /// Sends what can be sent at once: whether anything was.
    pub(super) fn send(&mut self, talk: &mut Conversation) -> Result<bool, Lost> {
        let (Some(to), out) = (&self.to, talk.output()) else {
            return Ok(false);
        };
        let most = self.most(out.len());
        let Some(out) = out.get(..most).filter(|out| !out.is_empty()) else {
            return Ok(false);
        };
        match rustix::io::write(to, out) {
            Ok(len) => {
                talk.wrote(len);
                self.spend(len);
                Ok(true)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            // What it said before may still be read, and says more.
            Err(Errno::PIPE) => {
                self.to = None;
                Ok(false)
            }
            Err(why) => Err(io::Error::from(why).into()),
        }
    }

    fn read(&mut self, talk: &mut Conversation) -> Result<bool, Lost> {
        let space = talk.space();
        let most = self.most(space.len());
        let Some(space) = space.get_mut(..most).filter(|space| !space.is_empty()) else {
            return Ok(false);
        };
        match rustix::io::read(&self.from, space) {
            Ok(0) => Err(Lost::Closed),
            Ok(len) => {
                talk.filled(len);
                self.spend(len);
                Ok(true)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(why) => Err(io::Error::from(why).into()),
        }
    }

    /// Closes the child's input and waits for its end.
    pub(super) fn finish(mut self) -> io::Result<ExitStatus> {
        self.to = None;
        match &mut self.child {
            Some(child) => child.wait(),
            None => Ok(ExitStatus::default()),
        }
    }
}

/// [`Link::exchange`] with two servers: whichever can go on does.
pub(super) fn exchange_both(one: &mut Remote, other: &mut Remote) -> Result<bool, Lost> {
    let moved = one.link.turn(&mut one.talk)?;
    if other.link.turn(&mut other.talk)? || moved {
        return Ok(true);
    }
    wait(&[
        (&one.link, !one.talk.output().is_empty()),
        (&other.link, !other.talk.output().is_empty()),
    ])?;
    Ok(false)
}

/// Waits until one of these links can go on, but no longer than [`TICK`]. With
/// each comes whether there is something to be written.
fn wait(links: &[(&Link, bool)]) -> Result<(), Lost> {
    let mut time = TICK;
    for (link, _) in links {
        let pause = |pace: &Pace| pace.pause(Instant::now());
        if let Some(pause) = link.pace.as_ref().and_then(pause) {
            std::thread::sleep(pause.min(TICK));
            time = Duration::ZERO;
        }
    }
    let mut fds = Vec::with_capacity(2 * links.len());
    for (link, output) in links {
        fds.push(PollFd::new(&link.from, PollFlags::IN));
        if let (Some(to), true) = (&link.to, output) {
            fds.push(PollFd::new(to, PollFlags::OUT));
        }
    }
    let time = Timespec::try_from(time).ok();
    match poll(&mut fds, time.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(why) => Err(io::Error::from(why).into()),
    }
}
