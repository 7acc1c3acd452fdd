//! One connection, from its first byte to its last: the worker that speaks
//! with the peer, and what it is answered in every phase. The phases stand in
//! `login` and `session`.

mod broker_start;
mod ended;
mod login;
mod session;
mod setup;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Instant;

use carrick_config::sshd::Options;
use carrick_crypto::kex::fallback_group;
use carrick_crypto::rng::SystemRng;
use carrick_keys::moduli::Moduli;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Role;
use super::endpoint::Endpoint;
use super::lines::Lines;
use super::login::Login;
use super::machine::Machine;
use super::sign::Signer;
use super::spawn::{Helper, spawn};
use crate::handoff::Handoff;
use crate::listener::bind::strerror;
use crate::log::{Level, error, verbose};
use crate::rpc::Link;
use crate::rpc::preauth::{Answer, Group, Line, Sizes};
use crate::settings::{self, Config};
use login::Watchdog;

const SIGKILL: i32 = 9;

/// A connection and its worker.
struct Connection {
    worker: Helper,
    signer: Signer,
    rng: SystemRng,
    peer: Endpoint,
    local: Endpoint,
    moduli_file: Option<String>,
    lines: Lines,
}

/// Serves the connection; the exit status.
pub fn serve(
    handoff: Handoff,
    input: OwnedFd,
    output: OwnedFd,
    startup: Option<OwnedFd>,
) -> io::Result<u8> {
    let started = Instant::now();
    let config = Rc::new(Config::decode(&handoff.config).map_err(io::Error::other)?);
    let options = config.global();
    settings::start_log(options, handoff.log_to_stderr);
    let (peer, local) = (Endpoint::far(&input), Endpoint::near(&input));
    verbose!(
        "Connection from {} port {} on {} port {} rdomain \"\"",
        peer.address,
        peer.port,
        local.address,
        local.port
    );
    if peer.is_known() {
        prepare_socket(options, &input);
    }
    let worker = spawn(Role::Worker, "sshd-session: [net]")?;
    let setup = setup::setup(options, &handoff, &peer);
    worker
        .link
        .send(&Answer::Setup(setup), &[input.as_fd(), output.as_fd()])?;
    drop((input, output));
    let signer = Signer::new(
        handoff.host_keys,
        handoff.host_key_agent,
        options.host_key_algorithms.clone(),
        &options.kex_algorithms,
    );
    let mut connection = Connection {
        worker,
        signer,
        rng: SystemRng,
        peer: peer.clone(),
        local: local.clone(),
        moduli_file: options.moduli_file.clone(),
        lines: Lines::new(started),
    };
    let machine = Machine::new(Rc::clone(&config), peer, local);
    let who = machine.named_peer();
    let mut login = Login::new(machine, options.clone(), who, handoff.delay_salt);
    let grace = options.login_grace_time;
    let deadline = (!grace.is_zero()).then(|| started + grace);
    let watchdog = Watchdog::set(deadline)?;
    match connection.login(&mut login, deadline) {
        Ok((greeting, user)) => {
            drop(watchdog);
            drop(login);
            // From here on the connection does not count among MaxStartups.
            drop(startup);
            connection.session(greeting, &user)
        }
        Err(end) => Ok(connection.give_up(end, login.exit_status())),
    }
}

fn prepare_socket(options: &Options, socket: &OwnedFd) {
    use rustix::net::sockopt;
    // None is worth a connection.
    let _ = sockopt::set_tcp_nodelay(socket, true);
    let _ = carrick_sys::queue::keep_unsent_low(socket);
    if options.tcp_keep_alive {
        let _ = sockopt::set_socket_keepalive(socket, true);
    }
}

impl Connection {
    /// A group from the moduli file, which is read anew: it is long, and few
    /// connections need it. Without one that fits, one that everybody has.
    fn group(&mut self, sizes: &Sizes) -> Option<Group> {
        let path = self.moduli_file.as_deref().unwrap_or_default();
        match std::fs::read_to_string(path) {
            Err(problem) => {
                let problem = strerror(&problem);
                self.warn(format!(
                    "WARNING: could not open {path} ({problem}), using fixed modulus"
                ));
            }
            Ok(text) => {
                let moduli = Moduli::parse(&text);
                let (min, most) = (sizes.min, sizes.max);
                if let Some(group) = moduli.choose(min, sizes.preferred, most, &mut self.rng) {
                    return Some(Group {
                        prime: group.prime.clone(),
                        generator: group.generator.clone(),
                    });
                }
                self.warn(format!("WARNING: no suitable primes in {path}"));
            }
        }
        let (prime, generator) = fallback_group(sizes.max).ok()?;
        Some(Group { prime, generator })
    }

    /// A line of our own that a worker can bring about as often as it likes.
    fn warn(&mut self, text: String) {
        let level = Level::Info.number();
        self.lines.write(&Line { level, text }, "", Instant::now());
    }

    /// Ends the worker; whether it had crashed.
    fn stop(&mut self) -> bool {
        // It may have ended by itself.
        let _ = self.worker.child.kill();
        self.reap()
    }

    fn reap(&mut self) -> bool {
        use std::os::unix::process::ExitStatusExt;
        match self.worker.child.wait() {
            Ok(status) => match status.signal() {
                None | Some(SIGKILL) => {}
                Some(signal) => {
                    error!("worker terminated by signal {signal}");
                    return true;
                }
            },
            Err(problem) => error!("wait: {problem}"),
        }
        false
    }
}

/// Waits until one of `links` can be read, or the deadline: which ones can.
/// None can once the deadline is over, so that no flood puts it off.
fn readable(links: &[&Link], deadline: Option<Instant>) -> io::Result<Vec<bool>> {
    loop {
        let mut fds: Vec<_> = links
            .iter()
            .map(|link| PollFd::new(*link, PollFlags::IN))
            .collect();
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            Err(problem) => return Err(problem.into()),
            Ok(_) => {
                let late = left.is_some_and(|left| left.is_zero());
                let fired = |fd: &PollFd<'_>| !late && !fd.revents().is_empty();
                return Ok(fds.iter().map(fired).collect());
            }
        }
    }
}
