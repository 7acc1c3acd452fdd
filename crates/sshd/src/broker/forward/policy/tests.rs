use super::*;
use crate::broker::env::tests::start;

fn tcp(host: &str, port: u32) -> Dial {
    Dial {
        id: 1,
        to: Place::Tcp((host.to_owned(), port)),
        from: ("203.0.113.9\n".to_owned(), 4711),
    }
}

fn unix(path: &str) -> Dial {
    Dial {
        to: Place::Unix(path.as_bytes().to_vec()),
        ..tcp("", 0)
    }
}

fn at(address: &str, port: u32) -> Listen {
    Listen {
        id: 1,
        at: Place::Tcp((address.to_owned(), port)),
    }
}

fn at_path() -> Listen {
    Listen {
        id: 1,
        at: Place::Unix(b"/s".to_vec()),
    }
}

fn of(change: fn(&mut Start)) -> Start {
    let mut start = start();
    change(&mut start);
    start
}

fn text(outcome: Result<(), Denied>) -> String {
    outcome.unwrap_err().0.unwrap_or_default()
}

#[test]
fn whoever_may_do_all_may_do_all() {
    let start = start();
    for dial in [tcp("h", 1), tcp("::1", 65535), unix("/s")] {
        assert_eq!(may_dial(&start, &dial), Ok(()));
    }
    for listen in [at("", 0), at("h", 1024), at_path()] {
        assert_eq!(may_listen(&start, &listen), Ok(()));
    }
    assert!(may_dial(&start, &tcp("h", 65536)).is_err());
    assert!(may_listen(&start, &at("h", 65536)).is_err());
}

#[test]
fn each_way_is_forbidden_by_itself_and_all_by_the_key() {
    let allowed = |start: &Start| {
        [
            may_dial(start, &tcp("h", 1)).is_ok(),
            may_listen(start, &at("h", 1024)).is_ok(),
            may_listen(start, &at_path()).is_ok(),
            may_dial(start, &unix("/s")).is_ok(),
        ]
    };
    let no_tcp = of(|s| s.forwarding.tcp_local = false);
    assert_eq!(allowed(&no_tcp), [false, true, true, false]);
    let no_listening = of(|s| s.forwarding.tcp_remote = false);
    assert_eq!(allowed(&no_listening), [true, false, true, true]);
    let no_paths = of(|s| s.forwarding.unix_remote = false);
    assert_eq!(allowed(&no_paths), [true, true, false, true]);
    let no_sockets = of(|s| s.forwarding.unix_local = false);
    assert_eq!(allowed(&no_sockets), [true, true, true, false]);
    let none = of(|s| s.permissions.port_forwarding = false);
    assert_eq!(allowed(&none), [false; 4]);
}

#[test]
fn both_lists_must_let_a_connection_through() {
    let start = of(|s| {
        s.forwarding.permit_open = Some(vec![("h".into(), 80), ("*".into(), 443)]);
        s.permissions.permit_open = vec![("h".into(), 0), ("i".into(), 443)];
    });
    for (host, port, allowed) in [
        ("h", 80, true),
        ("h", 81, false),
        ("h", 443, true),
        ("i", 443, true),
        ("i", 80, false),
        ("j", 443, false),
        // Names are what they are: nothing is looked up before.
        ("H", 80, false),
    ] {
        let outcome = may_dial(&start, &tcp(host, port));
        assert_eq!(outcome.is_ok(), allowed, "{host} {port}");
    }
    assert!(may_dial(&start, &unix("/s")).is_err());
    let none = of(|s| s.forwarding.permit_open = Some(Vec::new()));
    assert!(may_dial(&none, &tcp("h", 80)).is_err());
    assert!(may_dial(&none, &unix("/s")).is_err());
    let all = of(|s| s.permissions.permit_open = vec![("*".into(), 0)]);
    assert!(may_dial(&all, &unix("/s")).is_ok());
}

#[test]
fn both_lists_must_let_a_listener_through() {
    let start = of(|s| {
        s.forwarding.permit_listen = Some(vec![("*".into(), 8080), ("local*".into(), 0)]);
        s.permissions.permit_listen = vec![("*".into(), 0)];
    });
    assert!(may_listen(&start, &at("", 8080)).is_ok());
    assert!(may_listen(&start, &at("LocalHost", 9999)).is_ok());
    assert!(may_listen(&start, &at("localhost", 0)).is_ok());
    assert!(may_listen(&start, &at("", 9999)).is_err());
    assert!(may_listen(&start, &at_path()).is_ok());
}

#[test]
fn low_ports_are_roots() {
    let start = start();
    assert!(may_listen(&start, &at("localhost", 1023)).is_err());
    let root = of(|s| s.account.root = true);
    assert!(may_listen(&root, &at("localhost", 1023)).is_ok());
}

#[test]
fn the_log_cannot_be_made_to_lie() {
    let start = of(|s| s.forwarding.tcp_local = false);
    let told = text(may_dial(&start, &tcp("h\nroot logged in", 1)));
    let expected = "refused local port forward: originator 203.0.113.9\\n port 4711, \
                    target h\\nroot logged in port 1";
    assert_eq!(told, expected);
    let start = of(|s| s.forwarding.permit_open = Some(Vec::new()));
    let expected = "Received request from 192.0.2.1 port 1234 to connect to host h port 80, \
                    but the request was denied.";
    assert_eq!(text(may_dial(&start, &tcp("h", 80))), expected);
    let expected = "Received request to connect to path /s\\n, but the request was denied.";
    assert_eq!(text(may_dial(&start, &unix("/s\n"))), expected);
    let start = of(|s| s.permissions.permit_listen = vec![("*".into(), 1)]);
    let expected = "Received request from 192.0.2.1 port 1234 to remote forward to host \
                    localhost port 8080, but the request was denied.";
    assert_eq!(text(may_listen(&start, &at("localhost", 8080))), expected);
}
