//! Every method: fixed agreements computed by another implementation, both
//! sides' agreement, and what a peer must not get away with.

use super::*;
use crate::rng::SystemRng;

/// Counts up from a start.
struct Counter(u8);

impl Rng for Counter {
    fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            *byte = self.0;
            self.0 = self.0.wrapping_add(1);
        }
    }
}

fn digest(bytes: &[u8]) -> String {
    let digest = HashAlg::Sha256.digest(&[bytes]);
    format!(
        "{:032x}",
        u128::from_be_bytes(*digest.first_chunk().unwrap())
    )
}

fn agreement(name: &str) -> &'static dyn KeyAgreement {
    kex(name).unwrap().agreement.unwrap()
}

/// Client's public value, server's, both sides' encoded secret.
fn run(name: &str, client: &mut dyn Rng, server: &mut dyn Rng) -> [Vec<u8>; 3] {
    let method = agreement(name);
    let share = method.client(client).unwrap();
    let ours = share.public().to_vec();
    let (theirs, secret) = method.server(server, &ours).unwrap();
    let secret = secret.encoded().to_vec();
    assert_eq!(share.finish(&theirs).unwrap().encoded()[..], secret);
    [ours, theirs, secret]
}

/// With the client's randomness counting up from 1 and the server's from 101:
/// the starts of the SHA-256 of both publics and the encoded secret. Those of
/// the curves and groups were computed by another implementation alone; of
/// ML-KEM's it made the client's part and decapsulated the server's; those of
/// sntrup761 are our own, kept so that a change is noticed.
const AGREEMENTS: &[(&str, [&str; 3])] = &[
    (
        "curve25519-sha256",
        [
            "aaa8fff703b50b2297f4f6e13508f724",
            "eed385a24ef7976adde5ba3337d36fa3",
            "16606897a8e1f2197c611f09e7946c76",
        ],
    ),
    (
        "ecdh-sha2-nistp256",
        [
            "4269889431e3131966fcaf6a45714194",
            "4787365b960dabb34c09ac4ca2579adc",
            "198a75bccc1bed516a189f2f41c4aaa4",
        ],
    ),
    (
        "ecdh-sha2-nistp384",
        [
            "7575876f523d8d122ddf95514aeff235",
            "56915541bf2000471708051e46a75626",
            "f32358b7836427f0d3dcebb331dda818",
        ],
    ),
    (
        "ecdh-sha2-nistp521",
        [
            "9d877f4f5f98335f3481927f845c188d",
            "eb16aa3fbb327f98f51bff81246710f5",
            "504b419149f625a0b8f6c26effa1853d",
        ],
    ),
    (
        "diffie-hellman-group1-sha1",
        [
            "27db84123663a2cbf34c7606477c23ea",
            "2c6a57c35294c11162358f8ddac69e82",
            "0c45ad027a3fddc7f7d8988f83f8c475",
        ],
    ),
    (
        "diffie-hellman-group14-sha256",
        [
            "5141ed60d422816c251a9a61f4dc090f",
            "2e14f83fdfa073abd34d2d4a7e924fbb",
            "2f19f26cb8e183e5ef51c3d5d8d2eab7",
        ],
    ),
    (
        "diffie-hellman-group16-sha512",
        [
            "0439872574dafc9b300359ea0dd742c3",
            "52a575e6d4fedecf21b75d71ce45b4a9",
            "e7c509e1c97dcc193a2f3fe24c6ee8eb",
        ],
    ),
    (
        "diffie-hellman-group18-sha512",
        [
            "86b83427a715cae1ac4f0f7ce33a65bd",
            "8188255cf6b0fc6866d00b61e065c69d",
            "4d499bebf7e848a4f91253c1eda2f45a",
        ],
    ),
    (
        "mlkem768x25519-sha256",
        [
            "cc0c7ffc3ad9f59abd18ca61601d2aa9",
            "717f8511cfda52d6dea2cefa5aedf50c",
            "f1ee68b9107b59b50a048e815abf7256",
        ],
    ),
    (
        "mlkem768nistp256-sha256",
        [
            "c668dc15ba30008596a81e789dd8fdd9",
            "e29ac421003605fc23451117db398f93",
            "f558b5707cf985d8fd7383cb4e5ce2e8",
        ],
    ),
    (
        "sntrup761x25519-sha512",
        [
            "f452f4ac572c4d7d9876dbea1108a54d",
            "99cc67bb01800be9cd42b5642b8ad54a",
            "5904f82484589f71d861e5d45eb5b2fb",
        ],
    ),
];

#[test]
fn agreements_of_another_implementation() {
    for (name, want) in AGREEMENTS {
        let got = run(name, &mut Counter(1), &mut Counter(101));
        assert_eq!(got.each_ref().map(|bytes| digest(bytes)), *want, "{name}");
    }
}

#[test]
fn every_method_agrees_and_repeats() {
    for method in KEXES.iter().filter(|method| method.agreement.is_some()) {
        run(method.name, &mut SystemRng, &mut SystemRng);
        let first = run(method.name, &mut Counter(9), &mut Counter(77));
        assert_eq!(
            run(method.name, &mut Counter(9), &mut Counter(77)),
            first,
            "{}",
            method.name
        );
    }
}

/// Strings of any length but the right one, at both sides.
#[test]
fn lengths() {
    for method in KEXES.iter().filter(|method| method.shape == KexShape::Ecdh) {
        let method = method.agreement.unwrap();
        let [ours, theirs] = {
            let share = method.client(&mut SystemRng).unwrap();
            let ours = share.public().to_vec();
            let (theirs, _) = method.server(&mut SystemRng, &ours).unwrap();
            [ours, theirs]
        };
        for len in (0..=ours.len() + 1).filter(|len| *len != ours.len()) {
            let mut wrong = ours.clone();
            wrong.resize(len, 0);
            let outcome = method.server(&mut SystemRng, &wrong);
            assert_eq!(outcome.err(), Some(KexError::Malformed), "{len}");
        }
        for len in [0, 1, 31, 32, 33, theirs.len() - 1, theirs.len() + 1] {
            if len != theirs.len() {
                let mut wrong = theirs.clone();
                wrong.resize(len, 0);
                let share = method.client(&mut SystemRng).unwrap();
                assert_eq!(
                    share.finish(&wrong).err(),
                    Some(KexError::Malformed),
                    "{len}"
                );
            }
        }
    }
}

/// Points of small order lead to zero (RFC 8731 section 3), also as the
/// second half of a hybrid's value.
#[test]
fn weak_x25519_points() {
    let order_eight: [u8; 32] = [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ];
    let one: [u8; 32] = core::array::from_fn(|i| u8::from(i == 0));
    for point in [[0; 32], one, order_eight] {
        for name in [
            "curve25519-sha256",
            "mlkem768x25519-sha256",
            "sntrup761x25519-sha512",
        ] {
            let method = agreement(name);
            let share = method.client(&mut SystemRng).unwrap();
            let mut public = share.public().to_vec();
            let (mut theirs, _) = method.server(&mut SystemRng, &public).unwrap();
            for value in [&mut public, &mut theirs] {
                let at = value.len() - 32;
                value[at..].copy_from_slice(&point);
            }
            assert_eq!(
                method.server(&mut SystemRng, &public).err(),
                Some(KexError::Weak)
            );
            assert_eq!(share.finish(&theirs).err(), Some(KexError::Weak));
        }
    }
}

#[test]
fn bad_points_and_kem_keys() {
    let method = agreement("ecdh-sha2-nistp256");
    let mut public = method.client(&mut SystemRng).unwrap().public().to_vec();
    public[40] ^= 1;
    assert_eq!(
        method.server(&mut SystemRng, &public).err(),
        Some(KexError::Weak)
    );
    public[0] = 2;
    assert_eq!(
        method.server(&mut SystemRng, &public).err(),
        Some(KexError::Malformed)
    );
    let method = agreement("mlkem768x25519-sha256");
    let mut public = method.client(&mut SystemRng).unwrap().public().to_vec();
    public[..1152].fill(0xff);
    assert_eq!(
        method.server(&mut SystemRng, &public).err(),
        Some(KexError::Weak)
    );
}

/// A changed ciphertext gives both sides different secrets, not an error.
#[test]
fn implicit_rejection() {
    for name in [
        "mlkem768x25519-sha256",
        "mlkem768nistp256-sha256",
        "sntrup761x25519-sha512",
    ] {
        let method = agreement(name);
        let share = method.client(&mut SystemRng).unwrap();
        let (mut theirs, secret) = method.server(&mut SystemRng, share.public()).unwrap();
        theirs[500] ^= 1;
        assert_ne!(
            share.finish(&theirs).unwrap().encoded()[..],
            secret.encoded()[..],
            "{name}"
        );
    }
}

#[test]
fn diffie_hellman_ranges() {
    let method = agreement("diffie-hellman-group14-sha256");
    let p = Group::Fourteen.prime().unwrap();
    let less = |by: u8| {
        let mut value = p.clone();
        *value.last_mut().unwrap() -= by;
        value
    };
    let power_of_two = [&[1][..], &[0; 100]].concat();
    for value in [
        vec![],
        vec![0],
        vec![0, 0, 1],
        vec![1],
        less(1),
        less(0),
        power_of_two,
        [&[1], &p[..]].concat(),
    ] {
        assert_eq!(
            method.server(&mut SystemRng, &value).err(),
            Some(KexError::Weak)
        );
        let share = method.client(&mut SystemRng).unwrap();
        assert_eq!(share.finish(&value).err(), Some(KexError::Weak));
    }
    assert!(method.server(&mut SystemRng, &less(2)).is_ok());
    assert!(method.server(&mut SystemRng, &[0, 0, 0x7f]).is_ok());
}

#[test]
fn group_exchange() {
    let p = Group::Fourteen.prime().unwrap();
    let group = dh_group(&[&[0], &p[..]].concat(), &[0, 2]).unwrap();
    let share = group.client(&mut SystemRng).unwrap();
    let (theirs, secret) = group.server(&mut SystemRng, share.public()).unwrap();
    assert_eq!(
        share.finish(&theirs).unwrap().encoded()[..],
        secret.encoded()[..]
    );
    let mut even = p.clone();
    *even.last_mut().unwrap() -= 1;
    for (p, g) in [
        (&p[..], &[][..]),
        (&p, &[1]),
        (&p, &p),
        (&p, &even),
        (&even, &[2]),
        (&[], &[2]),
        (&p[128..][..120], &[2]),
        (&[0xff; 1025], &[2]),
    ] {
        assert_eq!(dh_group(p, g).err(), Some(KexError::BadGroup));
    }
}

#[test]
fn secrets_encoded() {
    let encode = |bytes: &[u8], form| {
        SharedSecret::new(Zeroizing::new(bytes.to_vec()), form)
            .encoded()
            .to_vec()
    };
    assert_eq!(
        encode(&[0, 0, 0x80, 1], SecretForm::Mpint),
        [0, 0, 0, 3, 0, 0x80, 1]
    );
    assert_eq!(
        encode(&[0, 0x7f, 1], SecretForm::Mpint),
        [0, 0, 0, 2, 0x7f, 1]
    );
    assert_eq!(encode(&[0, 0], SecretForm::Mpint), [0, 0, 0, 0]);
    assert_eq!(
        encode(&[0, 0x80], SecretForm::String),
        [0, 0, 0, 2, 0, 0x80]
    );
}

#[test]
fn groups_without_a_moduli_file() {
    for (max, bits) in [
        (0, 2048),
        (3071, 2048),
        (3072, 4096),
        (6143, 4096),
        (6144, 8192),
        (u32::MAX, 8192),
    ] {
        let (p, g) = fallback_group(max).unwrap();
        assert_eq!(p.len() * 8, bits, "{max}");
        assert!(dh_group(&p, &g).is_ok());
    }
}
