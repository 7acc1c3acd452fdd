//! Any message that can be built survives the wire; any bytes that decode
//! encode to bytes that decode to the same.

use carrick_wire::msg::auth::{self, AuthMsg, KeyboardInteractiveMsg, MethodBody, PasswordMsg};
use carrick_wire::msg::auth::{Prompt, PublicKeyMsg};
use carrick_wire::msg::connection::{
    self as conn, ConnectionMsg, GlobalBody, OpenFailureReason, OpenKind, RequestBody,
};
use carrick_wire::msg::kex::{self, DhMsg, EcdhMsg, GexMsg};
use carrick_wire::msg::modes;
use carrick_wire::msg::transport::{self as t, DisconnectReason, Extension, TransportMsg};
use carrick_wire::{Encode, Mpint, NameList, Text};
use proptest::prelude::*;

/// Values to fill a message's fields with.
#[derive(Debug, Clone)]
struct Pool {
    texts: Vec<String>,
    names: Vec<String>,
    bytes: Vec<Vec<u8>>,
    nums: Vec<u32>,
    yes: bool,
    no: bool,
    cookie: [u8; 16],
}

fn pool() -> impl Strategy<Value = Pool> {
    (
        prop::collection::vec("\\PC{0,12}", 4),
        prop::collection::vec("[!-+.-~]{1,12}(,[!-+.-~]{1,12}){0,3}", 10),
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 4),
        prop::collection::vec(any::<u32>(), 4),
        any::<bool>(),
        any::<bool>(),
        any::<[u8; 16]>(),
    )
        .prop_map(|(texts, names, bytes, nums, yes, no, cookie)| Pool {
            texts,
            names,
            bytes,
            nums,
            yes,
            no,
            cookie,
        })
}

impl Pool {
    fn text(&self, n: usize) -> &str {
        &self.texts[n]
    }

    fn prose(&self, n: usize) -> Text<'_> {
        Text::from_bytes(&self.bytes[n])
    }

    fn list(&self, n: usize) -> NameList<'_> {
        NameList::new(&self.names[n])
    }

    fn blob(&self, n: usize) -> &[u8] {
        &self.bytes[n]
    }

    fn mpint(&self, n: usize) -> Mpint<'_> {
        Mpint::from_magnitude(&self.bytes[n])
    }

    fn blobs(&self) -> Vec<&[u8]> {
        self.bytes.iter().map(Vec::as_slice).collect()
    }

    fn some_blob(&self, n: usize) -> Option<&[u8]> {
        self.yes.then(|| self.blob(n))
    }

    fn transport(&self) -> Vec<TransportMsg<'_>> {
        vec![
            t::Disconnect {
                reason: DisconnectReason(self.nums[0]),
                description: self.prose(0),
                language: self.text(0),
            }
            .into(),
            t::Ignore { data: self.blob(0) }.into(),
            t::Unimplemented { seq: self.nums[0] }.into(),
            t::Debug {
                always_display: self.yes,
                message: self.prose(0),
                language: self.text(0),
            }
            .into(),
            t::ServiceRequest {
                service: self.text(0),
            }
            .into(),
            t::ServiceAccept {
                service: self.text(0),
            }
            .into(),
            t::ExtInfo {
                extensions: (0..4)
                    .map(|n| Extension {
                        name: self.text(n),
                        value: self.blob(n),
                    })
                    .collect(),
            }
            .into(),
            t::NewCompress {}.into(),
            self.kex_init().into(),
            t::NewKeys {}.into(),
            t::Ping { data: self.blob(0) }.into(),
            t::Pong { data: self.blob(0) }.into(),
        ]
    }

    fn kex_init(&self) -> t::KexInit<'_> {
        t::KexInit {
            cookie: self.cookie,
            kex: self.list(0),
            host_key: self.list(1),
            cipher_c2s: self.list(2),
            cipher_s2c: self.list(3),
            mac_c2s: self.list(4),
            mac_s2c: self.list(5),
            compression_c2s: self.list(6),
            compression_s2c: self.list(7),
            languages_c2s: self.list(8),
            languages_s2c: self.list(9),
            first_kex_packet_follows: self.yes,
            reserved: self.nums[0],
        }
    }

    fn gex(&self) -> Vec<GexMsg<'_>> {
        vec![
            kex::GexRequestOld { n: self.nums[0] }.into(),
            kex::GexRequest {
                min: self.nums[0],
                n: self.nums[1],
                max: self.nums[2],
            }
            .into(),
            kex::GexGroup {
                p: self.mpint(0),
                g: self.mpint(1),
            }
            .into(),
            kex::GexInit { e: self.mpint(0) }.into(),
            kex::GexReply {
                host_key: self.blob(0),
                f: self.mpint(1),
                signature: self.blob(2),
            }
            .into(),
        ]
    }

    fn auth(&self) -> Vec<AuthMsg<'_>> {
        let methods = [
            MethodBody::None,
            MethodBody::PublicKey {
                algorithm: self.text(0),
                key: self.blob(0),
                signature: self.some_blob(1),
            },
            MethodBody::PublicKeyHostBound {
                algorithm: self.text(0),
                key: self.blob(0),
                host_key: self.blob(1),
                signature: self.some_blob(2),
            },
            MethodBody::Password {
                password: self.blob(0),
                new: self.some_blob(1),
            },
            MethodBody::KeyboardInteractive {
                language: self.text(0),
                submethods: self.text(1),
            },
            MethodBody::HostBased {
                algorithm: self.text(0),
                key: self.blob(0),
                host: self.text(1),
                local_user: self.text(2),
                signature: self.blob(1),
            },
            MethodBody::Unknown {
                method: "x@example",
                body: self.blob(0),
            },
        ];
        let requests = methods.into_iter().map(|method| {
            auth::Request {
                user: self.text(2),
                service: self.text(3),
                method,
            }
            .into()
        });
        let answers: [AuthMsg<'_>; 3] = [
            auth::Failure {
                methods: self.list(0),
                partial: self.yes,
            }
            .into(),
            auth::Success {}.into(),
            auth::Banner {
                message: self.prose(0),
                language: self.text(0),
            }
            .into(),
        ];
        requests.chain(answers).collect()
    }

    fn info(&self) -> [KeyboardInteractiveMsg<'_>; 2] {
        [
            auth::InfoRequest {
                name: self.prose(0),
                instruction: self.prose(1),
                language: self.text(0),
                prompts: (0..4)
                    .map(|n| Prompt {
                        text: self.prose(n),
                        echo: n % 2 == 0,
                    })
                    .collect(),
            }
            .into(),
            auth::InfoResponse {
                responses: self.blobs(),
            }
            .into(),
        ]
    }

    fn globals(&self) -> Vec<ConnectionMsg<'_>> {
        let (address, port, path) = (self.text(0), self.nums[0], self.blob(0));
        [
            GlobalBody::TcpipForward { address, port },
            GlobalBody::CancelTcpipForward { address, port },
            GlobalBody::StreamlocalForward { path },
            GlobalBody::CancelStreamlocalForward { path },
            GlobalBody::NoMoreSessions,
            GlobalBody::Keepalive,
            GlobalBody::HostKeys { keys: self.blobs() },
            GlobalBody::HostKeysProve { keys: self.blobs() },
            GlobalBody::Unknown {
                name: "x@example",
                body: path,
            },
        ]
        .map(|body| {
            conn::GlobalRequest {
                want_reply: self.yes,
                body,
            }
            .into()
        })
        .into()
    }

    fn opens(&self) -> Vec<ConnectionMsg<'_>> {
        let [port, originator_port] = [self.nums[0], self.nums[1]];
        let (path, reserved) = (self.blob(0), self.blob(1));
        let originator = self.text(1);
        [
            OpenKind::Session,
            OpenKind::DirectTcpip {
                host: self.text(0),
                port,
                originator,
                originator_port,
            },
            OpenKind::ForwardedTcpip {
                address: self.text(0),
                port,
                originator,
                originator_port,
            },
            OpenKind::DirectStreamlocal {
                path,
                reserved,
                reserved_port: port,
            },
            OpenKind::ForwardedStreamlocal { path, reserved },
            OpenKind::X11 {
                originator,
                originator_port,
            },
            OpenKind::AuthAgent,
            OpenKind::AgentConnect,
            OpenKind::Tun {
                mode: port,
                unit: originator_port,
            },
            OpenKind::Unknown {
                name: "x@example",
                body: path,
            },
        ]
        .map(|kind| {
            let [_, window, max_packet, sender] = [0, 1, 2, 3].map(|n| self.nums[n]);
            conn::ChannelOpen {
                sender,
                window,
                max_packet,
                kind,
            }
            .into()
        })
        .into()
    }

    fn requests(&self) -> Vec<ConnectionMsg<'_>> {
        let [cols, rows, width_px, height_px] = [0, 1, 2, 3].map(|n| self.nums[n]);
        let name = self.text(0);
        [
            RequestBody::PtyReq {
                term: name,
                cols,
                rows,
                width_px,
                height_px,
                modes: self.blob(0),
            },
            RequestBody::X11Req {
                single: self.no,
                protocol: name,
                cookie: self.blob(0),
                screen: cols,
            },
            RequestBody::Env {
                name,
                value: self.blob(0),
            },
            RequestBody::Shell,
            RequestBody::Exec {
                command: self.blob(0),
            },
            RequestBody::Subsystem { name },
            RequestBody::WindowChange {
                cols,
                rows,
                width_px,
                height_px,
            },
            RequestBody::XonXoff {
                client_can_do: self.no,
            },
            RequestBody::Signal { name },
            RequestBody::ExitStatus { code: cols },
            RequestBody::ExitSignal {
                name,
                core_dumped: self.no,
                message: self.prose(0),
                language: self.text(1),
            },
            RequestBody::Break { ms: cols },
            RequestBody::Eow,
            RequestBody::AuthAgentReq,
            RequestBody::AgentReq,
            RequestBody::Keepalive,
            RequestBody::Unknown {
                name: "x@example",
                body: self.blob(0),
            },
        ]
        .map(|body| {
            conn::ChannelRequest {
                recipient: rows,
                want_reply: self.yes,
                body,
            }
            .into()
        })
        .into()
    }

    fn flow(&self) -> Vec<ConnectionMsg<'_>> {
        let [recipient, sender, window, max_packet] = [0, 1, 2, 3].map(|n| self.nums[n]);
        let (data, body) = (self.blob(0), self.blob(1));
        vec![
            conn::RequestSuccess { data }.into(),
            conn::RequestFailure {}.into(),
            conn::OpenConfirmation {
                recipient,
                sender,
                window,
                max_packet,
                body,
            }
            .into(),
            conn::OpenFailure {
                recipient,
                reason: OpenFailureReason(sender),
                description: self.prose(0),
                language: self.text(0),
            }
            .into(),
            conn::WindowAdjust {
                recipient,
                bytes: window,
            }
            .into(),
            conn::Data { recipient, data }.into(),
            conn::ExtendedData {
                recipient,
                code: sender,
                data,
            }
            .into(),
            conn::Eof { recipient }.into(),
            conn::Close { recipient }.into(),
            conn::ChannelSuccess { recipient }.into(),
            conn::ChannelFailure { recipient }.into(),
        ]
    }
}

/// Each message of a list through its family's `decode`.
macro_rules! round_trip {
    ($family:ident, $messages:expr) => {
        for message in $messages {
            let wire = message.to_vec();
            prop_assert_eq!(wire.first(), Some(&message.number()));
            prop_assert_eq!($family::decode(&wire), Ok(message));
        }
    };
}

/// What decodes from any bytes encodes to a form that decodes to the same.
macro_rules! stable {
    ($bytes:expr, $($family:ident),*) => { $(
        if let Ok(message) = $family::decode($bytes) {
            let wire = message.to_vec();
            prop_assert_eq!($family::decode(&wire), Ok(message));
        }
    )* };
}

proptest! {
    #[test]
    fn transport_and_kex(pool in pool()) {
        round_trip!(TransportMsg, pool.transport());
        round_trip!(GexMsg, pool.gex());
        let (host_key, signature) = (pool.blob(0), pool.blob(2));
        round_trip!(EcdhMsg, [
            EcdhMsg::from(kex::EcdhInit { client_public: pool.blob(0) }),
            kex::EcdhReply { host_key, server_public: pool.blob(1), signature }.into(),
        ]);
        round_trip!(DhMsg, [
            DhMsg::from(kex::DhInit { e: pool.mpint(0) }),
            kex::DhReply { host_key, f: pool.mpint(1), signature }.into(),
        ]);
    }

    #[test]
    fn auth_messages(pool in pool()) {
        round_trip!(AuthMsg, pool.auth());
        round_trip!(KeyboardInteractiveMsg, pool.info());
        round_trip!(PublicKeyMsg, [
            PublicKeyMsg::from(auth::PkOk { algorithm: pool.text(0), key: pool.blob(0) }),
        ]);
        round_trip!(PasswordMsg, [
            PasswordMsg::from(auth::PasswdChangeReq {
                prompt: pool.prose(0),
                language: pool.text(0),
            }),
        ]);
    }

    #[test]
    fn connection_messages(pool in pool()) {
        round_trip!(ConnectionMsg, pool.globals());
        round_trip!(ConnectionMsg, pool.opens());
        round_trip!(ConnectionMsg, pool.requests());
        round_trip!(ConnectionMsg, pool.flow());
    }

    #[test]
    fn any_bytes(
        number in any::<u8>(),
        body in prop::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..64),
    ) {
        let payload = [&[number][..], &body].concat();
        stable!(
            &payload, TransportMsg, EcdhMsg, DhMsg, GexMsg, AuthMsg, PublicKeyMsg,
            PasswordMsg, KeyboardInteractiveMsg, ConnectionMsg
        );
        // Terminal modes: as many as the bytes can hold, one error at most.
        let read: Vec<_> = modes::Modes::new(&payload).collect();
        prop_assert!(read.len() <= payload.len() / 5 + 1);
        prop_assert!(read.iter().filter(|m| m.is_err()).count() <= 1);
        let good: Vec<_> = read.into_iter().flatten().collect();
        let again: Vec<_> = modes::Modes::new(&modes::encode(good.clone())).flatten().collect();
        prop_assert_eq!(again, good);
    }

    /// A byte changed, lost or doubled in a real message is a clean error or
    /// another message, never a panic.
    #[test]
    fn damaged_messages(pool in pool(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        for message in pool.requests().into_iter().chain(pool.globals()).chain(pool.opens()) {
            let mut wire = message.to_vec();
            let at = at.index(wire.len());
            wire[at] = byte;
            stable!(&wire, ConnectionMsg);
            wire.remove(at);
            stable!(&wire, ConnectionMsg);
            wire.insert(at, byte);
            wire.insert(at, byte);
            stable!(&wire, ConnectionMsg);
        }
    }
}
