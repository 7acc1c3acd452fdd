//! ssh-agent and ssh-add as processes, by themselves.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Longest wait for something that should happen at once.
const PATIENCE: Duration = Duration::from_secs(20);

fn program(name: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carrick"));
    command.arg(name);
    for variable in [
        "DISPLAY",
        "WAYLAND_DISPLAY",
        "SSH_ASKPASS_REQUIRE",
        "SSH_AUTH_SOCK",
    ] {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null());
    command
}

/// Waits until `happened`.
fn wait_for(what: &str, mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < PATIENCE, "{what}: it does not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// An agent in the foreground with a folder of its own.
struct Bench {
    dir: TempDir,
    agent: Child,
}

impl Bench {
    fn new(flags: &[&str], env: &[(&str, &OsStr)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let agent = program("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(dir.path().join("sock"))
            .args(flags)
            .envs(env.iter().copied())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let bench = Self { dir, agent };
        wait_for("socket", || UnixStream::connect(bench.sock()).is_ok());
        bench
    }

    fn sock(&self) -> PathBuf {
        self.dir.path().join("sock")
    }

    fn connect(&self) -> UnixStream {
        let peer = UnixStream::connect(self.sock()).unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        peer
    }

    fn key(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        let made = program("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
            .arg(&path)
            .status();
        assert!(made.unwrap().success());
        path
    }

    fn add(&self, args: &[&OsStr]) -> Output {
        program("ssh-add")
            .args(args)
            .env("SSH_AUTH_SOCK", self.sock())
            .output()
            .unwrap()
    }

    /// ssh-add's exit status with these words.
    fn status(&self, args: &[&str]) -> Option<i32> {
        let args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
        self.add(&args).status.code()
    }

    fn has(&self, path: &Path) -> bool {
        let public = path.with_extension("pub");
        self.add(&["-T".as_ref(), public.as_os_str()])
            .status
            .success()
    }

    fn signal(&self, name: &str) {
        let pid = self.agent.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.agent.kill();
        let _ = self.agent.wait();
    }
}

#[test]
fn keys_are_added_used_and_removed() {
    let bench = Bench::new(&[], &[]);
    let (one, two) = (bench.key("one"), bench.key("two"));
    assert_eq!(bench.status(&["-l"]), Some(1));
    let done = bench.add(&[one.as_os_str(), two.as_os_str()]);
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(0), "{said}");
    assert!(said.starts_with(&format!("Identity added: {} (one)\n", one.display())));
    let listed = bench.add(&["-L".as_ref()]);
    let lines = [&one, &two].map(|p| fs::read_to_string(p.with_extension("pub")).unwrap());
    assert_eq!(String::from_utf8(listed.stdout).unwrap(), lines.concat());
    assert!(bench.has(&one) && bench.has(&two));
    assert_eq!(
        bench.add(&["-qd".as_ref(), one.as_os_str()]).status.code(),
        Some(0)
    );
    assert!(!bench.has(&one) && bench.has(&two));
    assert_eq!(bench.status(&["-D"]), Some(0));
    assert_eq!(bench.status(&["-l"]), Some(1));
    assert_eq!(bench.status(&["-Q"]), Some(0));
    assert_eq!(bench.status(&["/nonexistent"]), Some(1));
}

#[test]
fn it_ends_with_its_socket_and_drops_keys_when_told() {
    let mut bench = Bench::new(&[], &[]);
    let key = bench.key("k");
    assert!(bench.add(&[key.as_os_str()]).status.success());
    bench.signal("USR1");
    wait_for("no keys", || bench.status(&["-l"]) == Some(1));
    bench.signal("TERM");
    assert_eq!(bench.agent.wait().unwrap().code(), Some(2));
    assert!(!bench.sock().exists());
    assert_eq!(bench.status(&["-l"]), Some(2));
}

#[test]
fn default_lifetimes_end_keys() {
    let bench = Bench::new(&["-t", "1"], &[]);
    let (short, long) = (bench.key("short"), bench.key("long"));
    assert!(bench.add(&[short.as_os_str()]).status.success());
    assert!(
        bench
            .add(&["-t".as_ref(), "1h".as_ref(), long.as_os_str()])
            .status
            .success()
    );
    wait_for("one key less", || !bench.has(&short));
    assert!(bench.has(&long));
}

#[test]
fn the_user_is_asked_while_others_are_served() {
    let scripts = tempfile::tempdir().unwrap();
    let script = scripts.path().join("askpass");
    // It waits for a file, and allows it.
    let go = scripts.path().join("go");
    let asked = scripts.path().join("asked");
    let text = format!(
        "#!/bin/sh\necho \"$SSH_ASKPASS_PROMPT $1\" >{asked}.new; mv {asked}.new {asked}\nwhile ! test -e {go}; do sleep 0.05; done\n",
        asked = asked.display(),
        go = go.display()
    );
    fs::write(&script, text).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(&script, mode).unwrap();
    let env = [
        ("SSH_ASKPASS", script.as_os_str()),
        ("SSH_ASKPASS_REQUIRE", OsStr::new("force")),
    ];
    let bench = Bench::new(&[], &env);
    let (ask, free) = (bench.key("ask"), bench.key("free"));
    assert!(
        bench
            .add(&["-c".as_ref(), ask.as_os_str()])
            .status
            .success()
    );
    assert!(bench.add(&[free.as_os_str()]).status.success());
    let mut waiting = program("ssh-add")
        .arg("-T")
        .arg(ask.with_extension("pub"))
        .env("SSH_AUTH_SOCK", bench.sock())
        .spawn()
        .unwrap();
    wait_for("the question", || asked.exists());
    assert!(bench.has(&free));
    assert!(waiting.try_wait().unwrap().is_none());
    fs::write(&go, "").unwrap();
    assert!(waiting.wait().unwrap().success());
    let text = fs::read_to_string(&asked).unwrap();
    assert!(
        text.starts_with("confirm Allow use of key ask?\nKey fingerprint SHA256:"),
        "{text}"
    );
}

#[test]
fn rude_clients_cost_themselves_only() {
    let bench = Bench::new(&[], &[]);
    let mut half = bench.connect();
    half.write_all(&[0, 0, 1, 0, 11]).unwrap();
    // Requests without end, and no answer taken: it is not read from.
    let mut deaf = bench.connect();
    deaf.set_write_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let burst = [0, 0, 0, 1, 11].repeat(4096);
    let taken = (0..200).take_while(|_| deaf.write_all(&burst).is_ok());
    assert!(taken.count() < 100);
    for head in [[0; 4], [0xff; 4]] {
        let mut peer = bench.connect();
        peer.write_all(&head).unwrap();
        assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0);
    }
    let mut peers: Vec<UnixStream> = (0..100).map(|_| bench.connect()).collect();
    for peer in &mut peers {
        peer.write_all(&[0, 0, 0, 1, 11].repeat(2)).unwrap();
    }
    for peer in &mut peers {
        let mut answers = [0; 18];
        peer.read_exact(&mut answers).unwrap();
        assert_eq!(answers, *[0, 0, 0, 5, 12, 0, 0, 0, 0].repeat(2));
    }
    let key = bench.key("k");
    assert!(bench.add(&[key.as_os_str()]).status.success() && bench.has(&key));
}

#[test]
fn an_agent_for_a_command_ends_with_it() {
    let home = tempfile::tempdir().unwrap();
    let done = program("ssh-agent")
        .args([
            "sh",
            "-c",
            "echo $SSH_AGENT_PID $SSH_AUTH_SOCK; test -S $SSH_AUTH_SOCK; exit 7",
        ])
        .env("HOME", home.path())
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(7));
    let text = String::from_utf8(done.stdout).unwrap();
    let (pid, sock) = text.trim().split_once(' ').unwrap();
    assert!(Path::new(sock).starts_with(home.path().join(".ssh/agent")));
    // A zombie, where nobody reaps orphans, has ended as well.
    let status = format!("/proc/{pid}/status");
    wait_for("the end", || {
        let status = fs::read_to_string(&status).unwrap_or_default();
        (status.is_empty() || status.contains("State:\tZ")) && !Path::new(sock).exists()
    });
}
