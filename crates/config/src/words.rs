//! Values that are one of a few words.
//!
//! The order of a table matters: a value is dumped as its first word, which
//! is what `ssh -G` and `sshd -T` of OpenSSH print (`true` and not `yes` for
//! keywords that have more than two states).

/// A value spelled as one of a few words; comparison ignores case.
pub trait Words: Copy + PartialEq + 'static {
    /// Every accepted word with its value.
    const WORDS: &'static [(&'static str, Self)];

    /// The value that `word` stands for.
    fn find(word: &str) -> Option<Self> {
        Self::WORDS
            .iter()
            .find(|(w, _)| w.eq_ignore_ascii_case(word))
            .map(|(_, v)| *v)
    }

    /// The word that a dump shows for this value.
    fn word(self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(_, v)| *v == self)
            .map_or("UNKNOWN", |(w, _)| w)
    }
}

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident),+ $(,)? }
     [$($word:literal => $value:ident),+ $(,)?]) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }
        impl Words for $name {
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, $name::$value)),+];
        }
    };
}

words! {
    /// AddressFamily.
    AddressFamily {
        /// IPv4 only.
        Inet,
        /// IPv6 only.
        Inet6,
        /// Both.
        Any,
    } ["inet" => Inet, "inet6" => Inet6, "any" => Any]
}
words! {
    /// `yes`, `no` or `ask` (VerifyHostKeyDNS, UpdateHostKeys).
    YesNoAsk {
        /// Always.
        Yes,
        /// Never.
        No,
        /// Ask the user.
        Ask,
    } ["true" => Yes, "false" => No, "yes" => Yes, "no" => No, "ask" => Ask]
}
words! {
    /// StrictHostKeyChecking.
    StrictHostKey {
        /// Refuse an unknown key.
        Yes,
        /// Accept and record whatever comes, even refuse nothing but revoked keys.
        Off,
        /// Ask the user about an unknown key.
        Ask,
        /// Record an unknown key without asking, refuse a changed one.
        AcceptNew,
    } ["true" => Yes, "false" => Off, "yes" => Yes, "no" => Off, "ask" => Ask,
       "off" => Off, "accept-new" => AcceptNew]
}
words! {
    /// The first word of AddKeysToAgent.
    AddKeys {
        /// Add.
        Yes,
        /// Do not add.
        No,
        /// Ask before adding.
        Ask,
        /// Add, and have the agent confirm each use.
        Confirm,
    } ["true" => Yes, "false" => No, "yes" => Yes, "no" => No, "ask" => Ask, "confirm" => Confirm]
}
words! {
    /// ControlMaster.
    ControlMaster {
        /// Be a master.
        Yes,
        /// Never be one.
        No,
        /// Use a master if there is one, else become it.
        Auto,
        /// As `Yes`, and ask for each new session.
        Ask,
        /// As `Auto`, and ask for each new session.
        AutoAsk,
    } ["true" => Yes, "yes" => Yes, "false" => No, "no" => No, "auto" => Auto, "ask" => Ask,
       "autoask" => AutoAsk]
}
words! {
    /// Tunnel of the client.
    Tunnel {
        /// Layer 2.
        Ethernet,
        /// Layer 3; `yes` means this one.
        PointToPoint,
        /// None.
        No,
    } ["ethernet" => Ethernet, "point-to-point" => PointToPoint, "true" => PointToPoint,
       "yes" => PointToPoint, "false" => No, "no" => No]
}
words! {
    /// RequestTTY.
    RequestTty {
        /// If stdin is a terminal.
        Yes,
        /// Never.
        No,
        /// Always (`-tt`).
        Force,
        /// For a login shell on a terminal.
        Auto,
    } ["true" => Yes, "yes" => Yes, "false" => No, "no" => No, "force" => Force, "auto" => Auto]
}
words! {
    /// SessionType.
    SessionType {
        /// No session (`-N`).
        None,
        /// The command names a subsystem (`-s`).
        Subsystem,
        /// Shell or command.
        Default,
    } ["none" => None, "subsystem" => Subsystem, "default" => Default]
}
words! {
    /// CanonicalizeHostname.
    CanonicalizeHostname {
        /// Unless a proxy is used.
        Yes,
        /// Never.
        No,
        /// Through a proxy as well.
        Always,
    } ["true" => Yes, "false" => No, "yes" => Yes, "no" => No, "always" => Always]
}
words! {
    /// PubkeyAuthentication of the client.
    PubkeyAuth {
        /// Use it, host-bound if the server can.
        Yes,
        /// Do not.
        No,
        /// Never host-bound.
        Unbound,
        /// Host-bound if the server can, as with `Yes`.
        HostBound,
    } ["true" => Yes, "false" => No, "yes" => Yes, "no" => No, "unbound" => Unbound,
       "host-bound" => HostBound]
}
words! {
    /// WarnWeakCrypto.
    WarnWeakCrypto {
        /// Warn of a key exchange that a quantum computer breaks.
        Yes,
        /// Do not.
        No,
    } ["true" => Yes, "false" => No, "yes" => Yes, "no" => No, "no-pq-kex" => No]
}
words! {
    /// PermitRootLogin.
    PermitRootLogin {
        /// Any method but password and keyboard-interactive.
        ProhibitPassword,
        /// A key whose options force a command.
        ForcedCommandsOnly,
        /// Any method.
        Yes,
        /// None.
        No,
    } ["without-password" => ProhibitPassword, "prohibit-password" => ProhibitPassword,
       "forced-commands-only" => ForcedCommandsOnly, "yes" => Yes, "no" => No]
}
words! {
    /// IgnoreRhosts.
    IgnoreRhosts {
        /// Ignore .rhosts and .shosts.
        Yes,
        /// Use both.
        No,
        /// Use .shosts.
        ShostsOnly,
    } ["yes" => Yes, "no" => No, "shosts-only" => ShostsOnly]
}
words! {
    /// GatewayPorts of the server.
    GatewayPorts {
        /// The client chooses the address.
        ClientSpecified,
        /// All addresses.
        Yes,
        /// Loopback only.
        No,
    } ["clientspecified" => ClientSpecified, "yes" => Yes, "no" => No]
}
words! {
    /// AllowTcpForwarding and AllowStreamLocalForwarding.
    AllowForwarding {
        /// Both directions.
        Yes,
        /// None.
        No,
        /// `-R` only.
        Remote,
        /// `-L` only.
        Local,
    } ["yes" => Yes, "all" => Yes, "no" => No, "remote" => Remote, "local" => Local]
}
words! {
    /// Compression of the server.
    ServerCompression {
        /// After authentication.
        Delayed,
        /// Never.
        No,
    } ["yes" => Delayed, "delayed" => Delayed, "no" => No]
}
words! {
    /// PermitTunnel.
    PermitTunnel {
        /// None.
        No,
        /// Layer 3.
        PointToPoint,
        /// Layer 2.
        Ethernet,
        /// Both.
        Yes,
    } ["no" => No, "point-to-point" => PointToPoint, "ethernet" => Ethernet, "yes" => Yes]
}
words! {
    /// LogLevel.
    LogLevel {
        /// Nothing.
        Quiet,
        /// What ends the program.
        Fatal,
        /// Errors.
        Error,
        /// The default.
        Info,
        /// A little more.
        Verbose,
        /// `-v`.
        Debug1,
        /// `-vv`.
        Debug2,
        /// `-vvv`.
        Debug3,
    } ["QUIET" => Quiet, "FATAL" => Fatal, "ERROR" => Error, "INFO" => Info, "VERBOSE" => Verbose,
       "DEBUG" => Debug1, "DEBUG1" => Debug1, "DEBUG2" => Debug2, "DEBUG3" => Debug3]
}
words! {
    /// SyslogFacility.
    SyslogFacility {
        /// LOG_DAEMON.
        Daemon,
        /// LOG_USER.
        User,
        /// LOG_AUTH.
        Auth,
        /// LOG_AUTHPRIV.
        AuthPriv,
        /// LOG_LOCAL0.
        Local0,
        /// LOG_LOCAL1.
        Local1,
        /// LOG_LOCAL2.
        Local2,
        /// LOG_LOCAL3.
        Local3,
        /// LOG_LOCAL4.
        Local4,
        /// LOG_LOCAL5.
        Local5,
        /// LOG_LOCAL6.
        Local6,
        /// LOG_LOCAL7.
        Local7,
    } ["DAEMON" => Daemon, "USER" => User, "AUTH" => Auth, "AUTHPRIV" => AuthPriv,
       "LOCAL0" => Local0, "LOCAL1" => Local1, "LOCAL2" => Local2, "LOCAL3" => Local3,
       "LOCAL4" => Local4, "LOCAL5" => Local5, "LOCAL6" => Local6, "LOCAL7" => Local7]
}
impl SyslogFacility {
    /// Its number (RFC 5424 section 6.2.1).
    pub fn number(self) -> u8 {
        match self {
            Self::User => 1,
            Self::Daemon => 3,
            Self::Auth => 4,
            Self::AuthPriv => 10,
            Self::Local0 => 16,
            Self::Local1 => 17,
            Self::Local2 => 18,
            Self::Local3 => 19,
            Self::Local4 => 20,
            Self::Local5 => 21,
            Self::Local6 => 22,
            Self::Local7 => 23,
        }
    }
}
words! {
    /// FingerprintHash; the words are those of every digest OpenSSH knows.
    FingerprintHash {
        /// Hexadecimal with colons.
        Md5,
        /// Base64.
        Sha1,
        /// Base64, the default.
        Sha256,
        /// Base64.
        Sha384,
        /// Base64.
        Sha512,
    } ["MD5" => Md5, "SHA1" => Sha1, "SHA256" => Sha256, "SHA384" => Sha384, "SHA512" => Sha512]
}

/// The client's spelling of a flag: `true` and `false` count as well.
pub(crate) fn client_flag(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "true" | "yes" => Some(true),
        "false" | "no" => Some(false),
        _ => None,
    }
}

/// The server's spelling of a flag: `yes` or `no` and nothing else.
pub(crate) fn server_flag(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// A flag as a dump shows it.
pub(crate) fn yes_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}
