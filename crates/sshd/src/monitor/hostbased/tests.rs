//! Hosts that are trusted, and those that are not.

use std::fs::{Permissions, create_dir, set_permissions, write};
use std::os::unix::fs::PermissionsExt;

use carrick_config::sshd::Options;
use carrick_config::words::IgnoreRhosts;
use carrick_crypto::rng::SystemRng;
use carrick_keys::{KeyType, PrivateKey};
use carrick_sys::identity::effective_uid;
use carrick_sys::passwd::{self, Account};

use super::*;
use crate::monitor::endpoint::Endpoint;
use crate::monitor::system::Peer;
use crate::settings::HOOKS;

const HOST: &str = "there.example";

struct Scene {
    dir: tempfile::TempDir,
    account: Account,
    options: Options,
    key: PublicKey,
}

/// A user, not root, whose home says nothing yet.
fn scene() -> Scene {
    let dir = tempfile::tempdir().unwrap();
    let mut account = passwd::by_uid(effective_uid()).unwrap().unwrap();
    account.home = dir.path().join("home");
    create_dir(&account.home).unwrap();
    set_permissions(&account.home, Permissions::from_mode(0o755)).unwrap();
    create_dir(account.home.join(".ssh")).unwrap();
    let mut options = Options::default();
    options.hostbased_uses_name_from_packet_only = true;
    options.ignore_rhosts = IgnoreRhosts::No;
    let made = PrivateKey::generate(KeyType::Ed25519, 0, &mut SystemRng).unwrap();
    Scene {
        dir,
        account,
        options,
        key: made.public().clone(),
    }
}

impl Scene {
    fn file(&self, name: &str, text: &str) {
        let path = self.dir.path().join(name);
        write(&path, text).unwrap();
        set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }

    fn known(&self, name: &str, hosts: &str) {
        self.file(name, &format!("{hosts} {}\n", self.key.to_line("")));
    }

    fn asks(&self, host: &str, user: &str) -> bool {
        let path = |name: &str| self.dir.path().join(name).to_str().unwrap().to_owned();
        let (hosts, shosts) = (path("hosts.equiv"), path("shosts.equiv"));
        let (known, known2) = (path("known"), path("known2"));
        let places = Places {
            equivalent: [&hosts, &shosts],
            known_hosts: [&known, &known2],
        };
        let peer = Peer {
            address: "192.0.2.1".into(),
            host: "192.0.2.1".into(),
            port: 7,
        };
        let local = Endpoint {
            address: "192.0.2.2".into(),
            port: 22,
        };
        let context = Context {
            account: &self.account,
            options: &self.options,
            peer: &peer,
            local: &local,
            hooks: HOOKS,
            now: 1_767_225_600,
        };
        let claim = HostClaim {
            algorithm: "ssh-ed25519".into(),
            key: self.key.to_blob(),
            host: host.into(),
            local_user: user.into(),
            signature: Vec::new(),
        };
        trusts_by(&places, &context, &claim, &self.key)
    }

    fn me(&self) -> String {
        self.account.name.clone()
    }
}

#[test]
fn both_the_list_and_the_key_are_needed() {
    let scene = scene();
    let me = scene.me();
    assert!(!scene.asks(HOST, &me));
    scene.file("home/.shosts", HOST);
    assert!(!scene.asks(HOST, &me));
    scene.known("known", HOST);
    assert!(scene.asks(HOST, &me) && scene.asks("there.example.", &me));
    assert!(!scene.asks(HOST, "other") && !scene.asks("other.example", &me));
    scene.file("home/.shosts", "");
    assert!(!scene.asks(HOST, &me));
}

#[test]
fn a_name_that_the_host_gives_itself_does_not_count_by_default() {
    let mut scene = scene();
    let me = scene.me();
    scene.options.hostbased_uses_name_from_packet_only = false;
    scene.file("home/.shosts", HOST);
    scene.known("known", HOST);
    assert!(!scene.asks(HOST, &me));
    scene.file("home/.shosts", "192.0.2.1");
    scene.known("known", "192.0.2.1");
    assert!(scene.asks(HOST, &me));
}

#[test]
fn the_users_files_count_as_far_as_the_configuration_lets_them() {
    let mut scene = scene();
    let me = scene.me();
    scene.known("home/.ssh/known_hosts", HOST);
    scene.file("home/.rhosts", HOST);
    assert!(scene.asks(HOST, &me));
    scene.options.ignore_rhosts = IgnoreRhosts::ShostsOnly;
    assert!(!scene.asks(HOST, &me));
    scene.file("home/.shosts", HOST);
    assert!(scene.asks(HOST, &me));
    scene.options.ignore_rhosts = IgnoreRhosts::Yes;
    assert!(!scene.asks(HOST, &me));
    scene.options.ignore_rhosts = IgnoreRhosts::No;
    scene.options.ignore_user_known_hosts = true;
    assert!(!scene.asks(HOST, &me));
}

#[test]
fn files_that_others_write_do_not_count() {
    let mut scene = scene();
    let me = scene.me();
    scene.known("home/.ssh/known_hosts", HOST);
    scene.file("home/.shosts", HOST);
    let mode = |name: &str, mode| {
        let path = scene.dir.path().join(name);
        set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    for (name, good) in [
        ("home/.shosts", 0o600),
        ("home/.ssh/known_hosts", 0o600),
        ("home", 0o755),
    ] {
        mode(name, good | 0o020);
        assert!(!scene.asks(HOST, &me), "{name}");
        mode(name, good);
        assert!(scene.asks(HOST, &me), "{name}");
    }
    mode("home/.shosts", 0o622);
    scene.options.strict_modes = false;
    assert!(scene.asks(HOST, &me));
}

#[test]
fn the_systems_list_is_for_all_but_root() {
    let mut scene = scene();
    let me = scene.me();
    scene.known("known2", HOST);
    scene.file("shosts.equiv", HOST);
    // Read with the user's rights.
    set_permissions(scene.dir.path(), Permissions::from_mode(0o755)).unwrap();
    let path = scene.dir.path().join("shosts.equiv");
    set_permissions(path, Permissions::from_mode(0o644)).unwrap();
    scene.account.uid = 0;
    assert!(!scene.asks(HOST, &me));
    if effective_uid() == 0 {
        (scene.account.uid, scene.account.gid) = (65534, 65534);
    } else {
        scene.account.uid = effective_uid();
    }
    assert!(scene.asks(HOST, &me));
    scene.file("hosts.equiv", &format!("-{HOST}"));
    assert!(
        scene.asks(HOST, &me),
        "a file that refuses lets the next one speak"
    );
}

#[test]
fn a_revoked_key_does_not_count() {
    let scene = scene();
    let me = scene.me();
    scene.file("home/.shosts", HOST);
    scene.known("known", HOST);
    scene.known("home/.ssh/known_hosts", "@revoked *");
    assert!(!scene.asks(HOST, &me));
}
