//! The key exchange methods' own messages, numbers 30-49: one enum per family,
//! since the numbers mean different things under different methods.

use crate::Mpint;
use crate::macros::{family, messages};

messages! {
    /// `SSH_MSG_KEX_ECDH_INIT` (RFC 5656 section 4; RFC 8731; the hybrid
    /// methods use the same message with a longer value).
    EcdhInit<'a> = 30, "SSH_MSG_KEX_ECDH_INIT" {
        /// The client's ephemeral public value.
        client_public: &'a [u8],
    }

    /// `SSH_MSG_KEX_ECDH_REPLY` (RFC 5656 section 4).
    EcdhReply<'a> = 31, "SSH_MSG_KEX_ECDH_REPLY" {
        /// The server's host key blob.
        host_key: &'a [u8],
        /// The server's ephemeral public value.
        server_public: &'a [u8],
        /// Signature blob over the exchange hash.
        signature: &'a [u8],
    }

    /// `SSH_MSG_KEXDH_INIT` (RFC 4253 section 8).
    DhInit<'a> = 30, "SSH_MSG_KEXDH_INIT" {
        /// The client's public value.
        e: Mpint<'a>,
    }

    /// `SSH_MSG_KEXDH_REPLY` (RFC 4253 section 8).
    DhReply<'a> = 31, "SSH_MSG_KEXDH_REPLY" {
        /// The server's host key blob.
        host_key: &'a [u8],
        /// The server's public value.
        f: Mpint<'a>,
        /// Signature blob over the exchange hash.
        signature: &'a [u8],
    }

    /// `SSH_MSG_KEX_DH_GEX_REQUEST_OLD` (RFC 4419 section 5): the size alone,
    /// as sent by clients from before the RFC.
    #[derive(Copy)]
    GexRequestOld = 30, "SSH_MSG_KEX_DH_GEX_REQUEST_OLD" {
        /// Preferred size of the prime in bits.
        n: u32,
    }

    /// `SSH_MSG_KEX_DH_GEX_REQUEST` (RFC 4419 section 3).
    #[derive(Copy)]
    GexRequest = 34, "SSH_MSG_KEX_DH_GEX_REQUEST" {
        /// Smallest acceptable size of the prime in bits.
        min: u32,
        /// Preferred size.
        n: u32,
        /// Largest acceptable size.
        max: u32,
    }

    /// `SSH_MSG_KEX_DH_GEX_GROUP` (RFC 4419 section 3).
    GexGroup<'a> = 31, "SSH_MSG_KEX_DH_GEX_GROUP" {
        /// The safe prime.
        p: Mpint<'a>,
        /// The generator.
        g: Mpint<'a>,
    }

    /// `SSH_MSG_KEX_DH_GEX_INIT` (RFC 4419 section 3).
    GexInit<'a> = 32, "SSH_MSG_KEX_DH_GEX_INIT" {
        /// The client's public value.
        e: Mpint<'a>,
    }

    /// `SSH_MSG_KEX_DH_GEX_REPLY` (RFC 4419 section 3).
    GexReply<'a> = 33, "SSH_MSG_KEX_DH_GEX_REPLY" {
        /// The server's host key blob.
        host_key: &'a [u8],
        /// The server's public value.
        f: Mpint<'a>,
        /// Signature blob over the exchange hash.
        signature: &'a [u8],
    }
}

family! {
    /// Elliptic-curve and hybrid exchanges.
    EcdhMsg {
        /// From the client.
        Init(EcdhInit<'a>),
        /// From the server.
        Reply(EcdhReply<'a>),
    }
}

family! {
    /// Diffie-Hellman in a fixed group.
    DhMsg {
        /// From the client.
        Init(DhInit<'a>),
        /// From the server.
        Reply(DhReply<'a>),
    }
}

family! {
    /// Diffie-Hellman in a group that the server picks.
    GexMsg {
        /// From the client: the wanted size, in the form from before the RFC.
        RequestOld(GexRequestOld),
        /// From the client: the wanted sizes.
        Request(GexRequest),
        /// From the server: the group.
        Group(GexGroup<'a>),
        /// From the client: its public value.
        Init(GexInit<'a>),
        /// From the server: its public value and proof.
        Reply(GexReply<'a>),
    }
}
