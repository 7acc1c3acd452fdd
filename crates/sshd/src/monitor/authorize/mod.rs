//! Whether a user's key, or a certificate over it, lets that user in, and on
//! what terms: authorized_keys files, authorities (TrustedUserCAKeys) with
//! their principals, and the commands that print either.
//!
//! What could each of these do with it?
//! - A hostile peer shows any key or certificate it likes, as often as
//!   MaxAuthTries lets it. A certificate is believed only by way of
//!   [`carrick_keys::Certificate::judge`], and only after its authority was
//!   found where the administrator or the user put it. Names from it that go
//!   into a command's arguments (`%i`) go there as one argument and pass no
//!   shell; in a log they are escaped.
//! - A hostile local user writes authorized_keys and principals as it likes:
//!   they are opened and read with that user's rights, without waiting and up
//!   to a bound, and parsed. The worst that they can say is that somebody may
//!   log in as that user.
//! - A helper command is the administrator's. It is run only from a path that
//!   nobody but root can change, as the user that is named for it, with an
//!   environment made here, and what it prints is read up to a bound. It ends
//!   with this process.
//!
//! The order is OpenSSH's: files, then authorities, then the command; and a
//! revoked key or authority is refused before all.

mod command;
mod entry;
mod principals;
mod revoked;
mod terms;
pub mod userfile;

pub use revoked::is_revoked;
pub use terms::Terms;

use std::path::Path;

use carrick_config::hooks::Hooks;
use carrick_config::sshd::Options;
use carrick_config::tokens::expand;
use carrick_keys::{CertDemand, CertError, CertKind, CertName, Certificate, JudgedCert, PublicKey};
use carrick_sys::identity::Identity;
use carrick_sys::passwd::{self, Account};

use super::endpoint::Endpoint;
use super::system::Peer;
use crate::log::{debug, error, verbose};
use crate::settings::fingerprint_hash;
use principals::Found;
use userfile::Kind;

/// Who wants in where, and under what configuration.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The account.
    pub account: &'a Account,
    /// The options that hold for it.
    pub options: &'a Options,
    /// From where.
    pub peer: &'a Peer,
    /// Our end.
    pub local: &'a Endpoint,
    /// The system, for wildcards in the names of files.
    pub hooks: &'a dyn Hooks,
    /// Seconds since 1970.
    pub now: u64,
}

impl Context<'_> {
    /// The account, to become it.
    pub fn identity(&self) -> Identity {
        identity(self.account)
    }

    /// A key's fingerprint, as logs have it.
    pub fn print(&self, key: &PublicKey) -> String {
        key.fingerprint(fingerprint_hash(self.options)).to_string()
    }

    /// The files that a pattern of AuthorizedKeysFile or
    /// AuthorizedPrincipalsFile means, those that are there, in order. To be
    /// called as the user.
    fn files(&self, keyword: &str, name: &str) -> Vec<String> {
        let Some(home) = self.account.home.to_str() else {
            return Vec::new();
        };
        let uid = self.account.uid.to_string();
        let tokens = [
            ('h', home),
            ('u', self.account.name.as_str()),
            ('U', uid.as_str()),
        ];
        match expand(name, &tokens) {
            Ok(path) => {
                let path = self.account.home.join(path).to_string_lossy().into_owned();
                let mut found = carrick_config::glob::paths(&path, self.hooks);
                found.retain(|path| Path::new(path).symlink_metadata().is_ok());
                found
            }
            Err(problem) => {
                error!("{keyword} {name}: {problem}");
                Vec::new()
            }
        }
    }

    /// Judges a user's certificate for the account.
    fn judge(
        &self,
        cert: &Certificate,
        name: CertName<'_>,
        unlisted_is_any: bool,
    ) -> Option<JudgedCert> {
        let allowed: Vec<&str> = ca_algorithms(self.options);
        let demand = CertDemand {
            kind: CertKind::User,
            name,
            unlisted_is_any,
            now: self.now,
            ca_algorithms: Some(&allowed),
            rsa_min: self.options.required_rsa_size,
        };
        match cert.judge(&demand) {
            Ok(judged) => {
                for name in &judged.options().ignored {
                    crate::log::info!("Certificate extension \"{name}\" is not supported");
                }
                Some(judged)
            }
            Err(problem) => {
                error!("{problem}");
                if matches!(problem, CertError::Options(_)) {
                    error!("Invalid certificate options");
                }
                None
            }
        }
    }
}

/// CASignatureAlgorithms.
pub fn ca_algorithms(options: &Options) -> Vec<&str> {
    let names = options.ca_signature_algorithms.iter();
    names.map(String::as_str).collect()
}

/// An account, to become it.
pub fn identity(account: &Account) -> Identity {
    Identity {
        uid: account.uid,
        gid: account.gid,
        groups: passwd::groups_of(account).unwrap_or_default(),
    }
}

/// The terms on which `key` lets the account in; `None` if it does not.
pub fn key(context: &Context<'_>, key: &PublicKey) -> Option<Terms> {
    if is_revoked(context.options, key) {
        return None;
    }
    files(context, key)
        .or_else(|| authority(context, key))
        .or_else(|| command::authorized_keys(context, key))
}

/// By the account's files.
fn files(context: &Context<'_>, key: &PublicKey) -> Option<Terms> {
    let names = context.options.authorized_keys_files.iter();
    let mut names = names.filter(|name| !name.eq_ignore_ascii_case("none"));
    userfile::as_user(context, || {
        names.find_map(|name| {
            let files = context.files("AuthorizedKeysFile", name);
            files.iter().find_map(|file| {
                debug!("trying public key file {file}");
                let text = userfile::read(context, Kind::Keys, file.as_ref())?;
                entry::terms(context, &text, file, key)
            })
        })
    })
}

/// By an authority that the configuration trusts.
fn authority(context: &Context<'_>, key: &PublicKey) -> Option<Terms> {
    let (PublicKey::Certificate(cert), Some(file)) = (key, &context.options.trusted_user_ca_keys)
    else {
        return None;
    };
    let ca = &cert.authority;
    let (kind, print) = (ca.short_name(), context.print(ca));
    if !userfile::lists_plain(file, ca) {
        crate::log::write(
            crate::log::Level::Debug2,
            format_args!("CA {kind} {print} is not listed in {file}"),
        );
        return None;
    }
    // Where principals are listed, the user's name is of no account.
    let (name, line) = match principals::find(context, cert) {
        Found::NoLists => (CertName::User(&context.account.name), None),
        Found::Line(line) => (CertName::Any, Some(line)),
        Found::Nobody => return None,
    };
    let judged = context.judge(cert, name, false)?;
    let own = Terms::of_certificate(judged.options());
    if !own.admit(context, "cert", false) {
        error!("Refused by certificate options");
        return None;
    }
    let terms = match line {
        None => own,
        Some(line) => {
            if !line.admit(context, "principals", false) {
                error!("Refused by certificate principals options");
                return None;
            }
            merged(&line, &own)?
        }
    };
    verbose!(
        "Accepted certificate ID \"{}\" (serial {}) signed by {kind} CA {print} via {file}",
        cert.key_id,
        cert.serial
    );
    Some(terms)
}

fn merged(line: &Terms, certificate: &Terms) -> Option<Terms> {
    let both = line.and(certificate);
    both.inspect_err(|problem| error!("{problem}")).ok()
}

/// Whether `name` is one of a comma-separated list, to the letter.
fn is_listed(name: &str, list: &str) -> bool {
    list.split(',').any(|item| item == name)
}

#[cfg(test)]
mod tests;
