//! The environment variables that go along (SendEnv, SetEnv).

use std::os::unix::ffi::OsStrExt as _;

use carrick_config::ssh::Options;
use carrick_keys::matching;

use crate::log::debug3;

/// The variables to send, in order: those of the environment that SendEnv
/// takes, then those of SetEnv.
pub(super) fn to_send(options: &Options) -> Vec<(String, Vec<u8>)> {
    let mut out = Vec::new();
    // Nothing is asked of the environment if nothing of it is wanted.
    let wanted = !options.send_env.is_empty();
    for (name, value) in std::env::vars_os().filter(|_| wanted) {
        let Some(name) = name.to_str() else { continue };
        if takes(&options.send_env, name) {
            out.push((name.to_owned(), value.as_bytes().to_vec()));
        } else {
            debug3!("Ignored env {name}");
        }
    }
    let fixed = options.set_env.iter();
    out.extend(fixed.map(|pair| (pair.name.clone(), pair.value.clone().into_bytes())));
    out
}

/// Whether a pattern of SendEnv fits `name`.
fn takes(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|p| matching::pattern(name, p))
}

#[cfg(test)]
mod tests {
    use super::takes;

    #[test]
    fn patterns() {
        let patterns = ["LANG".to_owned(), "LC_*".to_owned()];
        assert!(takes(&patterns, "LANG") && takes(&patterns, "LC_ALL"));
        assert!(!takes(&patterns, "LANGUAGE") && !takes(&[], "LANG"));
    }
}
