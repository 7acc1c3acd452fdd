//! Whole files, between here and there.

use std::collections::HashMap;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use carrick_sftp::client::{Download, Range};
use carrick_sftp::msg::{Attrs, Extended, Open, Request};
use tokio::sync::mpsc::unbounded_channel;

use super::driver::Reply;
use super::{Error, File, Sftp};

impl Sftp {
    /// Gets a file, over what is at `local`: how long it is. Its content is
    /// written where it belongs in whatever order it comes.
    ///
    /// Files on this side are read and written directly, as an async runtime
    /// has no better way to do it.
    pub async fn download(
        &self,
        remote: impl AsRef<[u8]>,
        local: impl AsRef<Path>,
    ) -> Result<u64, Error> {
        let file = self.open(remote, Open::READ, Attrs::default()).await?;
        let size = file.stat().await?.size;
        let target = std::fs::File::create(local)?;
        let end = self.fetch(&file, size, &target).await?;
        target.set_len(end)?;
        Ok(end)
    }

    async fn fetch(
        &self,
        file: &File,
        size: Option<u64>,
        target: &std::fs::File,
    ) -> Result<u64, Error> {
        let inner = &self.inner;
        let block = inner.shared().lock().talk.offers().read_len();
        let mut download = Download::new(0, size, block);
        let (sender, mut answers) = unbounded_channel();
        let mut ranges: HashMap<u64, Range> = HashMap::new();
        let mut failure = None;
        loop {
            while failure.is_none() {
                if download.is_waiting() && inner.shared().lock().window.room() == 0 {
                    break;
                }
                let Some(range) = download.ask() else { break };
                let request = Request::Read {
                    handle: file.handle().bytes(),
                    offset: range.offset,
                    len: range.len,
                };
                inner.ask_for(&request, range.len, range.offset, &sender)?;
                ranges.insert(range.offset, range);
            }
            if let Some(why) = failure.take_if(|_| !download.is_waiting()) {
                return Err(why);
            }
            if let Some(end) = download.size() {
                return Ok(end);
            }
            let (tag, reply) = answers.recv().await.ok_or(Error::Closed)?;
            let Some(range) = ranges.remove(&tag) else {
                continue;
            };
            let outcome = match reply {
                Ok(Reply::Data(data)) => {
                    download.data(range, data.len());
                    target
                        .write_all_at(&data, range.offset)
                        .map_err(Error::from)
                }
                Ok(Reply::End) => {
                    download.end_of_file(range);
                    Ok(())
                }
                Ok(other) => Err(other.unfit()),
                Err(why) => {
                    download.failed(range);
                    Err(why)
                }
            };
            if let Err(why) = outcome {
                failure = failure.or(Some(why));
            }
        }
    }

    /// Puts a file, over what is at `remote`: how long it is. It has the
    /// permissions of the local one.
    pub async fn upload(
        &self,
        local: impl AsRef<Path>,
        remote: impl AsRef<[u8]>,
    ) -> Result<u64, Error> {
        let source = std::fs::File::open(local)?;
        let attrs = Attrs::with_mode(source.metadata()?.mode() & 0o777);
        let how = Open::WRITE.and(Open::CREATE).and(Open::TRUNCATE);
        let file = self.open(remote, how, attrs).await?;
        let end = file
            .write_from(0, |offset, space| source.read_at(space, offset))
            .await?;
        file.close().await?;
        Ok(end)
    }

    /// Copies a file on the server (`copy-data`), without its content coming
    /// by here.
    pub async fn copy(&self, from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> Result<(), Error> {
        let source = self.open(from, Open::READ, Attrs::default()).await?;
        let mode = source.stat().await?.permissions().unwrap_or(0o666);
        let how = Open::WRITE.and(Open::CREATE).and(Open::TRUNCATE);
        let target = self.open(to, how, Attrs::with_mode(mode & 0o777)).await?;
        let request = self.extended(Extended::CopyData {
            from: source.handle().bytes(),
            from_offset: 0,
            len: 0,
            to: target.handle().bytes(),
            to_offset: 0,
        })?;
        self.done(request).await?;
        target.close().await
    }
}
