//! File name wildcards, as in Include: `*`, `?`, `[...]`, sorted, over the
//! directories that [`Hooks::list`] shows.

use crate::hooks::Hooks;

fn has_magic(part: &str) -> bool {
    part.contains(['*', '?', '[', '\\'])
}

/// The files that an absolute path means: itself, whether it is there or not,
/// or, if it has wildcards, what matches them.
pub fn paths(path: &str, hooks: &dyn Hooks) -> Vec<String> {
    if has_magic(path) {
        glob(path, false, hooks)
    } else {
        vec![path.to_owned()]
    }
}

/// The paths that match an absolute pattern; a leading `~` is expanded if
/// `tilde`. No match is an empty list; a pattern without wildcards matches if
/// its file is there. A directory that cannot be listed matches nothing.
pub(crate) fn glob(pattern: &str, tilde: bool, hooks: &dyn Hooks) -> Vec<String> {
    let expanded = if tilde {
        expand_tilde(pattern, hooks)
    } else {
        None
    };
    let pattern = expanded.as_deref().unwrap_or(pattern);
    let Some(relative) = pattern.strip_prefix('/') else {
        return Vec::new();
    };
    let parts: Vec<&str> = relative.split('/').filter(|p| !p.is_empty()).collect();
    let mut found = vec![String::new()];
    for (i, part) in parts.iter().enumerate() {
        let last = i + 1 == parts.len();
        if !last && !has_magic(part) {
            for path in &mut found {
                path.push('/');
                path.push_str(part);
            }
            continue;
        }
        found = step(&found, part, hooks);
    }
    if found == [String::new()] {
        found.clear();
    }
    found
}

/// One path component, looked up in each directory found so far.
fn step(directories: &[String], part: &str, hooks: &dyn Hooks) -> Vec<String> {
    let mut next = Vec::new();
    for directory in directories {
        let shown = if directory.is_empty() { "/" } else { directory };
        let Ok(mut names) = hooks.list(shown) else {
            // Not listable: a plain name may still be readable.
            if !has_magic(part) && hooks.read(&format!("{directory}/{part}")).is_ok() {
                next.push(format!("{directory}/{part}"));
            }
            continue;
        };
        names.sort();
        for name in names {
            let hidden = name.starts_with('.') && !part.starts_with('.');
            if !hidden && component(name.as_bytes(), part.as_bytes()) {
                next.push(format!("{directory}/{name}"));
            }
        }
    }
    next
}

/// `~/x` and `~user/x`; `None` if there is no such home.
pub(crate) fn expand_tilde(path: &str, hooks: &dyn Hooks) -> Option<String> {
    let rest = path.strip_prefix('~')?;
    let (user, rest) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let home = hooks.home(if user.is_empty() { None } else { Some(user) })?;
    Some(format!("{}{rest}", home.trim_end_matches('/')))
}

/// Whether one name matches one component.
fn component(name: &[u8], pattern: &[u8]) -> bool {
    let Some((first, rest)) = pattern.split_first() else {
        return name.is_empty();
    };
    match first {
        b'*' => (0..=name.len()).any(|n| name.get(n..).is_some_and(|tail| component(tail, rest))),
        b'[' => match (class(rest), name.split_first()) {
            (Some((set, after)), Some((c, tail))) => set.has(*c) && component(tail, after),
            (Some(_), None) => false,
            (None, _) => literal(*first, name, rest),
        },
        b'?' => name
            .split_first()
            .is_some_and(|(_, tail)| component(tail, rest)),
        b'\\' => match rest.split_first() {
            Some((c, after)) => literal(*c, name, after),
            None => name == b"\\",
        },
        c => literal(*c, name, rest),
    }
}

fn literal(c: u8, name: &[u8], rest: &[u8]) -> bool {
    name.split_first()
        .is_some_and(|(n, tail)| *n == c && component(tail, rest))
}

struct Class<'a> {
    negated: bool,
    members: &'a [u8],
}

impl Class<'_> {
    fn has(&self, c: u8) -> bool {
        let mut members = self.members;
        let mut hit = false;
        loop {
            match members {
                [low, b'-', high, rest @ ..] => {
                    hit |= (*low..=*high).contains(&c);
                    members = rest;
                }
                [one, rest @ ..] => {
                    hit |= *one == c;
                    members = rest;
                }
                [] => return hit != self.negated,
            }
        }
    }
}

/// Splits what follows `[` into the class and the rest after `]`.
fn class(pattern: &[u8]) -> Option<(Class<'_>, &[u8])> {
    let (negated, body) = match pattern {
        [b'!' | b'^', rest @ ..] => (true, rest),
        _ => (false, pattern),
    };
    // A `]` that stands first is a member.
    let end = body.iter().skip(1).position(|c| *c == b']')? + 1;
    let (members, rest) = body.split_at_checked(end)?;
    Some((Class { negated, members }, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components() {
        for (name, pattern, expect) in [
            ("a.conf", "*.conf", true),
            ("a.conf", "[ab].conf", true),
            ("c.conf", "[!ab].conf", true),
            ("b.conf", "[a-c].conf", true),
            ("d.conf", "[a-c].conf", false),
            ("]", "[]]", true),
            ("[x", "[x", true),
            ("a*", "a\\*", true),
            ("ab", "a\\*", false),
            ("", "*", true),
            ("abc", "?b?", true),
        ] {
            assert_eq!(
                component(name.as_bytes(), pattern.as_bytes()),
                expect,
                "{name} {pattern}"
            );
        }
    }
}
