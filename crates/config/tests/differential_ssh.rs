//! The same inputs to us and to a real `ssh -G`: the same lines, the same
//! errors. Runs against `/usr/bin/ssh`, if there is one, and against each
//! program in `CARRICK_TEST_SSH` (separated by colons).
//!
//! Defaults differ between versions and distributions, so a keyword is
//! compared only where the input changed it in one of the two.

mod common;

use carrick_config::Error;
use carrick_config::ssh::{Config, LocalUser, Sources};
use common::{Machine, by_keyword, differences, expect_no, without};
use std::path::Path;
use std::process::Command;

#[derive(Clone, Copy)]
struct Case {
    config: &'static str,
    options: &'static [&'static str],
    /// First version of OpenSSH that behaves as we do.
    since: u32,
}

const fn case(config: &'static str) -> Case {
    Case {
        config,
        options: &[],
        since: 900,
    }
}

const fn option(options: &'static [&'static str]) -> Case {
    Case {
        config: "",
        options,
        since: 900,
    }
}

const fn v10(case: Case) -> Case {
    Case {
        since: 1000,
        ..case
    }
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn cases() -> Vec<Case> {
    let mut all = vec![
        case("Port 2222\nPort 23\nUser me\nHostname real.example\n"),
        case("Port=2222\nUser = me\n  Hostname\treal.example  \n"),
        case("Host other\nPort 1\nHost h*st !x\nPort 2\nHost *\nPort 3\nUser u\n"),
        case("Host * !host\nPort 2\n"),
        case("Match host host\nPort 2\nMatch all\nUser x\n"),
        case("Match !host host\nPort 2\nMatch originalhost host user root\nUser x\n"),
        case("Match exec \"test %h = host\"\nPort 9\n"),
        case("Match exec \"false\"\nPort 9\nMatch exec true\nPort 10\n"),
        case("Match final\nPort 7\n"),
        case("Hostname %h.example.com\nMatch final host host.example.com\nPort 7\n"),
        case("Match !final\nPort 7\nMatch final\nUser u\n"),
        case("Match canonical all\nPort 7\n"),
        case("Match localuser nobody-at-all\nPort 7\n"),
        case("CanonicalizeHostname no\nCanonicalDomains a.example B.example.\n"),
        case("ProxyCommand x\nCanonicalizePermittedCNAMEs *.a:*.b,c *\nCanonicalizeMaxDots 3\n"),
        case("AddKeysToAgent yes\n"),
        case("AddKeysToAgent 1h\n"),
        case("AddKeysToAgent confirm 1h\n"),
        case("AddKeysToAgent ask\n"),
        case("AddressFamily inet6\nBindAddress ::1\nBindInterface lo\n"),
        case(
            "CertificateFile a\nCertificateFile b\nCertificateFile a\nIdentityFile x\nIdentityFile y\n",
        ),
        case("CheckHostIP yes\nCompression yes\nConnectionAttempts 3\nConnectTimeout 1m\n"),
        case(
            "ConnectTimeout none\nControlMaster auto\nControlPath ~/x-%h-%p-%r-%%\nControlPersist 1h\n",
        ),
        case("ControlMaster autoask\nControlPath none\nControlPersist yes\n"),
        case("ControlPersist 0\nControlPath /x/%n%u%i\n"),
        case("DynamicForward 1080\nDynamicForward [::1]:1081\nLocalForward 1 a:2\n"),
        case("LocalForward [::1]:1 [::2]:2\nLocalForward /tmp/a /tmp/b%h\nLocalForward 5 /tmp/c\n"),
        case(
            "LocalForward *:1 a:2\nLocalForward x:1 a:2\nLocalForward 1 a:2\nLocalForward 1 a:2\n",
        ),
        case(
            "RemoteForward 1 a:2\nRemoteForward 1080\nRemoteForward 0 a:2\nRemoteForward b:1 a:2\n",
        ),
        case("LocalForward 1 a:2\nClearAllForwardings yes\nTunnel yes\n"),
        case("EscapeChar none\n"),
        case("EscapeChar ^]\nEnableSSHKeysign yes\nExitOnForwardFailure yes\n"),
        case("EscapeChar \\\\\nFingerprintHash md5\n"),
        case("EscapeChar \" \"\nFingerprintHash sha512\n"),
        case("ForkAfterAuthentication yes\nSessionType none\nStdinNull yes\nRequestTTY force\n"),
        case("ForwardAgent yes\nForwardX11 yes\nForwardX11Timeout 5m\nForwardX11Trusted no\n"),
        case("ForwardAgent /a/b\nGatewayPorts yes\n"),
        case("ForwardAgent $SSH_AUTH_SOCK\n"),
        case("GlobalKnownHostsFile /a /b\nUserKnownHostsFile ~/a %d/b none2\n"),
        case("GlobalKnownHostsFile none\nUserKnownHostsFile none\n"),
        case("UserKnownHostsFile ~/.ssh/known_hosts\n"),
        case("VerifyHostKeyDNS ask\n"),
        case("VerifyHostKeyDNS yes\nUpdateHostKeys ask\n"),
        case("UpdateHostKeys ask\nControlPath x\nControlPersist yes\n"),
        case("HashKnownHosts yes\nHostbasedAuthentication yes\nHostKeyAlias AlIas\n"),
        case("HostKeyAlgorithms ssh-ed25519,rsa-sha2-256\nCASignatureAlgorithms ssh-ed25519\n"),
        case("HostbasedKeyTypes ssh-ed25519\nPubkeyAcceptedKeyTypes ssh-rsa,ssh-ed25519\n"),
        case("Ciphers aes128-ctr,3des-cbc\nMACs hmac-md5\nKexAlgorithms curve25519-sha256\n"),
        case("Ciphers -aes*\nMACs -*etm*,umac*\n"),
        case("IdentitiesOnly yes\nIdentityAgent none\n"),
        case("IdentityAgent ~/agent-%h\nIgnoreUnknown foo*,bar\nFoobar 1\nbar x y z\n"),
        case("IPQoS af21 cs1\n"),
        v10(case("IPQoS 0x10\nIPQoS ef\n")),
        case("IPQoS 17 none\n"),
        case("IPQoS lowdelay\n"),
        case("KbdInteractiveAuthentication no\nKbdInteractiveDevices a,b\n"),
        case("ChallengeResponseAuthentication no\n"),
        case("KnownHostsCommand /bin/x %H\nLocalCommand echo  %h \"x\"\nPermitLocalCommand yes\n"),
        case("LocalCommand none\nRemoteCommand none\nProxyCommand none\n"),
        case("RemoteCommand echo  %h %% # not a comment\n"),
        case("LogLevel verbose\nLogVerbose a\nSyslogFacility LOCAL3\n"),
        case("LogLevel DEBUG1\nLogVerbose none\n"),
        case("NoHostAuthenticationForLocalhost yes\nNumberOfPasswordPrompts 0\n"),
        case(
            "PasswordAuthentication no\nPreferredAuthentications a,b\nPubkeyAuthentication unbound\n",
        ),
        case("PubkeyAuthentication host-bound\nPermitRemoteOpen a:1 [::1]:* \n"),
        case("PermitRemoteOpen none\n"),
        case("PKCS11Provider /x\nSecurityKeyProvider none\n"),
        case("ProxyCommand  nc  %h %p\nProxyUseFdpass yes\n"),
        case("ProxyCommand = nc\n"),
        case("ProxyJump a,b@c:1,d\n"),
        case("ProxyJump me@[::1]:2222\nProxyCommand x\nProxyUseFdpass yes\n"),
        case("ProxyJump 10.0.0.1\n"),
        case("ProxyJump ssh://me@jump.example:33\n"),
        case("ProxyCommand x\nProxyJump a\n"),
        case("RekeyLimit 1G 1h\n"),
        case("RekeyLimit default none\n"),
        case("RekeyLimit 1.5K\nRequiredRSASize 2048\n"),
        case("SendEnv A B_* \nSendEnv C\nSendEnv -B*\nSetEnv A=1 \"B=x y\" A=2\n"),
        v10(case("SetEnv A=%h\n")),
        case("ServerAliveInterval 1m30s\nServerAliveCountMax 7\n"),
        case("StreamLocalBindMask 0077\nStreamLocalBindUnlink yes\n"),
        case("StrictHostKeyChecking accept-new\nTCPKeepAlive no\n"),
        case("StrictHostKeyChecking off\nKeepAlive no\n"),
        case("Tunnel ethernet\nTunnelDevice 1:2\n"),
        case("Tunnel yes\nTunnelDevice any:3\n"),
        case("VisualHostKey true\nXAuthLocation /x/xauth\nEnableEscapeCommandline yes\n"),
        case("Protocol 2\nUsePrivilegedPort yes\nUseRoaming no\n"),
        v10(case("User %u-%h\n")),
        case("# comment\n\n   # indented\nPort 5 # after\n\"Port\" 6\n"),
        case("User \"a b\"\n"),
        v10(case("User 'a\\'b'\n")),
        // What is wrong.
        case("Foo bar\n"),
        case("Port 22 23\n"),
        case("Port\nUser\n"),
        case("Port x\nPort 0\nPort 65536\n"),
        case("User \"a\n"),
        case("BatchMode maybe\n"),
        case("BatchMode \"\"\n"),
        case("ConnectTimeout x\nConnectTimeout \"\"\n"),
        case("ConnectionAttempts -1\nConnectionAttempts x\nConnectionAttempts 99999999999\n"),
        case("ConnectionAttempts 0\n"),
        case("Ciphers x\nMACs x\nKexAlgorithms x\nHostKeyAlgorithms x\n"),
        case("LogLevel x\nSyslogFacility x\n"),
        case("EscapeChar abc\nTunnelDevice x\nIPQoS x\nStreamLocalBindMask 9\n"),
        case("RekeyLimit x\nRekeyLimit 3\nRekeyLimit 1X\n"),
        case("LocalForward 1\nLocalForward x y\nDynamicForward x\nRemoteForward a b c\n"),
        case("ProxyJump a/b\n"),
        case("AddKeysToAgent x\nAddKeysToAgent yes 1h\nAddKeysToAgent confirm x\n"),
        case("ControlPersist x\nFingerprintHash x\nSendEnv a=b\nSetEnv ab\n"),
        case("GlobalKnownHostsFile a none\n"),
        case("GlobalKnownHostsFile a \"\"\n"),
        case("CanonicalDomains -x\nCanonicalizePermittedCNAMEs x\n"),
        case("IdentityAgent ${NO_SUCH_VARIABLE}\nIdentityAgent $a-b\n"),
        case("Match\nPort 1\n"),
        case("Match foo bar\n"),
        v10(case("Match host\n")),
        case("Match user \"\"\n"),
        case("Match host a all\n"),
        case("Match all host a\n"),
        case("Include\n"),
        case("Include /no/such/file-at-all\nPort 4\n"),
        case("RemoteCommand %z\n"),
        case("PermitRemoteOpen a\n"),
        case("Host\n"),
        case("Host \"\"\n"),
        case("RSAAuthentication yes\nPort 3\n"),
        case("ForkAfterAuthentication yes\n"),
        case("ProxyJump host\n"),
        case("ProxyCommand -\nProxyUseFdpass yes\n"),
        case("StrictHostKeyChecking\n"),
        // The command line.
        option(&["Port=2222", "Port=23"]),
        option(&["port 2222"]),
        option(&["User=x", "IdentityFile=a", "IdentityFile=b"]),
        option(&["Foo=bar"]),
        option(&["Port"]),
        option(&["Port=a"]),
        option(&["Host=a"]),
        option(&["Include=a"]),
        option(&["Port=1 2"]),
        option(&["ProxyCommand=a b=c"]),
        option(&["LocalForward=1 a:2", "SendEnv=A", "SetEnv=A=b"]),
        option(&["IgnoreUnknown=x", "x=1"]),
        option(&["StdinNull=yes", "BatchMode=maybe"]),
    ];
    all.extend([
        v10(case("Tag x\nMatch tagged x\nPort 1\n")),
        v10(case("Match tagged \"\"\nPort 1\n")),
        v10(case("Match version OpenSSH_*\nPort 1\n")),
        v10(case("Match sessiontype shell\nPort 1\n")),
        v10(case("Match command \"\"\nPort 1\n")),
        v10(case("Match localnetwork 127.0.0.0/8\nPort 1\n")),
        v10(case(
            "ChannelTimeout session=5m x*=1h\nVersionAddendum some text # c\n",
        )),
        v10(case(
            "ChannelTimeout none\nObscureKeystrokeTiming interval:50\n",
        )),
        v10(case("ChannelTimeout x\n")),
        v10(case("ObscureKeystrokeTiming no\n")),
        v10(case(
            "ObscureKeystrokeTiming interval:0\nObscureKeystrokeTiming x\n",
        )),
        v10(case(
            "ObscureKeystrokeTiming interval:x\nObscureKeystrokeTiming yes no\n",
        )),
        v10(case("Ciphers ^aes256-ctr\nMACs +hmac-md5\n")),
        v10(case(
            "Ciphers +3des-cbc\nKexAlgorithms -*sha1,*nistp*,diffie*\n",
        )),
        v10(case("Match host=host user=root\nPort 1\n")),
        v10(case("Match HOST=HOST\nPort 1\n")),
        v10(case("ProxyJump none\n")),
    ]);
    all
}

struct Peer {
    program: String,
    version: u32,
}

fn peers() -> Vec<Peer> {
    let more = std::env::var("CARRICK_TEST_SSH").unwrap_or_default();
    let programs = more
        .split(':')
        .filter(|p| !p.is_empty())
        .chain(["/usr/bin/ssh"]);
    let mut list = Vec::new();
    for program in programs.filter(|p| Path::new(p).exists()) {
        let Ok(out) = Command::new(program).arg("-V").output() else {
            continue;
        };
        let text = String::from_utf8_lossy(&out.stderr).into_owned();
        let Some(numbers) = text.strip_prefix("OpenSSH_") else {
            continue;
        };
        let mut digits = numbers.split(|c: char| !c.is_ascii_digit());
        let mut next = || {
            digits
                .next()
                .and_then(|d| d.parse::<u32>().ok())
                .unwrap_or(0)
        };
        let version = next() * 100 + next();
        list.push(Peer {
            program: program.to_owned(),
            version,
        });
    }
    list
}

fn real(peer: &Peer, file: &Path, case: &Case) -> Result<String, String> {
    let mut command = Command::new(&peer.program);
    command.arg("-F").arg(file).arg("-G");
    for option in case.options {
        command.args(["-o", option]);
    }
    let out = command.arg("host").output().expect("ssh runs");
    let error = String::from_utf8_lossy(&out.stderr).replace('\r', "");
    match out.status.code() {
        Some(0) => Ok(String::from_utf8(out.stdout).expect("text")),
        code => {
            assert_eq!(code, Some(255), "{error}");
            Err(error)
        }
    }
}

fn ours(machine: &Machine, user: &LocalUser, file: &Path, case: &Case) -> Result<String, Error> {
    let uname = Command::new("uname").arg("-n").output().expect("uname");
    let host = String::from_utf8_lossy(&uname.stdout).trim().to_owned();
    let mut config = Config::new(machine, user.clone(), &host, "OpenSSH_10.0p2");
    for option in case.options {
        config.option(option)?;
    }
    let only = Some(file.to_str().expect("text").to_owned());
    config.load(
        &Sources {
            only,
            ..Sources::default()
        },
        "host",
        "",
    )?;
    if config.wants_final_pass() {
        config.final_pass(&config.connect_host())?;
    }
    Ok(config.finish()?.dump())
}

fn account() -> (Machine, LocalUser) {
    let out = Command::new("sh")
        .args(["-c", "getent passwd \"$(id -u)\""])
        .output();
    let text = String::from_utf8(out.expect("getent").stdout).expect("text");
    let fields: Vec<&str> = text.trim().split(':').collect();
    let (name, uid, home) = (fields[0], fields[2].parse().expect("uid"), fields[5]);
    let user = LocalUser {
        name: name.to_owned(),
        uid,
        home: home.to_owned(),
    };
    (
        Machine {
            home: home.to_owned(),
            uid,
        },
        user,
    )
}

#[test]
fn prints_what_ssh_prints() {
    let (machine, user) = account();
    let dir = tempfile::tempdir().expect("directory");
    let file = dir.path().join("config");
    let mut wrong = Vec::new();
    for peer in peers() {
        std::fs::write(&file, "").expect("write");
        let plain = Case {
            config: "",
            options: &[],
            since: 0,
        };
        let real_default = by_keyword(&real(&peer, &file, &plain).expect("defaults"));
        let our_default = by_keyword(&ours(&machine, &user, &file, &plain).expect("our defaults"));
        for case in cases().iter().filter(|c| c.since <= peer.version) {
            std::fs::write(&file, case.config).expect("write");
            let theirs = real(&peer, &file, case);
            let mine = ours(&machine, &user, &file, case);
            let what = format!("{} {:?} {:?}", peer.program, case.config, case.options);
            match (theirs, mine) {
                (Ok(theirs), Ok(mine)) => {
                    let differ = differences((&real_default, &our_default), &theirs, &mine);
                    wrong.extend(differ.values().map(|text| format!("{what}{text}")));
                }
                (Err(theirs), Err(mine)) => {
                    let mine = format!("{mine}\n");
                    let bare = |text: &str| -> Vec<String> {
                        let pseudo = |l: &&str| !l.starts_with("Pseudo-terminal");
                        text.lines().filter(pseudo).map(str::to_owned).collect()
                    };
                    if bare(&theirs) != bare(&mine) {
                        wrong.push(format!("{what}\n--- theirs\n{theirs}--- ours\n{mine}"));
                    }
                }
                (t, m) => wrong.push(format!("{what}\n  theirs {t:?}\n  ours {m:?}")),
            }
        }
    }
    expect_no(&wrong);
}

#[test]
fn defaults_are_those_of_openssh_in_its_order() {
    // What a distribution changes, what newer versions add, and lists that grew.
    const APART: [&str; 16] = [
        "forwardx11trusted",
        "ipqos",
        "gssapikeyexchange",
        "gssapitrustdns",
        "gssapirenewalforcesrekey",
        "gssapikexalgorithms",
        "warnweakcrypto",
        "ciphers",
        "kexalgorithms",
        "hostkeyalgorithms",
        "hostbasedacceptedalgorithms",
        "casignaturealgorithms",
        "pubkeyacceptedalgorithms",
        "obscurekeystroketiming",
        "channeltimeout",
        "identityfile",
    ];
    let (machine, user) = account();
    let dir = tempfile::tempdir().expect("directory");
    let file = dir.path().join("config");
    std::fs::write(&file, "").expect("write");
    let plain = Case {
        config: "",
        options: &[],
        since: 0,
    };
    for peer in peers() {
        let theirs = real(&peer, &file, &plain).expect("defaults");
        let mine = ours(&machine, &user, &file, &plain).expect("our defaults");
        let (theirs, mine) = (without(&theirs, &APART), without(&mine, &APART));
        assert_eq!(theirs, mine, "{}", peer.program);
    }
}
