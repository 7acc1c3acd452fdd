//! What ssh-keygen is asked to do, by the flags seen and in the order that
//! decides between several.

use super::args::{Args, BadArgs};

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
}

impl Modes {
    /// Chooses, and refuses what does not go together.
    pub(super) fn choose(self, out: &mut Args) -> Result<(), BadArgs> {
        let usage = |why: &str| Err(BadArgs::Usage(Some(why.into())));
        if !out.operands.is_empty() && self.moduli.is_none() {
            return usage("Too many arguments.");
        }
        if self.passphrase && self.comment {
            return usage("Can only have one of -p and -c.");
        }
        if out.fingerprint && (self.remove || self.hash) {
            return usage("Cannot use -l with -H or -R.");
        }
        out.hashed = self.hash;
        let host = self.host.unwrap_or_default();
        out.mode = match self.moduli {
            _ if self.download => Mode::Download,
            _ if self.find => Mode::FindHost(host),
            _ if self.remove => Mode::RemoveHost(host),
            _ if self.hash => Mode::HashHosts,
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
