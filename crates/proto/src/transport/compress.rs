//! `zlib` (RFC 4253 section 6.2) and `zlib@openssh.com` (the same, from login on).

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use crate::error::PeerFault;
use crate::limits;

/// The sending side of a compressed direction.
pub(crate) struct Deflate(Compress);

impl Deflate {
    pub(crate) fn new() -> Self {
        Self(Compress::new(Compression::new(6), true))
    }

    /// Compresses one payload with a partial flush, as RFC 4253 asks, so that
    /// the peer can inflate it at once.
    pub(crate) fn payload(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        let before = self.0.total_in();
        loop {
            out.reserve(payload.len() / 2 + 64);
            let used = usize::try_from(self.0.total_in() - before).unwrap_or(payload.len());
            let rest = payload.get(used..).unwrap_or_default();
            // An error is impossible here: it stands for a finished or a
            // misused stream, and this one is never finished.
            let status = self.0.compress_vec(rest, out, FlushCompress::Partial);
            debug_assert!(status.is_ok(), "deflate: {status:?}");
            if out.len() < out.capacity() {
                return;
            }
        }
    }
}

/// The receiving side of a compressed direction.
pub(crate) struct Inflate(Decompress);

impl Inflate {
    pub(crate) fn new() -> Self {
        Self(Decompress::new(true))
    }

    /// Inflates one payload; more than a packet may hold is an error, so that
    /// a small packet cannot become a large one.
    pub(crate) fn payload(&mut self, payload: &[u8]) -> Result<Bytes, PeerFault> {
        let before = self.0.total_in();
        let mut out = Vec::new();
        loop {
            out.reserve((payload.len() * 2).clamp(256, limits::PACKET));
            let used = usize::try_from(self.0.total_in() - before).unwrap_or(payload.len());
            let rest = payload.get(used..).unwrap_or_default();
            self.0
                .decompress_vec(rest, &mut out, FlushDecompress::Sync)
                .map_err(|_| PeerFault::BadCompression)?;
            if out.len() > limits::PACKET {
                return Err(PeerFault::BadCompression);
            }
            if out.len() < out.capacity() {
                // What is left over lies behind the end of the stream, and a
                // stream of SSH has none.
                let used = usize::try_from(self.0.total_in() - before);
                if used != Ok(payload.len()) {
                    return Err(PeerFault::BadCompression);
                }
                return Ok(Bytes::from(out));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_inflate_one_by_one() {
        let (mut deflate, mut inflate) = (Deflate::new(), Inflate::new());
        for size in [1, 7, 300, 32768, 100_000] {
            let payload: Vec<u8> = (0..size)
                .map(|i: u32| (i.wrapping_mul(i) % 251) as u8)
                .collect();
            let mut packed = Vec::new();
            deflate.payload(&payload, &mut packed);
            assert_eq!(inflate.payload(&packed).unwrap(), payload);
        }
    }

    #[test]
    fn a_bomb_is_refused() {
        let mut packed = Vec::new();
        Deflate::new().payload(&vec![0; limits::PACKET + 1], &mut packed);
        assert!(packed.len() < 2000);
        assert_eq!(
            Inflate::new().payload(&packed),
            Err(PeerFault::BadCompression)
        );
    }

    #[test]
    fn nothing_comes_behind_the_end_of_a_stream() {
        let mut last = Vec::with_capacity(100);
        Compress::new(Compression::new(6), true)
            .compress_vec(b"last", &mut last, FlushCompress::Finish)
            .unwrap();
        let mut inflate = Inflate::new();
        assert_eq!(inflate.payload(&last).unwrap(), "last");
        assert_eq!(inflate.payload(b"more"), Err(PeerFault::BadCompression));
        let more = [&last[..], b"more"].concat();
        assert_eq!(
            Inflate::new().payload(&more),
            Err(PeerFault::BadCompression)
        );
    }

    #[test]
    fn garbage_is_refused() {
        assert_eq!(
            Inflate::new().payload(b"not zlib"),
            Err(PeerFault::BadCompression)
        );
    }
}
