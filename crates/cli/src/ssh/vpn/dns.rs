//! Names, asked for at the other end: each query goes by TCP (RFC 7766) to a
//! resolver that the server reaches.

use std::io;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use carrick::forward::Originator;
use carrick::{Channel, Connection};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::log::{debug, debug2};

/// The port of name servers.
const PORT: u16 = 53;
/// How long an answer may take: whoever asked has asked again by then.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections that are kept for the next query.
const IDLE: usize = 8;

/// The way to a resolver.
pub(super) struct Names {
    connection: Connection,
    resolver: IpAddr,
    idle: Mutex<Vec<Channel>>,
}

impl Names {
    pub(super) fn new(connection: Connection, resolver: IpAddr) -> Self {
        Self {
            connection,
            resolver,
            idle: Mutex::default(),
        }
    }

    pub(super) fn resolver(&self) -> IpAddr {
        self.resolver
    }

    /// The answer to a query.
    pub(super) async fn ask(&self, query: &[u8]) -> Option<Vec<u8>> {
        match tokio::time::timeout(PATIENCE, self.ask_patiently(query)).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(problem)) => {
                debug!("vpn: resolver {}: {problem}", self.resolver);
                None
            }
            Err(_) => {
                debug!("vpn: resolver {}: no answer", self.resolver);
                None
            }
        }
    }

    async fn ask_patiently(&self, query: &[u8]) -> io::Result<Vec<u8>> {
        // A connection that was kept may have been closed meanwhile: that is
        // no answer.
        while let Some(channel) = self.take() {
            match self.exchange(channel, query).await {
                Ok(answer) => return Ok(answer),
                Err(problem) => debug2!("vpn: resolver {}: {problem}", self.resolver),
            }
        }
        let host = self.resolver.to_string();
        let originator = Originator::default();
        let opening = self.connection.direct_tcpip(&host, PORT, &originator);
        self.exchange(opening.await?, query).await
    }

    fn take(&self) -> Option<Channel> {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
    }

    async fn exchange(&self, mut channel: Channel, query: &[u8]) -> io::Result<Vec<u8>> {
        let len = u16::try_from(query.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut message = len.to_be_bytes().to_vec();
        message.extend_from_slice(query);
        channel.write_all(&message).await?;
        let mut answer = vec![0; usize::from(channel.read_u16().await?)];
        channel.read_exact(&mut answer).await?;
        if answer.get(..2) != query.get(..2) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "an answer to something else",
            ));
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(channel);
        }
        Ok(answer)
    }
}

/// The first resolver that a resolv.conf names.
pub(super) fn first_resolver(text: &str) -> Option<IpAddr> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        if words.next() != Some("nameserver") {
            return None;
        }
        // A zone is the server's own affair.
        words.next()?.split('%').next()?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_resolver_is_found() {
        let text = "# nameserver 192.0.2.9\nsearch example\nnameserver\t127.0.0.53\nnameserver 192.0.2.1\n";
        assert_eq!(first_resolver(text), "127.0.0.53".parse().ok());
        assert_eq!(
            first_resolver("nameserver fe80::1%eth0"),
            "fe80::1".parse().ok()
        );
        assert_eq!(first_resolver("options edns0\n"), None);
    }
}
