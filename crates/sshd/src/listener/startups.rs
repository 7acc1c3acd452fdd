//! MaxStartups: how many connections may be on the way to a login, and which
//! new ones are dropped when there are many.

use std::net::IpAddr;

use carrick_config::sshd::MaxStartups;

/// Whether to drop a new connection while `waiting` others have not logged
/// in. `dice` is a random number below 100: from `begin` on `rate` per cent
/// are dropped, rising in a straight line to all of them at `full`.
pub fn drops(limit: MaxStartups, waiting: u32, dice: u32) -> bool {
    if waiting < limit.begin {
        return false;
    }
    if waiting >= limit.full || limit.rate >= 100 {
        return true;
    }
    let above = u64::from(100 - limit.rate) * u64::from(waiting - limit.begin);
    let span = u64::from(limit.full - limit.begin).max(1);
    u64::from(dice) < u64::from(limit.rate) + above / span
}

/// Whether two peers count as one source: the first `v4` or `v6` bits of
/// their addresses are the same (PerSourceNetBlockSize).
pub fn same_network(a: IpAddr, b: IpAddr, v4: u32, v6: u32) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let differ = (a.to_bits() ^ b.to_bits()).leading_zeros();
            differ >= v4.min(32)
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let differ = (a.to_bits() ^ b.to_bits()).leading_zeros();
            differ >= v6.min(128)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(limit: MaxStartups, waiting: u32) -> usize {
        (0..100).filter(|dice| drops(limit, waiting, *dice)).count()
    }

    #[test]
    fn the_share_rises_from_begin_to_full() {
        let limit = MaxStartups {
            begin: 10,
            rate: 30,
            full: 100,
        };
        assert_eq!(share(limit, 9), 0);
        assert_eq!(share(limit, 10), 30);
        assert_eq!(share(limit, 55), 65);
        assert_eq!(share(limit, 99), 99);
        assert_eq!(share(limit, 100), 100);
        assert_eq!(share(limit, u32::MAX), 100);
    }

    #[test]
    fn one_number_is_a_hard_limit() {
        let limit = MaxStartups {
            begin: 1,
            rate: 100,
            full: 1,
        };
        assert_eq!(share(limit, 0), 0);
        assert_eq!(share(limit, 1), 100);
        let equal = MaxStartups {
            begin: 5,
            rate: 30,
            full: 5,
        };
        assert_eq!(share(equal, 4), 0);
        assert_eq!(share(equal, 5), 100);
    }

    #[test]
    fn sources_are_told_apart_by_their_network() {
        let same = |a: &str, b: &str| same_network(a.parse().unwrap(), b.parse().unwrap(), 24, 64);
        assert!(same("192.0.2.1", "192.0.2.255"));
        assert!(!same("192.0.2.1", "192.0.3.1"));
        assert!(same("2001:db8::1", "2001:db8::2:0:0:1"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(!same("192.0.2.1", "::ffff:192.0.2.1"));
    }
}
