//! A text of authorized keys: the file's, or what a command printed.

use carrick_keys::authorized_keys::{self, Entry};
use carrick_keys::{CertName, PublicKey};

use super::{Context, Terms, is_listed, merged};
use crate::log::{debug, error, verbose};

/// The terms of the first line of `text` that lets `key` in. `name` is the
/// text's, for the log.
pub(super) fn terms(
    context: &Context<'_>,
    text: &[u8],
    name: &str,
    key: &PublicKey,
) -> Option<Terms> {
    authorized_keys::entries_for(text, key).find_map(|entry| {
        let place = format!("{name}:{}", entry.line);
        judge(context, &entry, &place, key)
    })
}

/// The terms on which one line, which has the key or its authority on it,
/// lets the key in.
fn judge(context: &Context<'_>, entry: &Entry<'_>, place: &str, key: &PublicKey) -> Option<Terms> {
    let line = match entry.parse_options().and_then(Terms::of_line) {
        Ok(line) => line,
        Err(problem) => {
            debug!("{place}: bad key options: {problem}");
            return None;
        }
    };
    // An authority's key does not log in itself, nor another key sign.
    if line.cert_authority != key.is_certificate() {
        return None;
    }
    let (kind, print) = (entry.key.short_name(), context.print(&entry.key));
    let what = if line.cert_authority { "CA" } else { "key" };
    debug!("{place}: matching {what} found: {kind} {print}");
    if !line.admit(context, place, line.cert_authority) {
        error!("Refused by key options");
        return None;
    }
    let PublicKey::Certificate(cert) = key else {
        verbose!("Accepted key {kind} {print} found at {place}");
        return Some(line);
    };
    // Where the line lists principals, the user's name is of no account.
    let name = match &line.principals {
        None => CertName::User(&context.account.name),
        Some(_) => CertName::Any,
    };
    let judged = context.judge(cert, name, true)?;
    let own = Terms::of_certificate(judged.options());
    if !own.admit(context, place, false) {
        error!("Refused by certificate options");
        return None;
    }
    if let Some(list) = &line.principals {
        let mut names = cert.principals.iter();
        if !names.any(|name| is_listed(name, list)) {
            error!("Certificate does not contain an authorized principal");
            return None;
        }
    }
    let terms = merged(&line, &own)?;
    verbose!(
        "Accepted certificate ID \"{}\" (serial {}) signed by CA {kind} {print} found at {place}",
        cert.key_id,
        cert.serial
    );
    Some(terms)
}
