//! What the application asks for: opening, answering, requests, EOF, CLOSE.

use carrick_wire::Text;
use carrick_wire::msg::connection as msg;

use super::channel::{Channel, Half, Live, Nature, Receiver, Sender};
use super::{ChannelError, ChannelId, Mux, Open, OpenReason, Outbox, Request, RequestId, emit};
use crate::limits;

impl Mux {
    /// Asks the peer for a channel (RFC 4254 section 5.1); `Opened` or
    /// `OpenRefused` follows.
    pub(crate) fn open(
        &mut self,
        out: &mut dyn Outbox,
        kind: &Open,
    ) -> Result<ChannelId, ChannelError> {
        let id = self.new_id()?;
        let window = self.budget.first(self.first_window);
        emit(
            out,
            &msg::ChannelOpen {
                sender: id.0,
                window: window.size(),
                max_packet: self.config.max_packet,
                kind: kind.to_wire(),
            },
        );
        let nature = Nature::from(kind);
        self.channels.insert(
            id,
            Channel::Opening {
                window,
                nature,
                released: false,
            },
        );
        Ok(id)
    }

    /// Agrees to a channel the peer asked for.
    pub(crate) fn accept(
        &mut self,
        out: &mut dyn Outbox,
        id: ChannelId,
    ) -> Result<(), ChannelError> {
        let (send, nature) = self.take_offer(id)?;
        let window = self.budget.first(self.first_window);
        let max_packet = self.config.max_packet;
        emit(
            out,
            &msg::OpenConfirmation {
                recipient: send.number,
                sender: id.0,
                window: window.size(),
                max_packet,
                body: &[],
            },
        );
        let receive = Receiver::new(window, max_packet);
        let live = Live::new(send, receive, nature, self.config.frame_extra);
        self.channels.insert(id, Channel::Live(Box::new(live)));
        Ok(())
    }

    /// Refuses a channel the peer asked for; the id is gone.
    pub(crate) fn refuse(
        &mut self,
        out: &mut dyn Outbox,
        id: ChannelId,
        reason: OpenReason,
        text: &str,
    ) -> Result<(), ChannelError> {
        let (send, _) = self.take_offer(id)?;
        refuse_open(out, send.number, reason, text);
        Ok(())
    }

    /// Takes a channel that waits for `accept` or `refuse` out of the table.
    fn take_offer(&mut self, id: ChannelId) -> Result<(Sender, Nature), ChannelError> {
        match self.channels.remove(&id) {
            Some(Channel::Offered { send, nature }) => {
                self.offered = self.offered.saturating_sub(1);
                Ok((send, nature))
            }
            Some(other) => {
                self.channels.insert(id, other);
                Err(ChannelError::NotAsked)
            }
            None => Err(ChannelError::Unknown),
        }
    }

    /// Asks something of the peer's end of a channel (RFC 4254 section 5.4).
    /// With `want_reply` a `Reply` with the same id follows, unless the
    /// channel is closed before.
    pub(crate) fn request(
        &mut self,
        out: &mut dyn Outbox,
        id: ChannelId,
        request: &Request,
        want_reply: bool,
    ) -> Result<RequestId, ChannelError> {
        let number = self.new_request();
        let live = self.live(id)?;
        let send = &mut live.send;
        send.check_requests()?;
        live.terminal |= matches!(request, Request::Pty { .. });
        if want_reply {
            if send.unreplied.len() >= limits::PENDING_REPLIES {
                return Err(ChannelError::TooManyRequests);
            }
            send.unreplied.push_back(number);
        }
        emit(
            out,
            &msg::ChannelRequest {
                recipient: send.number,
                want_reply,
                body: request.to_wire(),
            },
        );
        Ok(number)
    }

    /// Answers a request of the peer. Answers may be given in any order; they
    /// are sent in the order of the requests.
    pub(crate) fn answer(
        &mut self,
        out: &mut dyn Outbox,
        id: ChannelId,
        request: RequestId,
        ok: bool,
    ) -> Result<(), ChannelError> {
        let live = self.live(id)?;
        live.send.check_requests()?;
        let question = live
            .receive
            .questions
            .iter_mut()
            .find(|question| question.id == request && question.answer.is_none())
            .ok_or(ChannelError::NotAsked)?;
        question.answer = Some(ok);
        live.send_answers(out);
        Ok(())
    }

    /// Tells the peer that no more data follows (RFC 4254 section 5.3).
    pub(crate) fn eof(&mut self, out: &mut dyn Outbox, id: ChannelId) -> Result<(), ChannelError> {
        let send = &mut self.live(id)?.send;
        send.check_data()?;
        send.half = Half::Eof;
        emit(
            out,
            &msg::Eof {
                recipient: send.number,
            },
        );
        Ok(())
    }

    /// The application has no more use for the channel: what is unread is
    /// dropped, CLOSE is sent if it was not, and with the peer's CLOSE the
    /// channel is gone. `Closed` follows unless it came before.
    ///
    /// A channel still being opened is closed as soon as it is open; one that
    /// the peer asked for is refused.
    pub(crate) fn close(
        &mut self,
        out: &mut dyn Outbox,
        id: ChannelId,
    ) -> Result<(), ChannelError> {
        match self.channels.get_mut(&id) {
            Some(Channel::Opening { released, .. }) => *released = true,
            Some(Channel::Offered { .. }) => {
                return self.refuse(out, id, OpenReason::ADMINISTRATIVELY_PROHIBITED, "refused");
            }
            Some(Channel::Live(live)) if !live.released => {
                live.release(out);
                self.turns.leave(id);
                if live.is_over() {
                    self.forget(id);
                }
            }
            Some(Channel::Live(_)) | None => return Err(ChannelError::Unknown),
        }
        Ok(())
    }
}

/// Sends the refusal of a channel (RFC 4254 section 5.1).
pub(super) fn refuse_open(out: &mut dyn Outbox, recipient: u32, reason: OpenReason, text: &str) {
    let description = Text::new(text);
    emit(
        out,
        &msg::OpenFailure {
            recipient,
            reason,
            description,
            language: "",
        },
    );
}
