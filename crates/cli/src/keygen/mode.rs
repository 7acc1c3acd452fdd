//! What ssh-keygen is asked to do, by the flags seen and in the order that
//! decides between several.

use super::args::{Args, BadArgs};
use super::sshsig::Operation;

/// What to do.
#[derive(Debug, PartialEq, Eq, Clone, Default)]
pub(super) enum Mode {
    #[default]
    Generate,
    /// `-y`
    PrintPublic,
    /// `-l`, `-B`
    Fingerprint,
    /// `-e`
    Export,
    /// `-i`
    Import,
    /// `-p`
    ChangePassphrase,
    /// `-c`
    ChangeComment,
    /// `-F host`
    FindHost(String),
    /// `-R host`
    RemoveHost(String),
    /// `-H`
    HashHosts,
    /// `-r host`
    ResourceRecord(String),
    /// `-M generate`
    GenerateModuli,
    /// `-M screen`
    ScreenModuli,
    /// `-A`
    HostKeys,
    /// `-K`
    Download,
    /// `-D`, with the provider's library.
    ListToken(String),
    /// `-s`, with the authority's key.
    Certify(String),
    /// `-L`
    ShowCert,
    /// `-k`
    MakeKrl,
    /// `-Q`
    QueryKrl,
    /// `-Y`
    Signature(Operation),
}

/// The mode flags seen.
#[derive(Default)]
pub(super) struct Modes {
    pub(super) print_public: bool,
    pub(super) passphrase: bool,
    pub(super) comment: bool,
    pub(super) export: bool,
    pub(super) import: bool,
    pub(super) hash: bool,
    pub(super) find: bool,
    pub(super) remove: bool,
    pub(super) record: bool,
    /// The last value of `-F`, `-R` or `-r`.
    pub(super) host: Option<String>,
    pub(super) moduli: Option<Mode>,
    pub(super) host_keys: bool,
    pub(super) download: bool,
    /// `-k` or `-Q`.
    pub(super) krl: Option<Mode>,
    pub(super) show_cert: bool,
    /// `-Y`
    pub(super) signature: Option<Operation>,
}

impl Modes {
    /// Chooses, and refuses what does not go together.
    pub(super) fn choose(self, out: &mut Args) -> Result<(), BadArgs> {
        let usage = |why: &str| Err(BadArgs::Usage(Some(why.into())));
        if let Some(operation) = self.signature {
            out.cert.revoked = self.host.map(Into::into);
            out.mode = Mode::Signature(operation);
            return Ok(());
        }
        let operands = !out.operands.is_empty();
        if out.cert.authority.is_some() {
            if !operands && self.krl != Some(Mode::MakeKrl) {
                return usage("Too few arguments.");
            }
        } else if operands && self.moduli.is_none() && self.krl.is_none() {
            return usage("Too many arguments.");
        }
        if self.passphrase && self.comment {
            return usage("Can only have one of -p and -c.");
        }
        if out.fingerprint && (self.remove || self.hash) {
            return usage("Cannot use -l with -H or -R.");
        }
        if let Some(krl) = self.krl {
            out.mode = krl;
            return Ok(());
        }
        if let Some(authority) = &out.cert.authority {
            out.mode = Mode::Certify(authority.clone());
            return Ok(());
        }
        if let Some(provider) = out.cert.token.take() {
            out.mode = Mode::ListToken(provider);
            return Ok(());
        }
        out.hashed = self.hash;
        let host = self.host.unwrap_or_default();
        out.mode = match self.moduli {
            _ if self.show_cert => Mode::ShowCert,
            _ if self.find => Mode::FindHost(host),
            _ if self.remove => Mode::RemoveHost(host),
            _ if self.hash => Mode::HashHosts,
            _ if self.download => Mode::Download,
            _ if out.fingerprint || out.bubblebabble => Mode::Fingerprint,
            _ if self.passphrase => Mode::ChangePassphrase,
            _ if self.comment => Mode::ChangeComment,
            _ if self.export => Mode::Export,
            _ if self.import => Mode::Import,
            _ if self.print_public => Mode::PrintPublic,
            _ if self.record => Mode::ResourceRecord(host),
            Some(moduli) => moduli,
            None if self.host_keys => Mode::HostKeys,
            None => Mode::Generate,
        };
        Ok(())
    }
}
