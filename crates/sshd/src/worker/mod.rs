//! The worker: user `sshd`, one per connection, in a program image of its
//! own. The only process that reads what the network sends, before and after
//! the login; it runs the whole protocol for the connection's whole life.
//!
//! What could each of these do with it?
//! - A hostile peer who takes it over has a process that owns an empty
//!   directory, can open no file and no socket, start no program, see and
//!   signal no other process, and holds three kinds of descriptors: the
//!   peer's own connection, the lines to monitor and broker (which take
//!   questions, see [`crate::rpc`]), and after login the pipes and terminals
//!   of the user's own sessions and the ends of forwarded connections. It can
//!   do what the peer could do anyway.
//! - A hostile local user (through the broker) can hand it descriptors; it
//!   reads, writes and closes them, and sets terminal sizes.
//!
//! The cell is entered before the first byte of the connection is read.

pub mod agent;
pub mod cell;
pub mod connection;
pub mod desk;
pub mod ending;
pub mod forward;
pub mod line;
pub mod relay;
pub mod session;
pub mod stream;
pub mod trace;
pub mod x11;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use carrick::proto::CommonConfig;
use carrick::proto::transport::RekeyLimit;
use carrick::server::ServerConfig;
use carrick_sys::queue::Queues;
use carrick_sys::{mem, process};
use tokio::sync::oneshot;

use crate::listener::EXIT_FATAL;
use crate::log::{self, Level, Sink, fatal};
use crate::rpc::Link;
use crate::rpc::preauth::{Answer, Line, Setup};
use desk::{Desk, Monitor};
use stream::Stream;

/// How long the last bytes to the peer may take.
const GOODBYE: Duration = Duration::from_secs(3);

/// Starts as the monitor's child: standard input is the line to it.
pub fn start() -> u8 {
    log::start(Level::Info, Sink::Stderr);
    // The runtime makes its descriptors now: in the cell it no longer could.
    let built = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(carrick::EVENT_INTERVAL)
        .build();
    let outcome = built.and_then(|runtime| {
        let (monitor, setup, connection) = begin()?;
        let status = runtime.block_on(serve(monitor, setup, connection))?;
        // What still runs has nobody to run for.
        runtime.shutdown_background();
        Ok(status)
    });
    outcome.unwrap_or_else(|problem| {
        fatal!("worker: {problem}");
        EXIT_FATAL
    })
}

/// The line to the monitor, as its several users in this process share it.
type Shared = Arc<Mutex<Monitor>>;

/// Gets to know the work, and enters the cell.
fn begin() -> io::Result<(Shared, Setup, [OwnedFd; 2])> {
    let (stdin, _) = process::take_stdin_and_stdout()?;
    let link = Link::inherited(stdin);
    let wrong = || io::Error::from(io::ErrorKind::InvalidData);
    let (answer, fds) = link.receive::<Answer>()?.ok_or_else(wrong)?;
    let Answer::Setup(setup) = answer else {
        return Err(wrong());
    };
    let connection = <[OwnedFd; 2]>::try_from(fds).map_err(|_| wrong())?;
    mem::stay_small();
    let monitor = Arc::new(Mutex::new(Monitor::new(link)));
    log_to(&monitor, Level::from_number(setup.log_level))?;
    cell::enter(setup.cell.as_ref())?;
    Ok((monitor, setup, connection))
}

/// Sends log lines to the monitor from here on.
fn log_to(monitor: &Shared, level: Level) -> io::Result<()> {
    let carrier = Arc::clone(monitor);
    let carry = move |level: Level, text: &str| {
        if let Ok(monitor) = carrier.try_lock() {
            monitor.log(Line {
                level: level.number(),
                text: text.to_owned(),
            });
        }
    };
    log::start(level, Sink::Process(Box::new(carry)));
    trace::start(level);
    log::instead_of_stderr()
}

async fn serve(monitor: Shared, setup: Setup, [input, output]: [OwnedFd; 2]) -> io::Result<u8> {
    let (done, flushed) = oneshot::channel();
    // For its options; the connection has the stream.
    let socket = output.try_clone()?;
    let stream = Stream::new(input, output, done)?;
    let config = server_config(&setup);
    let watch = desk::watch(&monitor)?;
    let desk = Desk::new(Arc::clone(&monitor));
    let accepted = tokio::select! {
        accepted = carrick::server::accept(stream, config, desk) => accepted,
        () = desk::gone(watch) => return Ok(EXIT_FATAL),
    };
    let (status, error) = match accepted {
        Err(error) => (EXIT_FATAL, error),
        Ok(connection) => {
            // It may be a pipe, and then there is nothing to do.
            if let Ok(queues) = Queues::new(socket) {
                connection.on_typing(move |typing| {
                    let _ = queues.set_typing(typing);
                });
            }
            let watch = desk::watch(&monitor)?;
            let granted = monitor
                .lock()
                .ok()
                .and_then(|mut monitor| monitor.take_grant());
            let granted = granted.ok_or_else(|| io::Error::other("login without a session"))?;
            let error = tokio::select! {
                error = connection::serve(connection, granted) => error?,
                () = desk::gone(watch) => return Ok(EXIT_FATAL),
            };
            (0, error)
        }
    };
    // The peer may still be reading a goodbye.
    let _ = tokio::time::timeout(GOODBYE, flushed).await;
    if let Ok(monitor) = monitor.lock() {
        monitor.ended(ending::of(&error));
    }
    Ok(status)
}

fn server_config(setup: &Setup) -> ServerConfig {
    let mut config = ServerConfig::new(crate::VERSION, setup.host_keys.clone());
    let seconds = |number: u64| (number > 0).then(|| Duration::from_secs(number));
    let mut preferences = config.common.preferences;
    preferences.kex.clone_from(&setup.kex);
    preferences.ciphers.clone_from(&setup.ciphers);
    preferences.macs.clone_from(&setup.macs);
    preferences.compression.clone_from(&setup.compression);
    preferences.host_key = setup
        .host_keys
        .iter()
        .map(|(name, _)| name.clone())
        .collect();
    config.common = CommonConfig {
        comment: setup.version_addendum.clone(),
        preferences,
        rekey: RekeyLimit {
            bytes: (setup.rekey_bytes > 0).then_some(setup.rekey_bytes),
            time: seconds(setup.rekey_seconds),
        },
        ..config.common
    };
    config
        .user_algorithms
        .clone_from(&setup.user_key_algorithms);
    config
}
