//! MD5, for old MACs, fingerprints and PEM key files.

use aws_lc_sys as c;
use zeroize::Zeroize;

/// A running MD5.
#[derive(Clone)]
pub struct Md5(c::MD5_CTX);

impl Md5 {
    /// An empty one.
    pub fn new() -> Self {
        let mut ctx = c::MD5_CTX {
            h: [0; 4],
            Nl: 0,
            Nh: 0,
            data: [0; 64],
            num: 0,
        };
        // SAFETY: a live MD5_CTX; the call cannot fail.
        unsafe { c::MD5_Init(&raw mut ctx) };
        Self(ctx)
    }

    /// Takes in more.
    pub fn update(&mut self, data: &[u8]) {
        // SAFETY: an initialised MD5_CTX and a slice with its own length.
        unsafe { c::MD5_Update(&raw mut self.0, data.as_ptr().cast(), data.len()) };
    }

    /// The digest.
    pub fn finish(mut self) -> [u8; 16] {
        let mut out = [0; 16];
        // SAFETY: an initialised MD5_CTX and 16 bytes to write to.
        unsafe { c::MD5_Final(out.as_mut_ptr(), &raw mut self.0) };
        out
    }
}

impl Default for Md5 {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Md5 {
    fn drop(&mut self) {
        self.0.h.zeroize();
        self.0.data.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1321 appendix A.5.
    #[test]
    fn known_answers() {
        for (text, want) in [
            ("", 0xd41d_8cd9_8f00_b204_e980_0998_ecf8_427eu128),
            ("abc", 0x9001_5098_3cd2_4fb0_d696_3f7d_28e1_7f72),
            ("message digest", 0xf96b_697d_7cb7_938d_525a_2f31_aaf1_61d0),
        ] {
            let mut md5 = Md5::new();
            for byte in text.as_bytes() {
                md5.update(&[*byte]);
            }
            assert_eq!(u128::from_be_bytes(md5.finish()), want);
        }
    }
}
