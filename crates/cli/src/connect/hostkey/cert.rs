//! Hosts that show a certificate (OpenSSH's PROTOCOL.certkeys).

use std::time::{SystemTime, UNIX_EPOCH};

use carrick_keys::known_hosts::{Entry, HostKeys, Lookup, Marker};
use carrick_keys::{CertDemand, CertKind, CertName, Certificate, PublicKey};

use super::{Accepted, HostCheck, Verdict};
use crate::keygen::time::show_validity;
use crate::log::{debug, debug2, error};

impl HostCheck<'_> {
    pub(super) fn describe(&self, cert: &Certificate) {
        let ca = &cert.authority;
        debug!(
            "Server host certificate: {} {}, serial {} ID \"{}\" CA {} {} valid {}",
            cert.key_type(),
            cert.key().fingerprint(self.hash()),
            cert.serial,
            cert.key_id.escape_debug(),
            ca.key_type(),
            ca.fingerprint(self.hash()),
            show_validity(cert.valid_after, cert.valid_before)
        );
        for name in &cert.principals {
            debug2!("Server host certificate hostname: {}", name.escape_debug());
        }
    }

    /// Decides by the certificate. `None`: it proves nothing here, and its key
    /// is looked at by itself.
    pub(super) fn check_certificate(
        &self,
        host: &HostKeys,
        key: &PublicKey,
        cert: &Certificate,
    ) -> Option<Verdict> {
        match host.lookup(key) {
            Lookup::Revoked(_) => return Some(self.revoked(key)),
            Lookup::Match(authority) => return self.certified(key, cert, authority),
            Lookup::Unknown | Lookup::Changed { .. } => {}
        }
        let authority = |e: &&Entry| e.marker == Marker::Authority;
        if let Some(other) = host.entries().iter().find(authority) {
            // No fault: authorities with wildcards need not cover every host.
            debug!(
                "Host certificate authority does not match @cert-authority in {}:{}",
                other.file, other.line
            );
            return None;
        }
        let bare = self.bare_name()?;
        debug!("checking without port identifier");
        let bare = self.files.for_host(&bare);
        let Lookup::Match(authority) = bare.lookup(key) else {
            return None;
        };
        let verdict = self.certified(key, cert, authority)?;
        debug!("found matching key w/out port");
        Some(verdict)
    }

    /// The authority is listed for the host: what remains is the certificate.
    fn certified(&self, key: &PublicKey, cert: &Certificate, authority: &Entry) -> Option<Verdict> {
        let kind = key.short_name();
        debug!(
            "Host '{}' is known and matches the {kind} host certificate.",
            self.name
        );
        debug!("Found CA key in {}:{}", authority.file, authority.line);
        let options = self.options;
        let name = options
            .host_key_alias
            .as_ref()
            .unwrap_or(&options.hostname)
            .to_ascii_lowercase();
        let algorithms: Vec<&str> = options
            .ca_signature_algorithms
            .iter()
            .map(String::as_str)
            .collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let demand = CertDemand {
            kind: CertKind::Host,
            name: CertName::Host(&name),
            unlisted_is_any: true,
            now: now.map_or(0, |since| since.as_secs()),
            ca_algorithms: Some(&algorithms),
            rsa_min: options.required_rsa_size,
        };
        match cert.judge(&demand) {
            Ok(judged) => {
                self.show(judged.key());
                Some(Ok(Accepted::Trusted))
            }
            Err(why) => {
                error!("{why}");
                None
            }
        }
    }
}
