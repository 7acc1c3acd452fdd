//! UMAC-64 and UMAC-128 (RFC 4418) with AES-128, as SSH uses them: the nonce
//! is the packet's sequence number in 64 bits.
//!
//! `tag = UHASH(message) ^ PDF(nonce)`. UHASH runs once for each 32 bits of
//! tag, with keys that differ: NH (layer 1) turns each kilobyte into 64 bits,
//! a polynomial (layer 2) turns those into 64, an inner product (layer 3)
//! turns that into 32. The polynomial for messages beyond 16 MiB is left out:
//! [`MAX_MESSAGE`] is far above any SSH packet.

use carrick_lc::aes::{Aes, Block};
use carrick_lc::{Failed, nh};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The longest message.
pub const MAX_MESSAGE: usize = 1 << 24;

/// The length of the key.
pub const KEY: usize = 16;

/// Bytes that NH takes at a time.
const CHUNK: usize = 1024;

/// 2^64 - 59, the modulus of layer 2.
const P64: u64 = u64::MAX - 58;
/// Layer 2 words from here on take an escape (RFC 4418 section 5.3.1).
const ESCAPE: u64 = 0xffff_ffff_0000_0000;
/// The bits that a layer 2 key may have.
const POLY_MASK: u64 = 0x01ff_ffff_01ff_ffff;
/// 2^36 - 5, the modulus of layer 3.
const P36: u64 = (1 << 36) - 5;

/// The keys of layers 2 and 3 for one iteration.
#[derive(Zeroize, ZeroizeOnDrop)]
struct Upper {
    poly: u64,
    inner: [u64; 4],
    last: u32,
}

/// An expanded key for tags of `4 * N` bytes.
struct Uhash<const N: usize> {
    nh: Zeroizing<Vec<u32>>,
    upper: [Upper; N],
    pad: Aes,
}

/// `KDF` of RFC 4418 section 3.2: AES in a counter over `index`.
fn expand(aes: &Aes, index: u8, len: usize) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(vec![0; len.next_multiple_of(16)]);
    for (i, block) in (1u64..).zip(out.as_chunks_mut::<16>().0) {
        block[7] = index;
        block[8..].copy_from_slice(&i.to_be_bytes());
        aes.block(block);
    }
    out.truncate(len);
    out
}

impl<const N: usize> Uhash<N> {
    fn new(key: &[u8]) -> Result<Self, Failed> {
        let aes = Aes::new(key)?;
        let layer1 = expand(&aes, 1, CHUNK + (N - 1) * 4 * nh::SHIFT);
        let layer2 = expand(&aes, 2, N * 24);
        let layer3 = expand(&aes, 3, N * 64);
        let last = expand(&aes, 4, N * 4);
        let words = layer1
            .as_chunks::<4>()
            .0
            .iter()
            .map(|word| u32::from_be_bytes(*word));
        let (layer2, _) = layer2.as_chunks::<8>();
        let (layer3, _) = layer3.as_chunks::<8>();
        let upper = core::array::from_fn(|i| Upper {
            poly: u64::from_be_bytes(layer2[3 * i]) & POLY_MASK,
            // The first four of eight keys meet the zeros above the 64-bit
            // result of layer 2.
            inner: core::array::from_fn(|j| u64::from_be_bytes(layer3[8 * i + 4 + j]) % P36),
            last: u32::from_be_bytes(last.as_chunks::<4>().0[i]),
        });
        let nh = Zeroizing::new(words.collect());
        Ok(Self {
            nh,
            upper,
            pad: Aes::new(&expand(&aes, 0, KEY))?,
        })
    }

    /// Layers 1 to 3.
    fn hash(&self, message: &[u8]) -> [u32; N] {
        assert!(
            message.len() <= MAX_MESSAGE,
            "UMAC over more than {MAX_MESSAGE} bytes"
        );
        let whole = message.len().saturating_sub(1) / CHUNK * CHUNK;
        let (head, tail) = message.split_at(whole);
        if head.is_empty() {
            let sums = self.last_chunk(tail);
            return core::array::from_fn(|i| layer3(&self.upper[i], sums[i]));
        }
        let mut state = [1; N];
        for chunk in head.chunks_exact(CHUNK) {
            let sums = nh::nh::<N>(&self.nh, chunk);
            for ((state, upper), sum) in state.iter_mut().zip(&self.upper).zip(sums) {
                *state = poly(*state, upper.poly, sum.wrapping_add(8 * CHUNK as u64));
            }
        }
        let sums = self.last_chunk(tail);
        for ((state, upper), sum) in state.iter_mut().zip(&self.upper).zip(sums) {
            *state = poly(*state, upper.poly, sum);
        }
        core::array::from_fn(|i| layer3(&self.upper[i], state[i]))
    }

    /// NH over the last 0 to 1024 bytes, padded with zeros to a multiple of 32
    /// that is not zero.
    fn last_chunk(&self, tail: &[u8]) -> [u64; N] {
        let whole = tail.len() / nh::GROUP_BYTES * nh::GROUP_BYTES;
        let (head, rest) = tail.split_at(whole);
        let mut sums = nh::nh::<N>(&self.nh, head);
        if !rest.is_empty() || tail.is_empty() {
            let mut group = [0; nh::GROUP_BYTES];
            group[..rest.len()].copy_from_slice(rest);
            let more = nh::nh::<N>(&self.nh[whole / 4..], &group);
            for (sum, more) in sums.iter_mut().zip(more) {
                *sum = sum.wrapping_add(more);
            }
        }
        sums.map(|sum| sum.wrapping_add(8 * tail.len() as u64))
    }

    /// The pad for a nonce, of which the lowest `spare` bits are set aside.
    fn pad(&self, nonce: u64, spare: u64) -> Block {
        let mut block: Block = [0; 16];
        block[..8].copy_from_slice(&(nonce & !spare).to_be_bytes());
        self.pad.block(&mut block);
        block
    }
}

/// `y * k + m mod p64`, with the escape for large words.
fn poly(state: u64, key: u64, word: u64) -> u64 {
    if word >= ESCAPE {
        let marked = mul_add(state, key, P64 - 1);
        mul_add(marked, key, word.wrapping_sub(59))
    } else {
        mul_add(state, key, word)
    }
}

/// The two halves of 128 bits, the high one first.
fn split(wide: u128) -> (u64, u64) {
    let [high, low] = [wide >> 64, wide & u128::from(u64::MAX)];
    // Both are masked to 64 bits.
    (
        u64::try_from(high).unwrap_or(0),
        u64::try_from(low).unwrap_or(0),
    )
}

/// `a * b + c mod p64` for `b < 2^57`. 2^64 is 59 modulo p64, so the high
/// half folds onto the low one.
fn mul_add(a: u64, b: u64, c: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    let (high, low) = split(product);
    // high < 2^57, so high * 59 < 2^63 and this sum cannot overflow 128 bits.
    let sum = u128::from(high) * 59 + u128::from(low) + u128::from(c);
    let (high, low) = split(sum);
    let (folded, carry) = low.overflowing_add(high * 59);
    let folded = if carry {
        folded.wrapping_add(59)
    } else {
        folded
    };
    if folded >= P64 { folded - P64 } else { folded }
}

/// The inner product of layer 3 and its last xor.
fn layer3(keys: &Upper, value: u64) -> u32 {
    let mut sum = 0;
    for (i, key) in keys.inner.iter().enumerate() {
        // 16 bits times less than 2^36, four times: below 2^54.
        sum += (value >> (48 - 16 * i) & 0xffff) * key;
    }
    u32::try_from((sum % P36) & 0xffff_ffff).unwrap_or(0) ^ keys.last
}

/// UMAC with tags of 8 bytes.
pub struct Umac64(Uhash<2>);

impl Umac64 {
    /// From a key of [`KEY`] bytes.
    pub fn new(key: &[u8; KEY]) -> Result<Self, Failed> {
        Uhash::new(key).map(Self)
    }

    /// The tag.
    ///
    /// # Panics
    /// If the message is longer than [`MAX_MESSAGE`].
    pub fn tag(&self, nonce: u64, message: &[u8]) -> [u8; 8] {
        let [a, b] = self.0.hash(message);
        let hash = u64::from(a) << 32 | u64::from(b);
        // One AES block serves two nonces: the lowest bit picks the half.
        let pad = u128::from_be_bytes(self.0.pad(nonce, 1));
        let (even, odd) = split(pad);
        (hash ^ if nonce & 1 == 0 { even } else { odd }).to_be_bytes()
    }
}

/// UMAC with tags of 16 bytes.
pub struct Umac128(Uhash<4>);

impl Umac128 {
    /// From a key of [`KEY`] bytes.
    pub fn new(key: &[u8; KEY]) -> Result<Self, Failed> {
        Uhash::new(key).map(Self)
    }

    /// The tag.
    ///
    /// # Panics
    /// If the message is longer than [`MAX_MESSAGE`].
    pub fn tag(&self, nonce: u64, message: &[u8]) -> [u8; 16] {
        let hash = self
            .0
            .hash(message)
            .into_iter()
            .fold(0u128, |all, x| all << 32 | u128::from(x));
        (hash ^ u128::from_be_bytes(self.0.pad(nonce, 0))).to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8; 16] = b"abcdefghijklmnop";

    fn nonce() -> u64 {
        u64::from_be_bytes(*b"bcdefghi")
    }

    /// RFC 4418 appendix: message, 64-bit tag, 96-bit tag. A 96-bit tag is
    /// the start of the 128-bit one.
    fn vectors() -> Vec<(Vec<u8>, u64, u128)> {
        vec![
            (
                Vec::new(),
                0x6e15_5fad_2690_0be1,
                0x32fe_db10_0c79_ad58_f07f_f764,
            ),
            (
                vec![b'a'; 3],
                0x44b5_cb54_2f22_0104,
                0x185e_4fe9_05cb_a7bd_85e4_c2dc,
            ),
            (
                vec![b'a'; 1 << 10],
                0x26bf_2f5d_6011_8bd9,
                0x7a54_abe0_4af8_2d60_fb29_8c3c,
            ),
            (
                vec![b'a'; 1 << 15],
                0x27f8_ef64_3b0d_118d,
                0x7b13_6bd9_11e4_b734_286e_f2be,
            ),
            (
                vec![b'a'; 1 << 20],
                0xa447_7e87_e9f5_5853,
                0xf8ac_fa3a_c31c_feea_047f_7b11,
            ),
            (
                b"abc".to_vec(),
                0xd4d7_b9f6_bd4f_bfcf,
                0x883c_3d4b_97a6_1976_ffcf_2323,
            ),
            (
                b"abc".repeat(500),
                0xd4cf_26dd_efd5_c01a,
                0x8824_a260_c53c_66a3_6c92_60a6,
            ),
        ]
    }

    #[test]
    fn rfc_4418() {
        let (short, long) = (Umac64::new(KEY).unwrap(), Umac128::new(KEY).unwrap());
        for (message, tag64, tag96) in vectors() {
            let len = message.len();
            assert_eq!(
                u64::from_be_bytes(short.tag(nonce(), &message)),
                tag64,
                "{len} bytes"
            );
            let tag = u128::from_be_bytes(long.tag(nonce(), &message));
            assert_eq!(tag >> 32, tag96, "{len} bytes");
        }
    }

    /// The halves of one pad: neighbouring nonces differ by the pad alone.
    #[test]
    fn nonces_share_a_pad() {
        let umac = Umac64::new(KEY).unwrap();
        let tag = |nonce, text: &[u8]| u64::from_be_bytes(umac.tag(nonce, text));
        assert_ne!(tag(4, b"x"), tag(5, b"x"));
        assert_eq!(tag(4, b"x") ^ tag(5, b"x"), tag(4, b"y") ^ tag(5, b"y"));
        assert_ne!(tag(4, b"x") ^ tag(5, b"x"), tag(6, b"x") ^ tag(7, b"x"));
    }

    /// The modulus of layer 2 at its edges, against plain 128-bit arithmetic.
    #[test]
    fn multiply_and_add() {
        let p = u128::from(P64);
        let words = [0, 1, 58, 59, 60, ESCAPE - 1, ESCAPE, P64 - 1, P64, u64::MAX];
        for a in words {
            for b in [0, 1, 59, POLY_MASK - 1, POLY_MASK] {
                for c in words {
                    let want = (u128::from(a) * u128::from(b) % p + u128::from(c)) % p;
                    assert_eq!(u128::from(mul_add(a, b, c)), want, "{a} * {b} + {c}");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "UMAC over more than")]
    fn too_long() {
        Umac64::new(KEY).unwrap().tag(0, &vec![0; MAX_MESSAGE + 1]);
    }
}
