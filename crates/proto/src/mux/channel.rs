//! One channel: two half-close machines, and what is under way in each direction.
//!
//! Each side sends data, then perhaps EOF, then CLOSE, whatever the other
//! does (RFC 4254 section 5.3). A channel is gone from the wire when both
//! sides have sent CLOSE; a CLOSE is always answered by one.

use std::collections::VecDeque;

use carrick_wire::msg::connection as msg;

use super::inbox::Inbox;
use super::turns::Turn;
use super::window::ReceiveWindow;
use super::{ChannelError, ChannelId, MuxFault, Open, Outbox, RequestId, Stream, emit};
use crate::limits;

/// How far one side is with sending. The order is the order in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Half {
    /// Data may come.
    Open,
    /// EOF: no more data, but requests.
    Eof,
    /// CLOSE: nothing more at all.
    Closed,
}

/// What differs between channels on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    /// A `session`, for which `eow@openssh.com` exists.
    Session,
    /// Frames of a network: each message is one, neither cut nor merged.
    Frames,
    /// Any other: a stream of bytes.
    Bytes,
}

impl From<&Open> for Nature {
    fn from(kind: &Open) -> Self {
        match kind {
            Open::Session => Self::Session,
            Open::Tun { .. } => Self::Frames,
            _ => Self::Bytes,
        }
    }
}

/// Our sending half.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) half: Half,
    /// The peer's number for the channel.
    pub(super) number: u32,
    /// What we may still send.
    pub(super) window: u32,
    /// Data that we put in one packet at most.
    pub(super) max_packet: u32,
    /// Each message carries a whole frame.
    pub(super) frames: bool,
    /// What each message costs of the window beyond its data.
    pub(super) extra: u32,
    pub(super) turn: Turn,
    /// Somebody wanted to write and found the window used up.
    pub(super) starved: bool,
    /// Our requests without a reply so far, oldest first.
    pub(super) unreplied: VecDeque<RequestId>,
}

impl Sender {
    pub(super) fn new(number: u32, window: u32, max_packet: u32) -> Self {
        Self {
            half: Half::Open,
            number,
            window,
            max_packet,
            frames: false,
            extra: 0,
            turn: Turn::default(),
            starved: false,
            unreplied: VecDeque::new(),
        }
    }

    /// The channel carries frames. `extra` is what the peer counts for each
    /// of them beyond its bytes. A frame that takes more than half of its window
    /// is one too large for it: it gives back what it has taken by halves, and
    /// with less of a rest than the frame both would wait for ever.
    pub(super) fn carry_frames(&mut self, extra: u32) {
        self.frames = true;
        self.extra = extra;
        let most = (self.window / 2).saturating_sub(extra).max(1);
        self.max_packet = self.max_packet.min(most).min(limits::DATA_PACKET);
    }

    /// Succeeds while data may be sent.
    pub(super) fn check_data(&self) -> Result<(), ChannelError> {
        match self.half {
            Half::Open => Ok(()),
            Half::Eof => Err(ChannelError::AfterEof),
            Half::Closed => Err(ChannelError::Closed),
        }
    }

    /// Succeeds while requests and answers may be sent.
    pub(super) fn check_requests(&self) -> Result<(), ChannelError> {
        match self.half {
            Half::Open | Half::Eof => Ok(()),
            Half::Closed => Err(ChannelError::Closed),
        }
    }

    /// The peer granted `add` bytes; says whether a writer is to be told.
    pub(super) fn adjust(&mut self, id: ChannelId, add: u32) -> Result<bool, MuxFault> {
        let window = self.window;
        self.window = window.checked_add(add).ok_or(MuxFault::WindowOverflow {
            channel: id,
            window,
            add,
        })?;
        Ok(self.window > 0 && core::mem::take(&mut self.starved))
    }
}

/// A request of the peer that wants an answer.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) id: RequestId,
    pub(super) answer: Option<bool>,
}

/// Our receiving half.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) half: Half,
    pub(super) window: ReceiveWindow,
    /// The largest piece of data we announced.
    pub(super) max_packet: u32,
    pub(super) data: Inbox,
    pub(super) stderr: Inbox,
    /// Nobody reads: what comes is dropped and granted again.
    pub(super) discards: bool,
    /// Requests of the peer that wait for answers, oldest first.
    pub(super) questions: VecDeque<Question>,
}

impl Receiver {
    pub(super) fn new(window: ReceiveWindow, max_packet: u32) -> Self {
        Self {
            half: Half::Open,
            window,
            max_packet,
            data: Inbox::new(),
            stderr: Inbox::new(),
            discards: false,
            questions: VecDeque::new(),
        }
    }

    pub(super) fn inbox(&mut self, stream: Stream) -> &mut Inbox {
        match stream {
            Stream::Data => &mut self.data,
            Stream::Stderr => &mut self.stderr,
        }
    }

    /// Checks `len` bytes of data against all rules and accounts for them.
    pub(super) fn data(&mut self, id: ChannelId, len: usize) -> Result<(), MuxFault> {
        if self.half != Half::Open {
            return Err(MuxFault::DataAfterEof { channel: id, len });
        }
        if u32::try_from(len).map_or(true, |len| len > self.max_packet) {
            return Err(MuxFault::PacketTooLarge {
                channel: id,
                max: self.max_packet,
                len,
            });
        }
        let window = self.window.open();
        if self.window.receive(len) {
            Ok(())
        } else {
            Err(MuxFault::WindowExceeded {
                channel: id,
                window,
                len,
            })
        }
    }

    /// The peer's EOF.
    pub(super) fn eof(&mut self, id: ChannelId) -> Result<(), MuxFault> {
        match self.half {
            Half::Open => {
                self.half = Half::Eof;
                Ok(())
            }
            Half::Eof | Half::Closed => Err(MuxFault::EofTwice { channel: id }),
        }
    }

    /// Drops what is unread, as read.
    pub(super) fn drop_unread(&mut self) {
        let len = self.data.clear() + self.stderr.clear();
        self.window.take(len);
    }
}

/// An open channel, from confirmation to the second CLOSE and beyond, until
/// the application has closed it too.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) send: Sender,
    pub(super) receive: Receiver,
    /// See [`Nature`].
    pub(super) nature: Nature,
    /// A terminal was asked for on it.
    pub(super) terminal: bool,
    /// The application has no more use for it.
    pub(super) released: bool,
}

impl Live {
    /// A channel that both sides have agreed to; `extra` as for
    /// [`Sender::carry_frames`].
    pub(super) fn new(send: Sender, receive: Receiver, nature: Nature, extra: u32) -> Self {
        let mut live = Self {
            send,
            receive,
            nature,
            terminal: false,
            released: false,
        };
        if nature == Nature::Frames {
            live.send.carry_frames(extra);
            live.receive.data = Inbox::of_frames();
        }
        live
    }

    /// Both sides have sent CLOSE.
    pub(super) fn is_over(&self) -> bool {
        self.send.half == Half::Closed && self.receive.half == Half::Closed
    }

    /// Grants the peer more window, if it can still use it and there is enough
    /// to be worth a message.
    pub(super) fn grant(&mut self, out: &mut dyn Outbox) {
        if self.receive.half != Half::Open || self.send.half == Half::Closed {
            return;
        }
        if let Some(bytes) = self.receive.window.grant(self.receive.max_packet) {
            emit(
                out,
                &msg::WindowAdjust {
                    recipient: self.send.number,
                    bytes,
                },
            );
        }
    }

    /// Sends the answers that are due: those before the first open question.
    pub(super) fn send_answers(&mut self, out: &mut dyn Outbox) {
        let recipient = self.send.number;
        while let Some(question) = self
            .receive
            .questions
            .pop_front_if(|question| question.answer.is_some())
        {
            if question.answer == Some(true) {
                emit(out, &msg::ChannelSuccess { recipient });
            } else {
                emit(out, &msg::ChannelFailure { recipient });
            }
        }
    }

    /// Sends CLOSE, once.
    pub(super) fn send_close(&mut self, out: &mut dyn Outbox) {
        if self.send.half != Half::Closed {
            self.send.half = Half::Closed;
            self.send.starved = false;
            self.receive.questions.clear();
            emit(
                out,
                &msg::Close {
                    recipient: self.send.number,
                },
            );
        }
    }

    /// Keeps of the channel only what the wire still needs.
    pub(super) fn release(&mut self, out: &mut dyn Outbox) {
        self.released = true;
        self.receive.drop_unread();
        self.receive.discards = true;
        self.send_close(out);
    }
}

/// A channel from the first message about it to the last.
#[derive(Debug)]
pub(super) enum Channel {
    /// We asked for it; the peer has not answered.
    Opening {
        /// The window that goes with it.
        window: ReceiveWindow,
        /// See [`Nature`].
        nature: Nature,
        /// The application closed it meanwhile.
        released: bool,
    },
    /// The peer asked for it; the application has not answered.
    Offered {
        /// With the peer's number, window and packet size.
        send: Sender,
        /// See [`Nature`].
        nature: Nature,
    },
    /// It is open, or was.
    Live(Box<Live>),
}
