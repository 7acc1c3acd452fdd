//! The connection protocol alone, without identification, keys or login: what
//! programs that share one connection speak on their control socket (OpenSSH's
//! proxy mode). Who is at the other end and may listen in is for the operating
//! system to say: these are for sockets that only one user can reach.
//!
//! Packets are `uint32 length, byte 0, payload`, and nothing but messages of
//! the connection protocol is sent: OpenSSH's master hands all else to the
//! server, a DISCONNECT included.

use std::time::Instant;

use carrick_crypto::rng::Rng;

use super::{Client, ClientConfig, CommonConfig, Connection, Phase, Server, Side};
use crate::auth::Authenticated;
use crate::error::Error;
use crate::mux::{Mux, Role};
use crate::transport::ident::Ident;

impl Connection<Client> {
    /// The side that asks for sessions.
    pub fn plain_client(config: CommonConfig, rng: Box<dyn Rng>, now: Instant) -> Self {
        Self::plain(Client::new(), config, Role::Client, rng, now)
    }
}

impl Connection<Server> {
    /// The side that gives them.
    pub fn plain_server(config: CommonConfig, rng: Box<dyn Rng>, now: Instant) -> Self {
        let side = Server::new(Vec::new(), Vec::new());
        Self::plain(side, config, Role::Server, rng, now)
    }
}

impl CommonConfig {
    /// For [`Connection::plain_client`] and its opposite: algorithms and keys
    /// do not matter there.
    pub fn plain() -> Self {
        ClientConfig::new("").common
    }
}

impl<S: Side> Connection<S> {
    fn plain(side: S, config: CommonConfig, role: Role, rng: Box<dyn Rng>, now: Instant) -> Self {
        let mut connection = Self::silent(side, config, rng, now);
        connection.plain = true;
        connection.opener.unprotected();
        connection.output.sealer.unprotected();
        connection.peer = Some(Ident::unknown());
        // There is no exchange to wait for, and there never will be one.
        connection.kex_count = 1;
        let proof = Authenticated::by_the_system();
        let mux = Mux::new(proof, connection.config.mux.clone(), role);
        connection.phase = Phase::Open(Box::new(mux));
        connection
    }

    /// What a plain conversation consists of.
    pub(super) fn check_plain(&self, payload: &[u8]) -> Result<(), Error> {
        let number = payload.first().copied().unwrap_or(0);
        // A goodbye is understood, wherever it comes from.
        if self.plain && !matches!(number, 1 | 80..=82 | 90..=100) {
            return Err(self.out_of_place(payload));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use carrick_crypto::rng::SystemRng;

    use super::*;
    use crate::mux::{ChannelEvent, GlobalRequest, Open};
    use crate::{Event, PeerFault};

    #[expect(clippy::disallowed_methods, reason = "a test may look at the clock")]
    fn now() -> Instant {
        Instant::now()
    }

    fn pair() -> (Connection<Client>, Connection<Server>) {
        let (rng, now) = (|| Box::new(SystemRng), now());
        (
            Connection::plain_client(CommonConfig::plain(), rng(), now),
            Connection::plain_server(CommonConfig::plain(), rng(), now),
        )
    }

    fn sent<S: Side>(from: &mut Connection<S>) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some(batch) = from.poll_transmit() {
            let sealed = batch.seal();
            bytes.extend_from_slice(sealed.bytes());
            from.recycle(sealed);
        }
        bytes
    }

    fn receive<S: Side>(to: &mut Connection<S>, bytes: &[u8]) {
        let mut buf = to.take_recv_buf();
        buf.extend_from_slice(bytes);
        to.handle_recv(buf, now());
    }

    #[test]
    fn it_opens_with_the_first_message() {
        let (mut client, mut server) = pair();
        assert!(sent(&mut client).is_empty() && sent(&mut server).is_empty());
        let id = client.channels().unwrap().open(&Open::Session).unwrap();
        let bytes = sent(&mut client);
        // Length, no padding, CHANNEL_OPEN.
        let length = u32::try_from(bytes.len() - 4).unwrap().to_be_bytes();
        assert_eq!(bytes[..4], length);
        assert_eq!(bytes[4..6], [0, 90]);
        receive(&mut server, &bytes);
        let Some(Event::Channel(ChannelEvent::OpenRequest { id: theirs, .. })) =
            server.poll_event()
        else {
            panic!("no request");
        };
        server.channels().unwrap().accept(theirs).unwrap();
        receive(&mut client, &sent(&mut server));
        let event = client.poll_event();
        assert!(
            matches!(event, Some(Event::Channel(ChannelEvent::Opened(opened))) if opened == id)
        );
    }

    #[test]
    fn nothing_but_the_connection_protocol_goes_either_way() {
        let (mut client, mut server) = pair();
        // KEXINIT, SERVICE_REQUEST, USERAUTH_REQUEST, PING.
        for number in [20, 5, 50, 192] {
            let (_, mut server) = pair();
            receive(&mut server, &[0, 0, 0, 2, 0, number]);
            let fault = server.error();
            assert!(
                matches!(fault, Some(Error::Fault(PeerFault::Unexpected { got, .. })) if *got == number),
                "{number}: {fault:?}"
            );
            assert!(sent(&mut server).is_empty());
        }
        client.rekey();
        client.disconnect(carrick_wire::msg::transport::DisconnectReason(11), "");
        assert!(sent(&mut client).is_empty());
        receive(&mut server, &[0, 0, 0, 1, 0]);
        assert!(server.error().is_some());
    }

    #[test]
    fn it_never_wears_out() {
        let (mut client, mut server) = pair();
        for _ in 0..2000 {
            let mut channels = client.channels().unwrap();
            let asked = channels.global_request(&GlobalRequest::NoMoreSessions, false);
            assert!(asked.is_ok());
            client.handle_timeout(now());
            receive(&mut server, &sent(&mut client));
            while server.poll_event().is_some() {}
        }
        assert!(client.error().is_none() && server.error().is_none());
    }
}
