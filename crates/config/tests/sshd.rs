//! sshd_config over files in memory.

mod common;

use carrick_config::sshd::{ConnectionSpec, Options, Permit, Source};
use carrick_config::{Error, words};
use common::Memory;

const MAIN: &str = "/etc/ssh/sshd_config";

fn spec(text: &str) -> ConnectionSpec {
    let mut spec = ConnectionSpec::default();
    spec.parse(text, &Memory::default()).expect(text);
    spec
}

fn load(hooks: &Memory) -> Result<(Options, Source), Error> {
    let mut source = Source::open(MAIN, hooks)?;
    source.version = "Carrick_1.0".into();
    let options = Options::load(&mut source, hooks)?;
    Ok((options, source))
}

fn with(text: &str, who: &str) -> Options {
    let hooks = Memory::with(&[(MAIN, text)]);
    let (options, source) = load(&hooks).expect(text);
    options
        .for_connection(&source, &spec(who), &hooks)
        .expect(text)
}

#[test]
fn global_section() {
    let hooks = Memory::with(&[(MAIN, "Port 1\nPort 2\nMaxSessions 3\nMaxSessions 4\n")]);
    let (options, _) = load(&hooks).expect("options");
    assert_eq!(options.ports, [1, 2]);
    assert_eq!(options.max_sessions, 3);
    let origin = options.set_keywords().origin("MaxSessions").expect("set");
    assert_eq!(origin.to_string(), "/etc/ssh/sshd_config line 3");
}

#[test]
fn command_line() {
    let hooks = Memory::with(&[(MAIN, "Port 1\nMaxSessions 3\nHostKey b\n")]);
    let mut source = Source::open(MAIN, &hooks).expect("file");
    source.ports = vec![7];
    source.options = vec!["MaxSessions=9".into(), "HostKey=a".into()];
    let options = Options::load(&mut source, &hooks).expect("options");
    assert_eq!(
        (options.ports.as_slice(), options.max_sessions),
        (&[7u16][..], 9)
    );
    assert_eq!(options.host_keys, ["/cwd/a", "/cwd/b"]);
    source.options = vec!["Foo=1".into()];
    let error = Options::load(&mut source, &hooks).expect_err("unknown");
    assert_eq!(
        error.to_string(),
        "command-line: line 0: Bad configuration option: Foo"
    );
}

#[test]
fn a_file_that_is_not_there() {
    let error = load(&Memory::default()).expect_err("no file");
    assert_eq!(
        error.to_string(),
        "/etc/ssh/sshd_config: No such file or directory"
    );
    assert!(error.unreadable);
    Source::open("none", &Memory::default()).expect("none is empty");
}

#[test]
fn listeners() {
    let (options, _) = load(&Memory::with(&[(
        MAIN,
        "ListenAddress 10.0.0.1\nListenAddress ::1\nListenAddress [::1]:5 rdomain vrf1\nPort 1\nPort 2",
    )]))
    .expect("options");
    let all: Vec<(String, u16)> = options
        .listeners()
        .into_iter()
        .map(|(a, p)| (a.map(|a| a.host.clone()).unwrap_or_default(), p))
        .collect();
    let expect = [
        ("10.0.0.1", 1),
        ("10.0.0.1", 2),
        ("::1", 1),
        ("::1", 2),
        ("::1", 5),
    ];
    assert_eq!(all, expect.map(|(h, p)| (h.to_owned(), p)));
    assert_eq!(options.listen_addresses[2].rdomain.as_deref(), Some("vrf1"));
}

#[test]
fn match_blocks() {
    let text = "AllowUsers a\nX11Forwarding no\nMatch User me\nX11Forwarding yes\nAllowUsers b\n\
        AllowUsers c\nMatch User m*\nX11Forwarding no\nMaxSessions 2\nMatch all\nMaxAuthTries 1\n";
    let mine = with(text, "user=me");
    assert!(mine.x11_forwarding);
    assert_eq!(mine.allow_users, ["b", "c"]);
    assert_eq!((mine.max_sessions, mine.max_auth_tries), (2, 1));
    let other = with(text, "user=x");
    assert!(!other.x11_forwarding);
    assert_eq!(other.allow_users, ["a"]);
    assert_eq!((other.max_sessions, other.max_auth_tries), (10, 1));
}

#[test]
fn a_missing_fact_is_an_error_unless_it_is_a_test() {
    let hooks = Memory::with(&[(MAIN, "Match Address 10.0.0.0/8\nMaxSessions 2\n")]);
    let (options, source) = load(&hooks).expect("options");
    let nobody = ConnectionSpec::default();
    let error = options
        .for_connection(&source, &nobody, &hooks)
        .expect_err("no address");
    let text = "'Match Address' in configuration but 'addr' not in connection test specification.";
    assert_eq!(error.to_string(), text);
    let tested = ConnectionSpec {
        test: true,
        ..nobody
    };
    let options = options
        .for_connection(&source, &tested, &hooks)
        .expect("test");
    assert_eq!(options.max_sessions, 10);
}

#[test]
fn groups() {
    let mut hooks = Memory::with(&[(MAIN, "Match Group wheel,!bad\nMaxSessions 2\n")]);
    hooks
        .groups
        .insert("me".into(), vec!["users".into(), "wheel".into()]);
    hooks
        .groups
        .insert("you".into(), vec!["wheel".into(), "bad".into()]);
    let (options, source) = load(&hooks).expect("options");
    for (user, expect) in [("me", 2), ("you", 10), ("nobody", 10)] {
        let spec = spec(&format!("user={user}"));
        let got = options
            .for_connection(&source, &spec, &hooks)
            .expect("options");
        assert_eq!(got.max_sessions, expect, "{user}");
    }
}

#[test]
fn connection_specs() {
    let full = spec("user=a,host=b,addr=c,laddr=d,lport=5,rdomain=e,invalid-user");
    assert_eq!(full.local_port, Some(5));
    assert!(full.invalid_user && full.test);
    let mut bad = ConnectionSpec::default();
    let hooks = Memory::default();
    assert!(bad.parse("lport=x", &hooks).is_err());
    let error = bad.parse("foo=1", &hooks).expect_err("unknown");
    assert_eq!(error.to_string(), "Invalid test mode specification foo=1");
}

#[test]
fn includes_are_read_once_and_travel_with_the_source() {
    let hooks = Memory::with(&[
        (
            MAIN,
            "Include d/*.conf /none/*\nMatch User you\nInclude d/a.conf\nMaxSessions 9\n",
        ),
        (
            "/etc/ssh/d/a.conf",
            "MaxAuthTries 2\nMatch User me\nMaxSessions 3\n",
        ),
        ("/etc/ssh/d/b.conf", "MaxAuthTries 3\nUsePAM yes\n"),
    ]);
    // Global keywords may not stand in a file that a Match block includes; a.conf has none.
    let (options, source) = load(&hooks).expect("options");
    assert_eq!(
        (
            options.max_auth_tries,
            options.use_pam,
            options.max_sessions
        ),
        (2, true, 10)
    );
    let source = Source::decode(&source.encode()).expect("own bytes");
    let empty = Memory::default();
    let mine = options
        .for_connection(&source, &spec("user=me"), &empty)
        .expect("me");
    assert_eq!(mine.max_sessions, 3);
    let yours = options
        .for_connection(&source, &spec("user=you"), &empty)
        .expect("you");
    assert_eq!(yours.max_sessions, 9);
}

#[test]
fn include_that_goes_round() {
    let error = load(&Memory::with(&[(MAIN, "Include sshd_config")])).expect_err("loop");
    assert_eq!(
        error.to_string(),
        "Too many recursive configuration includes"
    );
}

#[test]
fn what_blocks_mention_is_known_at_start() {
    let text = "X11Forwarding yes\nMatch User me\nForceCommand x\nMatch all\nMaxSessions 1\n";
    let (options, _) = load(&Memory::with(&[(MAIN, text)])).expect("options");
    let names = |set: &carrick_config::SetKeywords| -> Vec<&'static str> {
        set.iter().map(|(name, _)| name).collect()
    };
    assert_eq!(
        names(options.set_keywords()),
        ["MaxSessions", "X11Forwarding"]
    );
    let all = ["ForceCommand", "MaxSessions", "X11Forwarding"];
    assert_eq!(names(options.mentioned_keywords()), all);
    let origin = options
        .mentioned_keywords()
        .origin("forcecommand")
        .expect("mentioned");
    assert_eq!(origin.line, 3);
}

#[test]
fn a_match_block_can_take_away() {
    let text = "ForceCommand x\nBanner /b\nChrootDirectory /c\nPermitOpen a:1\n\
        PerSourcePenalties crash:1\nMatch User me\nForceCommand none\nBanner none\n\
        ChrootDirectory none\nPermitOpen any\nPermitRootLogin no\n";
    let mine = with(text, "user=me");
    assert_eq!(
        (mine.force_command, mine.banner, mine.chroot_directory),
        (None, None, None)
    );
    assert_eq!(mine.permit_open, Permit::Any);
    assert_eq!(mine.permit_root_login, words::PermitRootLogin::No);
    assert_eq!(mine.per_source_penalties.crash.as_secs(), 1);
}

#[test]
fn errors_know_their_place() {
    for (text, line, expect) in [
        (
            "\nPort x\n",
            2,
            "/etc/ssh/sshd_config line 2: Badly formatted port number.",
        ),
        (
            "Foo 1\n",
            1,
            "/etc/ssh/sshd_config: line 1: Bad configuration option: Foo",
        ),
        (
            "Match User a\nPort 2\n",
            2,
            "/etc/ssh/sshd_config line 2: Directive 'Port' is not allowed within a Match block",
        ),
    ] {
        let error = load(&Memory::with(&[(MAIN, text)])).expect_err(text);
        assert_eq!(
            (error.file.as_str(), error.line, error.text.as_str()),
            (MAIN, line, expect)
        );
    }
}

#[test]
fn a_link_to_the_agent_is_absolute() {
    for path in ["/run/%u/agent", "~/.agent", "%h/.agent", "none", "NONE"] {
        let text = format!("AgentSocketLink {path}\n");
        let link = with(&text, "user=u").agent_socket_link;
        let expect = (!path.eq_ignore_ascii_case("none")).then_some(path);
        assert_eq!(link.as_deref(), expect, "{path}");
    }
    // Nor may they be where they do not apply yet.
    for before in ["", "Match User nobody\n"] {
        for path in [
            "agent",
            "./agent",
            "../agent",
            "~other/agent",
            "%u/agent",
            "%%h/agent",
            "%U",
        ] {
            let text = format!("{before}AgentSocketLink {path}\n");
            let error = load(&Memory::with(&[(MAIN, &text)])).expect_err(path);
            let line = if before.is_empty() { 1 } else { 2 };
            let expect = format!("{MAIN} line {line}: AgentSocketLink must be an absolute path");
            assert_eq!((error.line, error.text), (line, expect), "{path}");
        }
    }
}
