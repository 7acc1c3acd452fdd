//! The commands on channels and on the connection as a whole, once logged in.

use bytes::Bytes;

use super::{Connection, Phase, Side};
use crate::mux::{
    ChannelError, ChannelId, GlobalAnswer, GlobalId, GlobalRequest, Mux, Open, OpenReason, Request,
    RequestId, Stream,
};
use crate::output::Output;

/// The channels of a connection, and the way out for what they send.
pub struct Channels<'a> {
    mux: &'a mut Mux,
    out: &'a mut Output,
}

impl<S: Side> Connection<S> {
    /// The channels; `None` before login and after the end.
    pub fn channels(&mut self) -> Option<Channels<'_>> {
        match &mut self.phase {
            Phase::Open(mux) if self.dead.is_none() => Some(Channels {
                mux,
                out: &mut self.output,
            }),
            _ => None,
        }
    }

    /// What can still be read, even after the end.
    pub fn leftovers(&mut self) -> Option<Channels<'_>> {
        match &mut self.phase {
            Phase::Open(mux) => Some(Channels {
                mux,
                out: &mut self.output,
            }),
            Phase::Login => None,
        }
    }
}

impl Channels<'_> {
    /// Asks the peer for a channel (RFC 4254 section 5.1); `Opened` or
    /// `OpenRefused` follows.
    pub fn open(&mut self, kind: &Open) -> Result<ChannelId, ChannelError> {
        self.mux.open(self.out, kind)
    }

    /// Agrees to a channel the peer asked for.
    pub fn accept(&mut self, id: ChannelId) -> Result<(), ChannelError> {
        self.mux.accept(self.out, id)
    }

    /// Refuses a channel the peer asked for; the id is gone.
    pub fn refuse(
        &mut self,
        id: ChannelId,
        reason: OpenReason,
        text: &str,
    ) -> Result<(), ChannelError> {
        self.mux.refuse(self.out, id, reason, text)
    }

    /// Asks something of the peer's end of a channel (RFC 4254 section 5.4).
    /// With `want_reply` a `Reply` with the same id follows, unless the channel
    /// is closed before.
    pub fn request(
        &mut self,
        id: ChannelId,
        request: &Request,
        want_reply: bool,
    ) -> Result<RequestId, ChannelError> {
        self.mux.request(self.out, id, request, want_reply)
    }

    /// Answers a request of the peer, in any order.
    pub fn answer(
        &mut self,
        id: ChannelId,
        request: RequestId,
        ok: bool,
    ) -> Result<(), ChannelError> {
        self.mux.answer(self.out, id, request, ok)
    }

    /// Space for up to `max` bytes of data in the packet that goes out next;
    /// `None` when there is no room: `Writable` tells when there is again.
    pub fn space(
        &mut self,
        id: ChannelId,
        stream: Stream,
        max: usize,
    ) -> Result<Option<&mut [u8]>, ChannelError> {
        self.mux.space(self.out, id, stream, max)
    }

    /// Sends the first `len` bytes of the last [`Self::space`].
    pub fn commit(
        &mut self,
        id: ChannelId,
        stream: Stream,
        len: usize,
    ) -> Result<(), ChannelError> {
        self.mux.commit(self.out, id, stream, len)
    }

    /// Sends as much of `data` as there is room for: how much.
    pub fn write(
        &mut self,
        id: ChannelId,
        stream: Stream,
        data: &[u8],
    ) -> Result<usize, ChannelError> {
        self.mux.write(self.out, id, stream, data)
    }

    /// The next piece of data; taking it lets the peer send more.
    pub fn read(&mut self, id: ChannelId, stream: Stream) -> Result<Option<Bytes>, ChannelError> {
        self.mux.read(self.out, id, stream)
    }

    /// The reader is gone: what is unread is dropped, and so is all that comes
    /// later. An OpenSSH peer of a session is told (`eow@openssh.com`).
    pub fn discard(&mut self, id: ChannelId) -> Result<(), ChannelError> {
        self.mux.discard(self.out, id)
    }

    /// Whether all of a stream has been read.
    pub fn at_eof(&mut self, id: ChannelId, stream: Stream) -> bool {
        self.mux.at_eof(id, stream)
    }

    /// Says that no more data comes from us.
    pub fn eof(&mut self, id: ChannelId) -> Result<(), ChannelError> {
        self.mux.eof(self.out, id)
    }

    /// Closes a channel; what is unread is dropped.
    pub fn close(&mut self, id: ChannelId) -> Result<(), ChannelError> {
        self.mux.close(self.out, id)
    }

    /// Asks something of the connection as a whole (RFC 4254 section 4).
    pub fn global_request(
        &mut self,
        request: &GlobalRequest,
        want_reply: bool,
    ) -> Result<GlobalId, ChannelError> {
        self.mux.global_request(self.out, request, want_reply)
    }

    /// Answers a global request of the peer, in any order.
    pub fn answer_global(
        &mut self,
        id: GlobalId,
        answer: GlobalAnswer,
    ) -> Result<(), ChannelError> {
        self.mux.answer_global(self.out, id, answer)
    }
}
