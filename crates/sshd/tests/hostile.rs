//! Hostile workers against the real monitor and broker, as processes. This
//! program is all of them: the monitor starts what it takes for the daemon's
//! worker and broker by its own executable, which is this one.

#[path = "hostile/forward.rs"]
mod forward;

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use carrick_crypto::hash::HashAlg;
use carrick_crypto::rng::{Rng, SystemRng};
use carrick_keys::{KeyType, PrivateKey, WriteOptions};
use carrick_proto::auth::publickey_signed_data;
use carrick_proto::kex::{KexPublics, KexTranscript};
use carrick_sshd::args::Args;
use carrick_sshd::handoff::{Handoff, HostKey};
use carrick_sshd::monitor::{self, EXIT_CRASH, EXIT_GRACE, Role};
use carrick_sshd::rpc::link::MAX_MESSAGE;
use carrick_sshd::rpc::preauth::{
    Answer, Ask, Attempt, Ending, KeyClaim, Line, Method, SignKex, Sizes, Verdict,
};
use carrick_sshd::rpc::{Link, broker, postauth};
use carrick_sshd::settings::Config;
use carrick_sshd::worker::cell;
use carrick_sys::{fdpass, identity, passwd, process};
use rustix::fs::{FileType, Mode};
use zeroize::Zeroizing;

/// How a scenario must end: the monitor's exit status, the least time, and
/// what the worker found out, if it says something.
struct Scenario {
    name: &'static str,
    status: i32,
    least: u64,
    says: &'static str,
}

const fn scenario(name: &'static str, status: u8, says: &'static str) -> Scenario {
    Scenario {
        name,
        status: status as i32,
        least: 0,
        says,
    }
}

const fn slow(name: &'static str) -> Scenario {
    Scenario {
        least: GRACE,
        ..scenario(name, EXIT_GRACE, "")
    }
}

/// LoginGraceTime, in seconds, and how much longer anything may take.
const GRACE: u64 = 2;
const SLACK: Duration = Duration::from_secs(5);
/// As in `carrick_sshd::listener`.
const EXIT_FATAL: u8 = 255;
const MAX_SESSIONS: u32 = 3;

const SCENARIOS: &[Scenario] = &[
    slow("silent"),
    slow("log-flood"),
    slow("stuck-in-a-file"),
    scenario("asks-and-does-not-read", EXIT_CRASH, ""),
    scenario("descriptors", EXIT_CRASH, ""),
    scenario("garbage", EXIT_CRASH, ""),
    scenario("oversize", EXIT_CRASH, ""),
    scenario("login-before-keys", EXIT_CRASH, ""),
    scenario("foreign-host-key", EXIT_CRASH, ""),
    scenario("aborts", EXIT_CRASH, ""),
    scenario("exits", EXIT_FATAL, ""),
    scenario("stays-after-goodbye", 0, ""),
    scenario("second-login", EXIT_FATAL, ""),
    scenario("descriptors-later", EXIT_FATAL, ""),
    scenario("asks-and-does-not-read-later", EXIT_FATAL, ""),
    scenario("too-many-sessions", 0, "3 running, 2 refused; 4 terminals"),
    scenario("descriptors-to-broker", 0, "gone"),
    scenario("garbage-to-broker", 0, "gone"),
    scenario("what-a-program-gets", 0, "unset unset kept 0 1 2 3"),
    scenario(
        FORBIDS,
        0,
        "no terminal, no agent, no forwarding; forced command: echo free, kept, unset",
    ),
    scenario("agent-forbidden", 0, "refused; the program has none"),
    scenario("agent-asked-often", 0, "one socket in 700; removed"),
    scenario("agent-broker-killed", 0, "removed"),
    scenario(FORWARDS, 0, "16 of 16 refused; reached: false, made: false"),
    scenario(
        "forward-listeners",
        0,
        "listened: [true, false, true], after the broker: false",
    ),
    scenario("forward-flood", 0, "stands still"),
];

/// Of a daemon that permits no forwarding that is asked for.
const FORWARDS: &str = "forward-forbidden";

/// Of a user whose key forbids and forces what it can.
const FORBIDS: &str = "what-the-key-forbids";
const FORCED: &str = "restrict,environment=\"FROM_KEY=1\",command=\"echo forced command: \
    $SSH_ORIGINAL_COMMAND, ${KEPT-unset}, ${FROM_KEY-unset}\" ";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let word = |at: usize| args.get(at).map_or("", String::as_str);
    match Role::from_argument(word(1)) {
        Some(Role::Worker) => return worker(),
        Some(Role::Broker) => return ExitCode::from(carrick_sshd::broker::start()),
        _ => {}
    }
    if word(1) == "--scenario" {
        return ExitCode::from(monitor(word(2), Path::new(word(3))));
    }
    if args.iter().any(|arg| arg == "--list") {
        list(&args);
        return ExitCode::SUCCESS;
    }
    // As libtest's: a name picks the tests to run.
    let picked = args.iter().skip(1).find(|arg| !arg.starts_with("--"));
    let (mut ran, mut failed) = (0, 0);
    for name in names().filter(|name| picked.is_none_or(|picked| picked == name)) {
        let outcome = match SCENARIOS.iter().find(|scenario| scenario.name == name) {
            Some(scenario) => try_out(scenario),
            None => killed_monitor(),
        };
        ran += 1;
        match outcome {
            Ok(()) => println!("test {name} ... ok"),
            Err(problem) => {
                failed += 1;
                println!("test {name} ... FAILED: {problem}");
            }
        }
    }
    let (verdict, passed) = (if failed == 0 { "ok" } else { "FAILED" }, ran - failed);
    println!("test result: {verdict}. {passed} passed; {failed} failed; 0 ignored");
    ExitCode::from(u8::from(failed > 0))
}

fn names() -> impl Iterator<Item = &'static str> {
    let scenarios = SCENARIOS.iter().map(|scenario| scenario.name);
    scenarios.chain(["killed-monitor"])
}

/// As cargo-nextest asks for it: none of the tests is `#[ignore]`d.
fn list(args: &[String]) {
    if !args.iter().any(|arg| arg == "--ignored") {
        names().for_each(|name| println!("{name}: test"));
    }
}

// The test's side.

fn start(name: &str, dir: &Path) -> (Child, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(SLACK)).unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--scenario", name])
        .arg(dir)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    (child, ours)
}

fn try_out(scenario: &Scenario) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let begin = Instant::now();
    let (mut child, mut ours) = start(scenario.name, dir.path());
    let limit = Duration::from_secs(GRACE) + SLACK;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begin.elapsed() > limit {
            child.kill().unwrap();
            child.wait().unwrap();
            return Err("the monitor goes on".to_owned());
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    if status.code() != Some(scenario.status) {
        return Err(format!("the monitor ended with {status}"));
    }
    if begin.elapsed() < Duration::from_secs(scenario.least) {
        return Err("too early".to_owned());
    }
    // Whoever held the connection is gone too.
    let mut said = String::new();
    ours.read_to_string(&mut said)
        .map_err(|problem| format!("the connection is still open: {problem}"))?;
    if said.trim() == scenario.says {
        Ok(())
    } else {
        Err(format!("the worker found: {said:?}"))
    }
}

/// A worker in its cell ends with its monitor, whatever it is doing.
fn killed_monitor() -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let (mut child, mut ours) = start("in-its-cell", dir.path());
    let mut ready = [0; 2];
    ours.read_exact(&mut ready).unwrap();
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(9));
    match ours.read(&mut ready) {
        Ok(0) => Ok(()),
        other => Err(format!("the worker lives on: {other:?}")),
    }
}

// The monitor: the daemon's own.

/// Not random at all, so that every process here makes the same key.
struct Fixed(u8);

impl Rng for Fixed {
    fn fill(&mut self, out: &mut [u8]) {
        out.fill(self.0);
    }
}

fn key(number: u8) -> PrivateKey {
    PrivateKey::generate(KeyType::Ed25519, 0, &mut Fixed(number)).unwrap()
}

const HOST: u8 = 1;
const USER: u8 = 2;

fn monitor(name: &str, dir: &Path) -> u8 {
    // As the listener does at its start.
    process::close_on_exec_all();
    let (file, keys) = (dir.join("config"), dir.join("keys"));
    let options = if name == FORBIDS { FORCED } else { "" };
    let line = format!("{options}{}", key(USER).public().to_line(""));
    std::fs::write(&keys, line).unwrap();
    let text = format!(
        "VersionAddendum {name}\nLoginGraceTime {GRACE}\nStrictModes no\nUsePAM yes\n\
         AuthorizedKeysFile {}\nMaxSessions {MAX_SESSIONS}\nAcceptEnv KEPT\nModuliFile none\n\
         PermitRootLogin yes\n",
        keys.display()
    );
    let text = if name == "stuck-in-a-file" {
        // Nobody ever writes to it, so that the monitor hangs as it opens it.
        let fifo = dir.join("fifo");
        let (kind, mode) = (FileType::Fifo, Mode::from_raw_mode(0o600));
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, kind, mode, 0).unwrap();
        format!("{text}Banner {}\n", fifo.display())
    } else {
        text
    };
    let text = if name == FORWARDS {
        text + forward::NOTHING
    } else {
        text
    };
    let forwarding = if name == "agent-forbidden" {
        "no"
    } else {
        "yes"
    };
    let text = format!("{text}AllowAgentForwarding {forwarding}\n");
    std::fs::write(&file, text).unwrap();
    let args = Args {
        config: file.to_str().map(str::to_owned),
        ..Args::default()
    };
    let config = Config::load(&args).unwrap();
    let host = key(HOST);
    let private = host
        .to_openssh(&WriteOptions::default(), &mut SystemRng)
        .unwrap();
    let handoff = Handoff {
        config: config.encode(),
        host_keys: vec![HostKey {
            public: host.public().to_blob(),
            certificate: None,
            file: Some(private),
        }],
        host_key_agent: None,
        log_to_stderr: true,
        cell: None,
        delay_salt: 1,
    };
    let (input, _) = process::take_stdin_and_stdout().unwrap();
    let output = input.try_clone().unwrap();
    monitor::run(handoff, input, output, None)
}

// The worker: hostile.

fn worker() -> ExitCode {
    let (stdin, _) = process::take_stdin_and_stdout().unwrap();
    let link = Link::inherited(stdin);
    let (Answer::Setup(setup), fds) = link.receive::<Answer>().unwrap().unwrap() else {
        return ExitCode::FAILURE;
    };
    let name = setup.version_addendum.unwrap();
    let mut peer = UnixStream::from(fds.into_iter().next().unwrap());
    // What fails here, fails because the monitor has ended the connection.
    let said = if before_login(&name, &link, &mut peer) {
        String::new()
    } else {
        let broker = login(&link);
        after_login(&name, &link, &broker)
    };
    peer.write_all(said.as_bytes()).unwrap();
    ExitCode::SUCCESS
}

fn rest() {
    std::thread::sleep(Duration::from_mins(1));
}

fn line() -> Line {
    Line {
        level: 7,
        text: "x".to_owned(),
    }
}

fn exchange(host_key: &PrivateKey) -> SignKex {
    SignKex {
        hash: 2,
        algorithm: "ssh-ed25519".to_owned(),
        transcript: Box::new(KexTranscript {
            client_ident: b"SSH-2.0-x".to_vec(),
            server_ident: b"SSH-2.0-y".to_vec(),
            client_kexinit: vec![20; 30],
            server_kexinit: vec![20; 40],
            host_key: host_key.public().to_blob(),
            publics: KexPublics::Ecdh {
                client: vec![1; 32],
                server: vec![2; 32],
            },
            shared: Zeroizing::new(b"secret".to_vec()),
        }),
    }
}

fn attempt(method: Method) -> Ask {
    let account = passwd::by_uid(identity::effective_uid());
    Ask::Attempt(Attempt {
        user: account.unwrap().unwrap().name,
        service: "ssh-connection".to_owned(),
        method,
    })
}

/// Does what `name` says, unless that comes after the login.
fn before_login(name: &str, link: &Link, peer: &mut UnixStream) -> bool {
    let sizes = || Sizes {
        min: 2048,
        preferred: 8192,
        max: 8192,
    };
    let sent = match name {
        "silent" => Ok(()),
        "exits" => return true,
        "aborts" => std::process::abort(),
        "in-its-cell" => {
            cell::enter(None).unwrap();
            peer.write_all(b"in")
        }
        "log-flood" => loop {
            if let Err(problem) = link.send(&Ask::Log(line()), &[]) {
                break Err(problem);
            }
        },
        "asks-and-does-not-read" => loop {
            if let Err(problem) = link.send(&Ask::Group(sizes()), &[]) {
                break Err(problem);
            }
        },
        "descriptors" => link.send(&Ask::Log(line()), &[peer.as_fd()]),
        "garbage" => fdpass::send(link, &[0xff; 100], &[]),
        "oversize" => fdpass::send(link, &vec![1; MAX_MESSAGE + 1], &[]),
        "stuck-in-a-file" => {
            let (keys, attempt) = (Ask::SignKex(exchange(&key(HOST))), attempt(Method::None));
            // From here on, as any worker, it ends when the monitor does.
            cell::enter(None).unwrap();
            link.send(&keys, &[])
                .and_then(|()| link.send(&attempt, &[]))
        }
        "login-before-keys" => link.send(&attempt(Method::None), &[]),
        "foreign-host-key" => link.send(&Ask::SignKex(exchange(&key(USER))), &[]),
        _ => return false,
    };
    drop(sent);
    rest();
    true
}

/// As a worker whose peer has the user's key.
fn login(link: &Link) -> Link {
    let ask = exchange(&key(HOST));
    let session_id = ask.transcript.hash(HashAlg::Sha256);
    link.send(&Ask::SignKex(ask), &[]).unwrap();
    let (Answer::Signed(_), _) = link.receive().unwrap().unwrap() else {
        panic!("no signature");
    };
    let (user, algorithm) = (key(USER), "ssh-ed25519");
    let blob = user.public().to_blob();
    let account = passwd::by_uid(identity::effective_uid());
    let name = account.unwrap().unwrap().name;
    let message = publickey_signed_data(&session_id, &name, algorithm, &blob, None);
    let claim = KeyClaim {
        algorithm: algorithm.to_owned(),
        key: blob,
        host_key: None,
        signature: Some(user.sign(algorithm, &message).unwrap()),
    };
    link.send(&attempt(Method::PublicKey(claim)), &[]).unwrap();
    let (Answer::Judged(judged), fds) = link.receive().unwrap().unwrap() else {
        panic!("no decision");
    };
    assert!(matches!(judged.verdict, Verdict::Success(_)));
    Link::inherited(fds.into_iter().next().unwrap())
}

fn after_login(name: &str, link: &Link, broker: &Link) -> String {
    let sent = match name {
        "stays-after-goodbye" => link.send(&postauth::Ask::Ended(Ending::Closed), &[]),
        "second-login" => link.send(&attempt(Method::None), &[]),
        "descriptors-later" => link.send(&postauth::Ask::Log(line()), &[broker.as_fd()]),
        "asks-and-does-not-read-later" => loop {
            if let Err(problem) = link.send(&postauth::Ask::SignKex(exchange(&key(HOST))), &[]) {
                break Err(problem);
            }
        },
        "too-many-sessions" => return too_many_sessions(broker),
        "descriptors-to-broker" => {
            broker
                .send(&broker::Ask::Forget(1), &[link.as_fd()])
                .unwrap();
            return gone(broker);
        }
        "garbage-to-broker" => {
            fdpass::send(broker, &[0xff; 100], &[]).unwrap();
            return gone(broker);
        }
        "what-a-program-gets" => return what_a_program_gets(broker),
        FORBIDS => return what_the_key_forbids(broker),
        "agent-forbidden" => return agent_forbidden(broker),
        "agent-asked-often" => return agent_asked_often(broker),
        "agent-broker-killed" => return agent_broker_killed(broker),
        FORWARDS => return forward::forbidden(broker),
        "forward-listeners" => return forward::listeners(broker),
        "forward-flood" => return forward::flood(broker),
        other => panic!("no scenario {other}"),
    };
    drop(sent);
    rest();
    String::new()
}

fn gone(broker: &Link) -> String {
    let end = matches!(broker.receive::<broker::Answer>(), Ok(None));
    String::from(if end { "gone" } else { "still there" })
}

fn run(session: u32, command: &str) -> broker::Ask {
    let variable = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    broker::Ask::Run(broker::Run {
        session,
        env: vec![
            variable("LD_PRELOAD", "/evil"),
            variable("BASH_ENV", "/evil"),
            variable("KEPT", "kept"),
        ],
        program: broker::Program::Exec(command.as_bytes().to_vec()),
    })
}

fn terminal(session: u32) -> broker::Ask {
    broker::Ask::Terminal(broker::Terminal {
        session,
        term: "x".to_owned(),
        chars: (80, 24),
        pixels: (0, 0),
        modes: Vec::new(),
    })
}

fn too_many_sessions(broker: &Link) -> String {
    let mut held = Vec::new();
    let (mut running, mut refused, mut terminals) = (0, 0, 0);
    for session in 0..5 {
        // It reads what is held open here.
        broker.send(&run(session, "exec cat"), &[]).unwrap();
        match broker.receive().unwrap().unwrap() {
            (broker::Answer::Running(_), fds) => {
                running += 1;
                held.push(fds);
            }
            (broker::Answer::Refused(_), _) => refused += 1,
            _ => {}
        }
    }
    for session in 0..100 {
        broker.send(&broker::Ask::Forget(session), &[]).unwrap();
    }
    for session in 100..150 {
        broker.send(&terminal(session), &[]).unwrap();
        if let (broker::Answer::Terminal(_), fds) = broker.receive().unwrap().unwrap() {
            terminals += 1;
            held.push(fds);
        }
    }
    format!("{running} running, {refused} refused; {terminals} terminals")
}

fn what_a_program_gets(broker: &Link) -> String {
    let command =
        "cd /; echo ${LD_PRELOAD-unset} ${BASH_ENV-unset} ${KEPT-unset} $(ls /proc/self/fd)";
    output(broker, 0, command)
}

fn what_the_key_forbids(broker: &Link) -> String {
    broker.send(&terminal(1), &[]).unwrap();
    let terminal = match broker.receive().unwrap().unwrap() {
        (broker::Answer::Refused(1), _) => "no terminal",
        _ => "a terminal",
    };
    broker.send(&broker::Ask::Agent(2), &[]).unwrap();
    let agent = match broker.receive().unwrap().unwrap() {
        (broker::Answer::Refused(2), _) => "no agent",
        _ => "an agent",
    };
    let forwarding = forward::kept_from(broker);
    format!(
        "{terminal}, {agent}, {forwarding}; {}",
        output(broker, 0, "echo free")
    )
}

/// A worker cannot have what the rules forbid.
fn agent_forbidden(broker: &Link) -> String {
    broker.send(&broker::Ask::Agent(0), &[]).unwrap();
    let answer = match broker.receive().unwrap().unwrap() {
        (broker::Answer::Refused(0), _) => "refused",
        _ => "granted",
    };
    let told = output(broker, 0, "echo ${SSH_AUTH_SOCK-none}");
    format!("{answer}; the program has {told}")
}

/// What the broker makes it makes once, and takes away when its worker goes.
fn agent_asked_often(broker: &Link) -> String {
    for session in 0..50 {
        broker.send(&broker::Ask::Agent(session), &[]).unwrap();
        let answer = broker.receive().unwrap().unwrap();
        assert!(matches!(answer, (broker::Answer::Agent(id), _) if id == session));
    }
    let command = "echo $SSH_AUTH_SOCK; stat -c %a ${SSH_AUTH_SOCK%/*}";
    let (first, second) = (output(broker, 0, command), output(broker, 1, command));
    let (path, mode) = first.split_once('\n').unwrap();
    let count = if first == second { "one socket" } else { "two" };
    // A program connects: the connection is handed over, and nothing else.
    let _program = UnixStream::connect(path).unwrap();
    let fds = loop {
        match broker.receive().unwrap().unwrap() {
            (broker::Answer::AgentProgram, fds) => break fds,
            (broker::Answer::Exited(_), _) => {}
            _ => return "no connection".to_owned(),
        }
    };
    assert_eq!(fds.len(), 1);
    // It ends by this.
    fdpass::send(broker, &[0xff], &[]).unwrap();
    format!("{count} in {mode}; {}", left_of(path))
}

/// It does so too when it is told to end.
fn agent_broker_killed(broker: &Link) -> String {
    broker.send(&broker::Ask::Agent(0), &[]).unwrap();
    assert!(broker.receive::<broker::Answer>().is_ok());
    let path = output(broker, 0, "echo $SSH_AUTH_SOCK");
    broker.send(&run(1, "kill -TERM $PPID"), &[]).unwrap();
    left_of(&path).to_owned()
}

/// What is left of the agent's socket and its folder, soon.
fn left_of(socket: &str) -> &'static str {
    let folder = Path::new(socket).parent().unwrap();
    let end = Instant::now() + SLACK;
    while Instant::now() < end {
        if !folder.exists() {
            return "removed";
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    "left behind"
}

/// Runs a command in a session, and reads what it writes until it ends.
fn output(broker: &Link, session: u32, command: &str) -> String {
    broker.send(&run(session, command), &[]).unwrap();
    let fds = loop {
        match broker.receive().unwrap().unwrap() {
            (broker::Answer::Running(id), fds) if id == session => break fds,
            (broker::Answer::Exited(_), _) => {}
            _ => return "refused".to_owned(),
        }
    };
    let mut fds = fds.into_iter();
    drop(fds.next());
    let mut stdout = std::fs::File::from(fds.next().unwrap());
    let mut out = Vec::new();
    let end = Instant::now() + SLACK;
    // The broker made it non-blocking.
    while Instant::now() < end {
        match stdout.read_to_end(&mut out) {
            Ok(_) => break,
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    String::from_utf8_lossy(&out).trim().to_owned()
}
