//! A folder and all below it.

use carrick_sftp::client::is_plain_name;
use carrick_sftp::msg::Attrs;

use super::{Error, Sftp};

/// How deep folders may be in each other.
const DEPTH: usize = 64;

/// A file that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The folder that was walked, and the names on the way.
    pub path: Vec<u8>,
    /// What is known of it; links are not followed.
    pub attrs: Attrs,
}

/// A walk through a folder; see [`Sftp::walk`].
pub struct Walk {
    sftp: Sftp,
    /// Folders to be listed, and how deep they are.
    folders: Vec<(Vec<u8>, usize)>,
    found: std::vec::IntoIter<Result<Found, Error>>,
}

impl Walk {
    pub(super) fn new(sftp: Sftp, path: &[u8]) -> Self {
        Self {
            sftp,
            folders: vec![(path.to_vec(), 0)],
            found: Vec::new().into_iter(),
        }
    }

    /// The next file: a folder comes before what is in it. After an error the
    /// walk goes on with the next folder. `None` at the end.
    pub async fn next(&mut self) -> Option<Result<Found, Error>> {
        loop {
            if let Some(found) = self.found.next() {
                return Some(found);
            }
            let (folder, depth) = self.folders.pop()?;
            match self.sftp.read_dir(&folder).await {
                Ok(entries) => {
                    let mut all = Vec::with_capacity(entries.len());
                    for entry in entries {
                        all.push(self.look_at(&folder, depth, entry.name, entry.attrs));
                    }
                    self.found = all.into_iter();
                }
                Err(why) => return Some(Err(why)),
            }
        }
    }

    fn look_at(
        &mut self,
        folder: &[u8],
        depth: usize,
        name: Vec<u8>,
        attrs: Attrs,
    ) -> Result<Found, Error> {
        if !is_plain_name(&name) {
            return Err(Error::Name(name));
        }
        let mut path = folder.to_vec();
        if !path.ends_with(b"/") {
            path.push(b'/');
        }
        path.extend_from_slice(&name);
        if attrs.is_dir() {
            if depth >= DEPTH {
                return Err(Error::TooDeep);
            }
            self.folders.push((path.clone(), depth + 1));
        }
        Ok(Found { path, attrs })
    }
}
