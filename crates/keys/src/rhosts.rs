//! `hosts.equiv` and `.rhosts` files, and their `shosts` likenesses: which
//! users of which hosts may log in as whom (hosts.equiv(5), sshd(8)).
//!
//! A line is `HOST` or `HOST USER`. `-` in front of either refuses, `+@` and
//! `-@` name a netgroup, and a bare `+`, which once let everybody in, means
//! nothing. The first line that matches counts.

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guest<'a> {
    /// The name of the host that they come from.
    pub host: &'a str,
    /// Its address.
    pub address: &'a str,
    /// Their name there.
    pub user: &'a str,
    /// The name that they want to log in by, which is also what a line
    /// without a user means.
    pub local_user: &'a str,
}

/// A question about a netgroup (netgroup(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member<'a> {
    /// Is this host in it?
    Host(&'a str),
    /// Is this user?
    User(&'a str),
}

/// What a file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// They may.
    Accepted,
    /// They may not.
    Refused,
    /// Nothing.
    Unlisted,
}

/// A longer line is none: what follows it counts no more, since it may have
/// been meant to refuse.
const LINE_MAX: usize = 1023;

/// What `text` says about the guest. `in_netgroup` knows the netgroups.
pub fn judge(
    text: &[u8],
    guest: &Guest<'_>,
    in_netgroup: &dyn Fn(&str, Member<'_>) -> bool,
) -> Verdict {
    for line in text.split(|b| *b == b'\n') {
        if line.len() > LINE_MAX {
            return Verdict::Unlisted;
        }
        let Ok(line) = core::str::from_utf8(line) else {
            continue;
        };
        let line = line.trim_start_matches([' ', '\t']);
        if line.starts_with('#') || line.starts_with("NO_PLUS") {
            continue;
        }
        let mut words = line.split(|c: char| c.is_ascii_whitespace() || c == '\x0b');
        let mut next = || words.by_ref().find(|word| !word.is_empty());
        let (Some(host), user, None) = (next(), next(), next()) else {
            continue;
        };
        let (no_host, host) = sign(host);
        let (no_user, user) = sign(user.unwrap_or(guest.local_user));
        if host.is_empty() || user.is_empty() {
            continue;
        }
        let host_is_it = match host.strip_prefix('@') {
            Some(group) => {
                let names = [guest.host, guest.address];
                names
                    .iter()
                    .any(|name| in_netgroup(group, Member::Host(name)))
            }
            None => host.eq_ignore_ascii_case(guest.host) || host == guest.address,
        };
        let user_is_it = match user.strip_prefix('@') {
            Some(group) => host_is_it && in_netgroup(group, Member::User(guest.user)),
            None => user == guest.user,
        };
        if host_is_it && user_is_it {
            return if no_host || no_user {
                Verdict::Refused
            } else {
                Verdict::Accepted
            };
        }
    }
    Verdict::Unlisted
}

/// Whether a word refuses, and the word without its sign.
fn sign(word: &str) -> (bool, &str) {
    match word.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, word.strip_prefix('+').unwrap_or(word)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUEST: Guest<'_> = Guest {
        host: "there.example",
        address: "192.0.2.1",
        user: "ann",
        local_user: "ann",
    };

    fn ask(text: &str) -> Verdict {
        judge(text.as_bytes(), &GUEST, &|group, member| {
            (group, member) == ("hosts", Member::Host("192.0.2.1"))
                || (group, member) == ("users", Member::User("ann"))
        })
    }

    #[test]
    fn hosts_with_and_without_users() {
        for text in [
            "there.example",
            "# x\n\n THERE.example\tann  ",
            "192.0.2.1 ann\r",
            "there.example bob\nthere.example ann",
            "+there.example +ann",
            "+@hosts",
            "@hosts @users",
        ] {
            assert_eq!(ask(text), Verdict::Accepted, "{text}");
        }
        for text in [
            "-there.example",
            "there.example -ann",
            "-@hosts\nthere.example",
            "there.example -@users",
        ] {
            assert_eq!(ask(text), Verdict::Refused, "{text}");
        }
        for text in [
            "",
            "here.example",
            "there.example bob",
            "there.example ann more",
            "192.0.2.10",
            "@users",
            "@hosts @hosts",
            "there.example ANN",
        ] {
            assert_eq!(ask(text), Verdict::Unlisted, "{text}");
        }
    }

    #[test]
    fn a_bare_plus_means_nothing() {
        for text in ["+", "+ +", "+ ann", "there.example +", "-", "NO_PLUS ann"] {
            assert_eq!(ask(text), Verdict::Unlisted, "{text}");
        }
    }

    #[test]
    fn a_user_of_another_name_must_be_listed() {
        let guest = Guest {
            local_user: "root",
            ..GUEST
        };
        let ask = |text: &str| judge(text.as_bytes(), &guest, &|_, _| false);
        assert_eq!(ask("there.example"), Verdict::Unlisted);
        assert_eq!(ask("there.example ann"), Verdict::Accepted);
    }

    #[test]
    fn nothing_counts_behind_a_line_that_is_too_long() {
        let long = "x".repeat(LINE_MAX + 1);
        assert_eq!(ask(&format!("there.example\n{long}")), Verdict::Accepted);
        assert_eq!(ask(&format!("{long}\nthere.example")), Verdict::Unlisted);
    }

    #[test]
    fn noise_lets_nobody_in_by_chance() {
        let good = b"there.example ann";
        for at in 0..good.len() {
            let mut noise = good.to_vec();
            noise[at] ^= 0x02;
            let verdict = judge(&noise, &GUEST, &|_, _| false);
            assert_eq!(verdict, Verdict::Unlisted, "byte {at}");
            let cut = judge(&good[..at], &GUEST, &|_, _| false);
            // The host alone is a line as well.
            let whole = matches!(at, 13 | 14);
            assert_eq!(cut == Verdict::Accepted, whole, "cut at {at}");
        }
    }
}
