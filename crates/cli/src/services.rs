//! Ports by number or by the name that `/etc/services` has for them.

/// The file of services(5).
const FILE: &str = "/etc/services";

/// A TCP port, 1 to 65535, by its number or its service's name.
pub(crate) fn port(text: &str) -> Option<u16> {
    match text.trim_start().parse() {
        Ok(0) => None,
        Ok(number) => Some(number),
        Err(_) => by_name(text),
    }
}

/// The port of a service.
pub(crate) fn by_name(name: &str) -> Option<u16> {
    lookup(&std::fs::read_to_string(FILE).ok()?, name)
}

/// Finds a name or alias among lines of `NAME PORT/PROTOCOL [ALIAS...]`.
fn lookup(services: &str, name: &str) -> Option<u16> {
    services.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_ascii_whitespace();
        let service = words.next()?;
        let port = words.next()?.strip_suffix("/tcp")?;
        let meant = service == name || words.any(|alias| alias == name);
        meant.then(|| port.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::{lookup, port};

    #[test]
    fn numbers() {
        assert_eq!(port("22"), Some(22));
        assert_eq!(port(" 65535"), Some(65535));
        for bad in ["0", "65536", "-1", "", "22x", "no-such-service"] {
            assert_eq!(port(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_and_aliases_of_tcp_services() {
        let file =
            "# ssh 1/tcp\ndomain 53/udp\nssh\t22/tcp # Secure\nhttp 80/tcp www\nbad\nodd x/tcp\n";
        assert_eq!(lookup(file, "ssh"), Some(22));
        assert_eq!(lookup(file, "www"), Some(80));
        for none in ["domain", "bad", "odd", "Secure", ""] {
            assert_eq!(lookup(file, none), None, "{none}");
        }
    }
}
