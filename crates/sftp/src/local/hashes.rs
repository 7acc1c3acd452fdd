//! Hashes of a file's content (`check-file`).

use std::os::fd::OwnedFd;

use carrick_crypto::hash::{HashAlg, Hasher};
use rustix::fs::fstat;
use rustix::io::{Errno, pread, retry_on_intr};

use super::{PIECE, failed, is_regular};
use crate::limits;
use crate::msg::{CheckFile, Code};
use crate::server::Result;

/// The hashes there are, by their names in
/// draft-ietf-secsh-filexfer-extensions-00 section 3.
const HASHES: [(&[u8], HashAlg); 5] = [
    (b"sha256", HashAlg::Sha256),
    (b"sha512", HashAlg::Sha512),
    (b"sha384", HashAlg::Sha384),
    (b"sha1", HashAlg::Sha1),
    (b"md5", HashAlg::Md5),
];
/// The smallest block that a hash is made for (section 3: "MUST be 256 bytes
/// or larger").
const SMALLEST_BLOCK: u64 = 256;

/// Appends the hashes that are asked for, and says which hash they are by.
pub(super) fn hash(
    fd: &OwnedFd,
    what: &CheckFile<'_>,
    values: &mut Vec<u8>,
) -> Result<&'static [u8]> {
    let mut names = what.hashes.split(|byte| *byte == b',');
    let known = names.find_map(|name| HASHES.iter().find(|(known, _)| *known == name));
    let (name, alg) = known.ok_or(Code::FAILURE)?;
    let block = u64::from(what.block);
    if (1..SMALLEST_BLOCK).contains(&block) || i64::try_from(what.offset).is_err() {
        return Err(Code::BAD_MESSAGE.into());
    }
    // Anything else may have no end.
    if !is_regular(&fstat(fd).map_err(failed)?) {
        return Err(Code::FAILURE.into());
    }
    let mut reading = Reading {
        fd,
        at: what.offset,
        left: if what.len == 0 { u64::MAX } else { what.len },
        piece: vec![0; PIECE],
    };
    if block == 0 {
        let (digest, _) = reading.block(*alg, u64::MAX).map_err(failed)?;
        values.extend_from_slice(&digest);
        return Ok(name);
    }
    loop {
        match reading.block(*alg, block).map_err(failed)? {
            (_, 0) => return Ok(name),
            (digest, _) => values.extend_from_slice(&digest),
        }
        if values.len() > limits::DATA {
            // They would not fit into an answer: larger blocks are called for.
            return Err(Code::FAILURE.into());
        }
    }
}

/// A part of a file that is being read.
struct Reading<'a> {
    fd: &'a OwnedFd,
    at: u64,
    left: u64,
    piece: Vec<u8>,
}

impl Reading<'_> {
    /// The hash of the next `most` bytes, or of as many as there are: it, and
    /// how many.
    fn block(&mut self, alg: HashAlg, most: u64) -> core::result::Result<(Vec<u8>, u64), Errno> {
        let mut hasher = Hasher::new(alg);
        let mut done: u64 = 0;
        while done < most.min(self.left) {
            let step = usize::try_from(most.min(self.left) - done).unwrap_or(usize::MAX);
            let room = self.piece.get_mut(..step.min(PIECE)).unwrap_or_default();
            let count = retry_on_intr(|| pread(self.fd, &mut *room, self.at))?;
            if count == 0 {
                break;
            }
            hasher.update(room.get(..count).unwrap_or_default());
            let count = u64::try_from(count).unwrap_or(0);
            self.at = self.at.saturating_add(count);
            done = done.saturating_add(count);
        }
        self.left -= done.min(self.left);
        Ok((hasher.finish(), done))
    }
}
