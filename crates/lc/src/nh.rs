//! NH, the inner product at the heart of UMAC (RFC 4418 section 5.2.2): wide
//! multiplies that the compiler turns into vector instructions. It is here
//! because picking AVX2 at run time needs a call that only `unsafe` allows.

/// Words of data and of key in one group.
const GROUP: usize = 8;

/// Bytes of data in one group; data must be a whole number of these.
pub const GROUP_BYTES: usize = 4 * GROUP;

/// How far the key moves from one iteration to the next ("Toeplitz" shift).
pub const SHIFT: usize = 4;

/// `N` NH sums over the same data, the `i`th with the key moved on by
/// `i * SHIFT` words. Data beyond the last whole group, or beyond what the
/// key covers, is not looked at: callers pad.
pub fn nh<const N: usize>(key: &[u32], data: &[u8]) -> [u64; N] {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the CPU has AVX2, as was just asked.
        return unsafe { avx2::<N>(key, data) };
    }
    portable::<N>(key, data)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2<const N: usize>(key: &[u32], data: &[u8]) -> [u64; N] {
    portable::<N>(key, data)
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must be compiled inside the AVX2 function"
)]
fn portable<const N: usize>(key: &[u32], data: &[u8]) -> [u64; N] {
    let mut sums = [[0u64; 4]; N];
    for (index, group) in data.chunks_exact(GROUP_BYTES).enumerate() {
        let (words, _) = group.as_chunks::<4>();
        let start = index * GROUP;
        let Some(keys) = key.get(start..start + GROUP + SHIFT * (N - 1)) else {
            break;
        };
        for (i, sum) in sums.iter_mut().enumerate() {
            let keys = &keys[i * SHIFT..i * SHIFT + GROUP];
            for lane in 0..4 {
                let low = u32::from_le_bytes(words[lane]).wrapping_add(keys[lane]);
                let high = u32::from_le_bytes(words[lane + 4]).wrapping_add(keys[lane + 4]);
                sum[lane] = sum[lane].wrapping_add(u64::from(low) * u64::from(high));
            }
        }
    }
    sums.map(|lanes| lanes.into_iter().fold(0, u64::wrapping_add))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_agree() {
        let key: Vec<u32> = (0..300u32).map(|i| i.wrapping_mul(0x9e37_79b9)).collect();
        let data: Vec<u8> = (0..1024u32)
            .map(|i| i.wrapping_mul(167).to_le_bytes()[0])
            .collect();
        for len in (0..=1024).step_by(32) {
            assert_eq!(
                nh::<4>(&key, &data[..len]),
                portable::<4>(&key, &data[..len])
            );
            let [first] = nh::<1>(&key, &data[..len]);
            assert_eq!(first, nh::<4>(&key, &data[..len])[0]);
            let [third] = nh::<1>(&key[8..], &data[..len]);
            assert_eq!(third, nh::<4>(&key, &data[..len])[2]);
        }
    }
}
