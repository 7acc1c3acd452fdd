//! Algorithms and what depends on them.

use super::super::options::Options;
use super::{algorithms, choice, integer, keyword};
use crate::keyword::Keyword;
use crate::words::{FingerprintHash, Words};

pub(super) static KEYWORDS: &[Keyword<Options>] = &[
    algorithms!(Anywhere "CASignatureAlgorithms", ca_signature_algorithms, CA_SIGNATURE,
        "Bad key types", "signatures that certificates may carry"),
    algorithms!(Global "Ciphers", ciphers, CIPHERS, "Bad SSH2 cipher spec", "ciphers in order"),
    choice!(Global "Compression", compression, "compress after login"),
    keyword!(Global Last "FingerprintHash", "hash that fingerprints are logged in",
        |l, o| {
            let word = l.word()?;
            o.fingerprint_hash = FingerprintHash::find(&word).ok_or_else(|| {
                l.fatal(format!("Invalid {} algorithm \"{word}\".", l.keyword))
            })?;
            Ok(())
        },
        |o, d| d.line("FingerprintHash", o.fingerprint_hash.word())),
    algorithms!(Anywhere "HostbasedAcceptedAlgorithms" ["HostbasedAcceptedKeyTypes"],
        hostbased_accepted_algorithms, PUBLIC_KEY, "Bad key types",
        "signatures for hostbased logins"),
    algorithms!(Global "HostKeyAlgorithms", host_key_algorithms, PUBLIC_KEY, "Bad key types",
        "host key signatures in order"),
    algorithms!(Global "KexAlgorithms", kex_algorithms, KEX_SERVER, "Bad SSH2 KexAlgorithms",
        "key exchange methods in order"),
    algorithms!(Global "MACs", macs, MACS, "Bad SSH2 mac spec", "message authentication in order"),
    algorithms!(Anywhere "PubkeyAcceptedAlgorithms" ["PubkeyAcceptedKeyTypes"],
        pubkey_accepted_algorithms, PUBLIC_KEY, "Bad key types", "signatures for logins by key"),
    keyword!(Anywhere First "RekeyLimit", "bytes and time between key exchanges",
        |l, o| { o.rekey_limit = l.rekey_limit()?; Ok(()) },
        |o, d| d.line("RekeyLimit",
            format!("{} {}", o.rekey_limit.bytes, o.rekey_limit.time.as_secs()))),
    integer!(Anywhere "RequiredRSASize", required_rsa_size, "smallest RSA key in bits"),
];
