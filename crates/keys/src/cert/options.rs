//! What a certificate's options and extensions say (PROTOCOL.certkeys,
//! sections "Critical options" and "Extensions"), typed.

use core::fmt;

use carrick_wire::Reader;

use super::{CertKind, Certificate};
use crate::matching::cidr_list;

/// What a user certificate demands and permits. Unlike the options of an
/// authorized key this begins as "nothing permitted".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CertOptions {
    /// `force-command`: run in place of what was asked for.
    pub force_command: Option<Vec<u8>>,
    /// `source-address`: the networks that a login may come from. The list
    /// is sound: see [`crate::matching::cidr_list`].
    pub source_address: Option<String>,
    /// `verify-required`: a security key must have verified its user.
    pub verify_required: bool,
    /// `no-touch-required`: a security key need not have been touched.
    pub no_touch_required: bool,
    /// `permit-X11-forwarding`.
    pub permit_x11_forwarding: bool,
    /// `permit-agent-forwarding`.
    pub permit_agent_forwarding: bool,
    /// `permit-port-forwarding`.
    pub permit_port_forwarding: bool,
    /// `permit-pty`.
    pub permit_pty: bool,
    /// `permit-user-rc`.
    pub permit_user_rc: bool,
    /// Extensions that mean nothing to us, by name: they may be ignored, and
    /// a log can say so.
    pub ignored: Vec<String>,
}

/// Why a certificate's options make it worthless.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionFault {
    /// A critical option that is not known, so that what it demands cannot be
    /// done.
    Critical {
        /// Its name.
        name: String,
    },
    /// A critical option of a host certificate: none is known.
    HostCritical {
        /// Its name.
        name: String,
    },
    /// An option was given twice.
    Repeated {
        /// Its name.
        name: &'static str,
    },
    /// An option's data is not what its definition says.
    Data {
        /// Its name.
        name: &'static str,
    },
    /// An option has data behind what its definition says.
    ExtraData {
        /// Its name.
        name: &'static str,
    },
    /// `source-address` is not a list of networks.
    SourceAddress,
}

impl fmt::Display for OptionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Critical { name } => {
                write!(f, "Certificate critical option \"{name}\" is not supported")
            }
            Self::HostCritical { .. } => {
                f.write_str("Certificate contains unsupported critical options")
            }
            Self::Repeated { name } => write!(f, "Certificate has multiple {name} options"),
            Self::Data { name } => write!(f, "Unable to parse \"{name}\" section: invalid format"),
            Self::ExtraData { name } => {
                write!(f, "Certificate option \"{name}\" corrupt (extra data)")
            }
            Self::SourceAddress => f.write_str("Certificate source-address contents invalid"),
        }
    }
}

impl CertOptions {
    /// Reads the options of a certificate. No host certificate has a critical
    /// option that is known, and its extensions have no meaning.
    pub(super) fn of(cert: &Certificate) -> Result<Self, OptionFault> {
        let mut options = Self::default();
        for (name, data) in &cert.critical_options {
            if cert.kind == CertKind::Host {
                let name = name.clone();
                return Err(OptionFault::HostCritical { name });
            }
            options.critical(name, data)?;
        }
        for (name, data) in &cert.extensions {
            if cert.kind == CertKind::User {
                options.extension(name, data)?;
            }
        }
        Ok(options)
    }

    fn critical(&mut self, name: &str, data: &[u8]) -> Result<(), OptionFault> {
        match name {
            "verify-required" => {
                no_data("verify-required", data)?;
                self.verify_required = true;
            }
            "force-command" => once(&mut self.force_command, "force-command", data)?,
            "source-address" => {
                let mut list = None;
                once(&mut list, "source-address", data)?;
                let list = String::from_utf8(list.unwrap_or_default())
                    .map_err(|_| OptionFault::SourceAddress)?;
                cidr_list(None, &list).map_err(|_| OptionFault::SourceAddress)?;
                if self.source_address.replace(list).is_some() {
                    let name = "source-address";
                    return Err(OptionFault::Repeated { name });
                }
            }
            _ => return Err(unknown(name)),
        }
        Ok(())
    }

    fn extension(&mut self, name: &str, data: &[u8]) -> Result<(), OptionFault> {
        let (name, flag) = match name {
            "no-touch-required" => ("no-touch-required", &mut self.no_touch_required),
            "permit-X11-forwarding" => ("permit-X11-forwarding", &mut self.permit_x11_forwarding),
            "permit-agent-forwarding" => {
                ("permit-agent-forwarding", &mut self.permit_agent_forwarding)
            }
            "permit-port-forwarding" => {
                ("permit-port-forwarding", &mut self.permit_port_forwarding)
            }
            "permit-pty" => ("permit-pty", &mut self.permit_pty),
            "permit-user-rc" => ("permit-user-rc", &mut self.permit_user_rc),
            other => {
                self.ignored.push(other.to_owned());
                return Ok(());
            }
        };
        no_data(name, data)?;
        *flag = true;
        Ok(())
    }
}

fn unknown(name: &str) -> OptionFault {
    OptionFault::Critical {
        name: name.to_owned(),
    }
}

fn no_data(name: &'static str, data: &[u8]) -> Result<(), OptionFault> {
    if data.is_empty() {
        Ok(())
    } else {
        Err(OptionFault::ExtraData { name })
    }
}

/// A value that is a string inside the option's data. A zero byte would end
/// it early for whoever hands it to a C function.
fn once(slot: &mut Option<Vec<u8>>, name: &'static str, data: &[u8]) -> Result<(), OptionFault> {
    let mut r = Reader::new(data);
    let value = r.string(name).map_err(|_| OptionFault::Data { name })?;
    if value.contains(&0) {
        return Err(OptionFault::Data { name });
    }
    if !r.is_empty() {
        return Err(OptionFault::ExtraData { name });
    }
    match slot.replace(value.to_vec()) {
        None => Ok(()),
        Some(_) => Err(OptionFault::Repeated { name }),
    }
}
