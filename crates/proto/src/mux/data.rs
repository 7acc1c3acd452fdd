//! The data path: space in packets that go out, bytes of packets that came in.

use bytes::Bytes;
use carrick_wire::msg::connection as msg;

use super::channel::{Channel, Half, Nature};
use super::{ChannelError, ChannelId, Mux, Outbox, Request, Role, Stream};

impl Mux {
    /// Space for up to `max` bytes of data in the packet that goes out next:
    /// to be filled from its front, and then sent by [`Mux::commit`]. With
    /// `None` there is no space now, and `Writable` comes when there is.
    ///
    /// On a channel of frames the space is as much as was asked for, or as the
    /// peer ever takes in one: a frame is not cut for want of room.
    pub(crate) fn space<'o>(
        &mut self,
        out: &'o mut dyn Outbox,
        id: ChannelId,
        stream: Stream,
        max: usize,
    ) -> Result<Option<&'o mut [u8]>, ChannelError> {
        self.reserved = None;
        let room = out.room();
        self.begin_turns(room);
        let turns = &mut self.turns;
        let send = match self.channels.get_mut(&id) {
            Some(Channel::Live(live)) if !live.released => &mut live.send,
            Some(Channel::Live(_)) | None => return Err(ChannelError::Unknown),
            Some(_) => return Err(ChannelError::NotOpen),
        };
        send.check_data()?;
        let share = turns.ask(&mut send.turn, id, room);
        let open = send.window.saturating_sub(send.extra).min(send.max_packet);
        let window = usize::try_from(open).unwrap_or(usize::MAX);
        let most = usize::try_from(send.max_packet).unwrap_or(usize::MAX);
        let least = if send.frames { max.min(most).max(1) } else { 1 };
        if window < least {
            send.starved = true;
            return Ok(None);
        }
        let mut len = window.min(max).min(share);
        if len < least {
            len = 0;
        }
        let header = match stream {
            Stream::Data => msg::Data::HEADER_LEN,
            Stream::Stderr => msg::ExtendedData::HEADER_LEN,
        };
        let space = match len {
            0 => None,
            len if send.frames => out.frame_space(header, len),
            len => out.data_space(header, len),
        };
        if let Some(space) = space.filter(|space| !space.is_empty()) {
            self.reserved = Some((id, stream, space.len()));
            return Ok(Some(space));
        }
        if max > 0 {
            turns.wait(&mut send.turn, id);
        }
        Ok(None)
    }

    /// Sends the first `len` bytes of what [`Mux::space`] handed out just
    /// before. Nothing is sent for a `len` of 0.
    pub(crate) fn commit(
        &mut self,
        out: &mut dyn Outbox,
        id: ChannelId,
        stream: Stream,
        len: usize,
    ) -> Result<(), ChannelError> {
        match self.reserved.take() {
            Some((for_id, for_stream, space))
                if for_id == id && for_stream == stream && len <= space => {}
            _ => return Err(ChannelError::NoReservation),
        }
        if len == 0 {
            return Ok(());
        }
        let send = &mut self.live(id)?.send;
        send.check_data()?;
        let length = u32::try_from(len).map_err(|_| ChannelError::NoReservation)?;
        let window = send
            .window
            .checked_sub(length.saturating_add(send.extra))
            .ok_or(ChannelError::NoReservation)?;
        let sent = match stream {
            Stream::Data => out.data_commit(&msg::Data::header(send.number, length), len),
            Stream::Stderr => {
                let code = msg::ExtendedData::STDERR;
                out.data_commit(&msg::ExtendedData::header(send.number, code, length), len)
            }
        };
        if !sent {
            return Err(ChannelError::NoReservation);
        }
        send.window = window;
        if let Some(Channel::Live(live)) = self.channels.get_mut(&id) {
            self.turns.used(&mut live.send.turn, id, len);
            if live.terminal && self.role == Role::Client {
                self.typing.key();
            }
        }
        Ok(())
    }

    /// Sends as much of `data` as there is space for, and says how much that
    /// was. If not all of it, `Writable` comes when there is more space.
    pub(crate) fn write(
        &mut self,
        out: &mut dyn Outbox,
        id: ChannelId,
        stream: Stream,
        data: &[u8],
    ) -> Result<usize, ChannelError> {
        let mut rest = data;
        while !rest.is_empty() {
            let Some(space) = self.space(out, id, stream, rest.len())? else {
                break;
            };
            let len = space.len().min(rest.len());
            let (now, later) = rest.split_at_checked(len).unwrap_or((rest, &[]));
            if let Some(space) = space.get_mut(..len) {
                space.copy_from_slice(now);
            }
            self.commit(out, id, stream, len)?;
            rest = later;
        }
        if data.is_empty() {
            self.live(id)?.send.check_data()?;
        }
        Ok(data.len() - rest.len())
    }

    /// Takes the oldest piece of data that was received, and grants the peer
    /// as much again. With `None` nothing is there now, and `Readable` comes
    /// when something is, unless [`Mux::at_eof`].
    pub(crate) fn read(
        &mut self,
        out: &mut dyn Outbox,
        id: ChannelId,
        stream: Stream,
    ) -> Result<Option<Bytes>, ChannelError> {
        let live = self.live(id)?;
        let Some(piece) = live.receive.inbox(stream).pop() else {
            return Ok(None);
        };
        live.receive.window.take(piece.len());
        live.grant(out);
        Ok(Some(piece))
    }

    /// Whether nothing more will ever be read: the peer sent EOF or CLOSE and
    /// the stream has been read to its end, or the channel is gone.
    pub(crate) fn at_eof(&mut self, id: ChannelId, stream: Stream) -> bool {
        match self.live(id) {
            Ok(live) => live.receive.half != Half::Open && live.receive.inbox(stream).is_empty(),
            Err(error) => error == ChannelError::Unknown,
        }
    }

    /// The reader is gone: what is unread is dropped, and so is all that comes
    /// later, while the peer's window is kept open. An OpenSSH peer of a
    /// session is told that it need not send more (`eow@openssh.com`).
    pub(crate) fn discard(
        &mut self,
        out: &mut dyn Outbox,
        id: ChannelId,
    ) -> Result<(), ChannelError> {
        let openssh_peer = self.config.openssh_peer;
        let live = self.live(id)?;
        live.receive.drop_unread();
        let first = !core::mem::replace(&mut live.receive.discards, true);
        let tell = openssh_peer
            && first
            && live.nature == Nature::Session
            && live.receive.half == Half::Open
            && live.send.check_requests().is_ok();
        live.grant(out);
        if tell {
            self.request(out, id, &Request::EndOfWrite, false)?;
        }
        Ok(())
    }
}
