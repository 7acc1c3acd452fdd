//! `ssh -G`.

use super::keywords;
use super::options::Options;
use crate::keyword::Dump;

/// The order in which OpenSSH prints the options.
const ORDER: &[&str] = &[
    "User",
    "Hostname",
    "Port",
    "AddressFamily",
    "BatchMode",
    "CanonicalizeFallbackLocal",
    "CanonicalizeHostname",
    "CheckHostIP",
    "Compression",
    "ControlMaster",
    "EnableSSHKeysign",
    "ClearAllForwardings",
    "ExitOnForwardFailure",
    "FingerprintHash",
    "ForwardX11",
    "ForwardX11Trusted",
    "GatewayPorts",
    "GSSAPIAuthentication",
    "GSSAPIDelegateCredentials",
    "HashKnownHosts",
    "HostbasedAuthentication",
    "IdentitiesOnly",
    "KbdInteractiveAuthentication",
    "NoHostAuthenticationForLocalhost",
    "PasswordAuthentication",
    "PermitLocalCommand",
    "ProxyUseFdpass",
    "PubkeyAuthentication",
    "RequestTTY",
    "SessionType",
    "StdinNull",
    "ForkAfterAuthentication",
    "StreamLocalBindUnlink",
    "StrictHostKeyChecking",
    "TCPKeepAlive",
    "Tunnel",
    "VerifyHostKeyDNS",
    "VisualHostKey",
    "UpdateHostKeys",
    "EnableEscapeCommandline",
    "WarnWeakCrypto",
    "CanonicalizeMaxDots",
    "ConnectionAttempts",
    "ForwardX11Timeout",
    "NumberOfPasswordPrompts",
    "ServerAliveCountMax",
    "ServerAliveInterval",
    "RequiredRSASize",
    "ObscureKeystrokeTiming",
    "BindAddress",
    "BindInterface",
    "Ciphers",
    "ControlPath",
    "HostKeyAlgorithms",
    "HostKeyAlias",
    "HostbasedAcceptedAlgorithms",
    "IdentityAgent",
    "IgnoreUnknown",
    "KbdInteractiveDevices",
    "KexAlgorithms",
    "CASignatureAlgorithms",
    "LocalCommand",
    "RemoteCommand",
    "LogLevel",
    "MACs",
    "PKCS11Provider",
    "SecurityKeyProvider",
    "PreferredAuthentications",
    "PubkeyAcceptedAlgorithms",
    "RevokedHostKeys",
    "XAuthLocation",
    "KnownHostsCommand",
    "Tag",
    "VersionAddendum",
    "DynamicForward",
    "LocalForward",
    "RemoteForward",
    "IdentityFile",
    "CanonicalDomains",
    "CertificateFile",
    "GlobalKnownHostsFile",
    "UserKnownHostsFile",
    "SendEnv",
    "SetEnv",
    "LogVerbose",
    "ChannelTimeout",
    "PermitRemoteOpen",
    "AddKeysToAgent",
    "ForwardAgent",
    "ConnectTimeout",
    "TunnelDevice",
    "CanonicalizePermittedCNAMEs",
    "ControlPersist",
    "EscapeChar",
    "IPQoS",
    "RekeyLimit",
    "StreamLocalBindMask",
    "SyslogFacility",
    "ProxyCommand",
    "ProxyJump",
];

impl Options {
    /// What `ssh -G` prints, line by line.
    pub fn dump(&self) -> String {
        let mut dump = Dump::default();
        dump.line("Host", &self.host_argument);
        for name in ORDER {
            if let Some(print) = keywords::find(name).and_then(|k| k.dump) {
                print(self, &mut dump);
            }
        }
        dump.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_printed() {
        for keyword in keywords::all().filter(|k| k.dump.is_some()) {
            let listed = ORDER.contains(&keyword.name) || keyword.name == "RefuseConnection";
            assert!(listed, "{}", keyword.name);
        }
        for name in ORDER {
            assert!(
                keywords::find(name).is_some_and(|k| k.name == *name),
                "{name}"
            );
        }
    }
}
