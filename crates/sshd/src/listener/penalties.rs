//! PerSourcePenalties: addresses whose connections ended badly are refused
//! for a while. Penalties for one address add up; the small ones count only
//! once they come to more than a minimum.
//!
//! What a monitor's exit status says about its peer is all that comes in
//! here; the table is bounded, and so is each penalty.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use carrick_config::sshd::{Options, Overflow, Penalties};
use carrick_keys::matching::cidr_list;

use crate::log::{debug, error, verbose};

/// What a peer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offence {
    /// Its worker crashed, or asked for what it may not.
    Crash,
    /// It tried to log in and failed.
    AuthFail,
    /// It tried to log in as somebody who is not there.
    InvalidUser,
    /// It never tried.
    NoAuth,
    /// It took longer than LoginGraceTime.
    Grace,
    /// RefuseConnection is set for it.
    Refused,
}

impl Offence {
    fn penalty(self, of: &Penalties) -> Duration {
        match self {
            Self::Crash => of.crash,
            Self::AuthFail => of.authfail,
            Self::InvalidUser => of.invaliduser,
            Self::NoAuth => of.noauth,
            Self::Grace => of.grace_exceeded,
            Self::Refused => of.refuseconnection,
        }
    }

    /// As the log says it of a connection that is dropped.
    fn reason(self) -> &'static str {
        match self {
            Self::Crash => "penalty: caused crash",
            Self::AuthFail => "penalty: failed authentication",
            Self::InvalidUser => "penalty: attempted authentication by invalid user",
            Self::NoAuth => "penalty: connections without attempting authentication",
            Self::Grace => "penalty: exceeded LoginGraceTime",
            Self::Refused => "penalty: connection prohibited by RefuseConnection",
        }
    }
}

struct Entry {
    ends: Instant,
    active: bool,
    last: Offence,
}

/// The addresses of one family.
#[derive(Default)]
struct Table {
    entries: HashMap<IpAddr, Entry>,
    /// The same by their end, the first to end first.
    ends: BTreeSet<(Instant, IpAddr)>,
}

impl Table {
    fn put(&mut self, address: IpAddr, entry: Entry) {
        self.ends.insert((entry.ends, address));
        self.entries.insert(address, entry);
    }

    fn take(&mut self, address: IpAddr) -> Option<Entry> {
        let entry = self.entries.remove(&address)?;
        self.ends.remove(&(entry.ends, address));
        Some(entry)
    }

    /// Forgets what has ended.
    fn expire(&mut self, now: Instant) {
        while let Some(&(ends, address)) = self.ends.first() {
            if ends > now {
                break;
            }
            self.take(address);
        }
    }
}

/// All penalties that hold.
pub struct Book {
    rules: Penalties,
    exempt: Option<String>,
    bits: (u32, u32),
    v4: Table,
    v6: Table,
}

impl Book {
    /// An empty one.
    pub fn new(options: &Options) -> Self {
        Self {
            rules: options.per_source_penalties,
            exempt: options.per_source_penalty_exempt_list.clone(),
            bits: options.per_source_net_block_size,
            v4: Table::default(),
            v6: Table::default(),
        }
    }

    fn concerns(&self, address: IpAddr) -> bool {
        // The list was checked when the configuration was read.
        self.rules.enabled
            && !self
                .exempt
                .as_deref()
                .is_some_and(|list| cidr_list(Some(address), list).unwrap_or(false))
    }

    /// The table of the address's family, with its bounds.
    fn table(&mut self, address: IpAddr) -> (&mut Table, usize, Overflow) {
        let rules = &self.rules;
        let (table, most, overflow) = match address {
            IpAddr::V4(_) => (&mut self.v4, rules.max_sources4, rules.overflow),
            IpAddr::V6(_) => {
                let overflow = rules.overflow6.unwrap_or(rules.overflow);
                (&mut self.v6, rules.max_sources6, overflow)
            }
        };
        (table, usize::try_from(most).unwrap_or(usize::MAX), overflow)
    }

    /// Why a connection from `address` is to be dropped, if it is.
    pub fn refuses(&mut self, address: IpAddr, now: Instant) -> Option<&'static str> {
        let address = address.to_canonical();
        if !self.concerns(address) {
            return None;
        }
        let network = network(address, self.bits);
        let (table, most, overflow) = self.table(address);
        table.expire(now);
        if overflow == Overflow::DenyAll && table.entries.len() > most {
            return Some("too many penalised addresses");
        }
        let entry = table.entries.get(&network)?;
        entry.active.then(|| entry.last.reason())
    }

    /// Takes note of an offence.
    pub fn note(&mut self, address: IpAddr, offence: Offence, now: Instant) {
        let address = address.to_canonical();
        let rules = self.rules;
        let penalty = offence.penalty(&rules);
        if penalty.is_zero() || !self.concerns(address) {
            return;
        }
        let network = network(address, self.bits);
        let (table, most, overflow) = self.table(address);
        table.expire(now);
        if let Some(old) = table.take(network) {
            let left = (old.ends + penalty)
                .saturating_duration_since(now)
                .min(rules.max);
            let active = old.active || left > rules.min;
            if active && !old.active {
                let (seconds, why) = (left.as_secs(), offence.reason());
                verbose!("activating penalty of {seconds} seconds for {network}: {why}");
            }
            let entry = Entry {
                ends: now + left,
                active,
                last: offence,
            };
            table.put(network, entry);
            return;
        }
        if overflow == Overflow::DenyAll && table.entries.len() > most {
            let why = offence.reason();
            error!("penalty table full, cannot penalise {network} for {why}");
            return;
        }
        let entry = Entry {
            ends: now + penalty.min(rules.max),
            active: penalty > rules.min,
            last: offence,
        };
        let state = if entry.active { "active" } else { "deferred" };
        debug!(
            "{network}: new {state} penalty of {} seconds for {}",
            penalty.as_secs(),
            offence.reason()
        );
        table.put(network, entry);
        // The mildest makes room.
        while overflow == Overflow::Permissive && table.entries.len() > most {
            let Some(&(_, first)) = table.ends.first() else {
                break;
            };
            table.take(first);
        }
    }
}

/// The network that stands for the address (PerSourceNetBlockSize).
fn network(address: IpAddr, bits: (u32, u32)) -> IpAddr {
    match address {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - bits.0.min(32)).unwrap_or(0);
            Ipv4Addr::from_bits(ip.to_bits() & mask).into()
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - bits.1.min(128)).unwrap_or(0);
            Ipv6Addr::from_bits(ip.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn book(change: impl FnOnce(&mut Options)) -> (Book, Instant) {
        let mut options = Options::default();
        change(&mut options);
        (Book::new(&options), Instant::now())
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_crash_bars_at_once_and_ends_by_itself() {
        let (mut book, now) = book(|_| {});
        book.note(ip("192.0.2.1"), Offence::Crash, now);
        assert_eq!(
            book.refuses(ip("192.0.2.1"), now + 89 * S),
            Some("penalty: caused crash")
        );
        // The same address in its other form; a neighbour is not barred.
        assert!(book.refuses(ip("::ffff:192.0.2.1"), now).is_some());
        assert!(book.refuses(ip("192.0.2.2"), now).is_none());
        assert!(book.refuses(ip("192.0.2.1"), now + 90 * S).is_none());
        assert!(book.v4.entries.is_empty() && book.v4.ends.is_empty());
    }

    #[test]
    fn small_ones_add_up_and_are_bounded() {
        let (mut book, now) = book(|_| {});
        let bad = ip("192.0.2.1");
        for _ in 0..3 {
            book.note(bad, Offence::AuthFail, now);
            assert!(book.refuses(bad, now).is_none());
        }
        book.note(bad, Offence::AuthFail, now);
        assert!(book.refuses(bad, now + 19 * S).is_some());
        for _ in 0..1000 {
            book.note(bad, Offence::AuthFail, now);
        }
        assert!(book.refuses(bad, now + 599 * S).is_some());
        assert!(book.refuses(bad, now + 600 * S).is_none());
    }

    #[test]
    fn some_are_exempt_and_it_can_be_switched_off() {
        let (mut book, now) = book(|options| {
            options.per_source_penalty_exempt_list = Some("192.0.2.0/24,2001:db8::/32".into());
        });
        for address in ["192.0.2.9", "2001:db8::9"] {
            book.note(ip(address), Offence::Crash, now);
            assert!(book.refuses(ip(address), now).is_none());
        }
        let (mut off, now) = self::book(|options| options.per_source_penalties.enabled = false);
        off.note(ip("192.0.2.9"), Offence::Crash, now);
        assert!(off.refuses(ip("192.0.2.9"), now).is_none());
    }

    #[test]
    fn a_network_counts_as_one() {
        let (mut book, now) = book(|options| options.per_source_net_block_size = (24, 0));
        book.note(ip("192.0.2.1"), Offence::Crash, now);
        assert!(book.refuses(ip("192.0.2.200"), now).is_some());
        assert!(book.refuses(ip("192.0.3.1"), now).is_none());
        book.note(ip("2001:db8::1"), Offence::Crash, now);
        assert!(book.refuses(ip("fe80::1"), now).is_some());
    }

    #[test]
    fn the_table_is_bounded_either_way() {
        let flood = |overflow| {
            let (mut book, now) = book(|options| {
                options.per_source_penalties.max_sources4 = 10;
                options.per_source_penalties.overflow = overflow;
            });
            for number in 0..100_u32 {
                let address = IpAddr::V4(Ipv4Addr::from_bits(number));
                book.note(address, Offence::Crash, now + S * number / 10);
            }
            let sizes = (book.v4.entries.len(), book.v4.ends.len());
            (sizes, book.refuses(ip("192.0.2.1"), now + 10 * S))
        };
        assert_eq!(flood(Overflow::Permissive), ((10, 10), None));
        assert_eq!(
            flood(Overflow::DenyAll),
            ((11, 11), Some("too many penalised addresses"))
        );
    }
}
