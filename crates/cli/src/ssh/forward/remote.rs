//! What listens at the server (`-R`): its connections come as channels and are
//! taken to where the forwarding leads, from here.

use std::future::Future;
use std::sync::Arc;

use carrick::forward::RemoteListener;
use carrick::{Connection, Incoming, Open};
use carrick_config::types::{Endpoint, Forward, Target};
use tokio::io::AsyncWriteExt as _;

use super::target::{self, Reached};
use super::{Forwards, dynamic};
use crate::log::{debug, debug2, error, info, log};
use crate::text::os_error;

type Answer = Result<RemoteListener, carrick::Error>;

/// Asks the server to listen. The request goes out at once.
pub(super) fn request(
    connection: &Connection,
    listen: &Endpoint,
) -> impl Future<Output = Answer> + use<> {
    match listen {
        Endpoint::Tcp { host, port } => {
            let address = match host.as_deref() {
                None => "localhost",
                Some("*") => "",
                Some(host) => host,
            };
            Either::Tcp(connection.listen_remote(address, *port))
        }
        Endpoint::Unix { path } => Either::Unix(connection.listen_remote_unix(path.as_bytes())),
    }
    .answer()
}

/// One of two futures.
enum Either<A, B> {
    Tcp(A),
    Unix(B),
}

impl<A: Future<Output = Answer>, B: Future<Output = Answer>> Either<A, B> {
    async fn answer(self) -> Answer {
        match self {
            Self::Tcp(answer) => answer.await,
            Self::Unix(answer) => answer.await,
        }
    }
}

/// Tells what the server has answered; the listener, if it listens. `forward`
/// gets the port that it chose. With `fatal` a refusal is the end.
pub(super) fn answered(
    answer: Answer,
    forward: &mut Forward,
    fatal: bool,
) -> Option<RemoteListener> {
    let to = match &forward.connect {
        Target::Socks => "[socks]:0".to_owned(),
        Target::To(Endpoint::Tcp { host, port }) => {
            format!("{}:{port}", host.as_deref().unwrap_or_default())
        }
        Target::To(Endpoint::Unix { path }) => format!("{path}:-2"),
    };
    let listen = match &forward.listen {
        Endpoint::Tcp { host, port } => {
            let host = host.as_deref().map(|host| format!("{host}:"));
            format!("{}{port}", host.unwrap_or_default())
        }
        Endpoint::Unix { path } => format!("{path}:0"),
    };
    let word = if answer.is_ok() { "success" } else { "failure" };
    debug!("remote forward {word} for: listen {listen}, connect {to}");
    match answer {
        Ok(listener) => {
            if let Endpoint::Tcp { port: port @ 0, .. } = &mut forward.listen {
                *port = listener.port().unwrap_or_default();
                info!("Allocated port {port} for remote forward to {to}");
            }
            return Some(listener);
        }
        Err(carrick::Error::NoPort) => {
            error!("Invalid allocated port for remote forward to {to}");
        }
        Err(carrick::Error::RequestRefused(_)) => {}
        Err(other) => {
            // The connection has ended, which is told elsewhere; or it is full.
            debug!("remote forward: {other}");
            if !matches!(other, carrick::Error::Misuse(_)) {
                return None;
            }
        }
    }
    let what = match &forward.listen {
        Endpoint::Tcp { port, .. } => format!("listen port {port}"),
        Endpoint::Unix { path } => format!("listen path {path}"),
    };
    if fatal {
        log!(Fatal, "Error: remote port forwarding failed for {what}");
    } else {
        info!("Warning: remote port forwarding failed for {what}");
    }
    None
}

/// Takes the server's channels, each in a task of its own.
pub(super) async fn serve(forwards: Forwards, listener: RemoteListener, forward: Arc<Forward>) {
    while let Some(incoming) = listener.accept().await {
        if let Open::ForwardedTcpip {
            address,
            port,
            originator,
            originator_port,
        } = &incoming.kind
        {
            debug!(
                "client_request_forwarded_tcpip: listen {address} port {port}, \
                 originator {} port {originator_port}",
                crate::text::printable(originator)
            );
        }
        let (forwards, forward) = (forwards.clone(), Arc::clone(&forward));
        tokio::spawn(async move { carry(&forwards, incoming, &forward).await });
    }
}

/// Carries one connection.
async fn carry(forwards: &Forwards, incoming: Incoming, forward: &Arc<Forward>) {
    let ipv4 = forwards.0.settings.ipv4;
    let Target::To(to) = &forward.connect else {
        return carry_dynamic(forwards, incoming, forward).await;
    };
    match target::connect(to, ipv4).await {
        Err(why) => target::refuse(incoming, &why),
        Ok(reached) => {
            let carried = forwards.0.connections.begin(forward, true, None);
            if let Ok(channel) = incoming.accept() {
                carried.opened(channel.id());
                reached.join(channel).await;
            }
        }
    }
}

/// Carries a connection whose maker says over the channel where it is to go.
async fn carry_dynamic(forwards: &Forwards, incoming: Incoming, forward: &Arc<Forward>) {
    let Ok(mut channel) = incoming.accept() else {
        return;
    };
    let (dialog, wanted) = match dynamic::ask(&mut channel).await {
        Ok(Some(asked)) => asked,
        Ok(None) => return,
        Err(e) => return debug2!("dynamic request: {}", os_error(&e)),
    };
    let (host, port) = (wanted.host, wanted.port);
    debug2!(
        "channel {}: rdynamic: host {host} port {port}",
        channel.id()
    );
    let settings = &forwards.0.settings;
    let permitted = settings.permit_remote_open.as_ref().is_none_or(|list| {
        list.iter().any(|(permitted, number)| {
            (*number == 0 || *number == u32::from(port)) && (permitted == "*" || *permitted == host)
        })
    });
    let reached = if permitted {
        let host = Some(host);
        target::connect(&Endpoint::Tcp { host, port }, settings.ipv4).await
    } else {
        info!(
            "Received request from server to connect to host {host} port {port}, \
             but the request was denied."
        );
        Err(String::new())
    };
    let answer = match &reached {
        Ok(_) => dialog.granted(),
        Err(_) if !permitted => dialog.refused(carrick::proto::socks::Refusal::NotAllowed),
        Err(why) if why.ends_with("refused") => {
            dialog.refused(carrick::proto::socks::Refusal::Refused)
        }
        Err(_) => dialog.refused(carrick::proto::socks::Refusal::Unreachable),
    };
    let told = channel.write_all(&answer).await;
    match (told, reached) {
        (Ok(()), Ok(Reached::Tcp(mut stream))) => {
            let carried = forwards.0.connections.begin(forward, true, None);
            carried.opened(channel.id());
            // What came behind the request goes first.
            if stream.write_all(dialog.rest()).await.is_ok() {
                Reached::Tcp(stream).join(channel).await;
            }
        }
        // The answer is to arrive before the end.
        (Ok(()), _) => drop(channel.send_eof()),
        (Err(_), _) => {}
    }
}
