//! Passwords against the hashes of the shadow file.
//!
//! A user that does not exist, or has no password, costs the same work as
//! one that has: the password is hashed against a hash of the usual kind.

use bcrypt::verify as verify_bcrypt;
use carrick_wire::Secret;
use sha_crypt::{PasswordVerifier as _, ShaCrypt};
use yescrypt::Yescrypt;

/// Longer passwords are refused unseen, as hashing takes time with length.
pub const LONGEST_PASSWORD: usize = 1024;

/// Of a password that nobody knows: what an unknown user is checked against
/// where root has no password to take the kind from.
const NOBODYS_HASH: &str =
    "$y$j9T$JdH5tVJ7Vv0YpPl1uKQ4N/$qrvAicicHw.GsOPsqvPfS3N9J4HTAB4qhoLDPWQr4e1";

/// Characters of the 32 bytes that end a yescrypt hash.
const YESCRYPT_CHARS: usize = 43;

/// Whether `password` is what `hash` (a field of the shadow file) was made
/// of. A hash of an unknown kind matches nothing.
pub fn matches(hash: &[u8], password: &Secret) -> bool {
    let Ok(hash) = str::from_utf8(hash) else {
        return false;
    };
    let password = password.expose();
    if hash.is_empty() {
        return password.is_empty();
    }
    if hash.starts_with("$y$") {
        // The crate compares as many bytes as there are, be it none.
        hash.rsplit('$')
            .next()
            .is_some_and(|last| last.len() == YESCRYPT_CHARS)
            && Yescrypt::default().verify_password(password, hash).is_ok()
    } else if hash.starts_with("$6$") || hash.starts_with("$5$") {
        ShaCrypt::default().verify_password(password, hash).is_ok()
    } else if ["$2a$", "$2b$", "$2x$", "$2y$"]
        .iter()
        .any(|kind| hash.starts_with(kind))
    {
        // bcrypt ends a password at its first NUL.
        !password.contains(&0) && verify_bcrypt(password, hash).unwrap_or(false)
    } else {
        false
    }
}

/// Whether hashes of this kind can be checked.
pub fn is_known(hash: &[u8]) -> bool {
    ["$y$", "$6$", "$5$", "$2a$", "$2b$", "$2x$", "$2y$"]
        .iter()
        .any(|kind| hash.starts_with(kind.as_bytes()))
}

/// Does the work of [`matches()`] for nobody. `like` is the hash of an account
/// that is sure to exist, whose kind is imitated.
pub fn pretend(like: Option<&[u8]>, password: &Secret) {
    let hash = like
        .filter(|hash| is_known(hash))
        .unwrap_or(NOBODYS_HASH.as_bytes());
    std::hint::black_box(matches(hash, password));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with libxcrypt.
    const HORSE: &[&str] = &[
        "$6$/e.11OjJEHeBGkjH$43Vi6jvZ.rWrVn0/rVBVIiXqQI0BuefRQ2xE5IgFObUa91al3w90/27tpMHKKMsCoGFXINbH0VUAauvPdNYYT0",
        "$5$lFW80f8V1AxMJa.g$MX0IiyWl0y4.JqJKNKfaCpljuWJJiVNpZJr./VahhX7",
        "$2b$12$XCcBlpQSCj7fXoGW.IaFg.uZSsyZ7w7o.wLo9JfEGcvJwi/a.PYau",
        "$y$j9T$JdH5tVJ7Vv0YpPl1uKQ4N/$qrvAicicHw.GsOPsqvPfS3N9J4HTAB4qhoLDPWQr4e1",
    ];

    #[test]
    fn hashes_of_the_system_are_checked() {
        for hash in HORSE {
            assert!(is_known(hash.as_bytes()));
            assert!(
                matches(hash.as_bytes(), &Secret::from("correct horse")),
                "{hash}"
            );
            for wrong in ["correct horsf", "", "correct horse\0"] {
                assert!(
                    !matches(hash.as_bytes(), &Secret::from(wrong)),
                    "{hash} {wrong:?}"
                );
            }
            // A lock in front, a cut, a field too many.
            assert!(!matches(
                format!("!{hash}").as_bytes(),
                &Secret::from("correct horse")
            ));
            assert!(!matches(
                &hash.as_bytes()[..hash.len() - 1],
                &Secret::from("correct horse")
            ));
        }
    }

    #[test]
    fn what_is_no_hash_matches_nothing() {
        for hash in [
            "*",
            "!",
            "x",
            "!!",
            "$1$abcdefgh$y6iHhJNbuC0xpbk0w9pm80",
            "$y$",
            "$y$j9T$JdH5tVJ7Vv0YpPl1uKQ4N/$",
            "$6$$",
        ] {
            for password in ["", "x", "*", "!"] {
                assert!(
                    !matches(hash.as_bytes(), &Secret::from(password)),
                    "{hash} {password}"
                );
            }
        }
        assert!(!matches(b"\xff", &Secret::from("")));
    }

    #[test]
    fn an_empty_field_is_an_empty_password() {
        assert!(matches(b"", &Secret::from("")));
        assert!(!matches(b"", &Secret::from("x")));
    }
}
