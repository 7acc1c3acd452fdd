//! Option parsing as BSD getopt(3) does it, to the letter: clustered flags
//! (`-vvp22`), values attached or apart, parsing stopped by the first
//! operand or `--`, and its messages. The programs' callers depend on all of
//! that, and no crate does exactly this.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

/// A flag that could not be taken.
#[derive(Debug, PartialEq, Eq)]
pub enum BadFlag {
    /// Not in the list.
    Unknown(char),
    /// A value was due and no argument is left.
    MissingValue(char),
}

impl std::fmt::Display for BadFlag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown(c) => write!(f, "unknown option -- {c}"),
            Self::MissingValue(c) => write!(f, "option requires an argument -- {c}"),
        }
    }
}

/// One flag, with its value if it takes one.
pub type Flag = (char, Option<OsString>);

/// The arguments being parsed.
pub struct Getopt {
    spec: &'static str,
    args: std::vec::IntoIter<OsString>,
    /// The rest of a cluster (`vp22` after `-v` was taken off).
    cluster: Vec<u8>,
    /// An operand that was met.
    operand: Option<OsString>,
}

impl Getopt {
    /// `spec` as for getopt(3): flag letters, `:` after those with a value.
    pub fn new(spec: &'static str, args: Vec<OsString>) -> Self {
        Self {
            spec,
            args: args.into_iter(),
            cluster: Vec::new(),
            operand: None,
        }
    }

    /// The next flag; `None` at an operand, `--` or the end.
    #[expect(
        clippy::should_implement_trait,
        reason = "it is no iterator: parsing may go on after its end"
    )]
    pub fn next(&mut self) -> Result<Option<Flag>, BadFlag> {
        if self.cluster.is_empty() {
            if self.operand.is_some() {
                return Ok(None);
            }
            match self.args.next() {
                None => return Ok(None),
                Some(arg) => match arg.as_bytes() {
                    b"--" => {
                        self.operand = self.args.next();
                        return Ok(None);
                    }
                    [b'-', rest @ ..] if !rest.is_empty() => self.cluster = rest.to_vec(),
                    _ => {
                        self.operand = Some(arg);
                        return Ok(None);
                    }
                },
            }
        }
        let flag = char::from(self.cluster.remove(0));
        let at = if flag == ':' {
            None
        } else {
            self.spec.find(flag)
        };
        let Some(at) = at else {
            return Err(BadFlag::Unknown(flag));
        };
        if self.spec.as_bytes().get(at + 1) != Some(&b':') {
            return Ok(Some((flag, None)));
        }
        let value = if self.cluster.is_empty() {
            self.args.next().ok_or(BadFlag::MissingValue(flag))?
        } else {
            OsString::from_vec(std::mem::take(&mut self.cluster))
        };
        Ok(Some((flag, Some(value))))
    }

    /// The words behind the flag that was met, for one whose value is
    /// optional: nothing while the flag's own word goes on.
    pub fn ahead(&self) -> &[OsString] {
        if self.cluster.is_empty() {
            self.args.as_slice()
        } else {
            &[]
        }
    }

    /// Takes the operand that stopped the flags; parsing may then go on after
    /// it (as `ssh host -v` does).
    pub fn take_operand(&mut self) -> Option<OsString> {
        self.operand.take().or_else(|| self.args.next())
    }

    /// Everything that is left, operands as they stand.
    pub fn rest(self) -> Vec<OsString> {
        self.operand.into_iter().chain(self.args).collect()
    }
}

/// An argument as text; bytes that are not UTF-8 are replaced (host names,
/// options and file names in messages; paths stay as they are).
pub fn text(value: &OsStr) -> String {
    value.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(spec: &'static str, args: &[&str]) -> (Vec<String>, Vec<String>) {
        let mut g = Getopt::new(spec, args.iter().map(OsString::from).collect());
        let mut flags = Vec::new();
        loop {
            match g.next() {
                Ok(Some((c, v))) => {
                    flags.push(v.map_or(c.to_string(), |v| format!("{c}={}", text(&v))));
                }
                Ok(None) => break,
                Err(e) => {
                    flags.push(e.to_string());
                    break;
                }
            }
        }
        (flags, g.rest().iter().map(|a| text(a)).collect())
    }

    #[test]
    fn clusters_and_values() {
        let (flags, rest) = run("vp:o:", &["-vvp22", "-oA=b", "-o", "C=d", "host", "-v"]);
        assert_eq!(flags, ["v", "v", "p=22", "o=A=b", "o=C=d"]);
        assert_eq!(rest, ["host", "-v"]);
    }

    #[test]
    fn dashes() {
        assert_eq!(
            run("v", &["-v", "--", "-v"]),
            (vec!["v".into()], vec!["-v".into()])
        );
        assert_eq!(
            run("v", &["-", "-v"]),
            (vec![], vec!["-".into(), "-v".into()])
        );
        assert_eq!(run("v", &["--help"]).0, ["unknown option -- -"]);
    }

    #[test]
    fn a_flag_may_look_ahead() {
        let mut g = Getopt::new(
            "if",
            ["-if", "-i", "key", "host"].map(OsString::from).into(),
        );
        assert_eq!(g.next(), Ok(Some(('i', None))));
        assert!(g.ahead().is_empty());
        assert_eq!(g.next(), Ok(Some(('f', None))));
        assert_eq!(g.next(), Ok(Some(('i', None))));
        assert_eq!(g.ahead(), ["key", "host"]);
        assert_eq!(g.take_operand().unwrap(), "key");
        assert_eq!(g.next(), Ok(None));
        assert_eq!(g.rest(), ["host"]);
    }

    #[test]
    fn errors() {
        assert_eq!(run("p:", &["-p"]).0, ["option requires an argument -- p"]);
        assert_eq!(run("p:", &["-z"]).0, ["unknown option -- z"]);
        assert_eq!(run("p:", &["-:"]).0, ["unknown option -- :"]);
    }

    #[test]
    fn parsing_goes_on_after_an_operand() {
        let mut g = Getopt::new(
            "vl:",
            ["host", "-l", "me", "cmd", "-v"].map(OsString::from).into(),
        );
        assert_eq!(g.next(), Ok(None));
        assert_eq!(g.take_operand().unwrap(), "host");
        assert_eq!(g.next(), Ok(Some(('l', Some("me".into())))));
        assert_eq!(g.next(), Ok(None));
        assert_eq!(g.rest(), ["cmd", "-v"]);
    }
}
