//! SOCKS: whoever connects says where it wants to go (`-D`, and `-R` without a
//! target).

use std::io;
use std::sync::Arc;

use carrick::proto::socks::{self, Dialog, Refusal, Step};
use carrick::{OpenReason, Stream};
use carrick_config::types::{Endpoint, Forward};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::local::{self, Visitor};
use super::{Forwards, tell_refused};
use crate::log::{debug, debug2};
use crate::text::os_error;

/// Bytes read at once. What is read beyond the request is passed on.
const READ: usize = 512;

/// Listens until the client has said where it wants to go. `None`: it has gone,
/// or asked for something else, and was told.
pub(super) async fn ask<T>(stream: &mut T) -> io::Result<Option<(Dialog, socks::Target)>>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut dialog = Dialog::new();
    let mut buf = [0; READ];
    loop {
        let len = stream.read(&mut buf).await?;
        if len == 0 {
            return Ok(None);
        }
        let mut step = dialog.feed(buf.get(..len).unwrap_or_default());
        while let Ok(Step::Say(words)) = &step {
            stream.write_all(words).await?;
            step = dialog.feed(&[]);
        }
        match step {
            Ok(Step::Connect(target)) => return Ok(Some((dialog, target))),
            Ok(Step::More | Step::Say(_)) => {}
            Err(fault) => {
                debug!("dynamic request: {fault}");
                stream.write_all(&dialog.farewell(fault)).await?;
                stream.shutdown().await?;
                return Ok(None);
            }
        }
    }
}

/// Carries a connection to a local SOCKS listener. As long as it has not said
/// where it wants to go, nobody waits for its end.
pub(super) async fn carry(forwards: &Forwards, mut visitor: Visitor, forward: &Arc<Forward>) {
    let asked = match &mut visitor {
        Visitor::Tcp(stream, _) => ask(stream).await,
        Visitor::Unix(stream) => ask(stream).await,
    };
    let (dialog, target) = match asked {
        Ok(Some(asked)) => asked,
        Ok(None) => return,
        Err(e) => return debug2!("dynamic request: {}", os_error(&e)),
    };
    debug2!("dynamic request: host {} port {}", target.host, target.port);
    let all = &forwards.0.connections;
    let carried = all.begin(forward, false, visitor.ends());
    let to = Endpoint::Tcp {
        host: Some(target.host),
        port: target.port,
    };
    let (answer, channel) = match local::open(forwards, &to, &visitor).await {
        Ok(channel) => (dialog.granted(), Some(channel)),
        Err(why) => {
            tell_refused(&why);
            (dialog.refused(refusal(&why)), None)
        }
    };
    let told = match &mut visitor {
        Visitor::Tcp(stream, _) => stream.write_all(&answer).await,
        Visitor::Unix(stream) => stream.write_all(&answer).await,
    };
    let (Ok(()), Some(channel)) = (told, channel) else {
        return;
    };
    carried.opened(channel.id());
    if channel.send(Stream::Data, dialog.rest()).await.is_ok() {
        visitor.join(channel).await;
    }
}

/// What a refused channel means to a SOCKS client.
fn refusal(why: &carrick::Error) -> Refusal {
    match why {
        carrick::Error::OpenRefused {
            reason: OpenReason::ADMINISTRATIVELY_PROHIBITED,
            ..
        } => Refusal::NotAllowed,
        carrick::Error::OpenRefused {
            reason: OpenReason::CONNECT_FAILED,
            text,
            ..
        } if text.ends_with("refused") => Refusal::Refused,
        carrick::Error::OpenRefused {
            reason: OpenReason::CONNECT_FAILED,
            ..
        } => Refusal::Unreachable,
        _ => Refusal::Failed,
    }
}
