//! The flags that certificates, revocation lists and signatures share. The
//! same letter means another thing in each.

use std::path::PathBuf;

use super::mode::{Mode, Modes};
use super::sshsig::Operation;
use super::time;

/// What they said.
#[derive(Default)]
pub(super) struct CertArgs {
    /// `-s`: an authority's key; with `-Y`, a signature's file.
    pub(super) authority: Option<String>,
    /// `-I`: a key id; with `-Y`, an identity.
    pub(super) id: Option<String>,
    /// `-h`: certify a host.
    pub(super) host: bool,
    /// `-n`: principals; with `-Y`, a namespace.
    pub(super) names: Option<String>,
    /// `-V`: valid after, and before.
    pub(super) validity: Option<(u64, u64)>,
    /// `-z`: a serial number; with `-k`, a version.
    pub(super) serial: u64,
    /// `-z +N`: each certificate gets the next number.
    pub(super) serials_grow: bool,
    /// `-U`: the key must be in the agent.
    pub(super) agent: bool,
    /// `-D`: the authority's key is in a token.
    pub(super) token: Option<String>,
    /// `-u`: add to the list that is there.
    pub(super) update: bool,
    /// `-r` with `-Y`: a file of revoked keys.
    pub(super) revoked: Option<PathBuf>,
}

/// Why a flag is refused.
pub(super) enum BadFlag {
    /// It is none of these.
    NotOurs,
    /// Told, then how to use the program.
    Usage(String),
    /// The message.
    Message(String),
}

impl CertArgs {
    /// Takes a flag, if it is one of these.
    pub(super) fn take(
        &mut self,
        flag: char,
        words: String,
        modes: &mut Modes,
    ) -> Result<(), BadFlag> {
        match flag {
            's' => self.authority = Some(words),
            'I' => self.id = Some(words),
            'h' => self.host = true,
            'n' => self.names = Some(words),
            'U' => self.agent = true,
            'u' => self.update = true,
            'D' => self.token = Some(words),
            'k' => modes.krl = Some(Mode::MakeKrl),
            // -k wins, whatever the order.
            'Q' => modes.krl = modes.krl.take().or(Some(Mode::QueryKrl)),
            'L' => modes.show_cert = true,
            'Y' => {
                let operation = Operation::from_word(&words);
                modes.signature = Some(operation.ok_or_else(|| {
                    BadFlag::Usage(format!("Unsupported operation for -Y: \"{words}\""))
                })?);
            }
            'V' => {
                let validity = time::validity(&words, time::now());
                self.validity = Some(validity.map_err(BadFlag::Message)?);
            }
            'z' => {
                let digits = words.strip_prefix('+');
                self.serials_grow |= digits.is_some();
                let digits = digits.unwrap_or(&words);
                self.serial = serial(digits).ok_or_else(|| {
                    BadFlag::Message(format!("Invalid serial number \"{digits}\""))
                })?;
            }
            _ => return Err(BadFlag::NotOurs),
        }
        Ok(())
    }
}

/// A number of digits alone.
fn serial(digits: &str) -> Option<u64> {
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        digits.parse().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers() {
        assert_eq!(serial("18446744073709551615"), Some(u64::MAX));
        for bad in ["", "x", "5x", "-1", "+1", "18446744073709551616", "0x10"] {
            assert_eq!(serial(bad), None, "{bad}");
        }
        let mut args = CertArgs::default();
        let taken = args.take('z', "+5".into(), &mut Modes::default());
        assert!(taken.is_ok() && args.serials_grow && args.serial == 5);
    }
}
