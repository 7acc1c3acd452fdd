//! Comparing what both sides have of a file, before a transfer goes on behind
//! it: by the server's hashes (`check-file`), or by reading its content.

use std::fs::File;
use std::io;

use carrick_crypto::hash::HashAlg;
use carrick_sftp::msg::FileHashes;

use super::local::read_full;

/// The hash that is asked for.
pub(super) const HASH: &[u8] = b"sha256";
const HASH_LEN: usize = 32;

/// Each so many bytes have a hash; from the first that differs on, a file is
/// moved again.
pub(super) const BLOCK: u32 = 256 * 1024;

/// What one request for hashes covers.
const PIECE: u64 = 64 * BLOCK as u64;

/// Requests for hashes under way: each keeps the server busy for a while.
const HASHES: usize = 4;

/// Requests for content under way.
const CONTENTS: usize = 32;

/// A part of both files that is being compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) offset: u64,
    pub(super) len: u64,
}

/// A comparison of the beginnings of two files.
#[derive(Debug)]
pub(super) struct Compare {
    by_hash: bool,
    len: u64,
    piece: u64,
    next: u64,
    under_way: usize,
    again: Vec<Piece>,
    different: Option<u64>,
}

impl Compare {
    /// By hashes, of the first `len` bytes.
    pub(super) fn by_hash(len: u64) -> Self {
        Self::new(len, PIECE, true)
    }

    /// By content, which is read `block` bytes at a time.
    pub(super) fn by_content(len: u64, block: u32) -> Self {
        Self::new(len, block.into(), false)
    }

    fn new(len: u64, piece: u64, by_hash: bool) -> Self {
        Self {
            by_hash,
            len,
            piece,
            next: 0,
            under_way: 0,
            again: Vec::new(),
            different: None,
        }
    }

    /// Whether hashes are to be asked for.
    pub(super) fn is_by_hash(&self) -> bool {
        self.by_hash
    }

    /// What to ask for next.
    pub(super) fn ask(&mut self) -> Option<Piece> {
        let most = if self.by_hash { HASHES } else { CONTENTS };
        if self.different.is_some() || self.under_way >= most {
            return None;
        }
        let piece = match self.again.pop() {
            Some(piece) => piece,
            None if self.next < self.len => {
                let offset = self.next;
                let len = self.piece.min(self.len - offset);
                self.next = offset.saturating_add(len);
                Piece { offset, len }
            }
            None => return None,
        };
        self.under_way += 1;
        Some(piece)
    }

    /// The server's hashes of a piece came.
    pub(super) fn hashes(
        &mut self,
        piece: Piece,
        local: &File,
        hashes: &FileHashes<'_>,
    ) -> io::Result<()> {
        self.under_way -= 1;
        let mut theirs = hashes.values.chunks_exact(HASH_LEN);
        let mut buf = vec![0; BLOCK as usize];
        let mut done = 0;
        while done < piece.len {
            let offset = piece.offset.saturating_add(done);
            let len = u64::from(BLOCK).min(piece.len - done);
            let space = usize::try_from(len).ok().and_then(|len| buf.get_mut(..len));
            let space = space.unwrap_or_default();
            let whole = read_full(local, offset, space)? == space.len();
            let ours = HashAlg::Sha256.digest(&[space]);
            let same = hashes.hash == HASH && theirs.next() == Some(&ours);
            if !whole || !same {
                self.differ(offset);
                break;
            }
            done += len;
        }
        Ok(())
    }

    /// The server's content of a piece, or the beginning of it, came.
    pub(super) fn content(&mut self, piece: Piece, local: &File, data: &[u8]) -> io::Result<()> {
        self.under_way -= 1;
        let mut ours = vec![0; data.len()];
        let whole = read_full(local, piece.offset, &mut ours)? == data.len();
        if !whole || ours != data || data.is_empty() {
            self.differ(piece.offset);
            return Ok(());
        }
        let came = data.len() as u64;
        if let Some(left @ 1..) = piece.len.checked_sub(came) {
            self.again.push(Piece {
                offset: piece.offset.saturating_add(came),
                len: left,
            });
        }
        Ok(())
    }

    /// A piece could not be compared: it counts as different.
    pub(super) fn failed(&mut self, piece: Piece) {
        self.under_way -= 1;
        self.differ(piece.offset);
    }

    fn differ(&mut self, offset: u64) {
        self.different = Some(self.different.map_or(offset, |first| first.min(offset)));
    }

    /// Whether a block was found that differs.
    pub(super) fn is_different(&self) -> bool {
        self.different.is_some()
    }

    /// Once it is known: up to where both are the same.
    pub(super) fn same_up_to(&self) -> Option<u64> {
        if self.under_way > 0 {
            return None;
        }
        let all = self.next >= self.len && self.again.is_empty();
        self.different.or(all.then_some(self.len))
    }
}
