//! `sshd -T` and `sshd -G`.

use super::keywords;
use super::options::{ListenAddress, Options};
use crate::keyword::Dump;
use crate::words::AddressFamily;

/// The order in which OpenSSH prints the options.
const ORDER: &[&str] = &[
    "Port",
    "AddressFamily",
    "ListenAddress",
    "UsePAM",
    "PAMServiceName",
    "LoginGraceTime",
    "X11DisplayOffset",
    "MaxAuthTries",
    "MaxSessions",
    "ClientAliveInterval",
    "ClientAliveCountMax",
    "RequiredRSASize",
    "StreamLocalBindMask",
    "UnusedConnectionTimeout",
    "PermitRootLogin",
    "IgnoreRhosts",
    "IgnoreUserKnownHosts",
    "HostbasedAuthentication",
    "HostbasedUsesNameFromPacketOnly",
    "PubkeyAuthentication",
    "KerberosAuthentication",
    "KerberosOrLocalPasswd",
    "KerberosTicketCleanup",
    "GSSAPIAuthentication",
    "GSSAPICleanupCredentials",
    "GSSAPIStrictAcceptorCheck",
    "PasswordAuthentication",
    "KbdInteractiveAuthentication",
    "PrintMotd",
    "PrintLastLog",
    "X11Forwarding",
    "X11UseLocalhost",
    "PermitTTY",
    "PermitUserRC",
    "StrictModes",
    "TCPKeepAlive",
    "PermitEmptyPasswords",
    "Compression",
    "GatewayPorts",
    "UseDNS",
    "AllowTcpForwarding",
    "AllowAgentForwarding",
    "DisableForwarding",
    "AllowStreamLocalForwarding",
    "StreamLocalBindUnlink",
    "FingerprintHash",
    "ExposeAuthInfo",
    "RefuseConnection",
    "PidFile",
    "ModuliFile",
    "XAuthLocation",
    "Ciphers",
    "MACs",
    "Banner",
    "ForceCommand",
    "ChrootDirectory",
    "TrustedUserCAKeys",
    "RevokedKeys",
    "SecurityKeyProvider",
    "AuthorizedPrincipalsFile",
    "VersionAddendum",
    "AuthorizedKeysCommand",
    "AuthorizedKeysCommandUser",
    "AuthorizedPrincipalsCommand",
    "AuthorizedPrincipalsCommandUser",
    "HostKeyAgent",
    "KexAlgorithms",
    "CASignatureAlgorithms",
    "HostbasedAcceptedAlgorithms",
    "HostKeyAlgorithms",
    "PubkeyAcceptedAlgorithms",
    "RDomain",
    "SshdSessionPath",
    "SshdAuthPath",
    "PerSourcePenaltyExemptList",
    "LogLevel",
    "SyslogFacility",
    "AuthorizedKeysFile",
    "HostKey",
    "HostCertificate",
    "AllowUsers",
    "DenyUsers",
    "AllowGroups",
    "DenyGroups",
    "AcceptEnv",
    "SetEnv",
    "AuthenticationMethods",
    "LogVerbose",
    "ChannelTimeout",
    "Subsystem",
    "MaxStartups",
    "PerSourceMaxStartups",
    "PerSourceNetBlockSize",
    "PermitTunnel",
    "IPQoS",
    "RekeyLimit",
    "PermitOpen",
    "PermitListen",
    "PermitUserEnvironment",
    "PubkeyAuthOptions",
    "PerSourcePenalties",
];

/// Not printed by OpenSSH 10.0 unless they were set.
const IF_SET: &[&str] = &[
    "RDomain",
    "GSSAPIDelegateCredentials",
    "KerberosGetAFSToken",
    // Ours.
    "AgentSocketLink",
];

impl Options {
    /// What `sshd -T` prints, line by line.
    pub fn dump(&self) -> String {
        let mut dump = Dump::default();
        for name in ORDER {
            if IF_SET.contains(name) && !self.is_set(name) {
                continue;
            }
            if let Some(print) = keywords::find(name).and_then(|k| k.dump) {
                print(self, &mut dump);
            }
        }
        for name in IF_SET
            .iter()
            .filter(|n| !ORDER.contains(n) && self.is_set(n))
        {
            if let Some(print) = keywords::find(name).and_then(|k| k.dump) {
                print(self, &mut dump);
            }
        }
        dump.finish()
    }
}

/// A line for each address and port.
pub(super) fn listen_addresses(options: &Options, dump: &mut Dump) {
    for (address, port) in options.listeners() {
        let any: &[&str] = match options.address_family {
            AddressFamily::Any => &["[::]", "0.0.0.0"],
            AddressFamily::Inet => &["0.0.0.0"],
            AddressFamily::Inet6 => &["[::]"],
        };
        match address {
            None => {
                for host in any {
                    dump.line("ListenAddress", format!("{host}:{port}"));
                }
            }
            Some(ListenAddress { host, rdomain, .. }) => {
                let host = match host.parse::<std::net::IpAddr>() {
                    Ok(ip @ std::net::IpAddr::V6(_)) => format!("[{ip}]"),
                    Ok(ip) => ip.to_string(),
                    Err(_) => host.clone(),
                };
                let rdomain = rdomain
                    .as_ref()
                    .map(|r| format!(" rdomain {r}"))
                    .unwrap_or_default();
                dump.line("ListenAddress", format!("{host}:{port}{rdomain}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_printed() {
        for keyword in keywords::all().filter(|k| k.dump.is_some()) {
            let listed = ORDER.contains(&keyword.name) || IF_SET.contains(&keyword.name);
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
