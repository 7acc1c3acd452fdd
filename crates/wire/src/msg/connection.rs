//! Channels and global requests (RFC 4254, RFC 4335, OpenSSH PROTOCOL
//! sections 2 and 3, RFC 9987 for the agent).

use core::fmt;

use crate::macros::{Body, bodies, codes, family, message_codec, messages};
use crate::names::{channel, global, request};
use crate::{DecodeError, Reader, Text, Writer};

messages! {
    /// `SSH_MSG_REQUEST_SUCCESS` (RFC 4254 section 4).
    RequestSuccess<'a> = 81, "SSH_MSG_REQUEST_SUCCESS" {
        /// What the request's definition says comes back.
        data: &'a [u8] as rest,
    }

    /// `SSH_MSG_REQUEST_FAILURE` (RFC 4254 section 4).
    #[derive(Copy)]
    RequestFailure = 82, "SSH_MSG_REQUEST_FAILURE" {}

    /// `SSH_MSG_CHANNEL_OPEN_CONFIRMATION` (RFC 4254 section 5.1).
    OpenConfirmation<'a> = 91, "SSH_MSG_CHANNEL_OPEN_CONFIRMATION" {
        /// The channel, by the opener's number.
        recipient: u32,
        /// The channel, by the number of who confirms.
        sender: u32,
        /// First window.
        window: u32,
        /// Largest packet's data.
        max_packet: u32,
        /// What the channel type's definition says comes back: nothing, for
        /// all types in use.
        body: &'a [u8] as rest,
    }

    /// `SSH_MSG_CHANNEL_OPEN_FAILURE` (RFC 4254 section 5.1).
    OpenFailure<'a> = 92, "SSH_MSG_CHANNEL_OPEN_FAILURE" {
        /// The channel, by the opener's number.
        recipient: u32,
        /// Why, as a code.
        reason: OpenFailureReason,
        /// Why, in words.
        description: Text<'a>,
        /// Language tag of the words.
        language: &'a str,
    }

    /// `SSH_MSG_CHANNEL_WINDOW_ADJUST` (RFC 4254 section 5.2).
    #[derive(Copy)]
    WindowAdjust = 93, "SSH_MSG_CHANNEL_WINDOW_ADJUST" {
        /// The channel, by the receiver's number.
        recipient: u32,
        /// How many more bytes may be sent.
        bytes: u32,
    }

    /// `SSH_MSG_CHANNEL_DATA` (RFC 4254 section 5.2).
    #[derive(Copy)]
    Data<'a> = 94, "SSH_MSG_CHANNEL_DATA" {
        /// The channel, by the receiver's number.
        recipient: u32,
        /// The bytes.
        data: &'a [u8],
    }

    /// `SSH_MSG_CHANNEL_EXTENDED_DATA` (RFC 4254 section 5.2).
    #[derive(Copy)]
    ExtendedData<'a> = 95, "SSH_MSG_CHANNEL_EXTENDED_DATA" {
        /// The channel, by the receiver's number.
        recipient: u32,
        /// Which stream; [`ExtendedData::STDERR`] is the only one defined.
        code: u32,
        /// The bytes.
        data: &'a [u8],
    }

    /// `SSH_MSG_CHANNEL_EOF` (RFC 4254 section 5.3).
    #[derive(Copy)]
    Eof = 96, "SSH_MSG_CHANNEL_EOF" {
        /// The channel, by the receiver's number.
        recipient: u32,
    }

    /// `SSH_MSG_CHANNEL_CLOSE` (RFC 4254 section 5.3).
    #[derive(Copy)]
    Close = 97, "SSH_MSG_CHANNEL_CLOSE" {
        /// The channel, by the receiver's number.
        recipient: u32,
    }

    /// `SSH_MSG_CHANNEL_SUCCESS` (RFC 4254 section 5.4).
    #[derive(Copy)]
    ChannelSuccess = 99, "SSH_MSG_CHANNEL_SUCCESS" {
        /// The channel, by the receiver's number.
        recipient: u32,
    }

    /// `SSH_MSG_CHANNEL_FAILURE` (RFC 4254 section 5.4).
    #[derive(Copy)]
    ChannelFailure = 100, "SSH_MSG_CHANNEL_FAILURE" {
        /// The channel, by the receiver's number.
        recipient: u32,
    }
}

impl Data<'_> {
    /// Bytes of a payload in front of the data.
    pub const HEADER_LEN: usize = 9;

    /// The payload's first bytes, for data that is put behind them in place.
    pub const fn header(recipient: u32, len: u32) -> [u8; 9] {
        let [a, b, c, d] = recipient.to_be_bytes();
        let [e, f, g, h] = len.to_be_bytes();
        [Self::NUMBER, a, b, c, d, e, f, g, h]
    }
}

impl ExtendedData<'_> {
    /// `SSH_EXTENDED_DATA_STDERR`.
    pub const STDERR: u32 = 1;

    /// Bytes of a payload in front of the data.
    pub const HEADER_LEN: usize = 13;

    /// The payload's first bytes, for data that is put behind them in place.
    pub const fn header(recipient: u32, code: u32, len: u32) -> [u8; 13] {
        let [a, b, c, d] = recipient.to_be_bytes();
        let [e, f, g, h] = code.to_be_bytes();
        let [i, j, k, l] = len.to_be_bytes();
        [Self::NUMBER, a, b, c, d, e, f, g, h, i, j, k, l]
    }
}

impl<'a> RequestSuccess<'a> {
    /// The answer to a `tcpip-forward` with port 0: the port that was chosen
    /// (RFC 4254 section 7.1).
    pub fn port(&self) -> Result<u32, DecodeError> {
        let mut r = Reader::new(self.data);
        let port = r.u32("RequestSuccess.port")?;
        r.finish()?;
        Ok(port)
    }

    /// The answer to a `hostkeys-prove-00@openssh.com`: a signature blob for
    /// each key asked about.
    pub fn signatures(&self) -> Result<Vec<&'a [u8]>, DecodeError> {
        crate::field::strings_to_end::read(&mut Reader::new(self.data), "RequestSuccess.signatures")
    }
}

codes! {
    /// Why a channel was not opened (RFC 4254 section 5.1).
    OpenFailureReason {
        ADMINISTRATIVELY_PROHIBITED = 1, "administratively prohibited";
        CONNECT_FAILED = 2, "connect failed";
        UNKNOWN_CHANNEL_TYPE = 3, "unknown channel type";
        RESOURCE_SHORTAGE = 4, "resource shortage";
    }
}

/// `SSH_MSG_GLOBAL_REQUEST` (RFC 4254 section 4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GlobalRequest<'a> {
    /// Whether an answer is wanted.
    pub want_reply: bool,
    /// Which request, with its fields.
    pub body: GlobalBody<'a>,
}

message_codec!(GlobalRequest<'a> = 80, "SSH_MSG_GLOBAL_REQUEST");

impl<'a> Body<'a> for GlobalRequest<'a> {
    fn read_body(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let name = r.text("GlobalRequest.name")?;
        let want_reply = r.bool("GlobalRequest.want_reply")?;
        Ok(Self {
            want_reply,
            body: GlobalBody::read_after_name(name, r)?,
        })
    }

    fn write_body(&self, w: &mut Writer<'_>) {
        w.text(self.body.name());
        w.bool(self.want_reply);
        self.body.write_after_name(w);
    }
}

bodies! {
    /// A [`GlobalRequest`]'s name and fields.
    GlobalBody {
        /// Listen and forward (RFC 4254 section 7.1).
        TcpipForward {
            /// Address to listen on.
            address: &'a str,
            /// Port to listen on; 0 for any.
            port: u32,
        } = global::TCPIP_FORWARD,
        /// Stop a [`GlobalBody::TcpipForward`].
        CancelTcpipForward {
            /// Address as in the request.
            address: &'a str,
            /// Port as in the request.
            port: u32,
        } = global::CANCEL_TCPIP_FORWARD,
        /// Listen on a Unix socket and forward (OpenSSH PROTOCOL section 2.4).
        StreamlocalForward {
            /// The socket's path.
            path: &'a [u8],
        } = global::STREAMLOCAL_FORWARD,
        /// Stop a [`GlobalBody::StreamlocalForward`].
        CancelStreamlocalForward {
            /// The socket's path.
            path: &'a [u8],
        } = global::CANCEL_STREAMLOCAL_FORWARD,
        /// No session will be opened after this (OpenSSH PROTOCOL section 2.2).
        NoMoreSessions = global::NO_MORE_SESSIONS,
        /// Are you there? The answer is failure, and that will do.
        Keepalive = global::KEEPALIVE,
        /// All host keys of the server (OpenSSH PROTOCOL section 2.5).
        HostKeys {
            /// Public key blobs.
            keys: Vec<&'a [u8]> as strings_to_end,
        } = global::HOSTKEYS,
        /// Asks for proof that the server holds these keys.
        HostKeysProve {
            /// Public key blobs.
            keys: Vec<&'a [u8]> as strings_to_end,
        } = global::HOSTKEYS_PROVE,
    }
}

/// `SSH_MSG_CHANNEL_OPEN` (RFC 4254 section 5.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelOpen<'a> {
    /// The channel, by the opener's number.
    pub sender: u32,
    /// First window.
    pub window: u32,
    /// Largest packet's data.
    pub max_packet: u32,
    /// Which type of channel, with its fields.
    pub kind: OpenKind<'a>,
}

message_codec!(ChannelOpen<'a> = 90, "SSH_MSG_CHANNEL_OPEN");

impl<'a> Body<'a> for ChannelOpen<'a> {
    fn read_body(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let name = r.text("ChannelOpen.kind")?;
        Ok(Self {
            sender: r.u32("ChannelOpen.sender")?,
            window: r.u32("ChannelOpen.window")?,
            max_packet: r.u32("ChannelOpen.max_packet")?,
            kind: OpenKind::read_after_name(name, r)?,
        })
    }

    fn write_body(&self, w: &mut Writer<'_>) {
        w.text(self.kind.name());
        w.u32(self.sender);
        w.u32(self.window);
        w.u32(self.max_packet);
        self.kind.write_after_name(w);
    }
}

bodies! {
    /// A [`ChannelOpen`]'s type and fields.
    OpenKind {
        /// A session (RFC 4254 section 6.1).
        Session = channel::SESSION,
        /// Connect from the server's side (RFC 4254 section 7.2).
        DirectTcpip {
            /// Host to connect to.
            host: &'a str,
            /// Port to connect to.
            port: u32,
            /// Where the connection came from.
            originator: &'a str,
            /// Port where it came from.
            originator_port: u32,
        } = channel::DIRECT_TCPIP,
        /// A connection to a forwarded port (RFC 4254 section 7.2).
        ForwardedTcpip {
            /// Address that was listened on, as it was asked for.
            address: &'a str,
            /// Port that was connected to.
            port: u32,
            /// Where the connection came from.
            originator: &'a str,
            /// Port where it came from.
            originator_port: u32,
        } = channel::FORWARDED_TCPIP,
        /// Connect to a Unix socket (OpenSSH PROTOCOL section 2.4).
        DirectStreamlocal {
            /// The socket's path.
            path: &'a [u8],
            /// Reserved; empty.
            reserved: &'a [u8],
            /// Reserved; 0.
            reserved_port: u32,
        } = channel::DIRECT_STREAMLOCAL,
        /// A connection to a forwarded Unix socket (OpenSSH PROTOCOL section 2.4).
        ForwardedStreamlocal {
            /// The socket's path.
            path: &'a [u8],
            /// Reserved; empty.
            reserved: &'a [u8],
        } = channel::FORWARDED_STREAMLOCAL,
        /// An X client (RFC 4254 section 6.3.2).
        X11 {
            /// Where the connection came from.
            originator: &'a str,
            /// Port where it came from.
            originator_port: u32,
        } = channel::X11,
        /// A client of the forwarded agent, by OpenSSH's name.
        AuthAgent = channel::AUTH_AGENT,
        /// A client of the forwarded agent, by the RFC's name (RFC 9987).
        AgentConnect = channel::AGENT_CONNECT,
        /// Packets or frames of a tunnel device (OpenSSH PROTOCOL section 2.3).
        Tun {
            /// 1 for IP packets, 2 for Ethernet frames.
            mode: u32,
            /// The server's device, or 0x7fff_ffff for any.
            unit: u32,
        } = channel::TUN,
    }
}

/// `SSH_MSG_CHANNEL_REQUEST` (RFC 4254 section 5.4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelRequest<'a> {
    /// The channel, by the receiver's number.
    pub recipient: u32,
    /// Whether an answer is wanted.
    pub want_reply: bool,
    /// Which request, with its fields.
    pub body: RequestBody<'a>,
}

message_codec!(ChannelRequest<'a> = 98, "SSH_MSG_CHANNEL_REQUEST");

impl<'a> Body<'a> for ChannelRequest<'a> {
    fn read_body(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let recipient = r.u32("ChannelRequest.recipient")?;
        let name = r.text("ChannelRequest.name")?;
        let want_reply = r.bool("ChannelRequest.want_reply")?;
        Ok(Self {
            recipient,
            want_reply,
            body: RequestBody::read_after_name(name, r)?,
        })
    }

    fn write_body(&self, w: &mut Writer<'_>) {
        w.u32(self.recipient);
        w.text(self.body.name());
        w.bool(self.want_reply);
        self.body.write_after_name(w);
    }
}

bodies! {
    /// A [`ChannelRequest`]'s name and fields.
    RequestBody {
        /// A terminal (RFC 4254 section 6.2).
        PtyReq {
            /// Value for `TERM`.
            term: &'a str,
            /// Width in characters.
            cols: u32,
            /// Height in characters.
            rows: u32,
            /// Width in pixels; 0 for unknown.
            width_px: u32,
            /// Height in pixels; 0 for unknown.
            height_px: u32,
            /// Encoded terminal modes; see [`crate::msg::modes`].
            modes: &'a [u8],
        } = request::PTY_REQ,
        /// X forwarding (RFC 4254 section 6.3.1).
        X11Req {
            /// Only one connection.
            single: bool,
            /// Authentication protocol.
            protocol: &'a str,
            /// Authentication cookie, in hexadecimal.
            cookie: &'a [u8],
            /// X screen.
            screen: u32,
        } = request::X11_REQ,
        /// Set a variable (RFC 4254 section 6.4).
        Env {
            /// Its name.
            name: &'a str,
            /// Its value.
            value: &'a [u8],
        } = request::ENV,
        /// Start the login shell (RFC 4254 section 6.5).
        Shell = request::SHELL,
        /// Run a command (RFC 4254 section 6.5).
        Exec {
            /// For the shell to parse.
            command: &'a [u8],
        } = request::EXEC,
        /// Start a subsystem (RFC 4254 section 6.5).
        Subsystem {
            /// Its name.
            name: &'a str,
        } = request::SUBSYSTEM,
        /// The terminal's size has changed (RFC 4254 section 6.7).
        WindowChange {
            /// Width in characters.
            cols: u32,
            /// Height in characters.
            rows: u32,
            /// Width in pixels; 0 for unknown.
            width_px: u32,
            /// Height in pixels; 0 for unknown.
            height_px: u32,
        } = request::WINDOW_CHANGE,
        /// May the client do flow control itself? (RFC 4254 section 6.8)
        XonXoff {
            /// Whether it may.
            client_can_do: bool,
        } = request::XON_XOFF,
        /// Send a signal (RFC 4254 section 6.9).
        Signal {
            /// Its name without `SIG`; see [`crate::names::signal`].
            name: &'a str,
        } = request::SIGNAL,
        /// The command has ended (RFC 4254 section 6.10).
        ExitStatus {
            /// With this status.
            code: u32,
        } = request::EXIT_STATUS,
        /// A signal has ended the command (RFC 4254 section 6.10).
        ExitSignal {
            /// Its name without `SIG`.
            name: &'a str,
            /// Whether it left a core file.
            core_dumped: bool,
            /// More in words.
            message: Text<'a>,
            /// Language tag of the words.
            language: &'a str,
        } = request::EXIT_SIGNAL,
        /// Send a break (RFC 4335).
        Break {
            /// For this long; 0 for the default.
            ms: u32,
        } = request::BREAK,
        /// The sender's process reads no more (OpenSSH PROTOCOL section 2.1).
        Eow = request::EOW,
        /// Agent forwarding, by OpenSSH's name.
        AuthAgentReq = request::AUTH_AGENT_REQ,
        /// Agent forwarding, by the RFC's name (RFC 9987).
        AgentReq = request::AGENT_REQ,
        /// Are you there? Sent by OpenSSH on a channel too.
        Keepalive = request::KEEPALIVE,
    }
}

family! {
    /// Any message of the connection protocol.
    ConnectionMsg {
        /// A request that is not about one channel.
        GlobalRequest(GlobalRequest<'a>),
        /// The oldest unanswered global request succeeded.
        RequestSuccess(RequestSuccess<'a>),
        /// The oldest unanswered global request failed.
        RequestFailure(RequestFailure),
        /// Open a channel.
        ChannelOpen(ChannelOpen<'a>),
        /// The channel is open.
        OpenConfirmation(OpenConfirmation<'a>),
        /// The channel is not open.
        OpenFailure(OpenFailure<'a>),
        /// More may be sent.
        WindowAdjust(WindowAdjust),
        /// Bytes.
        Data(Data<'a>),
        /// Bytes of another stream.
        ExtendedData(ExtendedData<'a>),
        /// No more bytes will come.
        Eof(Eof),
        /// The channel ends.
        Close(Close),
        /// A request about a channel.
        ChannelRequest(ChannelRequest<'a>),
        /// The channel's oldest unanswered request succeeded.
        ChannelSuccess(ChannelSuccess),
        /// The channel's oldest unanswered request failed.
        ChannelFailure(ChannelFailure),
    }
}

impl fmt::Display for ConnectionMsg<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
