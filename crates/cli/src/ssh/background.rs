//! Going to the background: for `-f`, and as the master that ControlPersist
//! leaves there.

use std::io;

use carrick::Connection;
use carrick_config::ssh::Options;
use carrick_config::words::SessionType;
use carrick_sys::daemonize;

use super::FAILED;
use super::fault::{self, Phase};
use super::forward::Forwards;
use super::mux::{self, Master};
use super::relay::{Signals, tell_killed};
use super::session::{Plan, local_command};
use super::tun;
use crate::log::{self, Level, debug, debug2, log};
use crate::text::os_error;

/// Goes to the background if that was asked for. The exit status if it fails.
pub(super) async fn fork(options: &Options, forwards: &Forwards) -> Result<(), u8> {
    if !options.fork_after_authentication {
        return Ok(());
    }
    if options.exit_on_forward_failure {
        // Whoever started us learns whether the forwardings work.
        forwards.answered().await;
    }
    debug!("forking to background");
    detach().map_err(|e| {
        log!(Fatal, "daemon() failed: {e}");
        FAILED
    })
}

/// ControlPersist: a master in the background, and here another passenger.
pub(super) async fn stay(
    connection: &Connection,
    forwards: &Forwards,
    master: &Master,
    plan: &Plan,
) -> u8 {
    let options = plan.options;
    let tunnel = match tun::start(connection, forwards, options).await {
        Ok(tunnel) => tunnel,
        Err(status) => return status,
    };
    if let (true, Some(command)) = (options.permit_local_command, &options.local_command) {
        local_command(options, command, tunnel.as_deref());
    }
    if options.exit_on_forward_failure {
        forwards.answered().await;
    }
    if options.session_type != SessionType::None || plan.work.stdio.is_some() {
        debug!("control_persist_detach: backgrounding master process");
        match daemonize::split() {
            Ok(None) => {}
            Ok(Some(pid)) => {
                debug2!("control_persist_detach: background process is {pid}");
                master.leave();
                let status = mux::ride_again(options, &plan.work);
                // What the runtime has registered is the master's now.
                std::process::exit(status.into());
            }
            Err(e) => {
                log!(Fatal, "control_persist_detach: fork: {}", os_error(&e));
                return FAILED;
            }
        }
    }
    let Some(mut signals) = to_background(master) else {
        return FAILED;
    };
    tokio::select! {
        () = master.idled() => {}
        why = connection.closed() => {
            fault::tell(&why, &plan.remote, &options.hostname, Phase::Session);
        }
        number = signals.ended() => tell_killed(number),
    }
    FAILED
}

/// Leaves a master in the background; the signals that end it.
fn to_background(master: &Master) -> Option<Signals> {
    let outcome = detach()
        .and_then(|()| master.admit())
        .and_then(|()| Signals::new());
    outcome
        .inspect_err(|e| log!(Fatal, "daemon() failed: {}", os_error(e)))
        .ok()
}

/// Leaves the terminal; what is logged for debugging still goes there.
fn detach() -> io::Result<()> {
    let keeps_stderr = log::is_on_stderr() && log::level() >= Level::Debug1;
    daemonize::to_background()?;
    daemonize::to_dev_null(true, true, !keeps_stderr)
}
