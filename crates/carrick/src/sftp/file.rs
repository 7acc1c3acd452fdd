//! An open file.

use std::sync::Arc;

use carrick_sftp::client::{Upload, Wrote};
use carrick_sftp::msg::{Attrs, Extended, Request};
use tokio::sync::mpsc::unbounded_channel;

use super::driver::{Inner, Reply};
use super::{Error, Sftp};

/// A server's handle, closed when it is dropped.
pub(super) struct Handle {
    pub(super) inner: Arc<Inner>,
    bytes: Vec<u8>,
}

impl Handle {
    pub(super) fn new(inner: &Arc<Inner>, bytes: Vec<u8>) -> Self {
        Self {
            inner: Arc::clone(inner),
            bytes,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Closes it, and says how that went.
    pub(super) async fn close(mut self) -> Result<(), Error> {
        let bytes = std::mem::take(&mut self.bytes);
        match self.inner.ask(&Request::Close { handle: &bytes }).await? {
            Reply::Done => Ok(()),
            other => Err(other.unfit()),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            let handle = &self.bytes;
            self.inner.tell(&Request::Close { handle });
        }
    }
}

/// An open file. Dropping it closes it; [`File::close`] says how that went,
/// which matters after writing.
pub struct File {
    handle: Handle,
}

impl File {
    pub(super) fn new(handle: Handle) -> Self {
        Self { handle }
    }

    fn sftp(&self) -> Sftp {
        Sftp {
            inner: Arc::clone(&self.handle.inner),
        }
    }

    /// What is known of the file.
    pub async fn stat(&self) -> Result<Attrs, Error> {
        let handle = self.handle.bytes();
        self.sftp().attrs(Request::Fstat { handle }).await
    }

    /// Sets what is given of the file's attributes; a size cuts or lengthens it.
    pub async fn set_attrs(&self, attrs: Attrs) -> Result<(), Error> {
        let handle = self.handle.bytes();
        self.sftp().done(Request::Fsetstat { handle, attrs }).await
    }

    /// Has the server flush the file to its disk.
    pub async fn sync(&self) -> Result<(), Error> {
        let handle = self.handle.bytes();
        let sftp = self.sftp();
        let request = sftp.extended(Extended::Fsync { handle })?;
        sftp.done(request).await
    }

    /// Reads up to `len` bytes at `offset`; fewer may come, none at the end.
    pub async fn read_at(&self, offset: u64, len: u32) -> Result<Vec<u8>, Error> {
        let inner = &self.handle.inner;
        let most = inner.shared().lock().talk.offers().read_len();
        let request = Request::Read {
            handle: self.handle.bytes(),
            offset,
            len: len.min(most),
        };
        match inner.ask(&request).await? {
            Reply::Data(data) => Ok(data),
            Reply::End => Ok(Vec::new()),
            other => Err(other.unfit()),
        }
    }

    /// Writes all of `data` at `offset`.
    pub async fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        self.write_from(offset, |at, space| {
            let at = usize::try_from(at - offset).unwrap_or(usize::MAX);
            let rest = data.get(at..).unwrap_or_default();
            let len = rest.len().min(space.len());
            space[..len].copy_from_slice(&rest[..len]);
            Ok(len)
        })
        .await
        .map(drop)
    }

    /// Writes what `read` reads, from `start` on until it reads nothing: where
    /// it ended.
    pub(super) async fn write_from(
        &self,
        start: u64,
        mut read: impl FnMut(u64, &mut [u8]) -> std::io::Result<usize>,
    ) -> Result<u64, Error> {
        let inner = &self.handle.inner;
        let (sender, mut answers) = unbounded_channel();
        let mut upload = Upload::new(start);
        let mut ranges = std::collections::HashMap::new();
        let mut failure = None;
        loop {
            let moved = inner.shared().moved.notified();
            let mut moved = std::pin::pin!(moved);
            moved.as_mut().enable();
            while failure.is_none()
                && let Some(offset) = upload.offset()
            {
                let mut state = inner.shared().lock();
                state.check()?;
                if state.window.room() == 0 && upload.is_waiting() {
                    break;
                }
                let max = state.talk.offers().write_len();
                let fill = |space: &mut [u8]| read(offset, space);
                match state.talk.write(self.handle.bytes(), offset, max, fill)? {
                    Wrote::Sent(id, len) => {
                        state.wrote(id, len, offset, &sender);
                        ranges.insert(offset, upload.sent(len));
                    }
                    Wrote::Nothing => {
                        upload.sent(0);
                    }
                    Wrote::NoRoom => break,
                }
            }
            if let Some(size) = upload.size() {
                return failure.map_or(Ok(size), Err);
            }
            tokio::select! {
                Some((tag, reply)) = answers.recv() => {
                    let Some(range) = ranges.remove(&tag) else { continue };
                    match reply {
                        Ok(_) => upload.written(range),
                        Err(why) => {
                            upload.failed(range);
                            failure = failure.or(Some(why));
                        }
                    }
                }
                () = moved => {}
            }
        }
    }

    /// The handle, for copies.
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Closes the file. What could not be written is an error here at the
    /// latest.
    pub async fn close(self) -> Result<(), Error> {
        self.handle.close().await
    }
}
