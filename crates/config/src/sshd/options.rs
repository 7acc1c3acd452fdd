//! The server's options, typed, with the defaults of OpenSSH.

use crate::algorithms;
use crate::keyword::SetKeywords;
use crate::types::{ChannelTimeout, EnvPair, IpQos, Qos, RekeyLimit};
use crate::words::{
    AddressFamily, AllowForwarding, FingerprintHash, GatewayPorts, IgnoreRhosts, LogLevel,
    PermitRootLogin, PermitTunnel, ServerCompression, SyslogFacility,
};
use std::time::Duration;

/// One ListenAddress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    /// Name or address without brackets.
    pub host: String,
    /// Its own port; without one, every Port.
    pub port: Option<u16>,
    /// Routing domain.
    pub rdomain: Option<String>,
}

/// MaxStartups: random early drop from `begin` on, all from `full` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxStartups {
    /// Unauthenticated connections from which on some are refused.
    pub begin: u32,
    /// Per cent refused at `begin`.
    pub rate: u32,
    /// Connections at which all are refused.
    pub full: u32,
}

/// What happens when the table of penalised sources is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// Forget the mildest penalty.
    Permissive,
    /// Refuse everyone until one ends.
    DenyAll,
}

/// PerSourcePenalties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the word of its name")]
pub struct Penalties {
    pub enabled: bool,
    pub crash: Duration,
    pub authfail: Duration,
    pub invaliduser: Duration,
    pub noauth: Duration,
    pub grace_exceeded: Duration,
    pub refuseconnection: Duration,
    pub max: Duration,
    pub min: Duration,
    pub max_sources4: u32,
    pub max_sources6: u32,
    pub overflow: Overflow,
    /// `None`: as `overflow`.
    pub overflow6: Option<Overflow>,
}

impl Default for Penalties {
    fn default() -> Self {
        let s = Duration::from_secs;
        Self {
            enabled: true,
            crash: s(90),
            authfail: s(5),
            invaliduser: s(5),
            noauth: s(1),
            grace_exceeded: s(10),
            refuseconnection: s(10),
            max: s(600),
            min: s(15),
            max_sources4: 65536,
            max_sources6: 65536,
            overflow: Overflow::Permissive,
            overflow6: None,
        }
    }
}

/// PermitOpen or PermitListen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Everything.
    Any,
    /// Nothing.
    None,
    /// These `host:port` entries (either may be `*`).
    Only(Vec<String>),
}

/// PermitUserEnvironment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserEnvironment {
    /// Ignore ~/.ssh/environment and environment= options.
    No,
    /// Take all of them.
    Yes,
    /// Take those whose names match this pattern list.
    Only(String),
}

/// PubkeyAuthOptions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PubkeyAuthOptions {
    /// FIDO keys must show that they were touched.
    pub touch_required: bool,
    /// FIDO keys must show that they verified the user.
    pub verify_required: bool,
}

/// One Subsystem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subsystem {
    /// The name that clients ask for.
    pub name: String,
    /// The program (or `internal-sftp`), unquoted.
    pub command: String,
    /// Program and arguments as one line for the shell.
    pub line: String,
}

/// Everything that sshd_config and `-o` can say, for the global section or,
/// after [`crate::sshd::Options::for_connection`], for one connection.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each field is the keyword of its name")]
pub struct Options {
    pub accept_env: Vec<String>,
    pub address_family: AddressFamily,
    pub agent_socket_link: Option<String>,
    pub allow_agent_forwarding: bool,
    pub allow_groups: Vec<String>,
    pub allow_stream_local_forwarding: AllowForwarding,
    pub allow_tcp_forwarding: AllowForwarding,
    pub allow_users: Vec<String>,
    /// Empty = any.
    pub authentication_methods: Vec<String>,
    pub authorized_keys_command: Option<String>,
    pub authorized_keys_command_user: Option<String>,
    pub authorized_keys_files: Vec<String>,
    pub authorized_principals_command: Option<String>,
    pub authorized_principals_command_user: Option<String>,
    pub authorized_principals_file: Option<String>,
    pub banner: Option<String>,
    pub ca_signature_algorithms: Vec<String>,
    pub channel_timeouts: Vec<ChannelTimeout>,
    pub chroot_directory: Option<String>,
    pub ciphers: Vec<String>,
    pub client_alive_count_max: u32,
    pub client_alive_interval: Duration,
    pub compression: ServerCompression,
    pub deny_groups: Vec<String>,
    pub deny_users: Vec<String>,
    pub disable_forwarding: bool,
    pub expose_auth_info: bool,
    pub fingerprint_hash: FingerprintHash,
    pub force_command: Option<String>,
    pub gateway_ports: GatewayPorts,
    pub gssapi_authentication: bool,
    pub gssapi_cleanup_credentials: bool,
    pub gssapi_delegate_credentials: bool,
    pub gssapi_strict_acceptor_check: bool,
    pub hostbased_accepted_algorithms: Vec<String>,
    pub hostbased_authentication: bool,
    pub hostbased_uses_name_from_packet_only: bool,
    pub host_certificates: Vec<String>,
    /// Absolute paths; the defaults unless `is_set("HostKey")`, and then a
    /// missing file is worth an error.
    pub host_keys: Vec<String>,
    /// A socket path or `SSH_AUTH_SOCK`.
    pub host_key_agent: Option<String>,
    pub host_key_algorithms: Vec<String>,
    pub ignore_rhosts: IgnoreRhosts,
    pub ignore_user_known_hosts: bool,
    pub ip_qos: IpQos,
    pub kbd_interactive_authentication: bool,
    pub kerberos_authentication: bool,
    pub kerberos_get_afs_token: bool,
    pub kerberos_or_local_passwd: bool,
    pub kerberos_ticket_cleanup: bool,
    pub kex_algorithms: Vec<String>,
    /// Empty = all local addresses on every Port; see [`Options::listeners`].
    pub listen_addresses: Vec<ListenAddress>,
    pub login_grace_time: Duration,
    pub log_level: LogLevel,
    pub log_verbose: Vec<String>,
    pub macs: Vec<String>,
    pub max_auth_tries: u32,
    pub max_sessions: u32,
    pub max_startups: MaxStartups,
    pub moduli_file: Option<String>,
    pub pam_service_name: String,
    pub password_authentication: bool,
    pub permit_empty_passwords: bool,
    pub permit_listen: Permit,
    pub permit_open: Permit,
    pub permit_root_login: PermitRootLogin,
    pub permit_tty: bool,
    pub permit_tunnel: PermitTunnel,
    pub permit_user_environment: UserEnvironment,
    pub permit_user_rc: bool,
    /// `None` = no limit.
    pub per_source_max_startups: Option<u32>,
    /// Prefix lengths for IPv4 and IPv6.
    pub per_source_net_block_size: (u32, u32),
    pub per_source_penalties: Penalties,
    pub per_source_penalty_exempt_list: Option<String>,
    pub pid_file: Option<String>,
    pub ports: Vec<u16>,
    pub print_last_log: bool,
    pub print_motd: bool,
    pub pubkey_accepted_algorithms: Vec<String>,
    pub pubkey_authentication: bool,
    pub pubkey_auth_options: PubkeyAuthOptions,
    pub rdomain: Option<String>,
    pub refuse_connection: bool,
    pub rekey_limit: RekeyLimit,
    pub required_rsa_size: u32,
    pub revoked_keys: Vec<String>,
    pub security_key_provider: Option<String>,
    pub set_env: Vec<EnvPair>,
    pub sshd_auth_path: Option<String>,
    pub sshd_session_path: Option<String>,
    pub stream_local_bind_mask: u32,
    pub stream_local_bind_unlink: bool,
    pub strict_modes: bool,
    pub subsystems: Vec<Subsystem>,
    pub syslog_facility: SyslogFacility,
    pub tcp_keep_alive: bool,
    pub trusted_user_ca_keys: Option<String>,
    /// `None` = never.
    pub unused_connection_timeout: Option<Duration>,
    pub use_dns: bool,
    pub use_pam: bool,
    pub version_addendum: Option<String>,
    pub x11_display_offset: u32,
    pub x11_forwarding: bool,
    pub x11_use_localhost: bool,
    pub xauth_location: Option<String>,
    pub(crate) set: SetKeywords,
    pub(crate) mentioned: SetKeywords,
    /// The words of PerSourcePenalties that have a value.
    pub(crate) penalty_words: Vec<&'static str>,
    /// The names that Subsystem lines defined in this pass.
    pub(crate) subsystems_of_pass: Vec<String>,
}

impl Options {
    /// The keywords that took effect, each with the file and line of its first
    /// value (after [`Options::for_connection`], of its value in the Match block).
    pub fn set_keywords(&self) -> &SetKeywords {
        &self.set
    }

    /// Every keyword that stands anywhere in the files, in Match blocks that
    /// do not apply as well: what a daemon checks at start, before any
    /// connection could need a keyword that is not built.
    pub fn mentioned_keywords(&self) -> &SetKeywords {
        &self.mentioned
    }

    /// Whether `keyword` (documented spelling, any case) was set by a file or by `-o`.
    pub fn is_set(&self, keyword: &str) -> bool {
        self.set.contains(keyword)
    }

    /// What to listen on: each address (`None` = all local addresses of
    /// AddressFamily) with each of its ports, in the order of the file.
    pub fn listeners(&self) -> Vec<(Option<&ListenAddress>, u16)> {
        if self.listen_addresses.is_empty() {
            return self.ports.iter().map(|p| (None, *p)).collect();
        }
        let mut all = Vec::new();
        for address in &self.listen_addresses {
            match address.port {
                Some(port) => all.push((Some(address), port)),
                None => all.extend(self.ports.iter().map(|p| (Some(address), *p))),
            }
        }
        all
    }
}

impl Default for Options {
    #[expect(clippy::too_many_lines, reason = "one line per keyword")]
    fn default() -> Self {
        Self {
            accept_env: Vec::new(),
            address_family: AddressFamily::Any,
            agent_socket_link: None,
            allow_agent_forwarding: true,
            allow_groups: Vec::new(),
            allow_stream_local_forwarding: AllowForwarding::Yes,
            allow_tcp_forwarding: AllowForwarding::Yes,
            allow_users: Vec::new(),
            authentication_methods: Vec::new(),
            authorized_keys_command: None,
            authorized_keys_command_user: None,
            authorized_keys_files: vec![
                ".ssh/authorized_keys".into(),
                ".ssh/authorized_keys2".into(),
            ],
            authorized_principals_command: None,
            authorized_principals_command_user: None,
            authorized_principals_file: None,
            banner: None,
            ca_signature_algorithms: algorithms::CA_SIGNATURE.defaults(),
            channel_timeouts: Vec::new(),
            chroot_directory: None,
            ciphers: algorithms::CIPHERS.defaults(),
            client_alive_count_max: 3,
            client_alive_interval: Duration::ZERO,
            compression: ServerCompression::Delayed,
            deny_groups: Vec::new(),
            deny_users: Vec::new(),
            disable_forwarding: false,
            expose_auth_info: false,
            fingerprint_hash: FingerprintHash::Sha256,
            force_command: None,
            gateway_ports: GatewayPorts::No,
            gssapi_authentication: false,
            gssapi_cleanup_credentials: true,
            gssapi_delegate_credentials: true,
            gssapi_strict_acceptor_check: true,
            hostbased_accepted_algorithms: algorithms::PUBLIC_KEY.defaults(),
            hostbased_authentication: false,
            hostbased_uses_name_from_packet_only: false,
            host_certificates: Vec::new(),
            host_keys: ["rsa", "ecdsa", "ed25519", "mldsa44_ed25519"]
                .iter()
                .map(|kind| format!("/etc/ssh/ssh_host_{kind}_key"))
                .collect(),
            host_key_agent: None,
            host_key_algorithms: algorithms::PUBLIC_KEY.defaults(),
            ignore_rhosts: IgnoreRhosts::Yes,
            ignore_user_known_hosts: false,
            // EF and CS0: the defaults of OpenSSH 10.5 (10.0: af21 cs1).
            ip_qos: IpQos {
                interactive: Qos::Tos(0xb8),
                bulk: Qos::Tos(0),
            },
            kbd_interactive_authentication: true,
            kerberos_authentication: false,
            kerberos_get_afs_token: false,
            kerberos_or_local_passwd: true,
            kerberos_ticket_cleanup: true,
            kex_algorithms: algorithms::KEX_SERVER.defaults(),
            listen_addresses: Vec::new(),
            login_grace_time: Duration::from_mins(2),
            log_level: LogLevel::Info,
            log_verbose: Vec::new(),
            macs: algorithms::MACS.defaults(),
            max_auth_tries: 6,
            max_sessions: 10,
            max_startups: MaxStartups {
                begin: 10,
                rate: 30,
                full: 100,
            },
            moduli_file: Some("/etc/ssh/moduli".into()),
            pam_service_name: "sshd".into(),
            password_authentication: true,
            permit_empty_passwords: false,
            permit_listen: Permit::Any,
            permit_open: Permit::Any,
            permit_root_login: PermitRootLogin::ProhibitPassword,
            permit_tty: true,
            permit_tunnel: PermitTunnel::No,
            permit_user_environment: UserEnvironment::No,
            permit_user_rc: true,
            per_source_max_startups: None,
            per_source_net_block_size: (32, 128),
            per_source_penalties: Penalties::default(),
            per_source_penalty_exempt_list: None,
            pid_file: Some("/run/sshd.pid".into()),
            ports: vec![22],
            print_last_log: true,
            print_motd: true,
            pubkey_accepted_algorithms: algorithms::PUBLIC_KEY.defaults(),
            pubkey_authentication: true,
            pubkey_auth_options: PubkeyAuthOptions::default(),
            rdomain: None,
            refuse_connection: false,
            rekey_limit: RekeyLimit::default(),
            required_rsa_size: 1024,
            revoked_keys: Vec::new(),
            security_key_provider: Some("internal".into()),
            set_env: Vec::new(),
            sshd_auth_path: Some("/usr/lib/openssh/sshd-auth".into()),
            sshd_session_path: Some("/usr/lib/openssh/sshd-session".into()),
            stream_local_bind_mask: 0o177,
            stream_local_bind_unlink: false,
            strict_modes: true,
            subsystems: Vec::new(),
            syslog_facility: SyslogFacility::Auth,
            tcp_keep_alive: true,
            trusted_user_ca_keys: None,
            unused_connection_timeout: None,
            use_dns: false,
            use_pam: false,
            version_addendum: None,
            x11_display_offset: 10,
            x11_forwarding: false,
            x11_use_localhost: true,
            xauth_location: Some("/usr/bin/xauth".into()),
            set: SetKeywords::default(),
            mentioned: SetKeywords::default(),
            penalty_words: Vec::new(),
            subsystems_of_pass: Vec::new(),
        }
    }
}
