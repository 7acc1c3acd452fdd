use super::*;
use carrick_crypto::rng::Rng;

struct Fixed;
impl Rng for Fixed {
    fn fill(&mut self, out: &mut [u8]) {
        out.fill(7);
    }
}

const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB";
const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC";

fn key(line: &str) -> PublicKey {
    PublicKey::from_line(line).expect("a key").0
}

fn lookup(text: &str, name: &str, k: &str) -> (&'static str, usize) {
    match KnownHosts::parse(text.as_bytes(), "kh")
        .for_host(name)
        .lookup(&key(k))
    {
        Lookup::Match(e) => ("match", e.line),
        Lookup::Changed { offending, .. } => ("changed", offending.line),
        Lookup::Unknown => ("unknown", 0),
        Lookup::Revoked(e) => ("revoked", e.line),
    }
}

#[test]
fn hosts_are_found_by_name_port_pattern_and_negation() {
    let text = format!(
        "# comment\n\nalpha,10.0.0.1 {A} me@home\n[alpha]:2222 {B}\n*.example.com,!bad.example.com {A}\n"
    );
    assert_eq!(lookup(&text, "alpha", A), ("match", 3));
    assert_eq!(lookup(&text, "ALPHA", A), ("match", 3));
    assert_eq!(lookup(&text, "10.0.0.1", A), ("match", 3));
    assert_eq!(lookup(&text, "alpha", B), ("changed", 3));
    assert_eq!(lookup(&text, &host_name("Alpha", 2222), B), ("match", 4));
    assert_eq!(lookup(&text, &host_name("alpha", 2223), B), ("unknown", 0));
    assert_eq!(lookup(&text, "x.example.com", A), ("match", 5));
    assert_eq!(lookup(&text, "bad.example.com", A), ("unknown", 0));
    assert_eq!(lookup(&text, "beta", A), ("unknown", 0));
}

#[test]
fn several_keys_may_be_listed() {
    let text = format!("alpha {A}\r\nalpha {B}\n");
    assert_eq!(lookup(&text, "alpha", A), ("match", 1));
    assert_eq!(lookup(&text, "alpha", B), ("match", 2));
}

#[test]
fn revocation_wins_wherever_it_stands() {
    let text = format!("alpha {A}\n@revoked * {A}\n@cert-authority * {B}\n");
    assert_eq!(lookup(&text, "alpha", A), ("revoked", 2));
    // An authority's key is not a host's key.
    assert_eq!(lookup(&text, "beta", B), ("unknown", 0));
    assert!(
        KnownHosts::parse(text.as_bytes(), "kh")
            .for_host("x")
            .has_authority()
    );
}

#[test]
fn broken_lines_are_skipped_and_named() {
    let text = format!(
        "alpha\nalpha ssh-ed25519\n@new alpha {A}\n@revoked @revoked alpha {A}\n\
         alpha ssh-ed25519 AAAA\nalpha ssh-new AAAA\n|1|x|y {A}\nalpha {A}\n"
    );
    let hosts = KnownHosts::parse(text.as_bytes(), "kh").for_host("alpha");
    assert_eq!(hosts.entries().len(), 1);
    let bad: Vec<_> = hosts.bad_lines().iter().map(|b| b.line).collect();
    assert_eq!(bad, [5, 6, 7]);
}

#[test]
fn hashed_names_are_found() {
    let hashed = hash_host("Host.example.com", &mut Fixed);
    assert!(hashed.starts_with("|1|BwcHBwcHBwcHBwcHBwcHBwcHBwc=|"));
    let text = format!("{hashed} {A}\n");
    assert_eq!(lookup(&text, "host.example.com", A), ("match", 1));
    assert_eq!(lookup(&text, "other.example.com", A), ("unknown", 0));
}

#[test]
fn known_types_are_asked_for_first() {
    let text = format!("alpha {A}\n@cert-authority beta {A}\n");
    let hosts = KnownHosts::parse(text.as_bytes(), "kh");
    let list = [
        "rsa-sha2-512",
        "ssh-rsa-cert-v01@openssh.com",
        "ssh-ed25519",
    ];
    let order = |name| hosts.for_host(name).order_algorithms(&list);
    assert_eq!(
        order("alpha"),
        [
            "ssh-ed25519",
            "rsa-sha2-512",
            "ssh-rsa-cert-v01@openssh.com"
        ]
    );
    assert_eq!(order("beta")[0], "ssh-rsa-cert-v01@openssh.com");
    assert_eq!(order("gamma"), list);
    // A certificate algorithm in front stays there when its plain key is known.
    let certs = ["ssh-ed25519-cert-v01@openssh.com", "rsa-sha2-512"];
    assert_eq!(hosts.for_host("alpha").order_algorithms(&certs), certs);
}

#[test]
fn removing_touches_no_other_byte() {
    let text = format!(
        "# top  \r\n\n  alpha,beta\t{A}  odd  comment \n@revoked alpha {B}\nalphabet {A}\nalp* {B}\nlast {A}"
    );
    let edited = remove(text.as_bytes(), "alpha");
    let want = format!("# top  \r\n\n@revoked alpha {B}\nalphabet {A}\nlast {A}");
    assert_eq!(String::from_utf8(edited.text).expect("text"), want);
    assert_eq!((edited.changed, edited.invalid), (vec![3, 6], vec![]));
    let edited = remove(b"alpha \n", "beta");
    assert_eq!(
        (edited.text, edited.invalid),
        (b"alpha \n".to_vec(), vec![1])
    );
}

#[test]
fn finding_returns_the_lines_as_they_stand() {
    let text = format!("  a,b {A} c\n@cert-authority * {B}\nb {B}\n");
    let found = find(text.as_bytes(), "a");
    let lines: Vec<_> = found.iter().map(|f| (f.line, f.marker)).collect();
    assert_eq!(lines, [(1, Marker::None), (2, Marker::Authority)]);
    assert_eq!(found[0].text, format!("  a,b {A} c").as_bytes());
    assert_eq!(found[0].parse_key().expect("key").1, "c");
    let hashed = found[0].hashed(&mut Fixed);
    assert_eq!(hashed.split_inclusive(|b| *b == b'\n').count(), 2);
    assert_eq!(found[1].hashed(&mut Fixed), [found[1].text, b"\n"].concat());
}

#[test]
fn hashing_splits_lists_and_keeps_what_it_cannot_hash() {
    let text = format!("a,b {A} c\n*.x {A}\n@revoked a {B}\n|1|x|y {A}\n#\n");
    let edited = hash_names(text.as_bytes(), &mut Fixed);
    assert_eq!((edited.changed, edited.patterns), (vec![1], vec![2]));
    let out = String::from_utf8(edited.text).expect("text");
    assert!(out.ends_with(&format!("\n*.x {A}\n@revoked a {B}\n|1|x|y {A}\n#\n")));
    assert_eq!(lookup(&out, "b", A), ("match", 2));
}

#[test]
fn new_entries_look_like_those_of_openssh() {
    let k = key(A);
    let plain = new_entry(b"", "Alpha", Some("10.0.0.1"), &k, None).expect("entry");
    assert_eq!(plain, format!("alpha,10.0.0.1 {A}\n").as_bytes());
    let hashed = new_entry(b"x", "alpha", Some("10.0.0.1"), &k, Some(&mut Fixed)).expect("entry");
    let text = String::from_utf8(hashed).expect("text");
    assert!(text.starts_with("\n|1|"));
    assert_eq!(lookup(&text, "10.0.0.1", A), ("match", 3));
    for odd in ["", "a b", "a\n", "*", "!a", "a,b", "|1|x", "#a", "@revoked"] {
        assert_eq!(new_entry(b"", odd, None, &k, None), None, "{odd:?}");
    }
}
