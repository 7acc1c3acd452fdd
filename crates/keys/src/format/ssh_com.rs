//! Private keys of SSH Communications Security's product, which `ssh-keygen
//! -i` reads: RSA, without a passphrase.

use carrick_wire::Reader;

use super::{KeyFileError, lines, unsupported};
use crate::private::RsaParts;
use crate::{PrivateKey, base64};

const BEGIN: &[u8] = b"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----";
const END: &[u8] = b"---- END SSH2 ENCRYPTED PRIVATE KEY ----";
const MAGIC: u32 = 0x3f6f_f9eb;

/// The key of such a file; `None` if it is none.
pub fn parse_ssh_com(file: &[u8]) -> Option<Result<PrivateKey, KeyFileError>> {
    let file = file.get(..super::FILE_MAX).unwrap_or(file);
    let mut lines = lines(file).map(<[u8]>::trim_ascii_end);
    lines.find(|line| *line == BEGIN)?;
    let mut text = zeroize::Zeroizing::new(Vec::with_capacity(file.len()));
    let mut continued = false;
    for line in lines {
        if line == END {
            let body = base64::decode_secret(&text);
            return Some(
                body.ok_or(KeyFileError::Invalid { what: "base64" })
                    .and_then(|body| parse(&body)),
            );
        }
        if continued || line.windows(2).any(|w| w == b": ") {
            continued = line.ends_with(b"\\");
        } else {
            text.extend_from_slice(line);
        }
    }
    Some(Err(KeyFileError::Invalid {
        what: "end of the key",
    }))
}

fn parse(body: &[u8]) -> Result<PrivateKey, KeyFileError> {
    let mut r = Reader::new(body);
    if r.u32("magic")? != MAGIC {
        return Err(KeyFileError::Invalid { what: "magic" });
    }
    r.u32("length")?;
    let kind = r.text("key type")?;
    let cipher = r.text("cipher")?;
    if cipher != "none" {
        return Err(unsupported(format_args!("cipher {cipher:?}")));
    }
    if !kind.contains("rsa") {
        return Err(unsupported(format_args!("key type {kind:?}")));
    }
    r.u32("length of encrypted part")?;
    r.u32("length of key")?;
    let e = number(&mut r, "rsa e")?;
    let (d, n) = (number(&mut r, "rsa d")?, number(&mut r, "rsa n")?);
    let iqmp = number(&mut r, "rsa iqmp")?;
    let (q, p) = (number(&mut r, "rsa q")?, number(&mut r, "rsa p")?);
    r.finish()?;
    let parts = RsaParts {
        n,
        e,
        d,
        p,
        q,
        iqmp,
    };
    PrivateKey::from_rsa(&parts, Vec::new())
}

/// A magnitude behind its length in bits, without leading zeros.
fn number<'a>(r: &mut Reader<'a>, field: &'static str) -> Result<&'a [u8], KeyFileError> {
    let bits = r.u32(field)?;
    let len = usize::try_from(bits.div_ceil(8)).unwrap_or(usize::MAX);
    let bytes = r.take(len, field)?;
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    Ok(bytes.get(zeros..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyType;
    use crate::private::Material;
    use carrick_crypto::rng::SystemRng;
    use carrick_wire::Writer;

    /// A file as ssh.com's ssh-keygen wrote it, and the key in it.
    fn file(cipher: &str) -> (String, PrivateKey) {
        let key = PrivateKey::generate(KeyType::Rsa, 1024, &mut SystemRng).expect("a key");
        let Material::Rsa(rsa) = &key.material else {
            panic!("not rsa")
        };
        let parts = rsa.components().expect("parts");
        let mut body = Vec::new();
        let mut w = Writer::new(&mut body);
        w.u32(MAGIC);
        w.u32(0);
        w.text("if-modn{sign{rsa-pkcs1-sha1},encrypt{rsa-pkcs1v2-oaep}}");
        w.text(cipher);
        w.u32(0);
        w.u32(0);
        for n in [
            &parts.e,
            &*parts.d,
            &parts.n,
            &*parts.iqmp,
            &*parts.q,
            &*parts.p,
        ] {
            w.u32(crate::public::bit_len(n));
            w.raw(n);
        }
        let mut text =
            String::from("---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nComment: \"one \\\ntwo\"\n");
        super::super::pem::push_lines(&mut text, &base64::encode(&body), 70);
        text.push_str("---- END SSH2 ENCRYPTED PRIVATE KEY ----\n");
        (text, key)
    }

    #[test]
    fn reads_with_every_line_ending() {
        let (text, key) = file("none");
        for end in ["\n", "\r\n", "\r"] {
            let read = parse_ssh_com(text.replace('\n', end).as_bytes());
            let read = read.expect("one of its files").expect("a key");
            assert_eq!(read.public(), key.public());
        }
    }

    #[test]
    fn damage_is_noticed_or_harmless() {
        let (text, key) = file("none");
        assert!(parse_ssh_com(key.public().to_line("").as_bytes()).is_none());
        for end in 0..text.len() - 1 {
            let read = parse_ssh_com(text.get(..end).expect("ascii").as_bytes());
            assert!(!matches!(read, Some(Ok(_))), "{end}");
        }
        for at in 0..text.len() {
            let mut damaged = text.clone().into_bytes();
            if let Some(byte) = damaged.get_mut(at) {
                *byte ^= 2;
            }
            let _ = parse_ssh_com(&damaged);
        }
        let (locked, _) = file("3des-cbc");
        let refused = parse_ssh_com(locked.as_bytes());
        assert!(matches!(
            refused,
            Some(Err(KeyFileError::Unsupported { .. }))
        ));
    }
}
