//! Which of a certificate's principals may log in as the account:
//! AuthorizedPrincipalsFile and AuthorizedPrincipalsCommand.

use carrick_keys::Certificate;
use carrick_keys::authorized_keys;

use super::userfile::{self, Kind};
use super::{Context, Terms, command};
use crate::log::{self, Level, debug, error};

/// What the lists of principals say of a certificate.
pub(super) enum Found {
    /// No list is in use: the account's own name counts.
    NoLists,
    /// These are the terms of the line that names one of its principals.
    Line(Box<Terms>),
    /// None of its principals is on a list.
    Nobody,
}

/// Looks the certificate's principals up.
pub(super) fn find(context: &Context<'_>, cert: &Certificate) -> Found {
    let options = context.options;
    let file = options.authorized_principals_file.as_deref();
    if file.is_none() && options.authorized_principals_command.is_none() {
        return Found::NoLists;
    }
    let found = file
        .and_then(|name| by_file(context, name, cert))
        .or_else(|| command::authorized_principals(context, cert));
    match found {
        Some(line) => Found::Line(Box::new(line)),
        None => {
            error!("Certificate does not contain an authorized principal");
            Found::Nobody
        }
    }
}

fn by_file(context: &Context<'_>, name: &str, cert: &Certificate) -> Option<Terms> {
    userfile::as_user(context, || {
        let files = context.files("AuthorizedPrincipalsFile", name);
        files.iter().find_map(|file| {
            debug!("trying authorized principals file {file}");
            let text = userfile::read(context, Kind::Principals, file.as_ref())?;
            in_text(&text, file, cert)
        })
    })
}

/// The terms of the first line of `text` that names one of the certificate's
/// principals. `name` is the text's, for the log.
pub(super) fn in_text(text: &[u8], name: &str, cert: &Certificate) -> Option<Terms> {
    authorized_keys::principals(text).find_map(|line| {
        let place = format!("{name}:{}", line.line);
        match line.parse_options().and_then(Terms::of_line) {
            Err(problem) => {
                debug!("{place}: bad principals options: {problem}");
                None
            }
            Ok(terms) => {
                let mut names = cert.principals.iter();
                let found = names.find(|name| name.as_bytes() == line.name)?;
                let said = format_args!("{place}: matched principal \"{found}\"");
                log::write(Level::Debug3, said);
                Some(terms)
            }
        }
    })
}
