//! What command lines come to, and which are refused.

use super::*;

fn args(words: &[&str]) -> Box<Args> {
    match parse(words.iter().map(OsString::from).collect()) {
        Ok(Wanted::Connect(a)) => a,
        other => panic!("{words:?}: {other:?}"),
    }
}

fn bad(words: &[&str]) -> BadArgs {
    parse(words.iter().map(OsString::from).collect()).unwrap_err()
}

#[test]
fn flags_become_lines_in_order() {
    for (words, lines) in [
        (&["-p", "22", "h"][..], &["Port=22"][..]),
        (&["-p22", "-oPort=1", "h"], &["Port=22", "Port=1"]),
        (
            &["-4", "-C", "u@h"],
            &["AddressFamily=inet", "Compression=yes", "User=u"],
        ),
        (&["h", "-l", "me"], &["User=me"]),
        (&["ssh://u@h:5"], &["User=u", "Port=5"]),
        (&["-tt", "h"], &["RequestTTY=force"]),
        (&["-t", "h"], &["RequestTTY=yes"]),
        (&["-T", "h"], &["RequestTTY=no"]),
        (
            &["-f", "h"],
            &["ForkAfterAuthentication=yes", "StdinNull=yes"],
        ),
        (
            &["-N", "-s", "h"],
            &["SessionType=none", "SessionType=subsystem"],
        ),
        (&["-e", "^A", "h"], &["EscapeChar=^A"]),
        (&["-p1", "-A", "-a", "h"], &["ForwardAgent=no", "Port=1"]),
        (&["-e", "none", "h"], &["EscapeChar=none"]),
        (&["-2", "-v", "h"], &["LogLevel=DEBUG1"]),
        (
            &["-S", "none", "-Y", "h"],
            &[
                "ForwardX11=yes",
                "ForwardX11Trusted=yes",
                "ControlPath=none",
            ],
        ),
        (
            &["-Y", "-x", "h"],
            &["ForwardX11=no", "ForwardX11Trusted=yes"],
        ),
        (
            &["-L", "1:h:2", "-R3:h:4", "-D", "5", "-w1", "h"],
            &[
                "Local=1:h:2",
                "Remote=3:h:4",
                "Dynamic=5",
                "Tunnel=point-to-point",
                "TunnelDevice=1",
            ],
        ),
    ] {
        let got: Vec<String> = args(words)
            .settings
            .iter()
            .map(|s| match s {
                Setting::Option(text) | Setting::Identity(text) => text.clone(),
                Setting::Set(keyword, value) => format!("{keyword}={value}"),
                Setting::Forward(kind, spec) => format!("{kind:?}={spec}"),
            })
            .collect();
        assert_eq!(got, lines, "{words:?}");
    }
}

#[test]
fn the_command_is_what_follows_the_host() {
    let a = args(&["-v", "h", "-v", "ls", "-l", "-p", "x"]);
    assert_eq!(a.command, b"ls -l -p x");
    assert_eq!(a.level, Some(Level::Debug2));
    assert_eq!(args(&["h", "--", "-x", "y"]).command, b"-x y");
    assert_eq!(args(&["h"]).command, b"");
    assert_eq!(args(&["-vvvvv", "h"]).level, Some(Level::Debug3));
}

#[test]
fn not_a_connection() {
    assert!(matches!(parse(vec!["-V".into()]), Ok(Wanted::Version)));
    let q = parse(vec!["-Q".into(), "kex".into()]);
    assert!(matches!(q, Ok(Wanted::Query(q)) if q == "kex"));
}

#[test]
fn refusals() {
    assert_eq!(bad(&[]), BadArgs::Usage(None));
    assert_eq!(
        bad(&["-?"]),
        BadArgs::Usage(Some("unknown option -- ?\r\n".into()))
    );
    assert_eq!(
        bad(&["-p"]),
        BadArgs::Usage(Some("option requires an argument -- p\r\n".into()))
    );
    for (words, text) in [
        (&["-p", "99999", "h"][..], "Bad port '99999'"),
        (&["-e", "xx", "h"], "Bad escape character 'xx'."),
    ] {
        assert_eq!(bad(words), BadArgs::Message(text.into()), "{words:?}");
    }
    for (words, text) in [
        (&["a;b"][..], "hostname contains invalid characters"),
        (&["-1", "h"], "SSH protocol v.1 is no longer supported"),
    ] {
        assert_eq!(bad(words), BadArgs::Fatal(text.into()), "{words:?}");
    }
}

#[test]
fn masters_are_asked_once() {
    let args = args(&["-MM", "-S", "a", "-oControlPath=b", "-S", "c", "h"]);
    let set = |keyword: &'static str, value: &str| Setting::Set(keyword, value.into());
    assert!(args.settings.contains(&set("ControlMaster", "ask")));
    assert_eq!(args.settings[0], set("ControlPath", "c"));
    for (words, why) in [
        (
            &["-O", "exit", "-O", "exit", "h"][..],
            "Multiplexing command already specified",
        ),
        (&["-O", "leave", "h"], "Invalid multiplex command."),
        (
            &["-W", "a:1", "-O", "exit", "h"],
            "Cannot specify multiplexing command with -W",
        ),
        (
            &["-O", "exit", "-W", "a:1", "h"],
            "Cannot specify stdio forward with -O",
        ),
    ] {
        assert_eq!(bad(words), BadArgs::Fatal(why.into()), "{words:?}");
    }
}

#[test]
fn networks_and_their_resolver() {
    let a = args(&[
        "--vpn",
        "10/8,fd00::/8",
        "h",
        "--vpn=192.0.2.1",
        "--vpn-dns=10.0.0.53",
    ]);
    assert_eq!(a.vpn.networks.len(), 3);
    assert_eq!(
        a.vpn.resolver,
        Some(vpn::Resolver::At([10, 0, 0, 53].into()))
    );
    let none = Setting::Set("SessionType", "none".into());
    assert!(a.settings.contains(&none));
    let a = args(&["--vpn-dns", "--vpn", "0/0", "h", "command", "--vpn"]);
    assert_eq!(a.vpn.resolver, Some(vpn::Resolver::Servers));
    assert_eq!(
        (&a.command[..], a.vpn.networks.len()),
        (&b"command --vpn"[..], 1)
    );
    assert!(!a.settings.contains(&none));
    let unknown = BadArgs::Usage(Some("unknown option -- -\r\n".into()));
    assert_eq!(bad(&["--else", "h"]), unknown);
    assert!(matches!(bad(&["--vpn"]), BadArgs::Usage(Some(_))));
    for words in [
        &["--vpn=x", "h"][..],
        &["--vpn-dns", "h"],
        &["--vpn=0/0", "--vpn-dns=x", "h"],
    ] {
        assert!(matches!(bad(words), BadArgs::Message(_)), "{words:?}");
    }
}

#[test]
fn standard_input_is_forwarded_once() {
    let args = args(&["-t", "-W", "a:1", "h"]);
    assert_eq!(args.stdio_forward.as_deref(), Some("a:1"));
    let twice = bad(&["-W", "a:1", "-W", "a:1", "h"]);
    assert_eq!(
        twice,
        BadArgs::Fatal("stdio forward already specified".into())
    );
}
