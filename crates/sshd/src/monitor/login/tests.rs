//! A hostile worker, and honest ones, against the login.

use carrick_config::sshd::Options;
use carrick_crypto::hash::HashAlg;
use carrick_crypto::rng::SystemRng;
use carrick_keys::{KeyType, PrivateKey};
use carrick_proto::auth::{hostbased_signed_data, publickey_signed_data};
use carrick_proto::kex::{KexPublics, KexTranscript};
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

use super::super::authorize::Terms;
use super::super::sign::Signer;
use super::*;
use crate::handoff::HostKey;
use crate::rpc::preauth::{HostClaim, KeyClaim, SignKex};

/// "correct horse", by libxcrypt.
const HORSE: &str = "$5$lFW80f8V1AxMJa.g$MX0IiyWl0y4.JqJKNKfaCpljuWJJiVNpZJr./VahhX7";

struct Fake {
    options: Options,
    listed: Vec<u8>,
    terms: Terms,
    waited: Duration,
    expires: Option<i64>,
    locked: bool,
}

fn account(name: &str, uid: u32) -> Account {
    Account {
        name: name.into(),
        uid,
        gid: uid,
        home: "/home".into(),
        shell: "/bin/sh".into(),
        password: b"x".to_vec(),
    }
}

impl System for Fake {
    fn account(&mut self, name: &str) -> Option<Account> {
        match name {
            "root" => Some(account("root", 0)),
            "me" => Some(account("me", 1000)),
            _ => None,
        }
    }
    fn shadow(&mut self, _: &str) -> Option<Shadow> {
        let lock = if self.locked { "!" } else { "" };
        Some(Shadow {
            hash: Zeroizing::new(format!("{lock}{HORSE}").into_bytes()),
            changed: Some(100),
            max: None,
            inactive: None,
            expires: self.expires,
        })
    }
    fn groups(&mut self, account: &Account) -> Vec<String> {
        vec![account.name.clone()]
    }
    fn can_become(&mut self, _: &Account) -> bool {
        true
    }
    fn knows_passwords(&self) -> bool {
        true
    }
    fn shell_problem(&mut self, _: &Path) -> Option<&'static str> {
        None
    }
    fn authorize(&mut self, _: &Account, _: &Options, key: &PublicKey) -> Option<Terms> {
        (key.to_blob() == self.listed).then(|| self.terms.clone())
    }
    fn trusts_host(&mut self, _: &Account, _: &Options, claim: &HostClaim, _: &PublicKey) -> bool {
        claim.host == "trusted.example"
    }
    fn options_for(&mut self, _: &str, _: bool) -> Result<Options, String> {
        Ok(self.options.clone())
    }
    fn banner(&mut self, path: &str) -> Option<String> {
        Some(format!("text of {path}\n"))
    }
    fn today(&self) -> i64 {
        1000
    }
    fn now(&self) -> Duration {
        self.waited
    }
    fn wait(&mut self, time: Duration) {
        self.waited += time;
    }
}

struct Scene {
    login: Login<Fake>,
    signer: Signer,
    key: PrivateKey,
}

/// An exchange that a worker may have made up, with `secret` as its secret.
fn exchange(host_key: &[u8], secret: &[u8]) -> SignKex {
    SignKex {
        hash: 2,
        algorithm: "ssh-ed25519".into(),
        transcript: Box::new(KexTranscript {
            client_ident: b"SSH-2.0-x".to_vec(),
            server_ident: b"SSH-2.0-y".to_vec(),
            client_kexinit: vec![20; 30],
            server_kexinit: vec![20; 40],
            host_key: host_key.to_vec(),
            publics: KexPublics::Ecdh {
                client: vec![1; 32],
                server: vec![2; 32],
            },
            shared: Zeroizing::new(secret.to_vec()),
        }),
    }
}

fn scene(change: impl FnOnce(&mut Options, &mut Fake)) -> Scene {
    let mut options = Options::default();
    let make = || PrivateKey::generate(KeyType::Ed25519, 0, &mut SystemRng).unwrap();
    let (host, key) = (make(), make());
    let blob = host.public().to_blob();
    let mut fake = Fake {
        options: Options::default(),
        listed: key.public().to_blob(),
        terms: Terms::default(),
        waited: Duration::ZERO,
        expires: None,
        locked: false,
    };
    change(&mut options, &mut fake);
    fake.options = options.clone();
    let file = host
        .to_openssh(&carrick_keys::WriteOptions::default(), &mut SystemRng)
        .unwrap();
    let keys = vec![HostKey {
        public: blob.clone(),
        certificate: None,
        file: Some(file),
    }];
    let algorithms = vec!["ssh-ed25519".into()];
    let signer = Signer::new(keys, None, algorithms, &options.kex_algorithms);
    let peer = Peer {
        address: "192.0.2.1".into(),
        host: "192.0.2.1".into(),
        port: 7,
    };
    let mut scene = Scene {
        login: Login::new(fake, options, peer, 1),
        signer,
        key,
    };
    assert!(scene.signer.sign(&exchange(&blob, b"first")).is_ok());
    scene
}

impl Scene {
    fn host_blob(&self) -> Vec<u8> {
        self.signer.first().unwrap().host_key().to_vec()
    }

    fn attempt(&mut self, user: &str, method: Method) -> Result<Step, Violation> {
        let ask = Attempt {
            user: user.into(),
            service: CONNECTION.into(),
            method,
        };
        self.login.attempt(self.signer.first(), ask)
    }

    fn password(&mut self, user: &str, password: &str) -> Step {
        self.attempt(user, Method::Password((Secret::from(password), None)))
            .unwrap()
    }

    /// A claim with a signature over `session_id` as `user`.
    fn claim(&self, session_id: &[u8], user: &str, host_key: Option<Vec<u8>>) -> Method {
        let (algorithm, key) = ("ssh-ed25519", self.key.public().to_blob());
        let message = publickey_signed_data(session_id, user, algorithm, &key, host_key.as_deref());
        let signature = Some(self.key.sign(algorithm, &message).unwrap());
        Method::PublicKey(KeyClaim {
            algorithm: algorithm.into(),
            key,
            host_key,
            signature,
        })
    }

    fn session_id(&self) -> Vec<u8> {
        self.signer.first().unwrap().session_id().to_vec()
    }
}

fn is_in(step: &Step) -> bool {
    matches!(step, Step::In(..))
}

fn failed(step: &Step) -> Option<(&[String], bool)> {
    match step {
        Step::Answer(Judged {
            verdict: Verdict::Failure((methods, partial)),
            ..
        }) => Some((methods, *partial)),
        _ => None,
    }
}

#[test]
fn a_signature_over_this_session_lets_in() {
    for bound in [false, true] {
        let mut scene = scene(|_, _| {});
        let host_key = bound.then(|| scene.host_blob());
        let claim = scene.claim(&scene.session_id(), "me", host_key);
        let Step::In(_, user) = scene.attempt("me", claim).unwrap() else {
            panic!()
        };
        assert_eq!(user.account().name, "me");
    }
}

#[test]
fn a_signature_over_another_session_user_or_host_does_not() {
    let mut scene = scene(|_, _| {});
    let other_session = scene.claim(&[7; 32], "me", None);
    assert!(failed(&scene.attempt("me", other_session).unwrap()).is_some());
    let other_user = scene.claim(&scene.session_id(), "root", None);
    assert!(failed(&scene.attempt("me", other_user).unwrap()).is_some());
    let other_host = scene.claim(&scene.session_id(), "me", Some(vec![1, 2, 3]));
    assert!(failed(&scene.attempt("me", other_host).unwrap()).is_some());
}

#[test]
fn a_later_exchange_does_not_change_the_session() {
    let mut scene = scene(|_, _| {});
    let (first, host_key) = (scene.session_id(), scene.host_blob());
    let mut again = exchange(&host_key, b"chosen by the worker");
    let made_up = again.transcript.hash(HashAlg::Sha256);
    again.hash = 2;
    scene.signer.sign(&again).unwrap();
    assert_eq!(scene.session_id(), first);
    let claim = scene.claim(&made_up, "me", None);
    assert!(failed(&scene.attempt("me", claim).unwrap()).is_some());
}

#[test]
fn nothing_but_exchanges_with_our_keys_is_signed() {
    let mut scene = scene(|_, _| {});
    let host_key = scene.host_blob();
    assert!(scene.signer.sign(&exchange(b"another key", b"")).is_err());
    for hash in [0, 1, 9] {
        assert!(
            scene
                .signer
                .sign(&SignKex {
                    hash,
                    ..exchange(&host_key, b"")
                })
                .is_err()
        );
    }
    for algorithm in ["rsa-sha2-512", "ssh-rsa", ""] {
        let ask = SignKex {
            algorithm: algorithm.into(),
            ..exchange(&host_key, b"")
        };
        assert!(scene.signer.sign(&ask).is_err());
    }
}

#[test]
fn there_is_no_login_before_the_key_exchange() {
    let mut scene = scene(|_, _| {});
    let ask = Attempt {
        user: "me".into(),
        service: CONNECTION.into(),
        method: Method::None,
    };
    assert!(scene.login.attempt(None, ask).is_err());
}

#[test]
fn an_answer_needs_a_prompt_and_serves_once() {
    let mut scene = scene(|_, _| {});
    let horse = [Secret::from("correct horse")];
    assert!(scene.login.responses(&horse).is_err());
    let ask = |scene: &mut Scene| scene.attempt("me", Method::KeyboardInteractive(String::new()));
    assert!(matches!(
        ask(&mut scene),
        Ok(Step::Answer(Judged {
            verdict: Verdict::Prompts(_),
            ..
        }))
    ));
    // Another attempt abandons the prompt.
    assert!(failed(&scene.attempt("me", Method::None).unwrap()).is_some());
    assert!(scene.login.responses(&horse).is_err());
    ask(&mut scene).unwrap();
    assert!(failed(&scene.login.responses(&[]).unwrap()).is_some());
    assert!(scene.login.responses(&horse).is_err());
    ask(&mut scene).unwrap();
    assert!(is_in(&scene.login.responses(&horse).unwrap()));
}

#[test]
fn after_the_login_there_is_no_other() {
    let mut scene = scene(|_, _| {});
    assert!(is_in(&scene.password("me", "correct horse")));
    // The machine has forgotten the user; it would begin anew, but what the
    // monitor does next is another phase, in which no login can be named.
    assert!(scene.login.who().is_none());
}

#[test]
fn the_user_cannot_change() {
    let mut scene = scene(|_, _| {});
    assert!(failed(&scene.password("nobody-here", "x")).is_some());
    assert!(matches!(
        scene.password("me", "correct horse"),
        Step::End(_)
    ));
}

#[test]
fn tries_are_counted_and_the_first_none_is_free() {
    let mut scene = scene(|options, _| options.max_auth_tries = 3);
    let (methods, partial) = {
        let step = scene.attempt("me", Method::None).unwrap();
        let (methods, partial) = failed(&step).unwrap();
        (methods.to_vec(), partial)
    };
    assert_eq!(
        (methods.as_slice(), partial),
        (&NAMES.map(String::from)[..3], false)
    );
    assert!(failed(&scene.password("me", "a")).is_some());
    assert!(failed(&scene.password("me", "b")).is_some());
    assert!(matches!(scene.password("me", "c"), Step::End(_)));
}

const NAMES: [&str; 4] = super::super::methods::NAMES;

#[test]
fn an_unknown_user_never_gets_in_and_costs_the_same() {
    let mut scene = scene(|_, _| {});
    assert!(failed(&scene.password("ghost", "correct horse")).is_some());
    assert!(scene.login.system.waited >= Duration::from_millis(5));
    let claim = scene.claim(&scene.session_id(), "ghost", None);
    assert!(failed(&scene.attempt("ghost", claim).unwrap()).is_some());
}

#[test]
fn root_gets_in_by_key_only_by_default() {
    let mut scene = scene(|_, _| {});
    assert!(failed(&scene.password("root", "correct horse")).is_some());
    let claim = scene.claim(&scene.session_id(), "root", None);
    assert!(is_in(&scene.attempt("root", claim).unwrap()));
    let mut never = self::scene(|options, _| options.permit_root_login = PermitRootLogin::No);
    let claim = never.claim(&never.session_id(), "root", None);
    assert!(failed(&never.attempt("root", claim).unwrap()).is_some());
    let mut always = self::scene(|options, _| options.permit_root_login = PermitRootLogin::Yes);
    assert!(is_in(&always.password("root", "correct horse")));
}

#[test]
fn several_methods_in_a_row_are_partial_until_the_last() {
    let mut scene = scene(|options, _| {
        options.authentication_methods = vec!["publickey,password".into()];
    });
    assert!(failed(&scene.password("me", "correct horse")).is_some());
    let claim = scene.claim(&scene.session_id(), "me", None);
    let step = scene.attempt("me", claim).unwrap();
    assert_eq!(failed(&step), Some((&["password".to_owned()][..], true)));
    // The same key does not count twice.
    let claim = scene.claim(&scene.session_id(), "me", None);
    assert!(failed(&scene.attempt("me", claim).unwrap()).is_some());
    assert!(is_in(&scene.password("me", "correct horse")));
}

#[test]
fn locked_expired_denied_and_unlisted_accounts_stay_out() {
    let refused = |change: fn(&mut Options, &mut Fake)| {
        let mut scene = scene(change);
        let claim = scene.claim(&scene.session_id(), "me", None);
        failed(&scene.attempt("me", claim).unwrap()).is_some()
    };
    assert!(refused(|_, fake| fake.locked = true));
    assert!(refused(|_, fake| fake.expires = Some(999)));
    assert!(!refused(|_, fake| fake.expires = Some(1000)));
    assert!(refused(|options, _| options.deny_users = vec!["m*".into()]));
    assert!(refused(
        |options, _| options.allow_users = vec!["root".into()]
    ));
    assert!(refused(
        |options, _| options.allow_users = vec!["me@198.51.100.*".into()]
    ));
    assert!(!refused(
        |options, _| options.allow_users = vec!["me@192.0.2.0/24".into()]
    ));
    assert!(refused(|options, _| options.deny_groups = vec!["me".into()]));
    assert!(refused(
        |options, _| options.allow_groups = vec!["wheel".into()]
    ));
    assert!(!refused(
        |options, _| options.allow_groups = vec!["me".into()]
    ));
}

#[test]
fn empty_and_endless_passwords_are_refused_unseen() {
    let mut scene = scene(|options, _| options.max_auth_tries = 100);
    assert!(failed(&scene.password("me", "")).is_some());
    assert!(failed(&scene.password("me", &"x".repeat(2000))).is_some());
}

/// As with OpenSSH's `Match User` and `PubkeyAcceptedAlgorithms`.
#[test]
fn algorithms_of_a_users_own_are_told_once() {
    let mut scene = scene(|_, _| {});
    // What everybody was told before the user was known.
    scene.login.options.pubkey_accepted_algorithms = vec!["ssh-ed25519".into()];
    let mut told = || match scene.password("me", "x") {
        Step::Answer(judged) => judged.greeting.user_key_algorithms,
        _ => panic!(),
    };
    assert!(told().is_some_and(|list| list.len() > 1));
    assert_eq!(told(), None);
}

#[test]
fn the_banner_comes_once() {
    let mut scene = scene(|options, _| options.banner = Some("/b".into()));
    let Step::Answer(first) = scene.password("me", "x") else {
        panic!()
    };
    assert_eq!(first.greeting.banner.as_deref(), Some("text of /b\n"));
    let Step::Answer(second) = scene.password("me", "x") else {
        panic!()
    };
    assert_eq!(second.greeting.banner, None);
}

#[test]
fn an_old_password_lets_in_to_be_changed() {
    let mut scene = scene(|_, _| {});
    let Step::In(_, user) = scene.password("me", "correct horse") else {
        panic!()
    };
    assert!(!user.must_change_password());
    let shadow = Shadow {
        hash: Zeroizing::default(),
        changed: Some(0),
        max: None,
        inactive: None,
        expires: None,
    };
    assert!(is_too_old(&shadow, 5));
    assert!(is_too_old(
        &Shadow {
            changed: Some(10),
            max: Some(5),
            ..shadow
        },
        16
    ));
}

/// Terms with a forced command.
fn forced(command: &str) -> Terms {
    let mut terms = Terms::default();
    terms.permissions.command = Some(command.into());
    terms
}

#[test]
fn what_a_key_permits_holds_for_the_login() {
    let mut scene = scene(|_, fake| {
        fake.terms = forced("true");
        fake.terms.permissions.pty = false;
    });
    let claim = scene.claim(&scene.session_id(), "me", None);
    let Step::In(_, user) = scene.attempt("me", claim).unwrap() else {
        panic!()
    };
    assert_eq!(*user.permissions(), scene.login.system.terms.permissions);
    let line = format!("publickey {}\n", scene.key.public().to_line(""));
    assert_eq!(user.steps(), line);
}

#[test]
fn a_password_permits_all_unless_a_key_came_before_it() {
    let mut scene = scene(|_, _| {});
    let Step::In(_, user) = scene.password("me", "correct horse") else {
        panic!()
    };
    assert_eq!(*user.permissions(), Permissions::default());
    assert_eq!(user.steps(), "password\n");
    let mut both = self::scene(|options, fake| {
        options.authentication_methods = vec!["publickey,password".into()];
        fake.terms.permissions.pty = false;
    });
    let claim = both.claim(&both.session_id(), "me", None);
    both.attempt("me", claim).unwrap();
    let Step::In(_, user) = both.password("me", "correct horse") else {
        panic!()
    };
    assert!(!user.permissions().pty && user.steps().ends_with("\npassword\n"));
}

#[test]
fn a_second_key_cannot_take_back_what_the_first_forced() {
    let mut scene = scene(|options, fake| {
        options.authentication_methods = vec!["publickey,publickey".into()];
        fake.terms = forced("one");
    });
    let claim = scene.claim(&scene.session_id(), "me", None);
    let step = scene.attempt("me", claim).unwrap();
    assert!(failed(&step).unwrap().1);
    scene.key = PrivateKey::generate(KeyType::Ed25519, 0, &mut SystemRng).unwrap();
    scene.login.system.listed = scene.key.public().to_blob();
    scene.login.system.terms = forced("two");
    let claim = scene.claim(&scene.session_id(), "me", None);
    assert!(failed(&scene.attempt("me", claim).unwrap()).is_some());
    scene.login.system.terms = Terms::default();
    let claim = scene.claim(&scene.session_id(), "me", None);
    let Step::In(_, user) = scene.attempt("me", claim).unwrap() else {
        panic!()
    };
    assert_eq!(user.permissions().command.as_deref(), Some(&b"one"[..]));
}

#[test]
fn root_gets_in_with_a_forced_command_where_only_that_is_allowed() {
    let mut scene = scene(|options, _| {
        options.permit_root_login = PermitRootLogin::ForcedCommandsOnly;
    });
    let claim = scene.claim(&scene.session_id(), "root", None);
    assert!(failed(&scene.attempt("root", claim).unwrap()).is_some());
    let mut scene = self::scene(|options, fake| {
        options.permit_root_login = PermitRootLogin::ForcedCommandsOnly;
        fake.terms = forced("true");
    });
    assert!(failed(&scene.password("root", "correct horse")).is_some());
    let claim = scene.claim(&scene.session_id(), "root", None);
    assert!(is_in(&scene.attempt("root", claim).unwrap()));
}

impl Scene {
    /// The scene's key as a host's, which vouches for `local_user`.
    fn host_claim(&self, user: &str, host: &str) -> Method {
        let (algorithm, key) = ("ssh-ed25519", self.key.public().to_blob());
        let session_id = self.session_id();
        let message = hostbased_signed_data(&session_id, user, algorithm, &key, host, "ann");
        Method::HostBased(HostClaim {
            algorithm: algorithm.into(),
            key,
            host: host.into(),
            local_user: "ann".into(),
            signature: self.key.sign(algorithm, &message).unwrap(),
        })
    }
}

#[test]
fn a_trusted_host_vouches_for_its_user() {
    let on = |options: &mut Options, _: &mut Fake| options.hostbased_authentication = true;
    let host = "trusted.example";
    let mut off = scene(|_, _| {});
    let claim = off.host_claim("me", host);
    assert!(failed(&off.attempt("me", claim).unwrap()).is_some());

    let mut scene = scene(on);
    for (user, host) in [("me", "other.example"), ("root", host)] {
        // Another host, or a signature that names another user here.
        let claim = scene.host_claim(user, host);
        assert!(failed(&scene.attempt("me", claim).unwrap()).is_some());
    }
    let Method::HostBased(mut changed) = scene.host_claim("me", host) else {
        panic!()
    };
    changed.local_user = "root".into();
    assert!(failed(&scene.attempt("me", Method::HostBased(changed)).unwrap()).is_some());
    let claim = scene.host_claim("me", host);
    let Step::In(_, user) = scene.attempt("me", claim).unwrap() else {
        panic!()
    };
    let steps = user.steps();
    assert!(steps.starts_with("hostbased ssh-ed25519 "));
    assert!(steps.ends_with(" client user \"ann\", client host \"trusted.example\"\n"));
}

#[test]
fn a_host_needs_an_algorithm_that_is_taken() {
    let mut scene = scene(|options, _| {
        options.hostbased_authentication = true;
        options.hostbased_accepted_algorithms = vec!["rsa-sha2-512".into()];
    });
    let claim = scene.host_claim("me", "trusted.example");
    assert!(failed(&scene.attempt("me", claim).unwrap()).is_some());
}

/// OpenSSH's clients look for the signature in server-sig-algs, and offer no
/// certificate where they do not find it.
#[test]
fn a_client_is_told_signatures_and_each_once() {
    let accepted = [
        "rsa-sha2-512-cert-v01@openssh.com",
        "ssh-ed25519-cert-v01@openssh.com",
        "ssh-ed25519",
        "webauthn-sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
    ];
    let told = signature_names(&accepted.map(str::to_owned));
    let webauthn = "webauthn-sk-ecdsa-sha2-nistp256@openssh.com";
    assert_eq!(told, ["rsa-sha2-512", "ssh-ed25519", webauthn]);
}
