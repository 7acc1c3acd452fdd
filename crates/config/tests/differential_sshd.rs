//! The same inputs to us and to a real `sshd -G` (OpenSSH 9.3 and later): the
//! same lines, the same errors. Runs against `/usr/sbin/sshd` and each program
//! in `CARRICK_TEST_SSHD` (separated by colons), where they are there.

mod common;

use carrick_config::Error;
use carrick_config::sshd::{ConnectionSpec, Options, Source};
use common::{Machine, by_keyword, differences, expect_no, without};
use std::path::Path;
use std::process::Command;

/// Configuration, `-o` options, `-C` specification.
type Case = (&'static str, &'static [&'static str], &'static str);

const CASES: &[Case] = &[
    ("Port 2222\nPort 23\n", &[], ""),
    ("Port 2222\n", &["Port=24"], ""),
    (
        "ListenAddress 127.0.0.1\nListenAddress [::1]:33\nPort 44\nPort 45\n",
        &[],
        "",
    ),
    (
        "ListenAddress ::1\nListenAddress 127.0.0.1:5\nAddressFamily any\n",
        &[],
        "",
    ),
    ("AddressFamily inet\nPort 3\n", &[], ""),
    ("AddressFamily inet6\n", &[], ""),
    (
        "LoginGraceTime 2m\nMaxStartups 5:50:20\nPerSourceMaxStartups 4\n",
        &[],
        "",
    ),
    (
        "MaxStartups 7\nPerSourceNetBlockSize 24:64\nPerSourceMaxStartups none\n",
        &[],
        "",
    ),
    (
        "MaxStartups 7\nMaxStartups 8:1:9\nPerSourceNetBlockSize 16:0\n",
        &[],
        "",
    ),
    ("PerSourcePenalties no\n", &[], ""),
    (
        "PerSourcePenalties crash:1m authfail:3 max:1h overflow:deny-all\n",
        &[],
        "",
    ),
    (
        "PerSourcePenalties min:1 max-sources4:10\nPerSourcePenalties min:2 noauth:5 overflow6:permissive\n",
        &[],
        "",
    ),
    ("PerSourcePenaltyExemptList 10.0.0.0/8,::1\n", &[], ""),
    (
        "PidFile none\nModuliFile /x\nXAuthLocation none\nBanner /b\n",
        &[],
        "",
    ),
    (
        "Banner none\nForceCommand none\nChrootDirectory none\nTrustedUserCAKeys none\n",
        &[],
        "",
    ),
    (
        "PermitRootLogin yes\nPermitRootLogin no\nIgnoreRhosts shosts-only\n",
        &[],
        "",
    ),
    (
        "PermitRootLogin prohibit-password\nStrictModes no\nUseDNS yes\n",
        &[],
        "",
    ),
    (
        "PermitRootLogin forced-commands-only\nUsePAM yes\nPAMServiceName x\n",
        &[],
        "",
    ),
    (
        "HostKey /a\nHostKey /b\nHostCertificate /c\nHostKeyAgent SSH_AUTH_SOCK\n",
        &[],
        "",
    ),
    ("HostKey /a\n", &["HostKey=/x"], ""),
    (
        "PubkeyAuthOptions touch-required verify-required\n",
        &[],
        "",
    ),
    ("PubkeyAuthOptions none\nExposeAuthInfo yes\n", &[], ""),
    (
        "AuthenticationMethods publickey,password publickey,keyboard-interactive:pam\n",
        &[],
        "",
    ),
    ("AuthenticationMethods any\n", &[], ""),
    (
        "AuthorizedKeysFile /a/%u .ssh/b\nAuthorizedPrincipalsFile /x/%h\n",
        &[],
        "",
    ),
    ("AuthorizedKeysFile none\nRevokedKeys /r\n", &[], ""),
    (
        "AuthorizedKeysCommand /bin/x %u \"a b\"\nAuthorizedKeysCommandUser nobody\n",
        &[],
        "",
    ),
    (
        "AuthorizedPrincipalsCommand none\nAuthorizedPrincipalsCommandUser nobody\n",
        &[],
        "",
    ),
    (
        "AcceptEnv LANG LC_*\nAcceptEnv X\nSetEnv A=1 B=2 A=3\nSetEnv C=3\n",
        &[],
        "",
    ),
    (
        "AllowUsers a b@10.0.0.0/8\nAllowUsers c\nDenyUsers d\nAllowGroups g\nDenyGroups h\n",
        &[],
        "",
    ),
    (
        "AllowTcpForwarding local\nAllowStreamLocalForwarding remote\nGatewayPorts clientspecified\n",
        &[],
        "",
    ),
    (
        "AllowTcpForwarding all\nAllowAgentForwarding no\nDisableForwarding yes\n",
        &[],
        "",
    ),
    (
        "PermitOpen a:1 [::1]:2 c:*\nPermitListen 1 a:2 *:3\nPermitTunnel ethernet\n",
        &[],
        "",
    ),
    (
        "PermitOpen none\nPermitListen any\nPermitTunnel yes\n",
        &[],
        "",
    ),
    (
        "Subsystem sftp internal-sftp -l INFO\nSubsystem sftp other\nSubsystem x \"/a b\" \"c d\"\n",
        &[],
        "",
    ),
    (
        "Ciphers aes128-ctr\nMACs hmac-sha2-256\nKexAlgorithms curve25519-sha256\n",
        &[],
        "",
    ),
    (
        "Ciphers +3des-cbc\nCiphers aes128-ctr\nMACs -umac*\nKexAlgorithms ^ecdh-sha2-nistp521\n",
        &[],
        "",
    ),
    (
        "HostKeyAlgorithms ssh-ed25519\nPubkeyAcceptedAlgorithms ssh-rsa\nCASignatureAlgorithms rsa-sha2-256*\n",
        &[],
        "",
    ),
    (
        "RekeyLimit 1G 1h\nRequiredRSASize 2048\nFingerprintHash md5\n",
        &[],
        "",
    ),
    ("RekeyLimit default none\nCompression no\n", &[], ""),
    (
        "Compression delayed\nClientAliveInterval 1m\nClientAliveCountMax 0\n",
        &[],
        "",
    ),
    (
        "ChannelTimeout session=1m x11=1h\nUnusedConnectionTimeout 5m\n",
        &[],
        "",
    ),
    (
        "ChannelTimeout none\nUnusedConnectionTimeout none\n",
        &[],
        "",
    ),
    ("IPQoS af21 cs1\n", &[], ""),
    (
        "IPQoS 0\nLogLevel DEBUG3\nSyslogFacility LOCAL7\nLogVerbose a b\n",
        &[],
        "",
    ),
    (
        "MaxAuthTries 2\nMaxSessions 0\nX11Forwarding yes\nX11DisplayOffset 5\n",
        &[],
        "",
    ),
    (
        "PermitUserEnvironment LANG,LC_*\nPermitTTY no\nPermitUserRC no\n",
        &[],
        "",
    ),
    (
        "PermitUserEnvironment yes\nPrintMotd no\nPrintLastLog no\nTCPKeepAlive no\n",
        &[],
        "",
    ),
    (
        "StreamLocalBindMask 0000\nStreamLocalBindUnlink yes\nX11UseLocalhost no\n",
        &[],
        "",
    ),
    ("VersionAddendum some text\n", &[], ""),
    ("VersionAddendum some text # c\n", &[], ""),
    ("VersionAddendum none\nRefuseConnection yes\n", &[], ""),
    (
        "UsePrivilegeSeparation sandbox\nProtocol 2\nUseLogin no\nKeyRegenerationInterval 1\n",
        &[],
        "",
    ),
    (
        "ChallengeResponseAuthentication no\nDSAAuthentication no\nKeepAlive no\n",
        &[],
        "",
    ),
    ("ForceCommand  echo  \"a b\"  c # d\n", &[], ""),
    (
        "ChrootDirectory /x/%u\nSecurityKeyProvider internal\n",
        &[],
        "",
    ),
    // Match.
    (
        "X11Forwarding no\nMatch User me\nX11Forwarding yes\n",
        &[],
        "user=me",
    ),
    (
        "X11Forwarding no\nMatch User me\nX11Forwarding yes\n",
        &[],
        "user=you",
    ),
    (
        "X11Forwarding no\nMatch User me\nX11Forwarding yes\n",
        &[],
        "",
    ),
    (
        "Match User me,!you\nBanner /a\nMatch User m*\nBanner /b\n",
        &[],
        "user=me",
    ),
    ("Match Group root\nBanner /a\n", &[], "user=root"),
    ("Match Group !root,*\nBanner /a\n", &[], "user=root"),
    (
        "Match Address 10.0.0.0/8,!10.1.0.0/16\nBanner /a\n",
        &[],
        "addr=10.2.3.4",
    ),
    (
        "Match Address 10.0.0.0/8,!10.1.0.0/16\nBanner /a\n",
        &[],
        "addr=10.1.3.4",
    ),
    (
        "Match LocalAddress 127.0.0.1 LocalPort 22\nBanner /a\n",
        &[],
        "laddr=127.0.0.1,lport=22",
    ),
    (
        "Match LocalPort 22\nBanner /a\n",
        &[],
        "laddr=127.0.0.1,lport=23",
    ),
    (
        "Match Host *.EXAMPLE\nBanner /a\n",
        &[],
        "host=A.example,addr=1.2.3.4",
    ),
    (
        "Match invalid-user\nBanner /a\n",
        &[],
        "user=x,invalid-user",
    ),
    ("Match invalid-user\nBanner /a\n", &[], "user=x"),
    (
        "Match user=me address=10.0.0.0/8\nBanner /a\n",
        &[],
        "user=me,addr=10.0.0.1",
    ),
    (
        "Match RDomain vrf*\nBanner /a\n",
        &[],
        "user=me,rdomain=vrf1",
    ),
    ("Match all\nBanner /a\nPort 7\n", &[], ""),
    (
        "Match User x\nBanner /x\nMatch all\nPort 7\nMaxSessions 3\n",
        &[],
        "user=me",
    ),
    (
        "AllowUsers a\nMatch User me\nAllowUsers b c\nAllowUsers d\n",
        &[],
        "user=me",
    ),
    (
        "PermitOpen a:1\nMatch User me\nPermitOpen none\nPermitListen 5\n",
        &[],
        "user=me",
    ),
    (
        "Subsystem a /a\nMatch User me\nSubsystem a /b x\nSubsystem c /c\n",
        &[],
        "user=me",
    ),
    (
        "ForceCommand x\nMatch User me\nForceCommand none\nChannelTimeout none\n",
        &[],
        "user=me",
    ),
    (
        "PubkeyAcceptedAlgorithms ssh-ed25519\nMatch User me\nPubkeyAcceptedAlgorithms ssh-rsa\n",
        &[],
        "user=me",
    ),
    (
        "AcceptEnv A\nSetEnv A=1\nMatch User me\nAcceptEnv B\nSetEnv C=1\nLogLevel DEBUG\n",
        &[],
        "user=me",
    ),
    // What is wrong.
    ("Foo bar\nBar\n", &[], ""),
    ("Port\n", &[], ""),
    ("Port x\n", &[], ""),
    ("Port 1 2\n", &[], ""),
    ("Port 22\nX11Forwarding maybe\n", &[], ""),
    ("X11Forwarding true\n", &[], ""),
    ("X11Forwarding \"\"\n", &[], ""),
    ("MaxSessions x\n", &[], ""),
    ("MaxSessions -1\n", &[], ""),
    ("LoginGraceTime x\n", &[], ""),
    ("LoginGraceTime none\n", &[], ""),
    ("ListenAddress [a\n", &[], ""),
    ("ListenAddress [::1]:x\n", &[], ""),
    ("ListenAddress 127.0.0.1 foo\n", &[], ""),
    ("Ciphers x\n", &[], ""),
    ("MACs x\n", &[], ""),
    ("KexAlgorithms x\n", &[], ""),
    ("HostKeyAlgorithms x\n", &[], ""),
    ("LogLevel x\n", &[], ""),
    ("SyslogFacility x\n", &[], ""),
    ("MaxStartups 10:30\n", &[], ""),
    ("MaxStartups 10:0:20\n", &[], ""),
    ("MaxStartups 0\n", &[], ""),
    ("PerSourceNetBlockSize 33\n", &[], ""),
    ("PerSourcePenalties x:1\n", &[], ""),
    ("PerSourcePenalties crash:x\n", &[], ""),
    ("PerSourcePenalties yes no\n", &[], ""),
    ("PerSourcePenaltyExemptList 10.0.0.1/8\n", &[], ""),
    ("PubkeyAuthOptions x\n", &[], ""),
    ("AuthenticationMethods x\n", &[], ""),
    ("AuthenticationMethods any publickey\n", &[], ""),
    ("AuthenticationMethods publickey any\n", &[], ""),
    ("AuthorizedKeysCommand x\n", &[], ""),
    ("AcceptEnv a=b\n", &[], ""),
    ("SetEnv ab\n", &[], ""),
    ("AllowUsers a@10.0.0.1/8\n", &[], ""),
    ("PermitOpen a\n", &[], ""),
    ("PermitListen a:x\n", &[], ""),
    ("PermitOpen a:1 any\n", &[], ""),
    ("PermitTunnel x\n", &[], ""),
    ("Subsystem\n", &[], ""),
    ("Subsystem a\n", &[], ""),
    ("StreamLocalBindMask 9\n", &[], ""),
    ("FingerprintHash x\n", &[], ""),
    ("IPQoS x\n", &[], ""),
    ("RekeyLimit x\n", &[], ""),
    ("RekeyLimit 3\n", &[], ""),
    ("ChannelTimeout x\n", &[], ""),
    ("ChannelTimeout a=1 none\n", &[], ""),
    ("Match User me\nPort 7\n", &[], ""),
    ("Match\n", &[], ""),
    ("Match User\n", &[], ""),
    ("Match Foo bar\n", &[], ""),
    ("Match User a all\n", &[], ""),
    ("Match Address 10.0.0.1/8\n", &[], ""),
    ("Match LocalPort x\n", &[], ""),
    ("Match User me\nX11Forwarding x\n", &[], ""),
    ("User \"a\n", &[], ""),
    ("Banner \"a\n", &[], ""),
    ("Include\n", &[], ""),
    ("", &["Foo=bar"], ""),
    ("", &["Port"], ""),
    ("", &["Port=x"], ""),
    ("", &["Match=all"], ""),
    ("", &["Include=/x"], ""),
];

/// With `-C` there must be a host key, and `-T` in place of `-G`.
fn real(program: &str, file: &Path, case: &Case) -> Result<String, String> {
    let mut command = Command::new(program);
    command.arg("-f").arg(file);
    if case.2.is_empty() {
        command.arg("-G");
    } else {
        let key = file.with_file_name("key");
        if !key.exists() {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(&key)
                .status()
                .expect("ssh-keygen runs");
            assert!(made.success());
        }
        command.arg("-T").arg("-h").arg(key);
    }
    for option in case.1 {
        command.args(["-o", option]);
    }
    if !case.2.is_empty() {
        command.args(["-C", case.2]);
    }
    let out = command.output().expect("sshd runs");
    let error = String::from_utf8_lossy(&out.stderr).replace('\r', "");
    match out.status.code() {
        Some(0) => Ok(String::from_utf8(out.stdout).expect("text")),
        _ => Err(error),
    }
}

fn ours(machine: &Machine, file: &Path, case: &Case) -> Result<String, Error> {
    let mut source = Source::open(file.to_str().expect("text"), machine)?;
    source.version = "OpenSSH_10.0p2".into();
    source.options = case.1.iter().map(|o| (*o).to_owned()).collect();
    let global = Options::load(&mut source, machine)?;
    let source = Source::decode(&source.encode()).expect("own bytes");
    let mut spec = ConnectionSpec {
        test: true,
        ..ConnectionSpec::default()
    };
    spec.parse(case.2, machine)?;
    Ok(global.for_connection(&source, &spec, machine)?.dump())
}

/// The programs that have `-G`.
fn peers() -> Vec<String> {
    let more = std::env::var("CARRICK_TEST_SSHD").unwrap_or_default();
    let programs = more
        .split(':')
        .filter(|p| !p.is_empty())
        .chain(["/usr/sbin/sshd"]);
    let able = |p: &&str| {
        Path::new(p).exists()
            && Command::new(p)
                .args(["-G", "-f", "/dev/null"])
                .output()
                .is_ok_and(|out| out.status.success() && !out.stdout.is_empty())
    };
    programs.filter(able).map(str::to_owned).collect()
}

#[test]
fn prints_what_sshd_prints() {
    let machine = Machine {
        home: "/root".into(),
        uid: 0,
    };
    let dir = tempfile::tempdir().expect("directory");
    let file = dir.path().join("config");
    let plain: Case = ("", &[], "");
    let mut wrong = Vec::new();
    for program in peers() {
        std::fs::write(&file, "").expect("write");
        let real_default = by_keyword(&real(&program, &file, &plain).expect("defaults"));
        let our_default = by_keyword(&ours(&machine, &file, &plain).expect("our defaults"));
        for case in CASES {
            std::fs::write(&file, case.0).expect("write");
            let what = format!("{program} {case:?}");
            let theirs = real(&program, &file, case);
            if theirs
                .as_ref()
                .is_err_and(|e| e.contains("Missing privilege separation"))
            {
                continue;
            }
            match (theirs, ours(&machine, &file, case)) {
                (Ok(theirs), Ok(mine)) => {
                    let mut differ = differences((&real_default, &our_default), &theirs, &mine);
                    if !case.2.is_empty() {
                        differ.remove("hostkey");
                    }
                    wrong.extend(differ.values().map(|text| format!("{what}{text}")));
                }
                (Err(theirs), Err(mine)) => {
                    let mine = mine.to_string();
                    if !theirs.lines().eq(mine.lines()) {
                        wrong.push(format!("{what}\n--- theirs\n{theirs}--- ours\n{mine}"));
                    }
                }
                (t, m) => wrong.push(format!(
                    "{what}\n  theirs {:?}\n  ours {:?}",
                    t.map(|_| "fine"),
                    m.map(|_| "fine")
                )),
            }
        }
    }
    expect_no(&wrong);
}

#[test]
fn defaults_are_those_of_openssh_in_its_order() {
    // What a distribution changes, and lists that grew after OpenSSH 10.0.
    const APART: [&str; 12] = [
        "ipqos",
        "gssapikeyexchange",
        "gssapistorecredentialsonrekey",
        "gssapikexalgorithms",
        "debianbanner",
        "ciphers",
        "kexalgorithms",
        "hostkeyalgorithms",
        "hostbasedacceptedalgorithms",
        "casignaturealgorithms",
        "pubkeyacceptedalgorithms",
        "persourcepenalties",
    ];
    let machine = Machine {
        home: "/root".into(),
        uid: 0,
    };
    let dir = tempfile::tempdir().expect("directory");
    let file = dir.path().join("config");
    std::fs::write(&file, "").expect("write");
    for program in peers() {
        let plain: Case = ("", &[], "");
        let theirs = real(&program, &file, &plain).expect("defaults");
        let mine = ours(&machine, &file, &plain).expect("our defaults");
        let (theirs, mine) = (without(&theirs, &APART), without(&mine, &APART));
        assert_eq!(theirs, mine, "{program}");
    }
}
