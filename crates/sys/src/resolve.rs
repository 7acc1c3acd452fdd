//! Names to addresses, by the system's resolver, which may take its time.

use std::net::{SocketAddr, ToSocketAddrs as _};

/// All addresses of `host`, in the resolver's order; `ipv4` keeps one family.
/// An error is worded as the resolver words it.
pub fn addresses(host: &str, port: u16, ipv4: Option<bool>) -> Result<Vec<SocketAddr>, String> {
    let all = (host, port).to_socket_addrs().map_err(|e| {
        let text = e.to_string();
        let text = text.split(" (os error ").next().unwrap_or_default();
        match text.strip_prefix("failed to lookup address information: ") {
            Some(reason) => reason.to_owned(),
            None => text.to_owned(),
        }
    })?;
    let kept: Vec<_> = all
        .filter(|a| ipv4.is_none_or(|v4| a.is_ipv4() == v4))
        .collect();
    if kept.is_empty() {
        return Err("Address family for hostname not supported".into());
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_families() {
        assert_eq!(
            addresses("127.0.0.1", 22, Some(true)).unwrap(),
            ["127.0.0.1:22".parse().unwrap()]
        );
        assert_eq!(
            addresses("::1", 7, None).unwrap(),
            ["[::1]:7".parse().unwrap()]
        );
        let error = addresses("127.0.0.1", 22, Some(false)).unwrap_err();
        assert_eq!(error, "Address family for hostname not supported");
    }

    #[test]
    fn nonsense_is_an_error_without_numbers() {
        // Too long for a label: the resolver asks nobody.
        let error = addresses(&"x".repeat(70), 22, None).unwrap_err();
        assert!(
            !error.contains("os error") && !error.contains("failed to lookup"),
            "{error}"
        );
    }
}
