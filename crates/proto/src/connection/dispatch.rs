//! From a packet to whom it is for.

use bytes::Bytes;
use carrick_wire::msg::transport::{Pong, TransportMsg, Unimplemented};
use carrick_wire::{DecodeError, Encode, names};
use zeroize::Zeroize;

use super::{Connection, Phase, Side};
use crate::error::{Error, PeerFault, printable};
use crate::event::Event;
use crate::kex::Step;
use crate::limits;
use crate::transport::ident::IdentStep;
use crate::transport::open::Received;

/// Handles a message of the side's own.
type Handler<S> = fn(&mut Connection<S>, &[u8]) -> Result<(), Error>;

/// Takes a step of a key exchange further by a message.
type KexHandler<S> = fn(&mut Connection<S>, <S as Side>::Step, &[u8]) -> Result<(), Error>;

/// Where the two sides differ.
pub struct Hooks<S: Side> {
    /// Whether an answer of the application is due.
    pub(super) waits: fn(&Connection<S>) -> bool,
    /// Both KEXINITs are in.
    pub(super) begin: fn(&mut Connection<S>, Box<crate::kex::Opening>) -> Result<(), Error>,
    /// A message of a key exchange method.
    pub(super) kex: KexHandler<S>,
    /// What the side's step of a key exchange waits for.
    pub(super) expects: fn(&S::Step) -> &'static str,
    /// The first exchange is done.
    pub(super) secured: fn(&mut Connection<S>),
    /// SERVICE_REQUEST or SERVICE_ACCEPT.
    pub(super) service: Handler<S>,
    /// A message of user authentication.
    pub(super) auth: Handler<S>,
    /// EXT_INFO; the message number.
    pub(super) may_ext_info: fn(&Connection<S>) -> bool,
}

impl<S: Side> Connection<S> {
    /// Takes everything off the receive buffer that is whole.
    pub(super) fn process(&mut self) {
        while self.wants_read() {
            let deferred = self.output.deferred();
            match self.step() {
                Ok(true) if self.output.deferred() > deferred.max(limits::DEFERRED) => {
                    let what = "messages to answer during a key exchange";
                    self.fail(PeerFault::TooMany(what).into());
                }
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => self.fail(error),
            }
        }
        self.maybe_rekey();
    }

    fn step(&mut self) -> Result<bool, Error> {
        if self.peer.is_none() {
            return self.identification();
        }
        match self.opener.next()? {
            Some(packet) => self.packet(packet).map(|()| true),
            None => Ok(false),
        }
    }

    fn identification(&mut self) -> Result<bool, Error> {
        match self.ident.step(self.opener.received())? {
            IdentStep::More => return Ok(false),
            IdentStep::Preamble(line) => self.events.push_back(Event::Preamble(line)),
            IdentStep::Done(ident) => {
                self.config.mux.openssh_peer = ident.takes_openssh_extras();
                self.config.mux.frame_extra = if ident.is_openssh() { 4 } else { 0 };
                if ident.is_carrick() {
                    let most = limits::DATA_PACKET_CARRICK;
                    self.config.mux.max_packet = self.config.mux.max_packet.max(most);
                }
                self.peer = Some(ident);
                self.events.push_back(Event::PeerIdent);
            }
        }
        Ok(true)
    }

    fn packet(&mut self, packet: Received) -> Result<(), Error> {
        let payload = packet.payload;
        self.check_plain(&payload)?;
        let number = payload.first().copied().unwrap_or(0);
        if self.skip_guess && (30..=49).contains(&number) {
            self.skip_guess = false;
            return Ok(());
        }
        // Between KEXINIT and NEWKEYS of the first exchange a strict peer may
        // send nothing but the exchange.
        let first = self.session_id.is_none() || !self.secured();
        if first && self.strict && !matches!(number, 1 | 20 | 21 | 30..=49) {
            return Err(PeerFault::Strict("a message out of order").into());
        }
        match number {
            1..=29 | 192 | 193 => self.transport(&payload, packet.seq),
            30..=49 => self.kex_message(&payload),
            50..=79 => {
                self.may_say(&payload)?;
                let outcome = (S::hooks().auth)(self, &payload);
                // It may have held a password.
                if let Ok(mut payload) = payload.try_into_mut() {
                    payload.zeroize();
                }
                outcome
            }
            80..=82 | 90..=100 => self.channel(payload),
            // Numbers that no message has, of the connection protocol too.
            _ => self.unknown(packet.seq),
        }
    }

    /// Messages of the services have no place before the first keys, nor
    /// between the peer's KEXINIT and its NEWKEYS (RFC 4253 section 7.1).
    fn may_say(&self, payload: &[u8]) -> Result<(), Error> {
        let exchanging = !matches!(self.kex, Step::Idle | Step::ExpectInit { .. });
        if exchanging || !self.secured() {
            return Err(self.out_of_place(payload));
        }
        Ok(())
    }

    /// Whether the first exchange is over.
    fn secured(&self) -> bool {
        self.kex_count > 0
    }

    fn transport(&mut self, payload: &Bytes, seq: u32) -> Result<(), Error> {
        let message = match TransportMsg::decode(payload) {
            Ok(message) => message,
            Err(DecodeError::UnknownMessage { .. }) => return self.unknown(seq),
            Err(error) => {
                let number = payload.first().copied().unwrap_or(0);
                let message = carrick_wire::msg::message_name(number);
                return Err(PeerFault::Malformed { message, error }.into());
            }
        };
        match message {
            TransportMsg::Disconnect(goodbye) => {
                let description = printable(&goodbye.description.to_lossy());
                Err(Error::Disconnected {
                    reason: goodbye.reason.0,
                    description,
                })
            }
            TransportMsg::Ignore(_) | TransportMsg::Unimplemented(_) | TransportMsg::Pong(_) => {
                self.idle_message()
            }
            TransportMsg::Debug(debug) => {
                let text = debug.message.to_lossy().into_owned();
                let display = debug.always_display;
                self.events.push_back(Event::PeerDebug { display, text });
                self.idle_message()
            }
            TransportMsg::Ping(ping) => {
                self.output.message(&Pong { data: ping.data }.to_vec());
                self.idle_message()
            }
            TransportMsg::KexInit(_) => self.peer_kexinit(payload, seq),
            TransportMsg::NewKeys(_) => self.new_keys(),
            TransportMsg::ServiceRequest(_) | TransportMsg::ServiceAccept(_) => {
                self.may_say(payload)?;
                (S::hooks().service)(self, payload)
            }
            TransportMsg::ExtInfo(info) => {
                if !self.secured() || !(S::hooks().may_ext_info)(self) {
                    return Err(self.out_of_place(payload));
                }
                self.ext_info_in_auth |= info.get(names::ext::EXT_INFO_IN_AUTH).is_some();
                let list = info.extensions.iter();
                let list = list
                    .map(|e| (e.name.to_owned(), e.value.to_vec()))
                    .collect();
                self.events.push_back(Event::ExtInfo(list));
                self.idle_message()
            }
            TransportMsg::NewCompress(_) => Err(self.out_of_place(payload)),
        }
    }

    /// Messages that ask for nothing: before login there is no good reason for
    /// many of them.
    pub(super) fn idle_message(&mut self) -> Result<(), Error> {
        if self.is_open() {
            return Ok(());
        }
        self.idle_messages += 1;
        if self.idle_messages > limits::IDLE_MESSAGES_BEFORE_LOGIN {
            return Err(PeerFault::TooMany("messages that say nothing before login").into());
        }
        Ok(())
    }

    /// RFC 4253 section 11.4.
    fn unknown(&mut self, seq: u32) -> Result<(), Error> {
        self.output.message(&Unimplemented { seq }.to_vec());
        self.idle_message()
    }

    fn channel(&mut self, payload: Bytes) -> Result<(), Error> {
        self.may_say(&payload)?;
        self.rekeys_for_nothing = 0;
        match &mut self.phase {
            Phase::Open(mux) => Ok(mux.handle(payload, self.now, &mut self.output)?),
            Phase::Login => Err(self.out_of_place(&payload)),
        }
    }

    /// The error for a message that has no business here.
    pub(super) fn out_of_place(&self, payload: &[u8]) -> Error {
        let (state, expected) = match (&self.kex, &self.phase) {
            (Step::Idle, Phase::Login) if self.session_id.is_none() => {
                ("before key exchange", "SSH_MSG_KEXINIT")
            }
            (Step::ExpectInit { .. }, _) if self.session_id.is_none() => {
                ("before key exchange", "SSH_MSG_KEXINIT")
            }
            (Step::Side(step), _) => ("during key exchange", (S::hooks().expects)(step)),
            (Step::ExpectNewKeys(_), _) => ("during key exchange", "SSH_MSG_NEWKEYS"),
            (_, Phase::Login) => ("during authentication", "a message of user authentication"),
            (_, Phase::Open(_)) => ("after login", "a message of the connection protocol"),
        };
        let got = payload.first().copied().unwrap_or(0);
        PeerFault::Unexpected {
            state,
            expected,
            got,
        }
        .into()
    }
}
