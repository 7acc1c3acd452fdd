//! ChaCha20 apart from Poly1305 (RFC 8439): what aws-lc-rs has of it are whole
//! constructions.

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

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8439 section 2.4.2, its first block.
    #[test]
    fn known_answer() {
        let key: [u8; 32] = core::array::from_fn(|i| u8::try_from(i).unwrap());
        let nonce = [0, 0, 0, 0, 0, 0, 0, 0x4a, 0, 0, 0, 0];
        let mut text = *b"Ladies and Gentl";
        chacha20(&key, &nonce, 1, &mut text);
        assert_eq!(
            u128::from_be_bytes(text),
            0x6e2e_359a_2568_f980_41ba_0728_dd0d_6981
        );
    }
}
