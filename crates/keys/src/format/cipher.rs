//! The ciphers that key files are encrypted with.

use carrick_crypto::raw;
use zeroize::Zeroizing;

/// A cipher as key files use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyCipher {
    /// OpenSSH's name.
    pub(super) name: &'static str,
    pub(super) key_len: usize,
    pub(super) iv_len: usize,
    pub(super) block: usize,
    /// Bytes behind the ciphertext that vouch for it; 0 for most.
    pub(super) tag: usize,
}

const fn row(
    name: &'static str,
    key_len: usize,
    iv_len: usize,
    block: usize,
    tag: usize,
) -> KeyCipher {
    KeyCipher {
        name,
        key_len,
        iv_len,
        block,
        tag,
    }
}

/// What OpenSSH writes and reads.
const CIPHERS: [KeyCipher; 10] = [
    row("aes256-ctr", 32, 16, 16, 0),
    row("aes192-ctr", 24, 16, 16, 0),
    row("aes128-ctr", 16, 16, 16, 0),
    row("aes256-cbc", 32, 16, 16, 0),
    row("aes192-cbc", 24, 16, 16, 0),
    row("aes128-cbc", 16, 16, 16, 0),
    row("3des-cbc", 24, 8, 8, 0),
    row("aes256-gcm@openssh.com", 32, 12, 16, 16),
    row("aes128-gcm@openssh.com", 16, 12, 16, 16),
    row("chacha20-poly1305@openssh.com", 64, 0, 8, 16),
];

impl KeyCipher {
    pub(super) fn find(name: &str) -> Option<Self> {
        CIPHERS.into_iter().find(|c| c.name == name)
    }

    /// Decrypts `sealed`, which ends with the tag if there is one. `None` if
    /// the tag is wrong.
    pub(super) fn open(&self, key: &[u8], iv: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut data = Zeroizing::new(sealed.to_vec());
        raw::cipher_decrypt_raw(self.name, key, iv, &mut data).ok()?;
        let len = data.len().checked_sub(self.tag)?;
        data.truncate(len);
        Some(data)
    }

    /// Encrypts `plain` and appends the tag if there is one.
    pub(super) fn seal(&self, key: &[u8], iv: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
        let mut data = plain.to_vec();
        data.resize(plain.len() + self.tag, 0);
        raw::cipher_encrypt_raw(self.name, key, iv, &mut data).ok()?;
        Some(data)
    }
}

/// Takes PKCS#7 padding off; `None` if it is not right.
pub(super) fn unpad(mut data: Zeroizing<Vec<u8>>, block: usize) -> Option<Zeroizing<Vec<u8>>> {
    let count = *data.last()?;
    let len = usize::from(count);
    let at = data.len().checked_sub(len)?;
    let sound = (1..=block).contains(&len) && data.get(at..)?.iter().all(|b| *b == count);
    data.truncate(at);
    sound.then_some(data)
}

/// Puts PKCS#7 padding on.
pub(super) fn pad(data: &[u8], block: usize) -> Zeroizing<Vec<u8>> {
    let count = block - data.len() % block;
    let mut out = Zeroizing::new(Vec::with_capacity(data.len() + count));
    out.extend_from_slice(data);
    out.resize(data.len() + count, u8::try_from(count).unwrap_or_default());
    out
}
