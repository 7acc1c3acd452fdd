//! The flags that sftp and scp have in common.

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::process::ExitCode;

use crate::log::{error, log};
use crate::text::err;

/// The exit status after what leaves nothing to be tried.
pub(crate) const FATAL: u8 = 255;

/// A command line that cannot be followed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadArgs {
    /// This line, if any, and the usage: exit status 1.
    Usage(Option<String>),
    /// This line: exit status 255.
    Fatal(String),
}

impl BadArgs {
    /// Tells of it: the exit status.
    pub(crate) fn tell(self, usage: &str) -> ExitCode {
        match self {
            Self::Usage(text) => {
                if let Some(text) = text {
                    error!("{text}");
                }
                err!("{usage}");
                ExitCode::FAILURE
            }
            Self::Fatal(text) => {
                log!(Fatal, "{text}");
                ExitCode::from(FATAL)
            }
        }
    }
}

/// The words for ssh that a flag stands for which is passed on as it is; `None`
/// if it is none of those.
pub(crate) fn for_ssh(flag: char, value: &OsString) -> Result<Option<Vec<OsString>>, BadArgs> {
    let word = OsString::from(format!("-{flag}"));
    Ok(match flag {
        '4' | '6' | 'A' | 'C' | 'q' | 'v' => Some(vec![word]),
        'c' | 'F' | 'i' | 'J' | 'o' => Some(vec![word, value.clone()]),
        '1' => {
            let text = "SSH protocol v.1 is no longer supported";
            return Err(BadArgs::Fatal(text.into()));
        }
        _ => None,
    })
}

/// The highest `-l`, in Kbit/s.
const MAX_LIMIT: u64 = 100 * 1024 * 1024;
/// The highest `-X buffer=`, in bytes.
const MAX_BUFFER: u64 = 256 * 1024;
/// The highest `-X nrequests=`.
const MAX_REQUESTS: u64 = 256 * 1024;

/// What `-X` sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct SftpOptions {
    /// `buffer`: how much a request moves, in bytes.
    pub(crate) buffer: Option<u32>,
    /// `nrequests`: how many requests are under way.
    pub(crate) requests: Option<u32>,
    /// `resume=blind`: what is there already is believed to be right. OpenSSH
    /// has no such option, since it always does.
    pub(crate) blind: bool,
}

impl SftpOptions {
    /// Takes the value of one `-X`, or says what is wrong with it.
    pub(crate) fn take(&mut self, option: &str) -> Result<(), String> {
        if let Some(value) = option.strip_prefix("buffer=") {
            let bytes = carrick_config::scaled(value)
                .ok()
                .and_then(|n| u64::try_from(n).ok())
                .filter(|n| (1..=MAX_BUFFER).contains(n))
                .and_then(|n| u32::try_from(n).ok());
            let wrong = || format!("Invalid buffer size \"{value}\": Invalid argument");
            self.buffer = Some(bytes.ok_or_else(wrong)?);
        } else if let Some(value) = option.strip_prefix("nrequests=") {
            let wrong = |why| format!("Invalid number of requests \"{value}\": {why}");
            let number = number(value, 1..=MAX_REQUESTS).map_err(wrong)?;
            self.requests = u32::try_from(number).ok();
        } else if option == "resume=blind" {
            self.blind = true;
        } else {
            return Err("Invalid -X option".into());
        }
        Ok(())
    }
}

/// The value of `-l`, in Kbit/s.
pub(crate) fn limit(value: &str) -> Option<u64> {
    number(value, 1..=MAX_LIMIT).ok()
}

/// A number in a range, or strtonum(3)'s word for what is wrong with it.
fn number(value: &str, range: RangeInclusive<u64>) -> Result<u64, &'static str> {
    let value = value.trim_start();
    let digits = value.strip_prefix(['+', '-']).unwrap_or(value);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err("invalid");
    }
    let number = if value.starts_with('-') {
        0
    } else {
        digits.parse().unwrap_or(u64::MAX)
    };
    if number < *range.start() {
        Err("too small")
    } else if number > *range.end() {
        Err("too large")
    } else {
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options() {
        let mut options = SftpOptions::default();
        for option in ["buffer=1.5k", "nrequests=9", "resume=blind"] {
            assert_eq!(options.take(option), Ok(()));
        }
        let want = SftpOptions {
            buffer: Some(1536),
            requests: Some(9),
            blind: true,
        };
        assert_eq!(options, want);
    }

    #[test]
    fn bad_options_as_openssh_tells_of_them() {
        for (option, want) in [
            ("foo", "Invalid -X option"),
            ("buffer", "Invalid -X option"),
            ("resume=sha1", "Invalid -X option"),
            ("buffer=0", "Invalid buffer size \"0\": Invalid argument"),
            (
                "buffer=257k",
                "Invalid buffer size \"257k\": Invalid argument",
            ),
            ("nrequests=x", "Invalid number of requests \"x\": invalid"),
            ("nrequests=0", "Invalid number of requests \"0\": too small"),
            (
                "nrequests=262145",
                "Invalid number of requests \"262145\": too large",
            ),
        ] {
            assert_eq!(SftpOptions::default().take(option), Err(want.into()));
        }
    }

    #[test]
    fn limits() {
        for (value, want) in [
            ("1", Some(1)),
            ("104857600", Some(104_857_600)),
            ("0", None),
            ("-5", None),
            ("5x", None),
            ("", None),
            ("104857601", None),
        ] {
            assert_eq!(limit(value), want, "{value}");
        }
    }
}
