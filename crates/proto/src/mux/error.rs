//! What goes wrong in the channel layer: by the peer's fault, or by the caller's.

use core::fmt;

use carrick_wire::DecodeError;

use super::ChannelId;

/// How a peer broke the rules of RFC 4254; the connection ends.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MuxFault {
    /// A message of the connection layer that does not decode.
    Malformed(DecodeError),
    /// A message for a channel that does not exist.
    UnknownChannel {
        /// The message.
        message: &'static str,
        /// The number it named.
        channel: u32,
    },
    /// A message for a channel whose opening is not finished.
    NotOpen {
        /// The message.
        message: &'static str,
        /// The channel.
        channel: ChannelId,
    },
    /// An answer to an open request that is not waiting for one.
    AlreadyOpen {
        /// The message.
        message: &'static str,
        /// The channel.
        channel: ChannelId,
    },
    /// Data after EOF.
    DataAfterEof {
        /// The channel.
        channel: ChannelId,
        /// How much.
        len: usize,
    },
    /// A second EOF.
    EofTwice {
        /// The channel.
        channel: ChannelId,
    },
    /// More data than the window allows (RFC 4254 section 5.2).
    WindowExceeded {
        /// The channel.
        channel: ChannelId,
        /// What was left of the window.
        window: u32,
        /// How much came.
        len: usize,
    },
    /// A piece of data larger than the maximum packet size we announced.
    PacketTooLarge {
        /// The channel.
        channel: ChannelId,
        /// What we announced.
        max: u32,
        /// How much came.
        len: usize,
    },
    /// The peer's window would exceed 2^32-1 bytes (RFC 4254 section 5.2).
    WindowOverflow {
        /// The channel.
        channel: ChannelId,
        /// The window so far.
        window: u32,
        /// What was to be added.
        add: u32,
    },
    /// A maximum packet size of zero: nothing could ever be sent.
    NoPacketSize {
        /// The channel, by our number where it has one.
        channel: u32,
    },
    /// A reply on a channel where no request waits for one.
    UnexpectedReply {
        /// The channel.
        channel: ChannelId,
    },
    /// A reply to a global request where none waits for one.
    UnexpectedGlobalReply,
    /// More unanswered requests on a channel than we keep.
    TooManyRequests {
        /// The channel.
        channel: ChannelId,
        /// How many we keep.
        max: usize,
    },
    /// More unanswered global requests than we keep.
    TooManyGlobalRequests {
        /// How many we keep.
        max: usize,
    },
    /// More host keys in one message than we look at.
    TooManyHostKeys {
        /// How many we look at.
        max: usize,
    },
    /// More events than we keep for an application that does not take them.
    TooManyEvents {
        /// How many we keep.
        max: usize,
    },
    /// A name or text longer than any sensible one.
    TextTooLong {
        /// What it is.
        field: &'static str,
        /// Its length.
        len: usize,
        /// What we take.
        max: usize,
    },
    /// A session asked for after `no-more-sessions@openssh.com`.
    SessionAfterNoMore,
}

impl fmt::Display for MuxFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "malformed channel message: {error}"),
            Self::UnknownChannel { message, channel } => {
                write!(f, "{message} for channel {channel}, which does not exist")
            }
            Self::NotOpen { message, channel } => {
                write!(f, "{message} for channel {channel}, which is not open yet")
            }
            Self::AlreadyOpen { message, channel } => {
                write!(f, "{message} for channel {channel}, which is open already")
            }
            Self::DataAfterEof { channel, len } => {
                write!(f, "{len} bytes of data after eof on channel {channel}")
            }
            Self::EofTwice { channel } => write!(f, "second eof on channel {channel}"),
            Self::WindowExceeded {
                channel,
                window,
                len,
            } => {
                write!(
                    f,
                    "{len} bytes of data on channel {channel}, whose window is {window}"
                )
            }
            Self::PacketTooLarge { channel, max, len } => write!(
                f,
                "{len} bytes of data in one packet on channel {channel}, whose maximum is {max}"
            ),
            Self::WindowOverflow {
                channel,
                window,
                add,
            } => {
                write!(
                    f,
                    "window of channel {channel} overflows: {window} and {add} more"
                )
            }
            Self::NoPacketSize { channel } => {
                write!(f, "maximum packet size 0 on channel {channel}")
            }
            Self::UnexpectedReply { channel } => {
                write!(
                    f,
                    "reply on channel {channel}, where no request waits for one"
                )
            }
            Self::UnexpectedGlobalReply => {
                f.write_str("reply to a global request, where none waits for one")
            }
            Self::TooManyRequests { channel, max } => {
                write!(
                    f,
                    "more than {max} unanswered requests on channel {channel}"
                )
            }
            Self::TooManyGlobalRequests { max } => {
                write!(f, "more than {max} unanswered global requests")
            }
            Self::TooManyHostKeys { max } => {
                write!(f, "more than {max} host keys in one message")
            }
            Self::TooManyEvents { max } => write!(f, "more than {max} events not yet taken"),
            Self::TextTooLong { field, len, max } => {
                write!(f, "{field} of {len} bytes, the most is {max}")
            }
            Self::SessionAfterNoMore => {
                f.write_str("session opened after no-more-sessions@openssh.com")
            }
        }
    }
}

impl core::error::Error for MuxFault {}

impl From<DecodeError> for MuxFault {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

/// Why a command on a channel was not carried out; the connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelError {
    /// No such channel, or no longer.
    Unknown,
    /// The channel is not open yet, or waits for `accept`.
    NotOpen,
    /// The channel has no open question to answer.
    NotAsked,
    /// We closed the channel, or the peer did.
    Closed,
    /// We sent EOF on it already.
    AfterEof,
    /// No reservation of that size to commit: `space` comes right before.
    NoReservation,
    /// More channels than one connection may have.
    TooManyChannels,
    /// More of our requests wait for replies than is sensible.
    TooManyRequests,
}

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "no such channel",
            Self::NotOpen => "channel is not open yet",
            Self::NotAsked => "nothing to answer",
            Self::Closed => "channel is closed",
            Self::AfterEof => "channel is at its end: eof was sent",
            Self::NoReservation => "no space was reserved",
            Self::TooManyChannels => "too many channels",
            Self::TooManyRequests => "too many requests without a reply",
        })
    }
}

impl core::error::Error for ChannelError {}
