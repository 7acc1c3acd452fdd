//! ChaCha20 and Poly1305 apart (RFC 8439), for private key files sealed with
//! chacha20-poly1305@openssh.com: they have no length field, which the packet
//! form in aws-lc-rs insists on.

use core::mem::MaybeUninit;

use aws_lc_sys as c;

/// Xors `data` with the key stream that starts at block `counter`.
pub fn chacha20(key: &[u8; 32], nonce: &[u8; 12], counter: u32, data: &mut [u8]) {
    let place = data.as_mut_ptr();
    // SAFETY: in and out are the same `data.len()` valid bytes, which the call
    // allows; key and nonce have the lengths it reads.
    unsafe {
        c::CRYPTO_chacha_20(
            place,
            place,
            data.len(),
            key.as_ptr(),
            nonce.as_ptr(),
            counter,
        );
    }
}

/// The one-time tag of `data`.
pub fn poly1305(key: &[u8; 32], data: &[u8]) -> [u8; 16] {
    let mut state = MaybeUninit::<c::poly1305_state>::uninit();
    let mut tag = [0; 16];
    // SAFETY: `state` has the size and alignment of its type; 32 bytes are read.
    unsafe { c::CRYPTO_poly1305_init(state.as_mut_ptr(), key.as_ptr()) };
    // SAFETY: an initialised state, a slice with its own length.
    unsafe { c::CRYPTO_poly1305_update(state.as_mut_ptr(), data.as_ptr(), data.len()) };
    // SAFETY: an initialised state, 16 bytes to write to.
    unsafe { c::CRYPTO_poly1305_finish(state.as_mut_ptr(), tag.as_mut_ptr()) };
    // SAFETY: wipes the state's own memory.
    unsafe { c::OPENSSL_cleanse(state.as_mut_ptr().cast(), size_of::<c::poly1305_state>()) };
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8439 sections 2.4.2 (its first block) and 2.5.2.
    #[test]
    fn known_answers() {
        let key: [u8; 32] = core::array::from_fn(|i| u8::try_from(i).unwrap());
        let nonce = [0, 0, 0, 0, 0, 0, 0, 0x4a, 0, 0, 0, 0];
        let mut text = *b"Ladies and Gentl";
        chacha20(&key, &nonce, 1, &mut text);
        assert_eq!(
            u128::from_be_bytes(text),
            0x6e2e_359a_2568_f980_41ba_0728_dd0d_6981
        );
        let key: [u8; 32] = [
            0x85, 0xd6, 0xbe, 0x78, 0x57, 0x55, 0x6d, 0x33, 0x7f, 0x44, 0x52, 0xfe, 0x42, 0xd5,
            0x06, 0xa8, 0x01, 0x03, 0x80, 0x8a, 0xfb, 0x0d, 0xb2, 0xfd, 0x4a, 0xbf, 0xf6, 0xaf,
            0x41, 0x49, 0xf5, 0x1b,
        ];
        let tag = poly1305(&key, b"Cryptographic Forum Research Group");
        assert_eq!(
            u128::from_be_bytes(tag),
            0xa806_1dc1_3051_36c6_c22b_8baf_0c01_27a9
        );
    }
}
