//! Files on a server, over SFTP (draft-ietf-secsh-filexfer-02 and OpenSSH's
//! extensions).
//!
//! ```no_run
//! # async fn run(connection: carrick::Connection) -> Result<(), carrick::sftp::Error> {
//! let sftp = connection.sftp().await?;
//! for entry in sftp.read_dir("/var/log").await? {
//!     println!("{}", String::from_utf8_lossy(&entry.name));
//! }
//! sftp.download("/var/log/syslog", "syslog").await?;
//! # Ok(()) }
//! ```
//!
//! All handles to it may be used at the same time: requests do not wait for
//! each other. A future that is dropped takes its request back no more, but
//! nothing waits for the answer.
//!
//! What a server sends is not to be trusted: names in [`Sftp::read_dir`] may be
//! anything, also `..`; [`Sftp::walk`] refuses those that lead elsewhere.

mod copy;
mod driver;
mod error;
mod file;
mod walk;

use std::sync::Arc;

use carrick_proto::Client;
use carrick_sftp::client::Offers;
pub use carrick_sftp::client::Refusal;
pub use carrick_sftp::msg::{Attrs, Code, FileKind, Open, Owner, Statvfs, Times};
use carrick_sftp::msg::{Extended, Request};
use tokio::io::{AsyncRead, AsyncWrite};

pub use error::Error;
pub use file::File;
pub use walk::{Found, Walk};

use crate::connection::Connection;
use driver::{Inner, Reply};

/// How many READDIRs are under way: a server answers each with a hundred names
/// or so.
const LISTING: usize = 16;

/// A file in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// Its name, as the server sent it.
    pub name: Vec<u8>,
    /// A line as `ls -l` has it, for people.
    pub long: Vec<u8>,
    /// What is known of it; of a link, of the link itself.
    pub attrs: Attrs,
}

/// A conversation with a server. Clones are handles to the same one; it ends
/// when the last handle and the last open [`File`] is dropped.
#[derive(Clone)]
pub struct Sftp {
    inner: Arc<Inner>,
}

impl Connection<Client> {
    /// Starts the `sftp` subsystem and a conversation with it.
    pub async fn sftp(&self) -> Result<Sftp, Error> {
        Sftp::start(self.subsystem("sftp").await?).await
    }
}

impl Sftp {
    /// Starts a conversation over any byte stream to a server. A task of its
    /// own moves the bytes.
    pub async fn start<T>(stream: T) -> Result<Self, Error>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let inner = Arc::new(driver::start(stream));
        inner.ready().await?;
        Ok(Self { inner })
    }

    /// What the server offers. Its limits are known once it has answered
    /// anything: they were asked for first.
    pub fn offers(&self) -> Offers {
        self.inner.shared().lock().talk.offers().clone()
    }

    async fn done(&self, request: Request<'_>) -> Result<(), Error> {
        match self.inner.ask(&request).await? {
            Reply::Done => Ok(()),
            other => Err(other.unfit()),
        }
    }

    async fn attrs(&self, request: Request<'_>) -> Result<Attrs, Error> {
        match self.inner.ask(&request).await? {
            Reply::Attrs(attrs) => Ok(attrs),
            other => Err(other.unfit()),
        }
    }

    async fn path(&self, request: Request<'_>) -> Result<Vec<u8>, Error> {
        match self.inner.ask(&request).await? {
            Reply::Path(path) => Ok(path),
            other => Err(other.unfit()),
        }
    }

    async fn handle(&self, request: Request<'_>) -> Result<Vec<u8>, Error> {
        match self.inner.ask(&request).await? {
            Reply::Handle(handle) => Ok(handle),
            other => Err(other.unfit()),
        }
    }

    fn extended<'a>(&self, extended: Extended<'a>) -> Result<Request<'a>, Error> {
        if self.inner.shared().lock().talk.offers().takes(&extended) {
            return Ok(Request::Extended(extended));
        }
        let name = String::from_utf8_lossy(extended.name()).into_owned();
        Err(Error::Unsupported(name))
    }

    /// What is known of a file; of what a link points to.
    pub async fn stat(&self, path: impl AsRef<[u8]>) -> Result<Attrs, Error> {
        let path = path.as_ref();
        self.attrs(Request::Stat { path }).await
    }

    /// What is known of a file, or of a link itself.
    pub async fn lstat(&self, path: impl AsRef<[u8]>) -> Result<Attrs, Error> {
        let path = path.as_ref();
        self.attrs(Request::Lstat { path }).await
    }

    /// Sets what is given of a file's attributes.
    pub async fn set_attrs(&self, path: impl AsRef<[u8]>, attrs: Attrs) -> Result<(), Error> {
        let path = path.as_ref();
        self.done(Request::Setstat { path, attrs }).await
    }

    /// The absolute path of what is there.
    pub async fn realpath(&self, path: impl AsRef<[u8]>) -> Result<Vec<u8>, Error> {
        let path = path.as_ref();
        self.path(Request::Realpath { path }).await
    }

    /// What a link points to.
    pub async fn read_link(&self, path: impl AsRef<[u8]>) -> Result<Vec<u8>, Error> {
        let path = path.as_ref();
        self.path(Request::Readlink { path }).await
    }

    /// All files in a folder, in the server's order; `.` and `..` are left out.
    pub async fn read_dir(&self, path: impl AsRef<[u8]>) -> Result<Vec<DirEntry>, Error> {
        let path = path.as_ref();
        let handle = self.handle(Request::Opendir { path }).await?;
        let folder = file::Handle::new(&self.inner, handle);
        let (sender, mut answers) = tokio::sync::mpsc::unbounded_channel();
        let (mut entries, mut asked, mut ended) = (Vec::new(), 0_usize, None);
        loop {
            while ended.is_none() && asked < LISTING {
                let handle = folder.bytes();
                let request = Request::Readdir { handle };
                self.inner.ask_for(&request, 0, 0, &sender)?;
                asked += 1;
            }
            if asked == 0 {
                return ended.unwrap_or(Ok(())).map(|()| entries);
            }
            let (_, reply) = answers.recv().await.ok_or(Error::Closed)?;
            asked -= 1;
            match reply? {
                Reply::Names(names) if !names.is_empty() => {
                    let real = |entry: &DirEntry| !matches!(&*entry.name, b"." | b"..");
                    entries.extend(names.into_iter().filter(real));
                }
                Reply::Names(_) | Reply::End => ended = ended.or(Some(Ok(()))),
                other => ended = ended.or(Some(Err(other.unfit()))),
            }
        }
    }

    /// All files in a folder and in its folders, one after the other; see
    /// [`Walk::next`].
    pub fn walk(&self, path: impl AsRef<[u8]>) -> Walk {
        Walk::new(self.clone(), path.as_ref())
    }

    /// Makes a folder.
    pub async fn create_dir(&self, path: impl AsRef<[u8]>, attrs: Attrs) -> Result<(), Error> {
        let path = path.as_ref();
        self.done(Request::Mkdir { path, attrs }).await
    }

    /// Removes an empty folder.
    pub async fn remove_dir(&self, path: impl AsRef<[u8]>) -> Result<(), Error> {
        let path = path.as_ref();
        self.done(Request::Rmdir { path }).await
    }

    /// Removes a file.
    pub async fn remove_file(&self, path: impl AsRef<[u8]>) -> Result<(), Error> {
        let path = path.as_ref();
        self.done(Request::Remove { path }).await
    }

    /// Renames a file: over what is there, if the server can do that.
    pub async fn rename(&self, from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> Result<(), Error> {
        let (from, to) = (from.as_ref(), to.as_ref());
        match self.extended(Extended::PosixRename { from, to }) {
            Ok(request) => self.done(request).await,
            Err(_) => self.done(Request::Rename { from, to }).await,
        }
    }

    /// Makes a symbolic link.
    pub async fn symlink(
        &self,
        target: impl AsRef<[u8]>,
        link: impl AsRef<[u8]>,
    ) -> Result<(), Error> {
        let (target, link) = (target.as_ref(), link.as_ref());
        self.done(Request::Symlink { target, link }).await
    }

    /// Makes a hard link.
    pub async fn hard_link(
        &self,
        from: impl AsRef<[u8]>,
        to: impl AsRef<[u8]>,
    ) -> Result<(), Error> {
        let (from, to) = (from.as_ref(), to.as_ref());
        let request = self.extended(Extended::Hardlink { from, to })?;
        self.done(request).await
    }

    /// The figures of the file system that a file is in.
    pub async fn statvfs(&self, path: impl AsRef<[u8]>) -> Result<Statvfs, Error> {
        let path = path.as_ref();
        let request = self.extended(Extended::Statvfs { path })?;
        match self.inner.ask(&request).await? {
            Reply::Statvfs(figures) => Ok(figures),
            other => Err(other.unfit()),
        }
    }

    /// Opens a file; `attrs` count if it is made.
    pub async fn open(
        &self,
        path: impl AsRef<[u8]>,
        how: Open,
        attrs: Attrs,
    ) -> Result<File, Error> {
        let path = path.as_ref();
        let handle = self.handle(Request::Open { path, how, attrs }).await?;
        Ok(File::new(file::Handle::new(&self.inner, handle)))
    }
}
