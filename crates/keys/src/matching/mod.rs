//! The two languages that OpenSSH's files name hosts and users in: wildcard
//! pattern lists and address (CIDR) lists.

mod cidr;
mod pattern;

pub use cidr::{AddressListError, Network, address_list, cidr_list};
pub use pattern::{Match, host_and_address, hostname, pattern, pattern_list, user};
