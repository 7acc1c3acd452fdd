//! Fixed bytes for every message: they decode to the value beside them, the
//! value encodes to them, and no shorter or longer form of them is accepted.

#![expect(clippy::too_many_lines, reason = "tables")]

use core::fmt::Debug;

use carrick_wire::msg::auth::{self, AuthMsg, KeyboardInteractiveMsg, MethodBody, PasswordMsg};
use carrick_wire::msg::auth::{Prompt, PublicKeyMsg};
use carrick_wire::msg::connection::{
    self as conn, ConnectionMsg, GlobalBody, OpenFailureReason, OpenKind, RequestBody,
};
use carrick_wire::msg::kex::{self, DhMsg, EcdhMsg, GexMsg};
use carrick_wire::msg::transport::{self, DisconnectReason, Extension, TransportMsg};
use carrick_wire::{DecodeError, Encode, Mpint, NameList, Text};

/// What may follow the last byte of a vector.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// Nothing.
    Exact,
    /// More strings.
    Strings,
    /// Anything: the last field takes all that is left.
    Open,
}

/// One message as bytes and as a value.
struct Vector<'a, M> {
    wire: &'a [u8],
    value: M,
    /// Lengths shorter than the whole at which the message may end too.
    may_end_at: &'a [usize],
    end: End,
}

fn exact<M>(wire: &[u8], value: impl Into<M>) -> Vector<'_, M> {
    Vector {
        wire,
        value: value.into(),
        may_end_at: &[],
        end: End::Exact,
    }
}

fn check<'a, M: Encode + PartialEq + Debug>(
    decode: impl Fn(&'a [u8]) -> Result<M, DecodeError>,
    longer: impl Fn(&[u8]) -> Result<(), DecodeError>,
    vectors: &[Vector<'a, M>],
) {
    for v in vectors {
        let message = &v.value;
        assert_eq!(decode(v.wire).as_ref(), Ok(message));
        assert_eq!(message.to_vec(), v.wire, "{message:?}");
        for cut in 0..v.wire.len() {
            let got = decode(&v.wire[..cut]);
            let expected =
                v.may_end_at.contains(&cut) || (v.end == End::Open && cut >= v.may_end_at[0]);
            assert_eq!(got.is_ok(), expected, "{message:?} cut at {cut}: {got:?}");
        }
        for extra in [&b"\0"[..], b"\xff", b"\0\0\0\0", b"\0\0\0\x01x"] {
            let got = longer(&[v.wire, extra].concat());
            match (v.end, got) {
                (End::Exact, Err(DecodeError::Trailing { left })) => assert_eq!(left, extra.len()),
                (End::Strings, Ok(())) => assert!(extra.len() >= 4, "{message:?}"),
                (End::Strings, Err(DecodeError::Truncated { .. })) => assert_eq!(extra.len(), 1),
                (End::Open, Ok(())) => {}
                (_, got) => panic!("{message:?} with {extra:?}: {got:?}"),
            }
        }
    }
}

/// `check` for a family: its `decode` twice, for two lifetimes.
macro_rules! check_family {
    ($family:ident, [$($vector:expr),* $(,)?]) => {
        check($family::decode, |bytes| $family::decode(bytes).map(|_| ()), &[$($vector),*]);
    };
}

#[test]
fn transport() {
    use transport as t;
    check_family!(
        TransportMsg,
        [
            Vector {
                // Old peers end the message before the language tag.
                may_end_at: &[12],
                ..exact(
                    b"\x01\0\0\0\x02\0\0\0\x03bad\0\0\0\x02en",
                    t::Disconnect {
                        reason: DisconnectReason::PROTOCOL_ERROR,
                        description: "bad".into(),
                        language: "en",
                    },
                )
            },
            exact(b"\x02\0\0\0\x02ab", t::Ignore { data: b"ab" }),
            exact(
                b"\x03\x01\x02\x03\x04",
                t::Unimplemented { seq: 0x0102_0304 }
            ),
            exact(
                b"\x04\x01\0\0\0\x02hi\0\0\0\0",
                t::Debug {
                    always_display: true,
                    message: "hi".into(),
                    language: ""
                },
            ),
            exact(
                b"\x05\0\0\0\x0cssh-userauth",
                t::ServiceRequest {
                    service: "ssh-userauth"
                }
            ),
            exact(
                b"\x06\0\0\0\x0essh-connection",
                t::ServiceAccept {
                    service: "ssh-connection"
                }
            ),
            exact(
                b"\x07\0\0\0\x02\0\0\0\x0fserver-sig-algs\0\0\0\x0bssh-ed25519\
              \0\0\0\x10ping@openssh.com\0\0\0\x010",
                t::ExtInfo {
                    extensions: vec![
                        Extension {
                            name: "server-sig-algs",
                            value: b"ssh-ed25519"
                        },
                        Extension {
                            name: "ping@openssh.com",
                            value: b"0"
                        },
                    ],
                },
            ),
            exact(b"\x08", t::NewCompress {}),
            exact(
                b"\x14\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\
              \0\0\0\x03k,l\0\0\0\x01h\0\0\0\x01c\0\0\0\x01d\0\0\0\x01m\0\0\0\x01n\
              \0\0\0\x04none\0\0\0\x04zlib\0\0\0\0\0\0\0\0\x01\0\0\0\0",
                t::KexInit {
                    cookie: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
                    kex: NameList::new("k,l"),
                    host_key: NameList::new("h"),
                    cipher_c2s: NameList::new("c"),
                    cipher_s2c: NameList::new("d"),
                    mac_c2s: NameList::new("m"),
                    mac_s2c: NameList::new("n"),
                    compression_c2s: NameList::new("none"),
                    compression_s2c: NameList::new("zlib"),
                    languages_c2s: NameList::new(""),
                    languages_s2c: NameList::new(""),
                    first_kex_packet_follows: true,
                    reserved: 0,
                },
            ),
            exact(b"\x15", t::NewKeys {}),
            exact(b"\xc0\0\0\0\x01p", t::Ping { data: b"p" }),
            exact(b"\xc1\0\0\0\x01p", t::Pong { data: b"p" }),
        ]
    );
}

#[test]
fn key_exchange() {
    check_family!(
        EcdhMsg,
        [
            exact(
                b"\x1e\0\0\0\x02QC",
                kex::EcdhInit {
                    client_public: b"QC"
                }
            ),
            exact(
                b"\x1f\0\0\0\x02KS\0\0\0\x02QS\0\0\0\x03sig",
                kex::EcdhReply {
                    host_key: b"KS",
                    server_public: b"QS",
                    signature: b"sig"
                },
            ),
        ]
    );
    let e = Mpint::from_magnitude(b"\x80\x01");
    let f = Mpint::from_magnitude(b"\x7f");
    check_family!(
        DhMsg,
        [
            exact(b"\x1e\0\0\0\x03\0\x80\x01", kex::DhInit { e }),
            exact(
                b"\x1f\0\0\0\x02KS\0\0\0\x01\x7f\0\0\0\x03sig",
                kex::DhReply {
                    host_key: b"KS",
                    f,
                    signature: b"sig"
                },
            ),
        ]
    );
    check_family!(
        GexMsg,
        [
            exact(b"\x1e\0\0\x08\0", kex::GexRequestOld { n: 2048 }),
            exact(
                b"\x22\0\0\x08\0\0\0\x0c\0\0\0\x20\0",
                kex::GexRequest {
                    min: 2048,
                    n: 3072,
                    max: 8192
                },
            ),
            exact(
                b"\x1f\0\0\0\x03\0\x80\x01\0\0\0\x01\x7f",
                kex::GexGroup { p: e, g: f }
            ),
            exact(b"\x20\0\0\0\x03\0\x80\x01", kex::GexInit { e }),
            exact(
                b"\x21\0\0\0\x02KS\0\0\0\x01\x7f\0\0\0\x03sig",
                kex::GexReply {
                    host_key: b"KS",
                    f,
                    signature: b"sig"
                },
            ),
        ]
    );
}

/// A request by the user `u` for the connection service.
fn request(method: MethodBody<'_>) -> auth::Request<'_> {
    auth::Request {
        user: "u",
        service: "ssh-connection",
        method,
    }
}

#[test]
fn auth_requests() {
    check_family!(AuthMsg, [
        exact(
            b"\x32\0\0\0\x01u\0\0\0\x0essh-connection\0\0\0\x04none",
            request(MethodBody::None),
        ),
        exact(
            b"\x32\0\0\0\x01u\0\0\0\x0essh-connection\0\0\0\x09publickey\0\
              \0\0\0\x0bssh-ed25519\0\0\0\x03key",
            request(MethodBody::PublicKey {
                algorithm: "ssh-ed25519",
                key: b"key",
                signature: None,
            }),
        ),
        exact(
            b"\x32\0\0\0\x01u\0\0\0\x0essh-connection\0\0\0\x09publickey\x01\
              \0\0\0\x0bssh-ed25519\0\0\0\x03key\0\0\0\x03sig",
            request(MethodBody::PublicKey {
                algorithm: "ssh-ed25519",
                key: b"key",
                signature: Some(b"sig"),
            }),
        ),
        exact(
            b"\x32\0\0\0\x01u\0\0\0\x0essh-connection\
              \0\0\0\x23publickey-hostbound-v00@openssh.com\x01\
              \0\0\0\x0bssh-ed25519\0\0\0\x03key\0\0\0\x04host\0\0\0\x03sig",
            request(MethodBody::PublicKeyHostBound {
                algorithm: "ssh-ed25519",
                key: b"key",
                host_key: b"host",
                signature: Some(b"sig"),
            }),
        ),
        exact(
            b"\x32\0\0\0\x01u\0\0\0\x0essh-connection\0\0\0\x08password\0\0\0\0\x02pw",
            request(MethodBody::Password { password: b"pw", new: None }),
        ),
        exact(
            b"\x32\0\0\0\x01u\0\0\0\x0essh-connection\0\0\0\x08password\x01\0\0\0\x02pw\0\0\0\x03new",
            request(MethodBody::Password { password: b"pw", new: Some(b"new") }),
        ),
        exact(
            b"\x32\0\0\0\x01u\0\0\0\x0essh-connection\0\0\0\x14keyboard-interactive\0\0\0\0\0\0\0\x03pam",
            request(MethodBody::KeyboardInteractive { language: "", submethods: "pam" }),
        ),
        exact(
            b"\x32\0\0\0\x01u\0\0\0\x0essh-connection\0\0\0\x09hostbased\
              \0\0\0\x0bssh-ed25519\0\0\0\x03key\0\0\0\x01h\0\0\0\x01l\0\0\0\x03sig",
            request(MethodBody::HostBased {
                algorithm: "ssh-ed25519",
                key: b"key",
                host: "h",
                local_user: "l",
                signature: b"sig",
            }),
        ),
        Vector {
            may_end_at: &[33],
            end: End::Open,
            ..exact(
                b"\x32\0\0\0\x01u\0\0\0\x0essh-connection\0\0\0\x05weird123",
                request(MethodBody::Unknown { method: "weird", body: b"123" }),
            )
        },
    ]);
}

#[test]
fn auth_answers() {
    check_family!(
        AuthMsg,
        [
            exact(
                b"\x33\0\0\0\x12publickey,password\x01",
                auth::Failure {
                    methods: NameList::new("publickey,password"),
                    partial: true
                },
            ),
            exact(b"\x34", auth::Success {}),
            exact(
                b"\x35\0\0\0\x04gr\xfcn\0\0\0\x02de",
                auth::Banner {
                    message: Text::from_bytes(b"gr\xfcn"),
                    language: "de"
                },
            ),
        ]
    );
    check_family!(
        PublicKeyMsg,
        [exact(
            b"\x3c\0\0\0\x0bssh-ed25519\0\0\0\x03key",
            auth::PkOk {
                algorithm: "ssh-ed25519",
                key: b"key"
            },
        )]
    );
    check_family!(
        PasswordMsg,
        [exact(
            b"\x3c\0\0\0\x03new\0\0\0\x02en",
            auth::PasswdChangeReq {
                prompt: "new".into(),
                language: "en"
            },
        )]
    );
    check_family!(
        KeyboardInteractiveMsg,
        [
            exact(
                b"\x3c\0\0\0\x01n\0\0\0\x02in\0\0\0\0\0\0\0\x02\0\0\0\x02PW\0\0\0\0\x02ID\x01",
                auth::InfoRequest {
                    name: "n".into(),
                    instruction: "in".into(),
                    language: "",
                    prompts: vec![
                        Prompt {
                            text: "PW".into(),
                            echo: false
                        },
                        Prompt {
                            text: "ID".into(),
                            echo: true
                        },
                    ],
                },
            ),
            exact(
                b"\x3d\0\0\0\x02\0\0\0\x02pw\0\0\0\0",
                auth::InfoResponse {
                    responses: vec![b"pw", b""]
                },
            ),
        ]
    );
}

#[test]
fn global_requests() {
    let global = |want_reply, body| conn::GlobalRequest { want_reply, body };
    check_family!(
        ConnectionMsg,
        [
            exact(
                b"\x50\0\0\0\x0dtcpip-forward\x01\0\0\0\x01*\0\0\x1f\x90",
                global(
                    true,
                    GlobalBody::TcpipForward {
                        address: "*",
                        port: 8080
                    }
                ),
            ),
            exact(
                b"\x50\0\0\0\x14cancel-tcpip-forward\x01\0\0\0\x01*\0\0\x1f\x90",
                global(
                    true,
                    GlobalBody::CancelTcpipForward {
                        address: "*",
                        port: 8080
                    }
                ),
            ),
            exact(
                b"\x50\0\0\0\x1fstreamlocal-forward@openssh.com\x01\0\0\0\x02/s",
                global(true, GlobalBody::StreamlocalForward { path: b"/s" }),
            ),
            exact(
                b"\x50\0\0\0\x26cancel-streamlocal-forward@openssh.com\0\0\0\0\x02/s",
                global(false, GlobalBody::CancelStreamlocalForward { path: b"/s" }),
            ),
            exact(
                b"\x50\0\0\0\x1cno-more-sessions@openssh.com\0",
                global(false, GlobalBody::NoMoreSessions),
            ),
            exact(
                b"\x50\0\0\0\x15keepalive@openssh.com\x01",
                global(true, GlobalBody::Keepalive),
            ),
            Vector {
                may_end_at: &[29, 35],
                end: End::Strings,
                ..exact(
                    b"\x50\0\0\0\x17hostkeys-00@openssh.com\0\0\0\0\x02k1\0\0\0\x02k2",
                    global(
                        false,
                        GlobalBody::HostKeys {
                            keys: vec![b"k1", b"k2"]
                        }
                    ),
                )
            },
            Vector {
                may_end_at: &[35],
                end: End::Strings,
                ..exact(
                    b"\x50\0\0\0\x1dhostkeys-prove-00@openssh.com\x01\0\0\0\x02k1",
                    global(true, GlobalBody::HostKeysProve { keys: vec![b"k1"] }),
                )
            },
            Vector {
                may_end_at: &[8],
                end: End::Open,
                ..exact(
                    b"\x50\0\0\0\x02x@\x01body",
                    global(
                        true,
                        GlobalBody::Unknown {
                            name: "x@",
                            body: b"body"
                        }
                    ),
                )
            },
            Vector {
                may_end_at: &[1],
                end: End::Open,
                ..exact(
                    b"\x51\0\0\x1f\x90",
                    conn::RequestSuccess {
                        data: b"\0\0\x1f\x90"
                    }
                )
            },
            exact(b"\x52", conn::RequestFailure {}),
        ]
    );
}

#[test]
fn channel_opens() {
    let open = |kind| conn::ChannelOpen {
        sender: 1,
        window: 2,
        max_packet: 3,
        kind,
    };
    check_family!(ConnectionMsg, [
        exact(
            b"\x5a\0\0\0\x07session\0\0\0\x01\0\0\0\x02\0\0\0\x03",
            open(OpenKind::Session),
        ),
        exact(
            b"\x5a\0\0\0\x0cdirect-tcpip\0\0\0\x01\0\0\0\x02\0\0\0\x03\
              \0\0\0\x01h\0\0\0\x50\0\0\0\x01o\0\0\x04\0",
            open(OpenKind::DirectTcpip {
                host: "h",
                port: 80,
                originator: "o",
                originator_port: 1024,
            }),
        ),
        exact(
            b"\x5a\0\0\0\x0fforwarded-tcpip\0\0\0\x01\0\0\0\x02\0\0\0\x03\
              \0\0\0\x01a\0\0\0\x50\0\0\0\x01o\0\0\x04\0",
            open(OpenKind::ForwardedTcpip {
                address: "a",
                port: 80,
                originator: "o",
                originator_port: 1024,
            }),
        ),
        exact(
            b"\x5a\0\0\0\x1edirect-streamlocal@openssh.com\0\0\0\x01\0\0\0\x02\0\0\0\x03\
              \0\0\0\x02/s\0\0\0\0\0\0\0\0",
            open(OpenKind::DirectStreamlocal { path: b"/s", reserved: b"", reserved_port: 0 }),
        ),
        exact(
            b"\x5a\0\0\0\x21forwarded-streamlocal@openssh.com\0\0\0\x01\0\0\0\x02\0\0\0\x03\
              \0\0\0\x02/s\0\0\0\0",
            open(OpenKind::ForwardedStreamlocal { path: b"/s", reserved: b"" }),
        ),
        exact(
            b"\x5a\0\0\0\x03x11\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x01o\0\0\x04\0",
            open(OpenKind::X11 { originator: "o", originator_port: 1024 }),
        ),
        exact(
            b"\x5a\0\0\0\x16auth-agent@openssh.com\0\0\0\x01\0\0\0\x02\0\0\0\x03",
            open(OpenKind::AuthAgent),
        ),
        exact(
            b"\x5a\0\0\0\x0dagent-connect\0\0\0\x01\0\0\0\x02\0\0\0\x03",
            open(OpenKind::AgentConnect),
        ),
        exact(
            b"\x5a\0\0\0\x0ftun@openssh.com\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x01\x7f\xff\xff\xff",
            open(OpenKind::Tun { mode: 1, unit: 0x7fff_ffff }),
        ),
        Vector {
            may_end_at: &[19],
            end: End::Open,
            ..exact(
                b"\x5a\0\0\0\x02x@\0\0\0\x01\0\0\0\x02\0\0\0\x03body",
                open(OpenKind::Unknown { name: "x@", body: b"body" }),
            )
        },
        Vector {
            may_end_at: &[17],
            end: End::Open,
            ..exact(
                b"\x5b\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04x",
                conn::OpenConfirmation {
                    recipient: 1,
                    sender: 2,
                    window: 3,
                    max_packet: 4,
                    body: b"x",
                },
            )
        },
        exact(
            b"\x5c\0\0\0\x01\0\0\0\x02\0\0\0\x02no\0\0\0\0",
            conn::OpenFailure {
                recipient: 1,
                reason: OpenFailureReason::CONNECT_FAILED,
                description: "no".into(),
                language: "",
            },
        ),
    ]);
}

#[test]
fn channel_flow() {
    check_family!(
        ConnectionMsg,
        [
            exact(
                b"\x5d\0\0\0\x01\0\x20\0\0",
                conn::WindowAdjust {
                    recipient: 1,
                    bytes: 0x20_0000
                }
            ),
            exact(
                b"\x5e\0\0\0\x01\0\0\0\x03abc",
                conn::Data {
                    recipient: 1,
                    data: b"abc"
                }
            ),
            exact(
                b"\x5f\0\0\0\x01\0\0\0\x01\0\0\0\x03abc",
                conn::ExtendedData {
                    recipient: 1,
                    code: conn::ExtendedData::STDERR,
                    data: b"abc",
                },
            ),
            exact(b"\x60\0\0\0\x01", conn::Eof { recipient: 1 }),
            exact(b"\x61\0\0\0\x01", conn::Close { recipient: 1 }),
            exact(b"\x63\0\0\0\x01", conn::ChannelSuccess { recipient: 1 }),
            exact(b"\x64\0\0\0\x01", conn::ChannelFailure { recipient: 1 }),
        ]
    );
    assert_eq!(conn::Data::header(1, 3), *b"\x5e\0\0\0\x01\0\0\0\x03");
    assert_eq!(
        conn::ExtendedData::header(1, 1, 3),
        *b"\x5f\0\0\0\x01\0\0\0\x01\0\0\0\x03"
    );
    assert_eq!(conn::Data::header(0, 0).len(), conn::Data::HEADER_LEN);
    assert_eq!(
        conn::ExtendedData::header(0, 0, 0).len(),
        conn::ExtendedData::HEADER_LEN
    );
}

#[test]
fn session_requests() {
    let ask = |want_reply, body| conn::ChannelRequest {
        recipient: 7,
        want_reply,
        body,
    };
    check_family!(ConnectionMsg, [
        exact(
            b"\x62\0\0\0\x07\0\0\0\x07pty-req\x01\0\0\0\x05xterm\0\0\0\x50\0\0\0\x18\0\0\0\0\0\0\0\0\
              \0\0\0\x01\0",
            ask(
                true,
                RequestBody::PtyReq {
                    term: "xterm",
                    cols: 80,
                    rows: 24,
                    width_px: 0,
                    height_px: 0,
                    modes: b"\0",
                },
            ),
        ),
        exact(
            b"\x62\0\0\0\x07\0\0\0\x07x11-req\x01\0\0\0\0\x03MMC\0\0\0\x02ab\0\0\0\x01",
            ask(
                true,
                RequestBody::X11Req { single: false, protocol: "MMC", cookie: b"ab", screen: 1 },
            ),
        ),
        exact(
            b"\x62\0\0\0\x07\0\0\0\x03env\0\0\0\0\x04LANG\0\0\0\x01C",
            ask(false, RequestBody::Env { name: "LANG", value: b"C" }),
        ),
        exact(b"\x62\0\0\0\x07\0\0\0\x05shell\x01", ask(true, RequestBody::Shell)),
        exact(
            b"\x62\0\0\0\x07\0\0\0\x04exec\x01\0\0\0\x02ls",
            ask(true, RequestBody::Exec { command: b"ls" }),
        ),
        exact(
            b"\x62\0\0\0\x07\0\0\0\x09subsystem\x01\0\0\0\x04sftp",
            ask(true, RequestBody::Subsystem { name: "sftp" }),
        ),
        exact(
            b"\x62\0\0\0\x07\0\0\0\x0dwindow-change\0\0\0\0\x50\0\0\0\x18\0\0\0\x01\0\0\0\x02",
            ask(
                false,
                RequestBody::WindowChange { cols: 80, rows: 24, width_px: 1, height_px: 2 },
            ),
        ),
        exact(
            b"\x62\0\0\0\x07\0\0\0\x08xon-xoff\0\x01",
            ask(false, RequestBody::XonXoff { client_can_do: true }),
        ),
        exact(
            b"\x62\0\0\0\x07\0\0\0\x06signal\0\0\0\0\x04TERM",
            ask(false, RequestBody::Signal { name: "TERM" }),
        ),
    ]);
}

#[test]
fn other_channel_requests() {
    let ask = |want_reply, body| conn::ChannelRequest {
        recipient: 7,
        want_reply,
        body,
    };
    check_family!(
        ConnectionMsg,
        [
            exact(
                b"\x62\0\0\0\x07\0\0\0\x0bexit-status\0\0\0\0\xff",
                ask(false, RequestBody::ExitStatus { code: 255 }),
            ),
            exact(
                b"\x62\0\0\0\x07\0\0\0\x0bexit-signal\0\0\0\0\x04SEGV\x01\0\0\0\x03oh!\0\0\0\0",
                ask(
                    false,
                    RequestBody::ExitSignal {
                        name: "SEGV",
                        core_dumped: true,
                        message: "oh!".into(),
                        language: "",
                    },
                ),
            ),
            exact(
                b"\x62\0\0\0\x07\0\0\0\x05break\x01\0\0\x01\xf4",
                ask(true, RequestBody::Break { ms: 500 }),
            ),
            exact(
                b"\x62\0\0\0\x07\0\0\0\x0feow@openssh.com\0",
                ask(false, RequestBody::Eow)
            ),
            exact(
                b"\x62\0\0\0\x07\0\0\0\x1aauth-agent-req@openssh.com\0",
                ask(false, RequestBody::AuthAgentReq),
            ),
            exact(
                b"\x62\0\0\0\x07\0\0\0\x09agent-req\x01",
                ask(true, RequestBody::AgentReq)
            ),
            exact(
                b"\x62\0\0\0\x07\0\0\0\x15keepalive@openssh.com\x01",
                ask(true, RequestBody::Keepalive),
            ),
            Vector {
                may_end_at: &[12],
                end: End::Open,
                ..exact(
                    b"\x62\0\0\0\x07\0\0\0\x02x@\0body",
                    ask(
                        false,
                        RequestBody::Unknown {
                            name: "x@",
                            body: b"body"
                        }
                    ),
                )
            },
        ]
    );
}
