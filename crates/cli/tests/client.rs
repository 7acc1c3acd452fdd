//! ssh without a server: what it answers by itself, and how it refuses.

use std::process::{Command, Output, Stdio};

fn ssh(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_carrick"))
        .arg("ssh")
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn version_and_queries() {
    let output = ssh(&["-V"]);
    assert!(output.status.success());
    assert!(text(&output.stderr).starts_with("Carrick_0."));
    let output = ssh(&["-Q", "cipher-auth"]);
    assert!(output.status.success());
    assert!(
        text(&output.stdout)
            .lines()
            .any(|l| l == "aes128-gcm@openssh.com")
    );
    let output = ssh(&["-Q", "foo"]);
    assert_eq!(output.status.code(), Some(255));
    assert_eq!(text(&output.stderr), "Unsupported query \"foo\"\r\n");
}

#[test]
fn the_configuration_is_dumped() {
    let output = ssh(&[
        "-G",
        "-F",
        "none",
        "-p",
        "2222",
        "-o",
        "RekeyLimit 1k 1h",
        "me@There",
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines = text(&output.stdout);
    for line in [
        "user me",
        "hostname there",
        "port 2222",
        "rekeylimit 1024 3600",
    ] {
        assert!(lines.lines().any(|l| l == line), "{line}\n{lines}");
    }
}

#[test]
fn refusals_end_with_255() {
    for (args, message) in [
        (&[][..], "usage: ssh "),
        (&["-z"], "unknown option -- z"),
        (&["-p", "0", "h"], "Bad port '0'"),
        (
            &["-F", "none", "-o", "Nonsense=1", "h"],
            "Bad configuration option: nonsense",
        ),
        (&["-F", "none", "-o", "Port=x", "h"], "Bad port 'x'."),
        (
            &["-F", "/no/such/file", "h"],
            "Can't open user config file /no/such/file: No such file",
        ),
        (
            &["-F", "none", "-o", "ChannelTimeout=session=5m", "h"],
            "ChannelTimeout is not built yet",
        ),
        (&["-F", "none", "--vpn=x", "h"], "Bad network 'x'"),
        (
            &["-F", "none", "-L", "nonsense", "h"],
            "Bad local forwarding specification 'nonsense'",
        ),
        (
            &["-F", "none", "-W", "nonsense", "h"],
            "Bad stdio forwarding specification 'nonsense'",
        ),
        (
            &["-F", "none", "-f", "h"],
            "Cannot fork into background without a command to execute.",
        ),
        (
            &["-F", "none", "-s", "h"],
            "You must specify a subsystem to invoke.",
        ),
        (
            &["-F", "none", "-4", "::1"],
            "Could not resolve hostname ::1: Address family for hostname not supported",
        ),
        (
            &["-F", "none", "-o", "ProxyCommand=false", "h"],
            "Connection closed by UNKNOWN port 65535",
        ),
        (
            &[
                "-F",
                "none",
                "-o",
                "ProxyCommand=sh -c \"printf 'junk\\nSSH-1.5-x\\n'; cat > /dev/null\"",
                "h",
            ],
            "Protocol major versions differ",
        ),
    ] {
        let output = ssh(args);
        assert_eq!(output.status.code(), Some(255), "{args:?}");
        assert!(
            text(&output.stderr).contains(message),
            "{args:?}: {}",
            text(&output.stderr)
        );
    }
}

#[test]
fn a_closed_port_is_told() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let output = ssh(&["-T", "-F", "none", "-p", &port.to_string(), "127.0.0.1"]);
    assert_eq!(output.status.code(), Some(255));
    assert_eq!(
        text(&output.stderr),
        format!("ssh: connect to host 127.0.0.1 port {port}: Connection refused\r\n")
    );
}

#[test]
fn a_silent_server_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let output = ssh(&[
        "-F",
        "none",
        "-o",
        "ConnectTimeout=1",
        "-p",
        &port.to_string(),
        "127.0.0.1",
    ]);
    assert_eq!(output.status.code(), Some(255));
    assert!(text(&output.stderr).contains("Connection timed out during banner exchange"));
}

#[test]
fn messages_go_to_the_log_file() {
    let dir = tempfile::TempDir::new().unwrap();
    let log = dir.path().join("log");
    let log = log.to_str().unwrap();
    let output = ssh(&[
        "-T",
        "-F",
        "none",
        "-v",
        "-E",
        log,
        "-o",
        "ProxyCommand=false",
        "h",
    ]);
    assert_eq!(output.status.code(), Some(255));
    assert_eq!(text(&output.stderr), "");
    let lines = std::fs::read_to_string(log).unwrap();
    assert!(
        lines.contains("debug1: Executing proxy command: exec false\r\n"),
        "{lines}"
    );
}

#[test]
fn ssh_keygen_is_linked_to_the_binary_that_is_that_alone() {
    let dir = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let binaries = [
        env!("CARGO_BIN_EXE_carrick"),
        env!("CARGO_BIN_EXE_carrick-keygen"),
    ];
    let (full, small) = (
        dir.path().join("carrick"),
        dir.path().join("carrick-keygen"),
    );
    let bin = dir.path().join("bin");
    std::fs::hard_link(binaries[0], &full).unwrap();
    for there in [true, false] {
        if there {
            std::fs::hard_link(binaries[1], &small).unwrap();
        } else {
            std::fs::remove_file(&small).unwrap();
        }
        let output = Command::new(&full)
            .arg("--install-links")
            .arg(&bin)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let of = |name| std::fs::read_link(bin.join(name)).unwrap();
        let full = full.canonicalize().unwrap();
        assert_eq!(of("ssh"), full);
        let wanted = if there {
            full.with_file_name("carrick-keygen")
        } else {
            full
        };
        assert_eq!(of("ssh-keygen"), wanted);
        let output = Command::new(bin.join("ssh-keygen"))
            .arg("-?")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains("usage: ssh-keygen "));
    }
}

#[test]
fn the_program_goes_by_its_name() {
    let dir = tempfile::TempDir::new().unwrap();
    let link = dir.path().join("ssh");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_carrick"), &link).unwrap();
    let output = Command::new(link).arg("-V").output().unwrap();
    assert!(output.status.success());
    let output = Command::new(env!("CARGO_BIN_EXE_carrick"))
        .arg("nonsense")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(255));
}
