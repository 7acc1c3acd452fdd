//! The client's options, typed, with the defaults of OpenSSH.

use crate::algorithms;
use crate::keyword::SetKeywords;
use crate::tokens::ClientTokens;
use crate::types::{
    ChannelTimeout, CnameRule, EnvPair, Forward, IpQos, ProxyJump, Qos, RekeyLimit, TunnelId,
};
use crate::words::{
    AddKeys, AddressFamily, CanonicalizeHostname, ControlMaster, FingerprintHash, LogLevel,
    PubkeyAuth, RequestTty, SessionType, StrictHostKey, SyslogFacility, Tunnel, WarnWeakCrypto,
    YesNoAsk,
};
use std::time::Duration;

/// AddKeysToAgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddKeysToAgent {
    /// Whether, and how.
    pub mode: AddKeys,
    /// Lifetime in the agent; zero = no limit.
    pub lifetime: Duration,
}

/// ForwardAgent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForwardAgent {
    /// Not forwarded.
    No,
    /// The agent that `SSH_AUTH_SOCK` names.
    Yes,
    /// This socket, or `$NAME` for the variable that holds it.
    Socket(String),
}

/// ControlPersist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlPersist {
    /// The master ends with its first session.
    No,
    /// It stays.
    Forever,
    /// It stays this long without a session.
    For(Duration),
}

/// An identity or certificate file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPath {
    /// As written (tokens and `~` not expanded).
    pub path: String,
    /// The user named it (command line or own file), so a missing one is worth a warning.
    pub user_provided: bool,
}

/// PermitRemoteOpen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PermitRemoteOpen {
    /// Everything.
    Any,
    /// Nothing.
    None,
    /// These `host:port` patterns (port may be `*`).
    Only(Vec<String>),
}

/// Everything that ssh_config and `-o` can say. Lists that may be `none` are empty then.
///
/// Tokens and `~` are expanded by [`crate::ssh::Config::finish`] where `ssh -G` shows them
/// expanded; the others (IdentityFile, CertificateFile, ProxyCommand, LocalCommand,
/// KnownHostsCommand) are expanded by the program when it uses them.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each field is the keyword of its name")]
pub struct Options {
    /// The host as the user typed it.
    pub host_argument: String,
    /// The name or address to connect to.
    pub hostname: String,
    pub user: String,
    pub port: u16,
    pub add_keys_to_agent: AddKeysToAgent,
    pub address_family: AddressFamily,
    pub batch_mode: bool,
    pub bind_address: Option<String>,
    pub bind_interface: Option<String>,
    pub canonical_domains: Vec<String>,
    pub canonicalize_fallback_local: bool,
    pub canonicalize_hostname: CanonicalizeHostname,
    pub canonicalize_max_dots: u32,
    pub canonicalize_permitted_cnames: Vec<CnameRule>,
    pub ca_signature_algorithms: Vec<String>,
    pub certificate_files: Vec<KeyPath>,
    pub channel_timeouts: Vec<ChannelTimeout>,
    pub check_host_ip: bool,
    pub ciphers: Vec<String>,
    pub clear_all_forwardings: bool,
    pub compression: bool,
    pub connection_attempts: u32,
    pub connect_timeout: Option<Duration>,
    pub control_master: ControlMaster,
    pub control_path: Option<String>,
    pub control_persist: ControlPersist,
    /// DynamicForward and LocalForward in the order given (`Target::Socks` = dynamic).
    pub local_forwards: Vec<Forward>,
    pub enable_escape_commandline: bool,
    pub enable_ssh_keysign: bool,
    /// `None` = no escape character.
    pub escape_char: Option<u8>,
    pub exit_on_forward_failure: bool,
    pub fingerprint_hash: FingerprintHash,
    pub fork_after_authentication: bool,
    pub forward_agent: ForwardAgent,
    pub forward_x11: bool,
    pub forward_x11_timeout: Duration,
    pub forward_x11_trusted: bool,
    pub gateway_ports: bool,
    pub global_known_hosts_files: Vec<String>,
    pub gssapi_authentication: bool,
    pub gssapi_delegate_credentials: bool,
    pub hash_known_hosts: bool,
    pub hostbased_accepted_algorithms: Vec<String>,
    pub hostbased_authentication: bool,
    /// The default list; the program reorders it for known keys unless
    /// `is_set("HostKeyAlgorithms")`.
    pub host_key_algorithms: Vec<String>,
    pub host_key_alias: Option<String>,
    pub identities_only: bool,
    /// `None` = `SSH_AUTH_SOCK`; `Some("none")` = no agent.
    pub identity_agent: Option<String>,
    pub identity_files: Vec<KeyPath>,
    pub ignore_unknown: Option<String>,
    pub ip_qos: IpQos,
    pub kbd_interactive_authentication: bool,
    pub kbd_interactive_devices: Option<String>,
    pub kex_algorithms: Vec<String>,
    pub known_hosts_command: Option<String>,
    pub local_command: Option<String>,
    pub log_level: LogLevel,
    pub log_verbose: Vec<String>,
    pub macs: Vec<String>,
    pub no_host_authentication_for_localhost: bool,
    pub number_of_password_prompts: u32,
    /// `None` = off.
    pub obscure_keystroke_timing: Option<Duration>,
    pub password_authentication: bool,
    pub permit_local_command: bool,
    pub permit_remote_open: PermitRemoteOpen,
    pub pkcs11_provider: Option<String>,
    pub preferred_authentications: Option<String>,
    /// `None` after `none`; from ProxyJump the program makes its own command.
    pub proxy_command: Option<String>,
    pub proxy_jump: Option<ProxyJump>,
    pub proxy_use_fdpass: bool,
    pub pubkey_accepted_algorithms: Vec<String>,
    pub pubkey_authentication: PubkeyAuth,
    pub rekey_limit: RekeyLimit,
    pub remote_command: Option<String>,
    pub remote_forwards: Vec<Forward>,
    pub request_tty: RequestTty,
    pub required_rsa_size: u32,
    pub revoked_host_keys: Vec<String>,
    pub security_key_provider: Option<String>,
    pub send_env: Vec<String>,
    pub server_alive_count_max: u32,
    pub server_alive_interval: Duration,
    pub session_type: SessionType,
    pub set_env: Vec<EnvPair>,
    pub stdin_null: bool,
    pub stream_local_bind_mask: u32,
    pub stream_local_bind_unlink: bool,
    pub strict_host_key_checking: StrictHostKey,
    pub syslog_facility: SyslogFacility,
    pub tag: Option<String>,
    pub tcp_keep_alive: bool,
    pub tunnel: Tunnel,
    pub tunnel_device: (TunnelId, TunnelId),
    pub update_host_keys: YesNoAsk,
    pub user_known_hosts_files: Vec<String>,
    pub verify_host_key_dns: YesNoAsk,
    pub version_addendum: Option<String>,
    pub visual_host_key: bool,
    pub warn_weak_crypto: WarnWeakCrypto,
    pub xauth_location: String,
    /// What `%` tokens stand for on this connection.
    pub tokens: ClientTokens,
    pub(crate) set: SetKeywords,
}

impl Options {
    /// The keywords that were set, each with the file and line of its first
    /// value. A program refuses those whose behaviour it does not have.
    pub fn set_keywords(&self) -> &SetKeywords {
        &self.set
    }

    /// Whether `keyword` (documented spelling, any case) was set by a file or by `-o`.
    pub fn is_set(&self, keyword: &str) -> bool {
        self.set.contains(keyword)
    }
}

/// The time between chaff keystrokes that `yes` stands for.
pub(crate) const KEYSTROKE_INTERVAL: Duration = Duration::from_millis(20);

const DEFAULT_IDENTITIES: [&str; 7] = [
    "~/.ssh/id_rsa",
    "~/.ssh/id_ecdsa",
    "~/.ssh/id_ecdsa_sk",
    "~/.ssh/id_ed25519",
    "~/.ssh/id_ed25519_sk",
    "~/.ssh/id_xmss",
    "~/.ssh/id_mldsa44_ed25519",
];

impl Default for Options {
    #[expect(clippy::too_many_lines, reason = "one line per keyword")]
    fn default() -> Self {
        Self {
            host_argument: String::new(),
            hostname: String::new(),
            user: String::new(),
            port: 22,
            add_keys_to_agent: AddKeysToAgent {
                mode: AddKeys::No,
                lifetime: Duration::ZERO,
            },
            address_family: AddressFamily::Any,
            batch_mode: false,
            bind_address: None,
            bind_interface: None,
            canonical_domains: Vec::new(),
            canonicalize_fallback_local: true,
            canonicalize_hostname: CanonicalizeHostname::No,
            canonicalize_max_dots: 1,
            canonicalize_permitted_cnames: Vec::new(),
            ca_signature_algorithms: algorithms::CA_SIGNATURE.defaults(),
            certificate_files: Vec::new(),
            channel_timeouts: Vec::new(),
            check_host_ip: false,
            ciphers: algorithms::CIPHERS.defaults(),
            clear_all_forwardings: false,
            compression: false,
            connection_attempts: 1,
            connect_timeout: None,
            control_master: ControlMaster::No,
            control_path: None,
            control_persist: ControlPersist::No,
            local_forwards: Vec::new(),
            enable_escape_commandline: false,
            enable_ssh_keysign: false,
            escape_char: Some(b'~'),
            exit_on_forward_failure: false,
            fingerprint_hash: FingerprintHash::Sha256,
            fork_after_authentication: false,
            forward_agent: ForwardAgent::No,
            forward_x11: false,
            forward_x11_timeout: Duration::from_mins(20),
            forward_x11_trusted: false,
            gateway_ports: false,
            global_known_hosts_files: vec![
                "/etc/ssh/ssh_known_hosts".into(),
                "/etc/ssh/ssh_known_hosts2".into(),
            ],
            gssapi_authentication: false,
            gssapi_delegate_credentials: false,
            hash_known_hosts: false,
            hostbased_accepted_algorithms: algorithms::PUBLIC_KEY.defaults(),
            hostbased_authentication: false,
            host_key_algorithms: algorithms::PUBLIC_KEY.defaults(),
            host_key_alias: None,
            identities_only: false,
            identity_agent: None,
            identity_files: DEFAULT_IDENTITIES
                .iter()
                .map(|p| KeyPath {
                    path: (*p).into(),
                    user_provided: false,
                })
                .collect(),
            ignore_unknown: None,
            // EF and CS0: the defaults of OpenSSH 10.5 (10.0: af21 cs1).
            ip_qos: IpQos {
                interactive: Qos::Tos(0xb8),
                bulk: Qos::Tos(0),
            },
            kbd_interactive_authentication: true,
            kbd_interactive_devices: None,
            kex_algorithms: algorithms::KEX_CLIENT.defaults(),
            known_hosts_command: None,
            local_command: None,
            log_level: LogLevel::Info,
            log_verbose: Vec::new(),
            macs: algorithms::MACS.defaults(),
            no_host_authentication_for_localhost: false,
            number_of_password_prompts: 3,
            obscure_keystroke_timing: Some(KEYSTROKE_INTERVAL),
            password_authentication: true,
            permit_local_command: false,
            permit_remote_open: PermitRemoteOpen::Any,
            pkcs11_provider: None,
            preferred_authentications: None,
            proxy_command: None,
            proxy_jump: None,
            proxy_use_fdpass: false,
            pubkey_accepted_algorithms: algorithms::PUBLIC_KEY.defaults(),
            pubkey_authentication: PubkeyAuth::Yes,
            rekey_limit: RekeyLimit::default(),
            remote_command: None,
            remote_forwards: Vec::new(),
            request_tty: RequestTty::Auto,
            required_rsa_size: 1024,
            revoked_host_keys: Vec::new(),
            security_key_provider: Some("internal".into()),
            send_env: Vec::new(),
            server_alive_count_max: 3,
            server_alive_interval: Duration::ZERO,
            session_type: SessionType::Default,
            set_env: Vec::new(),
            stdin_null: false,
            stream_local_bind_mask: 0o177,
            stream_local_bind_unlink: false,
            strict_host_key_checking: StrictHostKey::Ask,
            syslog_facility: SyslogFacility::User,
            tag: None,
            tcp_keep_alive: true,
            tunnel: Tunnel::No,
            tunnel_device: (TunnelId::Any, TunnelId::Any),
            update_host_keys: YesNoAsk::Yes,
            user_known_hosts_files: vec!["~/.ssh/known_hosts".into(), "~/.ssh/known_hosts2".into()],
            verify_host_key_dns: YesNoAsk::No,
            version_addendum: None,
            visual_host_key: false,
            warn_weak_crypto: WarnWeakCrypto::Yes,
            xauth_location: "/usr/bin/xauth".into(),
            tokens: ClientTokens::default(),
            set: SetKeywords::default(),
        }
    }
}
