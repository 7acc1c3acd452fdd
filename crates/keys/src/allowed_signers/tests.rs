use carrick_crypto::rng::SystemRng;

use super::*;
use crate::{CertFields, KeyType, PrivateKey};

const NOW: u64 = 1_750_000_000;

fn key() -> PrivateKey {
    PrivateKey::generate(KeyType::Ed25519, 0, &mut SystemRng).expect("a key")
}

fn utc(time: CivilTime) -> Option<u64> {
    u64::try_from(time.seconds_as_utc()).ok()
}

fn query<'a>(key: &'a PublicKey, principal: Option<&'a str>) -> Query<'a> {
    Query {
        key,
        principal,
        namespace: Some("file"),
        time: NOW,
        zone: &utc,
    }
}

/// The principals that are allowed, and the last thing noted.
fn ask(text: &str, query: &Query<'_>) -> (Option<String>, String) {
    let found = search(text.as_bytes(), query);
    let last = found
        .remarks
        .last()
        .map_or(String::new(), |(line, remark)| format!("{line}: {remark}"));
    (found.allowed.map(|a| a.principals), last)
}

fn cert(ca: &PrivateKey, principals: &[&str], valid_before: u64) -> PublicKey {
    let fields = CertFields {
        serial: 1,
        kind: CertKind::User,
        key_id: "id".into(),
        principals: principals.iter().map(|&p| p.to_owned()).collect(),
        valid_after: 0,
        valid_before,
        critical_options: Vec::new(),
        extensions: Vec::new(),
    };
    let issued = Certificate::issue(key().public(), ca, None, &fields, &mut SystemRng);
    PublicKey::Certificate(Box::new(issued.expect("issued")))
}

#[test]
fn keys_count_for_the_names_before_them() {
    let (a, b) = (key(), key());
    let (line_a, line_b) = (a.public().to_line("c"), b.public().to_line(""));
    let text =
        format!("# who\n\nann@x,bob@* {line_a}\n*@z,!eve@z {line_b}\r\n\"quo ted\"@q {line_a}\n");
    let allowed = |key, who| ask(&text, &query(key, Some(who))).0;
    let of_a = Some("ann@x,bob@*".to_owned());
    assert_eq!(allowed(a.public(), "ann@x"), of_a);
    assert_eq!(allowed(a.public(), "bob@home"), of_a);
    assert_eq!(allowed(a.public(), "bob@z"), of_a);
    assert_eq!(allowed(a.public(), "ann@z"), None);
    assert_eq!(allowed(b.public(), "ann@z").as_deref(), Some("*@z,!eve@z"));
    assert_eq!(allowed(b.public(), "eve@z"), None);
    // Without a name: the first line with the key.
    assert_eq!(ask(&text, &query(a.public(), None)).0, of_a);
    assert_eq!(ask(&text, &query(key().public(), None)).0, None);
    let names = match_principals(text.as_bytes(), "bob@z", &utc).expect("sound");
    assert_eq!(names, ["ann@x,bob@*", "*@z,!eve@z"]);
}

#[test]
fn options_restrict() {
    let a = key();
    let line = a.public().to_line("");
    let says = |options: &str| {
        let text = format!("ann {options} {line}\n");
        let (allowed, last) = ask(&text, &query(a.public(), Some("ann")));
        allowed.map_or(last, |_| "ok".into())
    };
    for (options, words) in [
        ("namespaces=\"git,f*\"", "ok"),
        ("NAMESPACES=\"file\"", "ok"),
        (
            "namespaces=\"git,!file,*\"",
            "1: key is not permitted for use in signature namespace \"file\"",
        ),
        ("valid-after=\"20200101\",valid-before=\"20300101Z\"", "ok"),
        (
            "valid-after=\"20300101\"",
            "1: key is not yet valid: valid-after 1893456000",
        ),
        (
            "valid-before=\"20200101000000Z\"",
            "1: key has expired: valid-before 1577836800",
        ),
        // An authority's own signature does not count.
        ("cert-authority", "1: matched principal \"ann\""),
        ("zoom", "1: bad options: unknown key option"),
        ("namespaces", "1: bad options: unknown key option"),
        ("namespaces=x", "1: bad options: missing start quote"),
        (
            "cert-authority,",
            "1: bad options: unexpected end-of-options",
        ),
        (
            "valid-after=\"soon\"",
            "1: bad options: invalid \"valid-after\" time",
        ),
        (
            "valid-before=\"\"",
            "1: bad options: invalid \"valid-before\" time",
        ),
        (
            "namespaces=\"a\",namespaces=\"b\"",
            "1: bad options: multiple \"namespaces\" clauses",
        ),
        (
            "valid-after=\"20300101\",valid-before=\"20200101\"",
            "1: bad options: \"valid-before\" time is before \"valid-after\"",
        ),
    ] {
        assert_eq!(says(options), words, "{options}");
    }
}

#[test]
fn lines_that_cannot_be_read_are_told_and_passed_over() {
    let a = key();
    let line = a.public().to_line("");
    for (bad, words) in [
        ("ann", "missing key"),
        ("\"ann", "invalid line"),
        ("ann namespaces=\"x ssh-ed25519 AAAA", "invalid options"),
        ("ann cert-authority", "missing key"),
        ("ann cert-authority AAAA", "invalid key"),
        ("ann ssh-ed25519 AAAA", "invalid key"),
    ] {
        let text = format!("{bad}\nann {line}\n");
        let found = search(text.as_bytes(), &query(a.public(), Some("ann")));
        assert_eq!(found.allowed.map(|a| a.line), Some(2), "{bad}");
        assert_eq!(found.remarks[0].1.to_string(), words);
        assert!(found.remarks[0].1.is_error());
        assert!(match_principals(text.as_bytes(), "ann", &utc).is_err());
        // Behind another name nobody looks.
        if !bad.starts_with('"') {
            assert_eq!(match_principals(text.as_bytes(), "bob", &utc), Ok(vec![]));
        }
    }
}

#[test]
fn a_name_alone_at_the_end_of_a_file_is_no_line() {
    let (_, entry) = entries(b"ann", Some("bob"), &utc).next().expect("a line");
    assert_eq!(entry, Err(BadLine::NoKeyField));
    assert!(entries(b"ann\n", Some("bob"), &utc).next().is_none());
}

#[test]
fn certificates_count_by_their_authority() {
    let ca = key();
    let shown = cert(&ca, &["ann@x", "ann@y", "root"], NOW + 1);
    let text = format!("*@x,*@y cert-authority {}\n", ca.public().to_line(""));
    let named = |who| ask(&text, &query(&shown, Some(who)));
    assert_eq!(named("ann@x").0.as_deref(), Some("*@x,*@y"));
    let not_listed = "1: certificate not authorized: Certificate invalid: name is not a listed \
                      principal";
    assert_eq!(named("bob@x"), (None, not_listed.into()));
    // It lists root, the line does not.
    assert_eq!(named("root"), (None, String::new()));
    let found = ask(&text, &query(&shown, None)).0;
    assert_eq!(found.as_deref(), Some("ann@x,ann@y"));

    let late = cert(&ca, &["ann@x"], NOW);
    let expired = "1: certificate not authorized: Certificate invalid: expired";
    assert_eq!(
        ask(&text, &query(&late, Some("ann@x"))),
        (None, expired.into())
    );
    let nobody = "1: no valid principals found";
    assert_eq!(ask(&text, &query(&late, None)), (None, nobody.into()));
    let unlisted = cert(&ca, &[], NOW + 1);
    assert!(ask(&text, &query(&unlisted, Some("ann@x"))).0.is_none());

    // Another authority, and a key that is no authority here.
    let other = cert(&key(), &["ann@x"], NOW + 1);
    assert_eq!(ask(&text, &query(&other, Some("ann@x"))).0, None);
    let plain = format!("*@x {}\n", ca.public().to_line(""));
    assert_eq!(ask(&plain, &query(&shown, Some("ann@x"))).0, None);
    // The key in it, listed by itself, is not the certificate.
    let inner = format!("*@x {}\n", shown.plain().to_line(""));
    assert_eq!(ask(&inner, &query(&shown, Some("ann@x"))).0, None);
    assert!(
        ask(&inner, &query(shown.plain(), Some("ann@x")))
            .0
            .is_some()
    );
}

#[test]
fn truncated_and_flipped() {
    let a = key();
    let line = a.public().to_line("c");
    let text = format!(
        "ann@x namespaces=\"file\",valid-after=\"20200101\",valid-before=\"20300101Z\" {line}\n"
    );
    let whole = entries(text.as_bytes(), None, &utc).next().expect("a line");
    assert!(whole.1.is_ok());
    let end = text.len() - " c\n".len();
    for at in 0..end {
        let cut = entries(&text.as_bytes()[..at], None, &utc).next();
        assert_ne!(cut.as_ref(), Some(&whole), "{at}");
        for bit in [0x01, 0x80] {
            let mut flipped = text.clone().into_bytes();
            flipped[at] ^= bit;
            let read = entries(&flipped, None, &utc).next();
            assert_ne!(read.as_ref(), Some(&whole), "{at}");
        }
    }
}
