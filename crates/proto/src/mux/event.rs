//! What the channel layer tells the application.

use bytes::Bytes;

use super::{ChannelId, GlobalId, GlobalRequest, Open, OpenReason, Request, RequestId, Stream};

/// News of a channel or of the connection. Data never travels in an event:
/// [`ChannelEvent::Readable`] says that there is some.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelEvent {
    /// The peer agreed to the channel we asked for.
    Opened(ChannelId),
    /// The peer refused the channel we asked for; the id is gone.
    OpenRefused {
        /// The channel that did not come to be.
        id: ChannelId,
        /// Why, for programs.
        reason: OpenReason,
        /// Why, for people: text from the peer, not to be trusted on a terminal.
        text: String,
    },
    /// The peer asks for a channel: `accept` or `refuse` it.
    OpenRequest {
        /// The channel that may come to be.
        id: ChannelId,
        /// What it is for.
        kind: Open,
    },
    /// The peer asks something of a channel.
    Request {
        /// The channel.
        id: ChannelId,
        /// What is asked.
        request: Request,
        /// With this the request must be answered; `None`: no answer wanted.
        reply: Option<RequestId>,
    },
    /// The peer answered a request of ours.
    Reply {
        /// The channel.
        id: ChannelId,
        /// Which request, as `request` returned it.
        request: RequestId,
        /// Whether it was granted.
        ok: bool,
    },
    /// `read` would return data. Told once, until `read` has found nothing.
    Readable(ChannelId, Stream),
    /// A channel that found no space to write may try again.
    Writable(ChannelId),
    /// The peer sends no more data (what came before may still be unread).
    Eof(ChannelId),
    /// Both sides closed the channel. What was received can still be read;
    /// the id is gone once all is read, or with `close`.
    Closed(ChannelId),
    /// The peer asks something of the connection.
    GlobalRequest {
        /// What is asked.
        request: GlobalRequest,
        /// With this the request must be answered; `None`: no answer wanted.
        reply: Option<GlobalId>,
    },
    /// The peer answered a global request of ours.
    GlobalReply {
        /// Which request, as `global_request` returned it.
        id: GlobalId,
        /// Whether it was granted.
        ok: bool,
        /// What came with a success.
        data: Bytes,
    },
}
