//! ssh_config over files in memory.

mod common;

use carrick_config::forward::ForwardKind;
use carrick_config::hooks::Level;
use carrick_config::ssh::{Config, LocalUser, Options, Sources};
use carrick_config::types::{Endpoint, Target};
use carrick_config::{Error, words};
use common::Memory;

const OWN: &str = "/home/me/.ssh/config";
const SYSTEM: &str = "/etc/ssh/ssh_config";

fn config(hooks: &Memory) -> Config<'_> {
    let user = LocalUser {
        name: "me".into(),
        uid: 1000,
        home: "/home/me".into(),
    };
    Config::new(hooks, user, "desk.example", "Carrick_1.0")
}

fn finish(mut config: Config<'_>, host: &str, command: &str) -> Result<Options, Error> {
    config.load(&Sources::default(), host, command)?;
    if config.wants_final_pass() {
        config.final_pass(&config.connect_host())?;
    }
    config.finish()
}

fn load(files: &[(&str, &str)]) -> Result<Options, Error> {
    finish(config(&Memory::with(files)), "host", "")
}

fn port(text: &str) -> u16 {
    load(&[(OWN, text)]).expect(text).port
}

fn fails(files: &[(&str, &str)], expect: &[&str]) {
    let error = load(files).expect_err("an error");
    assert_eq!(error.lines, expect);
}

#[test]
fn command_line_then_own_file_then_system_file() {
    let hooks = Memory::with(&[
        (OWN, "Port 2\nUser own"),
        (SYSTEM, "Port 3\nUser sys\nTag t"),
    ]);
    let mut config = config(&hooks);
    config.option("Port=1").expect("option");
    config.set("SetEnv", &["A=b c"]).expect("flag");
    let options = finish(config, "host", "").expect("options");
    assert_eq!((options.port, options.user.as_str()), (1, "own"));
    assert_eq!(options.tag.as_deref(), Some("t"));
    assert_eq!(options.set_env[0].value, "b c");
    let origin = |k| options.set_keywords().origin(k).map(ToString::to_string);
    assert_eq!(origin("port").as_deref(), Some("command-line line 0"));
    assert_eq!(
        origin("User").as_deref(),
        Some("/home/me/.ssh/config line 2")
    );
    assert_eq!(origin("TAG").as_deref(), Some("/etc/ssh/ssh_config line 3"));
    assert_eq!(origin("Hostname"), None);
    assert!(!options.is_set("Compression"));
}

#[test]
fn no_files_and_one_file() {
    let hooks = Memory::with(&[(OWN, "Port 2"), ("/x", "Port 5")]);
    for (only, expect) in [("none", 22), ("/x", 5)] {
        let mut config = config(&hooks);
        let sources = Sources {
            only: Some(only.into()),
            ..Sources::default()
        };
        config.load(&sources, "host", "").expect("load");
        assert_eq!(config.finish().expect("options").port, expect);
    }
    let mut config = config(&hooks);
    let sources = Sources {
        only: Some("/missing".into()),
        ..Sources::default()
    };
    let error = config.load(&sources, "host", "").expect_err("no file");
    let text = "Can't open user config file /missing: No such file or directory";
    assert_eq!(error.to_string(), text);
    assert!(error.unreadable);
}

#[test]
fn own_file_must_not_be_writable_by_others() {
    let mut hooks = Memory::with(&[(OWN, "Port 2")]);
    hooks.modes.insert(OWN.into(), 0o664);
    let error = finish(config(&hooks), "host", "").expect_err("mode");
    assert_eq!(
        error.to_string(),
        "Bad owner or permissions on /home/me/.ssh/config"
    );
}

#[test]
fn blocks() {
    for (text, expect) in [
        ("Host host\nPort 2\nHost other\nPort 3", 2),
        ("Host other\nPort 2\nHost *\nPort 3", 3),
        ("Host * !h*\nPort 2\nHost *\nPort 3", 3),
        ("Host !other\nPort 2\nHost *\nPort 3", 3),
        ("Match host host\nPort 2", 2),
        ("Match !host host\nPort 2", 22),
        ("Match host HOST,x\nPort 2", 2),
        ("Hostname real\nMatch host real\nPort 2", 2),
        ("Hostname real\nMatch originalhost host\nPort 2", 2),
        ("Hostname real.%h\nMatch final host real.host\nPort 2", 2),
        ("User u\nMatch user u localuser me\nPort 2", 2),
        ("Match user me\nPort 2", 2),
        ("Match exec \"true %h %u %n\"\nPort 2", 2),
        ("Match !exec false\nPort 2", 2),
        ("Match exec false\nPort 2", 22),
        ("Tag a\nMatch tagged a,b\nPort 2", 2),
        ("Match tagged \"\"\nPort 2", 2),
        ("Match tagged a\nPort 2", 22),
        ("Match command \"\"\nPort 2", 2),
        ("Match version Carrick_*\nPort 2", 2),
        ("Match sessiontype shell\nPort 2", 2),
        ("SessionType none\nMatch sessiontype none\nPort 2", 2),
        ("Match localnetwork 10.0.0.0/8\nPort 2", 2),
        ("Match localnetwork 192.168.0.0/16\nPort 2", 22),
        ("Match canonical\nPort 2", 22),
        ("Match !final\nPort 2", 2),
        ("Match final\nPort 2", 2),
        ("Match all\nPort 2", 2),
        ("Match host other all\nPort 2", 22),
        ("Match host=host,x user=me\nPort 2", 2),
    ] {
        assert_eq!(port(text), expect, "{text}");
    }
}

#[test]
fn a_command_is_not_run_after_a_condition_that_fails() {
    let hooks = Memory::with(&[(
        OWN,
        "Match user x exec \"true a\"\nMatch exec \"true %p%%\"\n",
    )]);
    finish(config(&hooks), "host", "").expect("options");
    assert_eq!(*hooks.ran.borrow(), ["true 22%"]);
}

#[test]
fn remote_command_counts_for_match() {
    let text = "Match command ls* sessiontype exec\nPort 2";
    let hooks = Memory::with(&[(OWN, text)]);
    assert_eq!(
        finish(config(&hooks), "host", "ls -l")
            .expect("options")
            .port,
        2
    );
}

#[test]
fn includes() {
    let options = load(&[
        (
            OWN,
            "Include conf.d/* other\nHost other\nInclude bad-block\nHost *\nPort 9",
        ),
        ("/home/me/.ssh/conf.d/b", "User b\nHost nobody\nPort 1"),
        ("/home/me/.ssh/conf.d/a", "User a\nTag t"),
        ("/home/me/.ssh/conf.d/.hidden", "Compression yes"),
        (
            "/home/me/.ssh/other",
            "Include ~/${X}\nMatch all\nBatchMode yes",
        ),
        (
            "/home/me/.ssh/bad-block",
            "Host *\nPort 3\nMatch all\nPort 4",
        ),
        (SYSTEM, "Include more"),
        ("/etc/ssh/more", "BindAddress ::1"),
    ]);
    let options = options.expect("options");
    assert_eq!((options.user.as_str(), options.port), ("a", 9));
    assert!(options.batch_mode && !options.compression);
    assert_eq!(options.bind_address.as_deref(), Some("::1"));
}

#[test]
fn include_that_goes_round() {
    let text = "Too many recursive configuration includes";
    fails(&[(OWN, "Include config")], &[text]);
}

#[test]
fn errors_of_an_included_file_end_reading() {
    fails(
        &[
            (OWN, "Foo 1\nInclude inner\nBar 2"),
            ("/home/me/.ssh/inner", "\n\nBaz 3\n"),
        ],
        &[
            "/home/me/.ssh/config: line 1: Bad configuration option: foo",
            "/home/me/.ssh/inner: line 3: Bad configuration option: baz",
            "/home/me/.ssh/inner: terminating, 1 bad configuration options",
        ],
    );
    fails(
        &[(SYSTEM, "Include ~/x")],
        &[
            "/etc/ssh/ssh_config line 1: bad include path ~/x.",
            "/etc/ssh/ssh_config: terminating, 1 bad configuration options",
        ],
    );
}

#[test]
fn errors_know_their_place() {
    let error = load(&[(OWN, "Port 1\n\nFoo bar\n")]).expect_err("an error");
    assert_eq!((error.file.as_str(), error.line), (OWN, 3));
    assert_eq!(
        error.text,
        "/home/me/.ssh/config: line 3: Bad configuration option: foo"
    );
    let hooks = Memory::default();
    let error = config(&hooks).option("Foo=x").expect_err("an error");
    assert_eq!(
        error.to_string(),
        "command-line: line 0: Bad configuration option: foo"
    );
}

#[test]
fn not_utf8() {
    // The hooks of this test hold text, so a lone byte comes by encoding.
    let options = load(&[(OWN, "# \u{fc}ber\nUser m\u{fc}ller")]).expect("options");
    assert_eq!(options.user, "m\u{fc}ller");
}

#[test]
fn forwards_of_flags() {
    let hooks = Memory::default();
    let mut config = config(&hooks);
    config
        .add_forward(ForwardKind::Local, "80:web:8080")
        .expect("-L");
    config
        .add_forward(ForwardKind::Local, "80:web:8080")
        .expect("-L twice");
    config
        .add_forward(ForwardKind::Remote, "/tmp/a:/tmp/%h")
        .expect("-R");
    config
        .add_forward(ForwardKind::RemoteDynamic, "0")
        .expect("-R 0");
    config
        .add_forward(ForwardKind::Dynamic, "[::1]:1080")
        .expect("-D");
    for bad in [
        "",
        "x",
        "1:2",
        "1:a:x",
        "1:a:0",
        "0:a:1",
        "1:a:2:b:3",
        "[a:1:b:2",
    ] {
        assert!(
            config.add_forward(ForwardKind::Local, bad).is_none(),
            "{bad}"
        );
    }
    let options = finish(config, "host", "").expect("options");
    assert_eq!(options.local_forwards.len(), 2);
    assert!(options.has_remote_socks());
    let Target::To(Endpoint::Unix { path }) = &options.remote_forwards[0].connect else {
        panic!("{:?}", options.remote_forwards)
    };
    assert_eq!(path, "/tmp/host");
}

#[test]
fn stdio_forwarding_drops_the_others() {
    let hooks = Memory::with(&[(OWN, "LocalForward 1 a:2")]);
    let mut config = config(&hooks);
    config.set_stdio_forward();
    let options = finish(config, "host", "").expect("options");
    assert!(options.local_forwards.is_empty());
    assert!(options.exit_on_forward_failure && options.clear_all_forwardings);
}

#[test]
fn tokens() {
    let text = "User u%i\nControlPath ~/%r@%h:%p-%L-%l-%n-%k-%j\nHostKeyAlias Alias\nProxyJump j:2";
    let options = load(&[(OWN, text)]).expect("options");
    let expect = "/home/me/u1000@host:22-desk-desk.example-host-alias-j";
    assert_eq!(options.control_path.as_deref(), Some(expect));
    // SHA-1 of "desk.example" "host" "22" "u1000" "j".
    assert_eq!(
        options.tokens.connection_hash,
        "194a8a894898454c5a6da3a7631b9029f19a55ce"
    );
}

#[test]
fn update_host_keys_needs_the_plain_file() {
    for (text, expect) in [
        ("", words::YesNoAsk::Yes),
        (
            "UserKnownHostsFile ~/.ssh/known_hosts",
            words::YesNoAsk::Yes,
        ),
        ("UserKnownHostsFile /x", words::YesNoAsk::No),
        ("VerifyHostKeyDNS yes", words::YesNoAsk::No),
        (
            "UserKnownHostsFile /x\nUpdateHostKeys yes",
            words::YesNoAsk::Yes,
        ),
    ] {
        assert_eq!(
            load(&[(OWN, text)]).expect(text).update_host_keys,
            expect,
            "{text}"
        );
    }
}

#[test]
fn refuse_connection() {
    let text = "/home/me/.ssh/config line 2: RefuseConnection: go away";
    fails(&[(OWN, "Host host\nRefuseConnection \"go away\"")], &[text]);
    load(&[(OWN, "Host other\nRefuseConnection \"go away\"")]).expect("another host");
}

#[test]
fn notes() {
    let hooks = Memory::with(&[(OWN, "UseRsh yes\nRSAAuthentication yes\n")]);
    finish(config(&hooks), "host", "").expect("options");
    let notes = hooks.notes.borrow();
    let has = |level, text: &str| notes.iter().any(|(l, t)| *l == level && t == text);
    assert!(has(
        Level::Debug1,
        "Reading configuration data /home/me/.ssh/config"
    ));
    assert!(has(
        Level::Debug1,
        "/home/me/.ssh/config line 1: Deprecated option \"usersh\""
    ));
    assert!(has(
        Level::Error,
        "/home/me/.ssh/config line 2: Unsupported option \"rsaauthentication\""
    ));
}

#[test]
fn a_dump_can_be_read_again() {
    let text = "SendEnv A\nLocalForward 1 a:2\nEscapeChar ^]\nRekeyLimit 1M 1h\nProxyJump a,b";
    let first = load(&[(OWN, text)]).expect("options").dump();
    let body: Vec<&str> = first.lines().filter(|l| !l.starts_with("host ")).collect();
    let again = body.join("\n").replace("escapechar \\^]", "escapechar ^]");
    assert_eq!(load(&[(OWN, &again)]).expect("its own dump").dump(), first);
}
