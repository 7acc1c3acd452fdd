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
    let file = file.get(..super::FILE_MAX)?;
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
