//! How the server is reached: directly, through a proxy command or the jump
//! hosts, or over a socket that somebody made for us.

use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use carrick_config::ssh::Options;
use tokio::net::unix::pipe::{Receiver, Sender};

use super::FAILED;
use super::args::Args;
use super::fault::Remote;
use super::run::{Way, converse};
use super::session::Work;
use crate::connect::duplex::Duplex;
use crate::connect::hostkey::HostCheck;
use crate::connect::jump::{self, Inherited};
use crate::connect::{self, Dialled};
use crate::log::{Level, error, log};
use crate::text::os_error;

/// Connects, by the proxy command or the jump hosts if there are any.
pub(super) fn dial(args: &Args, options: &Options) -> Option<Dialled> {
    let jump = options.proxy_jump.as_ref().map(|jump| {
        let verbose = match args.level {
            Some(Level::Debug1) => 1,
            Some(Level::Debug2) => 2,
            Some(Level::Debug3) => 3,
            _ => 0,
        };
        let config = args.config_file.as_deref();
        jump::command(jump, &Inherited { config, verbose })
    });
    let Some(command) = jump.as_ref().or(options.proxy_command.as_ref()) else {
        return connect::dial(options, "ssh");
    };
    if command == "-" {
        return over_stdio()
            .inspect_err(|e| log!(Fatal, "proxy command: {}", os_error(e)))
            .ok();
    }
    let expanded = carrick_config::tokens::expand(command, &options.tokens.table());
    let command = match expanded {
        Ok(command) => command,
        Err(why) => {
            error!("vdollar_percent_expand: {why}");
            log!(Fatal, "percent_expand: failed");
            return None;
        }
    };
    // What reaches the last jump host carries the connection itself.
    let dialled = if options.proxy_use_fdpass && jump.is_none() {
        connect::dial_proxy(&command).map(Dialled::Passed)
    } else {
        connect::start_proxy(&command).map(|(input, output, proxy)| Dialled::Proxy {
            input,
            output,
            proxy,
        })
    };
    dialled
        .inspect_err(|e| log!(Fatal, "proxy command: {}", os_error(e)))
        .ok()
}

/// `ProxyCommand -`: whoever started us has made the connection.
fn over_stdio() -> std::io::Result<Dialled> {
    let input = rustix::stdio::stdin().try_clone_to_owned()?;
    let output = rustix::stdio::stdout().try_clone_to_owned()?;
    Ok(Dialled::Stdio(input, output))
}

/// Speaks with the server over whatever reached it.
pub(super) async fn converse_over(
    dialled: Dialled,
    options: &'static Options,
    work: Work,
    started: Instant,
) -> u8 {
    let proxied = Way {
        check: HostCheck::new(options, None),
        peer: None,
        remote: Remote::proxied(),
        via: "(via proxy)".to_owned(),
        socket: None,
        started,
    };
    match dialled {
        Dialled::Direct { stream, peer } => {
            let way = Way {
                check: HostCheck::new(options, Some(peer.ip())),
                ..proxied
            };
            over_tcp(stream, way, options, work).await
        }
        Dialled::Proxy {
            input,
            output,
            proxy,
        } => {
            let stream = Receiver::from_owned_fd(input.into())
                .and_then(|r| Ok(tokio::io::join(r, Sender::from_owned_fd(output.into())?)));
            let status = match stream {
                Ok(stream) => converse(options, work, stream, proxied).await,
                Err(e) => failed(&e),
            };
            drop(proxy);
            status
        }
        Dialled::Passed(socket) => over_passed(socket, proxied, options, work).await,
        Dialled::Stdio(input, output) => match Duplex::new(input, output) {
            Ok(stream) => converse(options, work, stream, proxied).await,
            Err(e) => failed(&e),
        },
    }
}

async fn over_tcp(
    stream: TcpStream,
    mut way: Way<'_>,
    options: &'static Options,
    work: Work,
) -> u8 {
    let connected = stream.peer_addr().and_then(|peer| {
        let socket = stream.as_fd().try_clone_to_owned().ok();
        way.peer = Some(peer.ip());
        way.remote = Remote::direct(peer);
        way.via = format!("([{}]:{})", peer.ip(), peer.port());
        way.socket = socket.map(|socket| (socket, peer.is_ipv4()));
        tokio::net::TcpStream::from_std(stream)
    });
    match connected {
        Ok(stream) => converse(options, work, stream, way).await,
        Err(e) => failed(&e),
    }
}

/// Over a socket of whatever kind.
async fn over_passed(socket: OwnedFd, way: Way<'_>, options: &'static Options, work: Work) -> u8 {
    let stream = TcpStream::from(socket);
    if let Err(e) = stream.set_nonblocking(true) {
        return failed(&e);
    }
    if stream.peer_addr().is_ok() {
        return over_tcp(stream, way, options, work).await;
    }
    let stream = UnixStream::from(OwnedFd::from(stream));
    match tokio::net::UnixStream::from_std(stream) {
        Ok(stream) => converse(options, work, stream, way).await,
        Err(e) => failed(&e),
    }
}

fn failed(e: &std::io::Error) -> u8 {
    log!(Fatal, "{}", os_error(e));
    FAILED
}
