//! The tables of ciphers and MACs, and the keys made from their entries.

use std::sync::Arc;

use carrick_lc::hmac::Digest;
use carrick_lc::{Direction, Failed};

use super::auth::MacKey;
use super::cbc::{BlockCipher, CbcOpen, CbcSeal, Chain};
use super::chacha::ChaCha;
use super::ctr::Ctr;
use super::gcm::{Gcm, TAG};
use super::{Framing, Open, Seal};

/// How a cipher works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    ChaCha,
    Gcm,
    Ctr,
    Cbc(BlockCipher),
}

/// A cipher of the transport.
#[derive(Debug)]
pub struct Cipher {
    /// Its SSH name.
    pub name: &'static str,
    /// The key's length in bytes.
    pub key_len: usize,
    /// The initial IV's length in bytes.
    pub iv_len: usize,
    /// The block length in bytes, at least 8.
    pub block_len: usize,
    /// Whether it authenticates by itself, so that no MAC is negotiated.
    pub aead: bool,
    /// Its strength in bits, by which a group exchange picks its group.
    pub strength: u32,
    pub(crate) mode: Mode,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum MacKind {
    Hmac(Digest),
    Umac64,
    Umac128,
}

/// A MAC of the transport.
#[derive(Debug)]
pub struct Mac {
    /// Its SSH name.
    pub name: &'static str,
    /// The key's length in bytes.
    pub key_len: usize,
    /// The tag's length in bytes.
    pub tag_len: usize,
    /// Whether it covers the ciphertext (encrypt-then-MAC).
    pub etm: bool,
    kind: MacKind,
}

const fn aes(name: &'static str, key_len: usize, mode: Mode) -> Cipher {
    let aead = matches!(mode, Mode::Gcm);
    let strength = match key_len {
        16 => 128,
        24 => 192,
        _ => 256,
    };
    Cipher {
        name,
        key_len,
        iv_len: if aead { 12 } else { 16 },
        block_len: 16,
        aead,
        strength,
        mode,
    }
}

const AES_CBC: Mode = Mode::Cbc(BlockCipher::Aes);

/// Every cipher that is built.
pub static CIPHERS: &[Cipher] = &[
    Cipher {
        name: "3des-cbc",
        key_len: 24,
        iv_len: 8,
        block_len: 8,
        aead: false,
        strength: 112,
        mode: Mode::Cbc(BlockCipher::TripleDes),
    },
    Cipher {
        name: "blowfish-cbc",
        key_len: 16,
        iv_len: 8,
        block_len: 8,
        aead: false,
        strength: 128,
        mode: Mode::Cbc(BlockCipher::Blowfish),
    },
    aes("aes128-cbc", 16, AES_CBC),
    aes("aes192-cbc", 24, AES_CBC),
    aes("aes256-cbc", 32, AES_CBC),
    aes("aes128-ctr", 16, Mode::Ctr),
    aes("aes192-ctr", 24, Mode::Ctr),
    aes("aes256-ctr", 32, Mode::Ctr),
    aes("aes128-gcm@openssh.com", 16, Mode::Gcm),
    aes("aes256-gcm@openssh.com", 32, Mode::Gcm),
    Cipher {
        name: "chacha20-poly1305@openssh.com",
        key_len: 64,
        iv_len: 0,
        block_len: 8,
        aead: true,
        strength: 256,
        mode: Mode::ChaCha,
    },
];

const fn hmac(name: &'static str, digest: Digest, key_len: usize, tag_len: usize) -> Mac {
    Mac {
        name,
        key_len,
        tag_len,
        etm: false,
        kind: MacKind::Hmac(digest),
    }
}

const fn umac(name: &'static str, kind: MacKind, tag_len: usize) -> Mac {
    Mac {
        name,
        key_len: 16,
        tag_len,
        etm: false,
        kind,
    }
}

const fn etm(mac: &Mac) -> Mac {
    Mac { etm: true, ..*mac }
}

/// Every MAC that is built.
pub static MACS: &[Mac] = &[
    hmac("hmac-sha1", Digest::Sha1, 20, 20),
    hmac("hmac-sha1-96", Digest::Sha1, 20, 12),
    hmac("hmac-sha2-256", Digest::Sha256, 32, 32),
    hmac("hmac-sha2-512", Digest::Sha512, 64, 64),
    hmac("hmac-md5", Digest::Md5, 16, 16),
    hmac("hmac-md5-96", Digest::Md5, 16, 12),
    umac("umac-64@openssh.com", MacKind::Umac64, 8),
    umac("umac-128@openssh.com", MacKind::Umac128, 16),
    etm(&hmac("hmac-sha1-etm@openssh.com", Digest::Sha1, 20, 20)),
    etm(&hmac("hmac-sha1-96-etm@openssh.com", Digest::Sha1, 20, 12)),
    etm(&hmac(
        "hmac-sha2-256-etm@openssh.com",
        Digest::Sha256,
        32,
        32,
    )),
    etm(&hmac(
        "hmac-sha2-512-etm@openssh.com",
        Digest::Sha512,
        64,
        64,
    )),
    etm(&hmac("hmac-md5-etm@openssh.com", Digest::Md5, 16, 16)),
    etm(&hmac("hmac-md5-96-etm@openssh.com", Digest::Md5, 16, 12)),
    etm(&umac("umac-64-etm@openssh.com", MacKind::Umac64, 8)),
    etm(&umac("umac-128-etm@openssh.com", MacKind::Umac128, 16)),
];

/// The cipher of this name.
pub fn cipher(name: &str) -> Option<&'static Cipher> {
    CIPHERS.iter().find(|cipher| cipher.name == name)
}

/// The MAC of this name.
pub fn mac(name: &str) -> Option<&'static Mac> {
    MACS.iter().find(|mac| mac.name == name)
}

impl Mac {
    fn keyed(&self, key: &[u8]) -> Result<MacKey, Failed> {
        if key.len() != self.key_len {
            return Err(Failed);
        }
        match self.kind {
            MacKind::Hmac(digest) => MacKey::hmac(digest, self.tag_len, key),
            MacKind::Umac64 => MacKey::umac64(key),
            MacKind::Umac128 => MacKey::umac128(key),
        }
    }
}

/// `mac` of a cipher that needs one.
fn required<'a>(mac: Option<&'a Mac>, key: &[u8]) -> Result<(&'a Mac, MacKey), Failed> {
    let mac = mac.ok_or(Failed)?;
    Ok((mac, mac.keyed(key)?))
}

impl Cipher {
    /// A sealing key from derived material. An AEAD takes no MAC.
    ///
    /// # Panics
    /// If a length is not the table's, or a MAC is missing: bugs of the caller.
    pub fn seal(&self, mac: Option<&Mac>, key: &[u8], iv: &[u8], mac_key: &[u8]) -> Seal {
        self.try_seal(mac, key, iv, mac_key)
            .unwrap_or_else(|_| self.misuse(mac))
    }

    /// An opening key from derived material. An AEAD takes no MAC.
    ///
    /// # Panics
    /// As [`Cipher::seal`].
    pub fn open(&self, mac: Option<&Mac>, key: &[u8], iv: &[u8], mac_key: &[u8]) -> Open {
        self.try_open(mac, key, iv, mac_key)
            .unwrap_or_else(|_| self.misuse(mac))
    }

    fn misuse(&self, mac: Option<&Mac>) -> ! {
        let mac = mac.map_or("no MAC", |mac| mac.name);
        panic!(
            "{} with {mac}: wrong length of key, IV or MAC key",
            self.name
        )
    }

    fn try_seal(
        &self,
        mac: Option<&Mac>,
        key: &[u8],
        iv: &[u8],
        mac_key: &[u8],
    ) -> Result<Seal, Failed> {
        self.check(key, iv)?;
        Ok(match self.mode {
            Mode::ChaCha => Seal::Free(Arc::new(ChaCha::new(key)?)),
            Mode::Gcm => Seal::Free(Arc::new(Gcm::new(key, iv)?)),
            Mode::Ctr => {
                let (mac, keyed) = required(mac, mac_key)?;
                Seal::Free(Arc::new(Ctr::new(key, iv, keyed, mac.etm)?))
            }
            Mode::Cbc(block) => {
                let (mac, keyed) = required(mac, mac_key)?;
                let chain = Chain::new(block, key, iv, Direction::Encrypt)?;
                Seal::Chained(Box::new(CbcSeal::new(chain, keyed, mac.etm)))
            }
        })
    }

    fn try_open(
        &self,
        mac: Option<&Mac>,
        key: &[u8],
        iv: &[u8],
        mac_key: &[u8],
    ) -> Result<Open, Failed> {
        self.check(key, iv)?;
        Ok(match self.mode {
            Mode::ChaCha => Open::Free(Arc::new(ChaCha::new(key)?)),
            Mode::Gcm => Open::Free(Arc::new(Gcm::new(key, iv)?)),
            Mode::Ctr => {
                let (mac, keyed) = required(mac, mac_key)?;
                Open::Free(Arc::new(Ctr::new(key, iv, keyed, mac.etm)?))
            }
            Mode::Cbc(block) => {
                let (mac, keyed) = required(mac, mac_key)?;
                let chain = Chain::new(block, key, iv, Direction::Decrypt)?;
                Open::Chained(Box::new(CbcOpen::new(chain, keyed, mac.etm)))
            }
        })
    }

    fn check(&self, key: &[u8], iv: &[u8]) -> Result<(), Failed> {
        if key.len() == self.key_len && iv.len() == self.iv_len {
            Ok(())
        } else {
            Err(Failed)
        }
    }

    /// How packets under it are framed. An AEAD ignores the MAC.
    pub fn framing(&self, mac: Option<&Mac>) -> Framing {
        let (length_apart, tag) = match mac {
            _ if self.aead => (true, TAG),
            Some(mac) => (mac.etm, mac.tag_len),
            None => (false, 0),
        };
        let head = if length_apart { 4 } else { self.block_len };
        Framing {
            block: self.block_len.max(8),
            length_apart,
            tag,
            head,
        }
    }

    /// After how many bytes a new key exchange is due (RFC 4344 section 3.2,
    /// as OpenSSH counts it): 2^(L/4) blocks of L bits, or 1 GiB where
    /// blocks are short.
    pub fn rekey_bytes_default(&self) -> u64 {
        let block = self.block_len as u64;
        if self.block_len >= 16 {
            (1 << (self.block_len * 2)) * block
        } else {
            1 << 30
        }
    }
}
