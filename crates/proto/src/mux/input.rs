//! What the peer says: each message of RFC 4254 against the state of its channel.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use carrick_wire::msg::connection as msg;
use carrick_wire::msg::connection::{ConnectionMsg, OpenKind};

use super::channel::{Channel, Half, Live, Nature, Question, Receiver, Sender};
use super::command::refuse_open;
use super::text::lossy;
use super::{
    ChannelEvent, ChannelId, Mux, MuxFault, Open, OpenReason, Outbox, Request, Role, Stream,
};
use crate::limits;

impl Mux {
    /// Handles one message of the connection protocol: a whole payload, number
    /// included. Data is not copied out of it, unless there is little.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the packet is handed over, to be kept"
    )]
    pub(crate) fn handle(
        &mut self,
        payload: Bytes,
        now: Instant,
        out: &mut dyn Outbox,
    ) -> Result<(), MuxFault> {
        if self.events.queue.len() >= limits::EVENTS * 2 {
            return Err(MuxFault::TooManyEvents {
                max: limits::EVENTS * 2,
            });
        }
        match ConnectionMsg::decode(&payload)? {
            ConnectionMsg::Data(m) => {
                let piece = payload.slice_ref(m.data);
                self.on_data(out, m.recipient, Some(Stream::Data), piece, now)
            }
            ConnectionMsg::ExtendedData(m) => {
                let piece = payload.slice_ref(m.data);
                let stream = (m.code == msg::ExtendedData::STDERR).then_some(Stream::Stderr);
                self.on_data(out, m.recipient, stream, piece, now)
            }
            ConnectionMsg::WindowAdjust(m) => self.on_window_adjust(m),
            ConnectionMsg::Eof(m) => self.on_eof(m),
            ConnectionMsg::Close(m) => self.on_close(out, m),
            ConnectionMsg::ChannelRequest(m) => self.on_request(out, &m, payload.len()),
            ConnectionMsg::ChannelSuccess(m) => {
                self.on_reply(msg::ChannelSuccess::NAME, m.recipient, true)
            }
            ConnectionMsg::ChannelFailure(m) => {
                self.on_reply(msg::ChannelFailure::NAME, m.recipient, false)
            }
            ConnectionMsg::ChannelOpen(m) => self.on_open(out, &m, payload.len()),
            ConnectionMsg::OpenConfirmation(m) => self.on_confirmation(out, &m),
            ConnectionMsg::OpenFailure(m) => self.on_open_failure(&m, payload.len()),
            ConnectionMsg::GlobalRequest(m) => self.on_global_request(out, &m, payload.len()),
            // Copied: it may be kept for long, and is small.
            ConnectionMsg::RequestSuccess(m) => {
                self.on_global_reply(true, Bytes::copy_from_slice(m.data))
            }
            ConnectionMsg::RequestFailure(_) => self.on_global_reply(false, Bytes::new()),
        }
    }

    /// Data on a stream that we know; extended data of another type is
    /// accounted for and dropped.
    fn on_data(
        &mut self,
        out: &mut dyn Outbox,
        number: u32,
        stream: Option<Stream>,
        piece: Bytes,
        now: Instant,
    ) -> Result<(), MuxFault> {
        let name = match stream {
            Some(Stream::Data) => msg::Data::NAME,
            _ => msg::ExtendedData::NAME,
        };
        let (interval, max) = (self.interval, self.config.max_window);
        let (id, live) = named(&mut self.channels, name, number)?;
        let len = piece.len();
        live.receive.data(id, len)?;
        match stream {
            Some(stream) if !live.receive.discards => {
                if live.receive.inbox(stream).push(piece) {
                    self.events.push(ChannelEvent::Readable(id, stream), 0);
                }
            }
            _ => live.receive.window.take(len),
        }
        self.budget
            .grow(&mut live.receive.window, now, interval, max);
        live.grant(out);
        if live.terminal && self.role == Role::Server {
            self.typing.key();
        }
        Ok(())
    }

    fn on_window_adjust(&mut self, m: msg::WindowAdjust) -> Result<(), MuxFault> {
        // Peers adjust the window of a channel that they, or we, have just
        // closed: harmless, and OpenSSH ignores it too.
        if m.recipient < self.next_channel && !self.is_named(m.recipient) {
            return Ok(());
        }
        let (id, live) = named(&mut self.channels, msg::WindowAdjust::NAME, m.recipient)?;
        if live.send.adjust(id, m.bytes)? {
            self.turns.wait(&mut live.send.turn, id);
        }
        Ok(())
    }

    /// Whether the peer may name this number, or will be able to.
    fn is_named(&self, number: u32) -> bool {
        match self.channels.get(&ChannelId(number)) {
            Some(Channel::Live(live)) => live.receive.half != Half::Closed,
            Some(_) => true,
            None => false,
        }
    }

    fn on_eof(&mut self, m: msg::Eof) -> Result<(), MuxFault> {
        let (id, live) = named(&mut self.channels, msg::Eof::NAME, m.recipient)?;
        live.receive.eof(id)?;
        if !live.released {
            self.events.push(ChannelEvent::Eof(id), 0);
        }
        Ok(())
    }

    fn on_close(&mut self, out: &mut dyn Outbox, m: msg::Close) -> Result<(), MuxFault> {
        let (id, live) = named(&mut self.channels, msg::Close::NAME, m.recipient)?;
        live.receive.half = Half::Closed;
        live.send_close(out);
        self.turns.leave(id);
        if live.released {
            self.forget(id);
        }
        self.events.push(ChannelEvent::Closed(id), 0);
        Ok(())
    }

    fn on_request(
        &mut self,
        out: &mut dyn Outbox,
        m: &msg::ChannelRequest<'_>,
        len: usize,
    ) -> Result<(), MuxFault> {
        let number = self.new_request();
        let (id, live) = named(&mut self.channels, msg::ChannelRequest::NAME, m.recipient)?;
        let request = Request::from_wire(&m.body)?;
        if live.send.half == Half::Closed {
            // It crossed our CLOSE: nothing can be answered any more.
            return Ok(());
        }
        live.terminal |= matches!(request, Request::Pty { .. });
        // OpenSSH answers keepalives with failure, and so peers expect it.
        let answer = (request == Request::Keepalive).then_some(false);
        if m.want_reply {
            if live.receive.questions.len() >= limits::PENDING_REQUESTS {
                let max = limits::PENDING_REQUESTS;
                return Err(MuxFault::TooManyRequests { channel: id, max });
            }
            live.receive
                .questions
                .push_back(Question { id: number, answer });
        }
        if answer.is_some() {
            live.send_answers(out);
        } else {
            let reply = m.want_reply.then_some(number);
            self.events
                .push(ChannelEvent::Request { id, request, reply }, len);
        }
        Ok(())
    }

    fn on_reply(&mut self, name: &'static str, number: u32, ok: bool) -> Result<(), MuxFault> {
        let (id, live) = named(&mut self.channels, name, number)?;
        let request = live
            .send
            .unreplied
            .pop_front()
            .ok_or(MuxFault::UnexpectedReply { channel: id })?;
        if !live.released {
            self.events.push(ChannelEvent::Reply { id, request, ok }, 0);
        }
        Ok(())
    }

    fn on_open(
        &mut self,
        out: &mut dyn Outbox,
        m: &msg::ChannelOpen<'_>,
        len: usize,
    ) -> Result<(), MuxFault> {
        if m.max_packet == 0 {
            return Err(MuxFault::NoPacketSize { channel: m.sender });
        }
        let session = m.kind == OpenKind::Session;
        if session && self.role == Role::Client {
            // RFC 4254 section 6.1: no server has a session for its client.
            let text = "a client has no sessions";
            refuse_open(out, m.sender, OpenReason::ADMINISTRATIVELY_PROHIBITED, text);
            return Ok(());
        }
        if session && self.globals.no_more_sessions {
            return Err(MuxFault::SessionAfterNoMore);
        }
        let kind = Open::from_wire(&m.kind)?;
        let nature = Nature::from(&kind);
        let id = if self.offered < limits::PENDING_OPENS {
            self.new_id().ok()
        } else {
            None
        };
        let Some(id) = id else {
            refuse_open(
                out,
                m.sender,
                OpenReason::RESOURCE_SHORTAGE,
                "too many channels",
            );
            return Ok(());
        };
        let max_packet = m.max_packet.min(limits::DATA_PACKET_SENT);
        let send = Sender::new(m.sender, m.window, max_packet);
        self.channels.insert(id, Channel::Offered { send, nature });
        self.offered += 1;
        self.events
            .push(ChannelEvent::OpenRequest { id, kind }, len);
        Ok(())
    }

    /// Takes a channel that waits for the peer's answer out of the table.
    fn take_opening(
        &mut self,
        message: &'static str,
        number: u32,
    ) -> Result<(ChannelId, super::window::ReceiveWindow, Nature, bool), MuxFault> {
        let id = ChannelId(number);
        match self.channels.remove(&id) {
            Some(Channel::Opening {
                window,
                nature,
                released,
            }) => Ok((id, window, nature, released)),
            Some(Channel::Live(_)) => Err(MuxFault::AlreadyOpen {
                message,
                channel: id,
            }),
            Some(Channel::Offered { .. }) | None => Err(MuxFault::UnknownChannel {
                message,
                channel: number,
            }),
        }
    }

    fn on_confirmation(
        &mut self,
        out: &mut dyn Outbox,
        m: &msg::OpenConfirmation<'_>,
    ) -> Result<(), MuxFault> {
        if m.max_packet == 0 {
            return Err(MuxFault::NoPacketSize {
                channel: m.recipient,
            });
        }
        let (id, window, nature, released) =
            self.take_opening(msg::OpenConfirmation::NAME, m.recipient)?;
        let max_packet = m.max_packet.min(limits::DATA_PACKET_SENT);
        let send = Sender::new(m.sender, m.window, max_packet);
        let receive = Receiver::new(window, self.config.max_packet);
        let mut live = Live::new(send, receive, nature, self.config.frame_extra);
        if released {
            live.release(out);
        } else {
            self.events.push(ChannelEvent::Opened(id), 0);
        }
        self.channels.insert(id, Channel::Live(Box::new(live)));
        Ok(())
    }

    fn on_open_failure(&mut self, m: &msg::OpenFailure<'_>, len: usize) -> Result<(), MuxFault> {
        let (id, window, _, released) = self.take_opening(msg::OpenFailure::NAME, m.recipient)?;
        self.budget.give_back(&window);
        if released {
            self.events.push(ChannelEvent::Closed(id), 0);
        } else {
            let text = lossy("open failure", m.description)?;
            let event = ChannelEvent::OpenRefused {
                id,
                reason: m.reason,
                text,
            };
            self.events.push(event, len);
        }
        Ok(())
    }
}

/// The channel that a message names, if the peer may still name it.
fn named<'c>(
    channels: &'c mut BTreeMap<ChannelId, Channel>,
    message: &'static str,
    number: u32,
) -> Result<(ChannelId, &'c mut Live), MuxFault> {
    let id = ChannelId(number);
    match channels.get_mut(&id) {
        Some(Channel::Live(live)) if live.receive.half != Half::Closed => Ok((id, live)),
        Some(Channel::Opening { .. }) => Err(MuxFault::NotOpen {
            message,
            channel: id,
        }),
        // The peer has not been told the number of what it asked for.
        Some(Channel::Offered { .. } | Channel::Live(_)) | None => Err(MuxFault::UnknownChannel {
            message,
            channel: number,
        }),
    }
}
