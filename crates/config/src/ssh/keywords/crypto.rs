//! Algorithms and what depends on them.

use super::super::options::Options;
use super::{algorithms, choice, flag, integer, keyword};
use crate::keyword::{Keyword, Line};
use crate::words::{FingerprintHash, Words};

pub(super) static KEYWORDS: &[Keyword<Options>] = &[
    algorithms!(
        "CASignatureAlgorithms",
        ca_signature_algorithms,
        CA_SIGNATURE,
        "Bad key types",
        "signatures that certificates may carry"
    ),
    algorithms!(
        "Ciphers",
        ciphers,
        CIPHERS,
        "Bad SSH2 cipher spec",
        "ciphers in order"
    ),
    flag!("Compression", compression, "compress"),
    keyword!(First "FingerprintHash", "hash that fingerprints are shown in",
        fingerprint_hash, |o, d| d.line("FingerprintHash", o.fingerprint_hash.word())),
    algorithms!(
        "HostbasedAcceptedAlgorithms"["HostbasedKeyTypes"],
        hostbased_accepted_algorithms,
        PUBLIC_KEY,
        "Bad key types",
        "signatures for hostbased logins"
    ),
    algorithms!(
        "HostKeyAlgorithms",
        host_key_algorithms,
        PUBLIC_KEY,
        "Bad key types",
        "host key signatures in order"
    ),
    algorithms!(
        "KexAlgorithms",
        kex_algorithms,
        KEX_CLIENT,
        "Bad SSH2 KexAlgorithms",
        "key exchange methods in order"
    ),
    algorithms!(
        "MACs",
        macs,
        MACS,
        "Bad SSH2 MAC spec",
        "message authentication in order"
    ),
    algorithms!(
        "PubkeyAcceptedAlgorithms"["PubkeyAcceptedKeyTypes"],
        pubkey_accepted_algorithms,
        PUBLIC_KEY,
        "Bad key types",
        "signatures for logins by key"
    ),
    keyword!(First "RekeyLimit", "bytes and time between key exchanges",
        |l, o| { o.rekey_limit = l.rekey_limit()?; Ok(()) },
        |o, d| d.line("RekeyLimit",
            format!("{} {}", o.rekey_limit.bytes, o.rekey_limit.time.as_secs()))),
    integer!(
        "RequiredRSASize",
        required_rsa_size,
        "smallest RSA key in bits"
    ),
    choice!(
        "WarnWeakCrypto",
        warn_weak_crypto,
        "warn of weak algorithms"
    ),
];

fn fingerprint_hash(line: &mut Line<'_>, options: &mut Options) -> super::Done {
    let word = line.word()?;
    options.fingerprint_hash = FingerprintHash::find(&word)
        .ok_or_else(|| line.bad(format!("Invalid hash algorithm \"{word}\".")))?;
    Ok(())
}
