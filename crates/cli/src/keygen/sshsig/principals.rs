//! allowed_signers files, and `-Y find-principals` and `-Y match-principals`.

use std::io;
use std::path::Path;

use carrick_keys::allowed_signers::{self, Query, Remark};

use super::super::args::Args;
use super::super::{Outcome, Stop, time};
use super::{FAILED, Known, options, read_signature};
use crate::log::{debug, error};
use crate::text::{err, os_error, outln, printable};

/// Reads an allowed_signers file.
pub(super) fn read_allowed(path: &Path) -> Result<Vec<u8>, io::Error> {
    std::fs::read(path).inspect_err(|e| {
        error!(
            "Unable to open allowed keys file \"{}\": {}",
            path.display(),
            os_error(e)
        );
    })
}

/// Searches a file, telling what it notes. Returns the principals.
pub(super) fn search(file: &Path, text: &[u8], query: &Query<'_>) -> Option<String> {
    let found = allowed_signers::search(text, query);
    for (line, remark) in &found.remarks {
        let at = format!("{}:{line}", file.display());
        let now = || time::show(query.time);
        match remark {
            Remark::NotYetValid(after) => error!(
                "{at}: key is not yet valid: verify time {} < valid-after {}",
                now(),
                time::show(*after)
            ),
            Remark::Expired(before) => error!(
                "{at}: key has expired: verify time {} > valid-before {}",
                now(),
                time::show(*before)
            ),
            other if other.is_error() => error!("{at}: {other}"),
            other => debug!("{at}: {other}"),
        }
    }
    found.allowed.map(|allowed| allowed.principals)
}

/// `-Y find-principals`: whose key it may be that claims to have signed.
pub(super) fn find_principals(args: &Args, signature: &str, file: &Path) -> Outcome {
    let known = Known {
        hash: false,
        time: true,
        print_key: false,
    };
    let found = options(args, known).and_then(|options| {
        let signature = read_signature(signature, "sig_find_principals")?;
        let text = read_allowed(file)
            .inspect_err(|e| {
                error!(
                    "sig_find_principals: sshsig_find_principal: {}",
                    os_error(e)
                );
            })
            .ok()?;
        let query = Query {
            key: signature.claimed_key(),
            principal: None,
            namespace: None,
            time: options.time,
            zone: &time::seconds,
        };
        search(file, &text, &query)
    });
    let Some(principals) = found else {
        err!("No principal matched.\n");
        return Err(FAILED);
    };
    for name in principals.split(',').take_while(|name| !name.is_empty()) {
        outln!("{}", printable(name));
    }
    Ok(())
}

/// Exit statuses of match-principals, which are OpenSSH's error numbers.
const NO_MATCH: Stop = Stop::Status(210);
const BAD_FILE: Stop = Stop::Status(252);
const NO_FILE: Stop = Stop::Status(232);
const BAD_OPTION: Stop = Stop::Status(246);

/// `-Y match-principals`: which lines' principals match a name.
pub(super) fn match_principals(args: &Args, file: &Path, who: &str) -> Outcome {
    let known = Known {
        hash: false,
        time: false,
        print_key: false,
    };
    options(args, known).ok_or(BAD_OPTION)?;
    let Ok(text) = read_allowed(file) else {
        err!("No principal matched.\n");
        return Err(NO_FILE);
    };
    match allowed_signers::match_principals(&text, who, &time::seconds) {
        Ok(found) if !found.is_empty() => {
            for principals in found {
                outln!("{}", printable(&principals));
            }
            Ok(())
        }
        Ok(_) => {
            err!("No principal matched.\n");
            Err(NO_MATCH)
        }
        Err((line, bad)) => {
            error!("{}:{line}: {bad}", file.display());
            err!("No principal matched.\n");
            Err(BAD_FILE)
        }
    }
}
