//! What a key file may make its reader spend.
//!
//! A file names the cost of its own key derivation, and whoever opens a file
//! of a stranger pays it. These bounds keep one file to about a minute and a
//! quarter of a gigabyte on a slow machine, far above what any program writes
//! by itself; a file that asks for more is refused before anything is
//! computed. The same bounds hold for writing, so that nothing is written
//! that is not read again.

use carrick_crypto::kdf::Argon2Cost;

use super::{KeyFileError, unsupported};

/// Rounds of bcrypt in an OpenSSH file (a few milliseconds each; `ssh-keygen
/// -a` takes 24 by default).
const BCRYPT_ROUNDS: u32 = 10_000;
/// Iterations of PBKDF2 in a PKCS#8 file (about a microsecond each).
const PBKDF2_ITERATIONS: u32 = 50_000_000;
/// KiB of memory for Argon2 in a PuTTY file.
const ARGON2_MEMORY: u32 = 256 * 1024;
/// KiB gone over in all passes of Argon2.
const ARGON2_WORK: u64 = 32 * 1024 * 1024;
/// Lanes of Argon2.
const ARGON2_LANES: u32 = 64;

fn within(what: &str, fine: bool) -> Result<(), KeyFileError> {
    if fine {
        Ok(())
    } else {
        Err(unsupported(format_args!("a key file with {what}")))
    }
}

/// Checks the rounds of bcrypt.
pub(super) fn bcrypt(rounds: u32) -> Result<(), KeyFileError> {
    within("so many kdf rounds", rounds <= BCRYPT_ROUNDS)
}

/// Checks the iterations of PBKDF2.
pub(super) fn pbkdf2(iterations: u32) -> Result<(), KeyFileError> {
    within("so many kdf rounds", iterations <= PBKDF2_ITERATIONS)
}

/// Checks the parameters of Argon2.
pub(super) fn argon2(cost: Argon2Cost) -> Result<(), KeyFileError> {
    let work = u64::from(cost.memory) * u64::from(cost.passes);
    within("so costly a kdf", work <= ARGON2_WORK)?;
    within("so many kdf lanes", cost.parallelism <= ARGON2_LANES)?;
    within("so much kdf memory", cost.memory <= ARGON2_MEMORY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        assert!(bcrypt(BCRYPT_ROUNDS).is_ok() && bcrypt(BCRYPT_ROUNDS + 1).is_err());
        assert!(pbkdf2(PBKDF2_ITERATIONS).is_ok() && pbkdf2(PBKDF2_ITERATIONS + 1).is_err());
        let cost = |memory, passes, parallelism| Argon2Cost {
            memory,
            passes,
            parallelism,
        };
        assert!(argon2(cost(8192, 13, 1)).is_ok());
        assert!(argon2(cost(ARGON2_MEMORY, 128, ARGON2_LANES)).is_ok());
        assert!(argon2(cost(ARGON2_MEMORY + 1, 1, 1)).is_err());
        assert!(argon2(cost(ARGON2_MEMORY, 129, 1)).is_err());
        assert!(argon2(cost(8, u32::MAX, 1)).is_err());
        assert!(argon2(cost(8192, 13, ARGON2_LANES + 1)).is_err());
    }
}
