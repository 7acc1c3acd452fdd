//! `-O` for certificates: what they demand and permit.

use carrick_keys::matching::{AddressListError, cidr_list};

use crate::log::error;

/// A certificate's option: name and, if it is no mere flag, value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Extra {
    critical: bool,
    name: String,
    value: Option<String>,
}

/// Options as the data of a certificate has them.
pub(super) type Encoded = Vec<(String, Vec<u8>)>;

/// The extensions that are on or off.
const PERMISSIONS: [(&str, &str); 5] = [
    ("x11-forwarding", "permit-X11-forwarding"),
    ("agent-forwarding", "permit-agent-forwarding"),
    ("port-forwarding", "permit-port-forwarding"),
    ("pty", "permit-pty"),
    ("user-rc", "permit-user-rc"),
];

/// What goes into a certificate's options.
pub(super) struct CertExtras {
    /// By the order of [`PERMISSIONS`].
    permitted: [bool; PERMISSIONS.len()],
    no_touch_required: bool,
    verify_required: bool,
    force_command: Option<String>,
    source_address: Option<String>,
    named: Vec<Extra>,
}

impl CertExtras {
    /// What a certificate has that nothing was said of: for users all
    /// permissions, for hosts none.
    pub(super) fn new(host: bool) -> Self {
        Self {
            permitted: [!host; PERMISSIONS.len()],
            no_touch_required: false,
            verify_required: false,
            force_command: None,
            source_address: None,
            named: Vec::new(),
        }
    }

    /// Takes one `-O`. The error is the message.
    pub(super) fn add(&mut self, option: &str) -> Result<(), String> {
        let lower = option.to_ascii_lowercase();
        if let Some(list) = after(option, "force-command=") {
            return set(&mut self.force_command, "force-command", list);
        }
        if let Some(list) = after(option, "source-address=") {
            set(&mut self.source_address, "source-address", list)?;
            return cidr_list(None, list).map(drop).map_err(|e| {
                tell_network(&e);
                "Invalid source-address list".into()
            });
        }
        if let Some(text) = after(option, "extension:") {
            self.named.push(extra(text, false));
            return Ok(());
        }
        if let Some(text) = after(option, "critical:") {
            self.named.push(extra(text, true));
            return Ok(());
        }
        match lower.as_str() {
            "clear" => {
                self.permitted = [false; PERMISSIONS.len()];
                self.no_touch_required = false;
                self.verify_required = false;
            }
            "touch-required" => self.no_touch_required = false,
            "no-touch-required" => self.no_touch_required = true,
            "verify-required" => self.verify_required = true,
            "no-verify-required" => self.verify_required = false,
            _ => self
                .permit(&lower)
                .ok_or_else(|| format!("Unsupported certificate option \"{option}\""))?,
        }
        Ok(())
    }

    /// `permit-NAME` or `no-NAME`.
    fn permit(&mut self, lower: &str) -> Option<()> {
        let (name, on) = match lower.strip_prefix("permit-") {
            Some(name) => (name, true),
            None => (lower.strip_prefix("no-")?, false),
        };
        let at = PERMISSIONS.iter().position(|(known, _)| *known == name)?;
        *self.permitted.get_mut(at)? = on;
        Some(())
    }

    /// The critical options and the extensions, each in order.
    pub(super) fn finish(self) -> (Encoded, Encoded) {
        let flag = |critical, name: &str| Extra {
            critical,
            name: name.to_owned(),
            value: None,
        };
        let mut all = self.named;
        for (name, value) in [
            ("force-command", self.force_command),
            ("source-address", self.source_address),
        ] {
            all.extend(value.map(|value| Extra {
                value: Some(value),
                ..flag(true, name)
            }));
        }
        let flags = [
            (self.verify_required, flag(true, "verify-required")),
            (self.no_touch_required, flag(false, "no-touch-required")),
        ];
        all.extend(flags.into_iter().filter(|(on, _)| *on).map(|(_, f)| f));
        let permitted = PERMISSIONS.iter().zip(self.permitted);
        all.extend(
            permitted
                .filter(|(_, on)| *on)
                .map(|((_, name), _)| flag(false, name)),
        );
        all.sort();
        let (critical, extensions): (Vec<Extra>, Vec<Extra>) =
            all.into_iter().partition(|extra| extra.critical);
        let encode = |list: Vec<Extra>| list.into_iter().map(Extra::encode).collect();
        (encode(critical), encode(extensions))
    }
}

impl Extra {
    /// A value is a string inside the option's data; a flag has no data.
    fn encode(self) -> (String, Vec<u8>) {
        let mut data = Vec::new();
        if let Some(value) = &self.value {
            carrick_wire::Writer::new(&mut data).text(value);
        }
        (self.name, data)
    }
}

/// Tells which network is none, as OpenSSH words it.
fn tell_network(error: &AddressListError) {
    match error {
        AddressListError::BadPrefix { item } => {
            error!("Inconsistent mask length for network \"{item}\"");
        }
        AddressListError::NotANetwork { item } => {
            let fits = |c: char| c.is_ascii_hexdigit() || ".:/".contains(c);
            if !item.chars().all(fits) {
                error!("addr_match_cidr_list: list entry \"{item}\" contains invalid characters");
            }
            error!("Invalid network entry \"{item}\"");
        }
        // The rest says all that there is to say.
        _ => {}
    }
}

/// What follows a prefix, whose case does not count.
fn after<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix)
        .then(|| text.get(prefix.len()..).unwrap_or_default())
}

fn set(slot: &mut Option<String>, name: &str, value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err(format!("Empty {name} option"));
    }
    match slot.replace(value.to_owned()) {
        None => Ok(()),
        Some(_) => Err(format!("{name} already specified")),
    }
}

/// `NAME` or `NAME=VALUE`.
fn extra(text: &str, critical: bool) -> Extra {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, None),
    };
    Extra {
        critical,
        name: name.to_owned(),
        value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(host: bool, options: &[&str]) -> Result<(Vec<String>, Vec<String>), String> {
        let mut extras = CertExtras::new(host);
        for option in options {
            extras.add(option)?;
        }
        let (critical, extensions) = extras.finish();
        let names = |list: Encoded| list.into_iter().map(|(name, _)| name).collect();
        Ok((names(critical), names(extensions)))
    }

    #[test]
    fn users_are_permitted_all_and_hosts_nothing() {
        let all = [
            "permit-X11-forwarding",
            "permit-agent-forwarding",
            "permit-port-forwarding",
            "permit-pty",
            "permit-user-rc",
        ];
        assert_eq!(names(false, &[]).unwrap().1, all);
        assert_eq!(names(true, &[]).unwrap(), (vec![], vec![]));
        let some = names(false, &["clear", "Permit-PTY", "no-touch-required"]).unwrap();
        assert_eq!(some.1, ["no-touch-required", "permit-pty"]);
        assert_eq!(names(false, &["no-pty", "no-user-rc"]).unwrap().1, all[..3]);
    }

    #[test]
    fn options_are_in_order_whatever_the_flags_were() {
        let (critical, extensions) = names(
            true,
            &[
                "verify-required",
                "extension:b=1",
                "source-address=::1",
                "critical:zoom",
                "extension:a",
                "force-command=x",
                "extension:b",
            ],
        )
        .unwrap();
        let sorted = ["force-command", "source-address", "verify-required", "zoom"];
        assert_eq!(critical, sorted);
        assert_eq!(extensions, ["a", "b", "b"]);
    }

    #[test]
    fn refusals() {
        for (options, words) in [
            (&["zoom"][..], "Unsupported certificate option \"zoom\""),
            (&["no-X"], "Unsupported certificate option \"no-X\""),
            (&["force-command="], "Empty force-command option"),
            (&["source-address="], "Empty source-address option"),
            (&["source-address=10.0.0.*"], "Invalid source-address list"),
            (
                &["force-command=a", "force-command=b"],
                "force-command already specified",
            ),
        ] {
            assert_eq!(names(false, options), Err(words.into()));
        }
    }
}
