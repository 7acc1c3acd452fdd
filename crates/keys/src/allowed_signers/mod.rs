//! The allowed_signers file (ssh-keygen(1), ALLOWED SIGNERS): whose
//! signatures count, by name, key, namespace and time.
//!
//! Nothing here checks a signature; [`crate::sshsig::SshSig::verify`] does,
//! and gives the key to ask about. Only find-principals may ask about a key
//! that is merely claimed.

mod line;
#[cfg(test)]
mod tests;

use core::fmt;

pub use line::{BadLine, Entry, SignerOptions, entries};

use crate::authorized_keys::CivilTime;
use crate::matching::{pattern, pattern_list};
use crate::{CertDemand, CertError, CertKind, CertName, Certificate, PublicKey};

/// What is asked of a file.
#[derive(Clone, Copy)]
pub struct Query<'a> {
    /// The key that signed.
    pub key: &'a PublicKey,
    /// Who should have signed; `None` to find out who it may have been.
    pub principal: Option<&'a str>,
    /// What for; `None` for anything.
    pub namespace: Option<&'a str>,
    /// When, in seconds since 1970.
    pub time: u64,
    /// Seconds since 1970 of a time in the file, in whose zone a time without
    /// one is; `None` if there is no such time.
    pub zone: &'a dyn Fn(CivilTime) -> Option<u64>,
}

/// What a search notes on the way, with the number of the line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remark {
    /// The line cannot be read. It was passed over.
    Bad(BadLine),
    /// The line names the principal. For a debug log.
    MatchedPrincipal(String),
    /// The line has the key. For a debug log.
    MatchedKey,
    /// The line has the authority of the certificate. For a debug log.
    MatchedAuthority,
    /// The certificate is not good for the principal, or not at that time.
    Certificate(CertError),
    /// No principal of the certificate is good.
    NoPrincipals,
    /// The line is not for this namespace.
    Namespace(String),
    /// The line is not valid before then.
    NotYetValid(u64),
    /// The line is not valid after then.
    Expired(u64),
}

impl Remark {
    /// Whether this says why a line did not count, and is not for a debug
    /// log alone.
    pub fn is_error(&self) -> bool {
        !matches!(
            self,
            Self::MatchedPrincipal(_) | Self::MatchedKey | Self::MatchedAuthority
        )
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bad(e) => write!(f, "{e}"),
            Self::MatchedPrincipal(name) => write!(f, "matched principal \"{name}\""),
            Self::MatchedKey => f.write_str("matched key"),
            Self::MatchedAuthority => f.write_str("matched certificate CA key"),
            Self::Certificate(e) => write!(f, "certificate not authorized: {e}"),
            Self::NoPrincipals => f.write_str("no valid principals found"),
            Self::Namespace(name) => write!(
                f,
                "key is not permitted for use in signature namespace \"{name}\""
            ),
            Self::NotYetValid(at) => write!(f, "key is not yet valid: valid-after {at}"),
            Self::Expired(at) => write!(f, "key has expired: valid-before {at}"),
        }
    }
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findings {
    /// The line that allows it, and whom it allows: the line's principals, or
    /// those of a certificate that the line's patterns match.
    pub allowed: Option<Allowed>,
    /// What was noted up to there.
    pub remarks: Vec<(usize, Remark)>,
}

/// A line that allows a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// Its number, from 1.
    pub line: usize,
    /// The principals, comma-separated.
    pub principals: String,
}

/// Looks for the first line that allows what is asked about.
pub fn search(text: &[u8], query: &Query<'_>) -> Findings {
    let mut findings = Findings::default();
    for (line, entry) in entries(text, query.principal, query.zone) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(bad) => {
                findings.remarks.push((line, Remark::Bad(bad)));
                continue;
            }
        };
        let mut note = |remark| findings.remarks.push((line, remark));
        if let Some(name) = query.principal {
            note(Remark::MatchedPrincipal(name.to_owned()));
        }
        if let Some(principals) = allows(&entry, query, &mut note) {
            findings.allowed = Some(Allowed { line, principals });
            break;
        }
    }
    findings
}

/// The principals that a line allows; `None` if it is not about this key, or
/// not for this use.
fn allows(entry: &Entry<'_>, query: &Query<'_>, note: &mut impl FnMut(Remark)) -> Option<String> {
    let principals = match (query.key, entry.options.cert_authority) {
        (key, false) if *key == entry.key => {
            note(Remark::MatchedKey);
            entry.principals.clone().into_owned()
        }
        (PublicKey::Certificate(cert), true) if cert.authority == *entry.key.plain() => {
            let found = of_certificate(cert, entry, query, note)?;
            note(Remark::MatchedAuthority);
            found
        }
        _ => return None,
    };
    let options = &entry.options;
    if let (Some(list), Some(namespace)) = (&options.namespaces, query.namespace)
        && !pattern_list(namespace, list).is_yes()
    {
        note(Remark::Namespace(namespace.to_owned()));
        return None;
    }
    if let Some(after) = options.valid_after
        && query.time < after
    {
        note(Remark::NotYetValid(after));
        return None;
    }
    if let Some(before) = options.valid_before
        && query.time > before
    {
        note(Remark::Expired(before));
        return None;
    }
    Some(principals)
}

/// Judges a certificate whose authority the line names: for the principal, or
/// for those of its principals that the line's patterns match.
fn of_certificate(
    cert: &Certificate,
    entry: &Entry<'_>,
    query: &Query<'_>,
    note: &mut impl FnMut(Remark),
) -> Option<String> {
    let demand = CertDemand {
        kind: CertKind::User,
        name: query.principal.map_or(CertName::Any, CertName::User),
        unlisted_is_any: false,
        now: query.time,
        ca_algorithms: None,
        rsa_min: 0,
    };
    let judged = match (cert.judge(&demand), query.principal) {
        (Ok(judged), _) => judged,
        (Err(why), Some(_)) => {
            note(Remark::Certificate(why));
            return None;
        }
        (Err(_), None) => {
            note(Remark::NoPrincipals);
            return None;
        }
    };
    if query.principal.is_some() {
        return Some(entry.principals.clone().into_owned());
    }
    let listed = &judged.certificate().principals;
    let patterns = entry.principals.split(',');
    let found: Vec<&str> = patterns
        .take_while(|item| !item.is_empty())
        .flat_map(|item| listed.iter().filter(move |name| pattern(name, item)))
        .map(String::as_str)
        .collect();
    if found.is_empty() {
        note(Remark::NoPrincipals);
        return None;
    }
    Some(found.join(","))
}

/// The principals of every line that names `principal`. A line that cannot be
/// read ends the search.
pub fn match_principals(
    text: &[u8],
    principal: &str,
    zone: &dyn Fn(CivilTime) -> Option<u64>,
) -> Result<Vec<String>, (usize, BadLine)> {
    entries(text, Some(principal), zone)
        .map(|(line, entry)| match entry {
            Ok(entry) => Ok(entry.principals.clone().into_owned()),
            Err(bad) => Err((line, bad)),
        })
        .collect()
}
