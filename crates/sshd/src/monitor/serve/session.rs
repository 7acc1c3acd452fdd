//! From the login to the end of the connection: the worker moves bytes, the
//! broker acts for the user, and neither may ask for much any more.

use std::io;
use std::os::fd::AsFd as _;
use std::time::Instant;

use super::super::Role;
use super::super::lines::Lines;
use super::super::login::Authenticated;
use super::super::sign::Unsigned;
use super::super::spawn::{Helper, spawn};
use super::{Connection, broker_start, readable};
use crate::listener::EXIT_FATAL;
use crate::log::{self, Level, error};
use crate::rpc::preauth::{Answer, Greeting, Judged, Verdict};
use crate::rpc::{Link, broker, postauth};

impl Connection {
    /// From login to the end of the connection; the exit status.
    pub(super) fn session(&mut self, greeting: Greeting, user: &Authenticated) -> io::Result<u8> {
        user.tell();
        let options = user.options();
        let (for_worker, for_broker) = Link::pair()?;
        let session = postauth::Session {
            max_sessions: options.max_sessions,
            accept_env: options.accept_env.clone(),
            alive_interval: options.client_alive_interval.as_secs(),
            alive_count: options.client_alive_count_max,
        };
        let judged = Judged {
            greeting,
            verdict: Verdict::Success(session),
        };
        self.worker
            .link
            .answer(&Answer::Judged(judged), &[for_worker.as_fd()])?;
        drop(for_worker);
        let name = format!("sshd-session: {}", user.account().name);
        let mut broker = spawn(Role::Broker, &name)?;
        broker.link.send(
            &broker_start::of(user, &self.peer, &self.local)?,
            &[for_broker.as_fd()],
        )?;
        drop(for_broker);
        log::write(
            Level::Debug1,
            format_args!("User child is on pid {}", broker.child.id()),
        );
        let ended = self.attend(&broker, &user.account().name);
        // The broker ends when its line to the worker does.
        self.stop();
        drop(broker.link);
        broker.child.wait()?;
        match ended {
            Ok(()) => Ok(0),
            Err(problem) => {
                error!("{problem}");
                Ok(EXIT_FATAL)
            }
        }
    }

    /// Answers worker and broker until the worker is gone, or has said all.
    fn attend(&mut self, broker: &Helper, user: &str) -> io::Result<()> {
        let mut broker_lines = Lines::new(Instant::now());
        let mut broker_open = true;
        loop {
            let links: &[&Link] = if broker_open {
                &[&self.worker.link, &broker.link]
            } else {
                &[&self.worker.link]
            };
            let ready = readable(links, None)?;
            if ready.get(1).copied().unwrap_or(false) {
                match broker.link.receive::<broker::Report>() {
                    Ok(Some((broker::Report::Log(line), _))) => {
                        broker_lines.write(&line, "", Instant::now());
                    }
                    Ok(None) => broker_open = false,
                    Err(problem) => {
                        error!("line to the broker: {problem}");
                        broker_open = false;
                    }
                }
            }
            if ready[0] && !self.attend_worker(user)? {
                return Ok(());
            }
        }
    }

    /// Answers the worker's next question; whether more may come.
    fn attend_worker(&mut self, user: &str) -> io::Result<bool> {
        let Some((ask, fds)) = self.worker.link.receive::<postauth::Ask>()? else {
            return Ok(false);
        };
        if !fds.is_empty() {
            return Err(io::Error::other("descriptors from the worker"));
        }
        match ask {
            postauth::Ask::Log(line) => self.lines.write(&line, "", Instant::now()),
            postauth::Ask::SignKex(ask) => {
                let unsigned = |problem: Unsigned| io::Error::other(problem.to_string());
                let signature = self.signer.sign(&ask).map_err(unsigned)?;
                self.worker
                    .link
                    .answer(&postauth::Answer::Signed(signature), &[])?;
            }
            postauth::Ask::Group(sizes) => {
                let group = self.group(&sizes);
                self.worker
                    .link
                    .answer(&postauth::Answer::Group(group), &[])?;
            }
            postauth::Ask::Ended(ending) => {
                self.log_end(&ending, &format!("user {user} "), "");
                return Ok(false);
            }
        }
        Ok(true)
    }
}
