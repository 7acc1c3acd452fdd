//! Locking: while locked, an agent shows no keys and does nothing but take
//! the passphrase back.

use std::time::Duration;

use carrick_crypto::kdf::bcrypt_pbkdf;
use carrick_crypto::rng::Rng;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::limits::{UNLOCK_STEP_MS, UNLOCK_STEPS_MAX};

const SALT_LEN: usize = 16;
const HASH_LEN: usize = 32;
/// Guessing is made slow by waiting, not by work.
const ROUNDS: u32 = 1;

type Hash = Zeroizing<[u8; HASH_LEN]>;

/// Whether the agent is locked, and how often it was tried in vain to unlock
/// it. The waits are for all connections together: guessing over several at
/// once gains nothing.
#[derive(Default)]
pub(super) struct Lock {
    locked: Option<([u8; SALT_LEN], Hash)>,
    failures: u32,
    /// Time since boot before which no guess is looked at.
    not_before: Duration,
}

/// What became of an attempt to unlock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unlock {
    Done,
    /// Wrong, or there is nothing to unlock.
    Refused,
    /// Wrong; to be told at that time.
    Wrong {
        until: Duration,
    },
    /// It is not looked at before that time.
    Wait {
        until: Duration,
    },
}

fn hash(passphrase: &[u8], salt: &[u8; SALT_LEN]) -> Option<Hash> {
    let mut out = Zeroizing::new([0; HASH_LEN]);
    bcrypt_pbkdf(passphrase, salt, ROUNDS, &mut *out).ok()?;
    Some(out)
}

impl Lock {
    pub(super) fn is_locked(&self) -> bool {
        self.locked.is_some()
    }

    /// Locks with a passphrase; an empty one, or a second one, is refused.
    pub(super) fn lock(&mut self, passphrase: &[u8], rng: &mut dyn Rng) -> bool {
        if self.is_locked() || passphrase.is_empty() {
            return false;
        }
        let mut salt = [0; SALT_LEN];
        rng.fill(&mut salt);
        self.locked = hash(passphrase, &salt).map(|hash| (salt, hash));
        self.is_locked()
    }

    /// Unlocks, if it is the right passphrase. `now` is the time since boot.
    pub(super) fn unlock(&mut self, passphrase: &[u8], now: Duration) -> Unlock {
        let Some((salt, want)) = &self.locked else {
            return Unlock::Refused;
        };
        if passphrase.is_empty() {
            return Unlock::Refused;
        }
        if now < self.not_before {
            return Unlock::Wait {
                until: self.not_before,
            };
        }
        let right = hash(passphrase, salt).is_some_and(|got| bool::from(got[..].ct_eq(&want[..])));
        if right {
            *self = Self::default();
            return Unlock::Done;
        }
        self.failures = (self.failures + 1).min(UNLOCK_STEPS_MAX);
        let wait = Duration::from_millis(u64::from(UNLOCK_STEP_MS * self.failures));
        self.not_before = now + wait;
        Unlock::Wrong {
            until: self.not_before,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use carrick_crypto::rng::SystemRng;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn only_the_right_passphrase_unlocks_and_guessing_gets_slow() {
        let mut lock = Lock::default();
        assert_eq!(lock.unlock(b"x", SECOND), Unlock::Refused);
        assert!(!lock.lock(b"", &mut SystemRng));
        assert!(lock.lock(b"secret", &mut SystemRng));
        assert!(!lock.lock(b"other", &mut SystemRng));
        let mut now = SECOND;
        for n in 1..=UNLOCK_STEPS_MAX + 5 {
            let Unlock::Wrong { until } = lock.unlock(b"wrong", now) else {
                panic!("unlocked");
            };
            let steps = n.min(UNLOCK_STEPS_MAX);
            assert_eq!(until, now + Duration::from_millis(u64::from(steps) * 100));
            // Not even the right one is looked at meanwhile.
            assert_eq!(lock.unlock(b"secret", now), Unlock::Wait { until });
            now = until;
        }
        assert_eq!(lock.unlock(b"", now), Unlock::Refused);
        assert_eq!(lock.unlock(b"secret", now), Unlock::Done);
        assert!(!lock.is_locked());
        assert!(lock.lock(b"again", &mut SystemRng));
        assert!(
            matches!(lock.unlock(b"w", now), Unlock::Wrong { until } if until == now + SECOND / 10)
        );
    }
}
