//! The transport layer's messages (RFC 4253 sections 7, 10, 11; RFC 8308;
//! OpenSSH PROTOCOL, ping@openssh.com).

use crate::field::{Field, Show};
use crate::macros::{codes, family, messages};
use crate::{DecodeError, NameList, Reader, Text, Writer};

messages! {
    /// `SSH_MSG_DISCONNECT` (RFC 4253 section 11.1): the last message.
    Disconnect<'a> = 1, "SSH_MSG_DISCONNECT" {
        /// Why, as a code.
        reason: DisconnectReason,
        /// Why, in words.
        description: Text<'a>,
        /// Language tag of the words. Old peers leave the field off (OpenSSH
        /// does not look for it); absent reads as empty.
        language: &'a str as text_or_absent,
    }

    /// `SSH_MSG_IGNORE` (RFC 4253 section 11.2).
    Ignore<'a> = 2, "SSH_MSG_IGNORE" {
        /// To be ignored.
        data: &'a [u8],
    }

    /// `SSH_MSG_UNIMPLEMENTED` (RFC 4253 section 11.4).
    #[derive(Copy)]
    Unimplemented = 3, "SSH_MSG_UNIMPLEMENTED" {
        /// Sequence number of the packet that was not understood.
        seq: u32,
    }

    /// `SSH_MSG_DEBUG` (RFC 4253 section 11.3).
    Debug<'a> = 4, "SSH_MSG_DEBUG" {
        /// Whether to show it unasked.
        always_display: bool,
        /// What to show.
        message: Text<'a>,
        /// Language tag of the message.
        language: &'a str,
    }

    /// `SSH_MSG_SERVICE_REQUEST` (RFC 4253 section 10).
    ServiceRequest<'a> = 5, "SSH_MSG_SERVICE_REQUEST" {
        /// The service's name.
        service: &'a str,
    }

    /// `SSH_MSG_SERVICE_ACCEPT` (RFC 4253 section 10).
    ServiceAccept<'a> = 6, "SSH_MSG_SERVICE_ACCEPT" {
        /// The service's name.
        service: &'a str,
    }

    /// `SSH_MSG_EXT_INFO` (RFC 8308 section 2.3).
    ExtInfo<'a> = 7, "SSH_MSG_EXT_INFO" {
        /// The extensions, in the order sent.
        extensions: Vec<Extension<'a>>,
    }

    /// `SSH_MSG_NEWCOMPRESS` (RFC 8308 section 3.2).
    #[derive(Copy)]
    NewCompress = 8, "SSH_MSG_NEWCOMPRESS" {}

    /// `SSH_MSG_KEXINIT` (RFC 4253 section 7.1).
    KexInit<'a> = 20, "SSH_MSG_KEXINIT" {
        /// Random bytes.
        cookie: [u8; 16],
        /// Key exchange methods, and markers of extensions.
        kex: NameList<'a>,
        /// Server host key algorithms.
        host_key: NameList<'a>,
        /// Ciphers, client to server.
        cipher_c2s: NameList<'a>,
        /// Ciphers, server to client.
        cipher_s2c: NameList<'a>,
        /// MACs, client to server.
        mac_c2s: NameList<'a>,
        /// MACs, server to client.
        mac_s2c: NameList<'a>,
        /// Compression, client to server.
        compression_c2s: NameList<'a>,
        /// Compression, server to client.
        compression_s2c: NameList<'a>,
        /// Languages, client to server.
        languages_c2s: NameList<'a>,
        /// Languages, server to client.
        languages_s2c: NameList<'a>,
        /// Whether a guessed key exchange packet follows.
        first_kex_packet_follows: bool,
        /// 0; kept, because the exchange hash covers the message as it came.
        reserved: u32,
    }

    /// `SSH_MSG_NEWKEYS` (RFC 4253 section 7.3).
    #[derive(Copy)]
    NewKeys = 21, "SSH_MSG_NEWKEYS" {}

    /// `SSH2_MSG_PING` (OpenSSH PROTOCOL, ping@openssh.com).
    Ping<'a> = 192, "SSH2_MSG_PING" {
        /// Comes back in the answer.
        data: &'a [u8],
    }

    /// `SSH2_MSG_PONG` (OpenSSH PROTOCOL, ping@openssh.com).
    Pong<'a> = 193, "SSH2_MSG_PONG" {
        /// What the ping held.
        data: &'a [u8],
    }
}

family! {
    /// Any message of the transport layer but the key exchange method's own.
    TransportMsg {
        /// The last message.
        Disconnect(Disconnect<'a>),
        /// Filler.
        Ignore(Ignore<'a>),
        /// A packet of ours was not understood.
        Unimplemented(Unimplemented),
        /// Text for a log.
        Debug(Debug<'a>),
        /// Asks for a service.
        ServiceRequest(ServiceRequest<'a>),
        /// The service may be used.
        ServiceAccept(ServiceAccept<'a>),
        /// What the peer can do.
        ExtInfo(ExtInfo<'a>),
        /// Delayed compression starts.
        NewCompress(NewCompress),
        /// A key exchange starts.
        KexInit(KexInit<'a>),
        /// The new keys take over.
        NewKeys(NewKeys),
        /// Asks for a [`Pong`].
        Ping(Ping<'a>),
        /// Answers a [`Ping`].
        Pong(Pong<'a>),
    }
}

/// One extension of an [`ExtInfo`] (RFC 8308 section 2.3).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Extension<'a> {
    /// Its name; see [`crate::names::ext`].
    pub name: &'a str,
    /// Its value, of whatever form the extension defines.
    pub value: &'a [u8],
}

impl core::fmt::Debug for Extension<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // Nothing in an extension is secret, and its value is what one looks for in a log.
        write!(f, "{}={}", self.name, Text::from_bytes(self.value))
    }
}

impl<'a> ExtInfo<'a> {
    /// The value of the extension called `name`.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        let found = self.extensions.iter().find(|e| e.name == name);
        found.map(|e| e.value)
    }
}

impl<'a> Field<'a> for Vec<Extension<'a>> {
    fn read(r: &mut Reader<'a>, field: &'static str) -> Result<Self, DecodeError> {
        // The count is not believed in advance: memory follows what came.
        let count = r.u32(field)?;
        let mut all = Vec::new();
        for _ in 0..count {
            let name = r.text(field)?;
            let value = r.string(field)?;
            all.push(Extension { name, value });
        }
        Ok(all)
    }

    fn write(&self, w: &mut Writer<'_>) {
        w.u32(u32::try_from(self.len()).unwrap_or(u32::MAX));
        for extension in self {
            w.text(extension.name);
            w.string(extension.value);
        }
    }
}

impl Show for Extension<'_> {
    fn show(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(self, f)
    }
}

codes! {
    /// Why a connection ends (RFC 4253 section 11.1).
    DisconnectReason {
        HOST_NOT_ALLOWED_TO_CONNECT = 1, "host not allowed to connect";
        PROTOCOL_ERROR = 2, "protocol error";
        KEY_EXCHANGE_FAILED = 3, "key exchange failed";
        RESERVED = 4, "reserved";
        MAC_ERROR = 5, "MAC error";
        COMPRESSION_ERROR = 6, "compression error";
        SERVICE_NOT_AVAILABLE = 7, "service not available";
        PROTOCOL_VERSION_NOT_SUPPORTED = 8, "protocol version not supported";
        HOST_KEY_NOT_VERIFIABLE = 9, "host key not verifiable";
        CONNECTION_LOST = 10, "connection lost";
        BY_APPLICATION = 11, "disconnected by application";
        TOO_MANY_CONNECTIONS = 12, "too many connections";
        AUTH_CANCELLED_BY_USER = 13, "authentication cancelled by user";
        NO_MORE_AUTH_METHODS_AVAILABLE = 14, "no more authentication methods available";
        ILLEGAL_USER_NAME = 15, "illegal user name";
    }
}
