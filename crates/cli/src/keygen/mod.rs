//! ssh-keygen: makes keys, changes them, shows them, certifies and revokes
//! them, signs with them, edits known_hosts.

mod args;
mod cert_args;
mod cert_options;
mod certify;
mod change;
mod clock;
mod convert;
mod files;
mod generate;
mod host_keys;
mod hosts;
mod kernel;
mod krl;
mod mode;
mod moduli;
mod record;
mod security_key;
mod show;
mod show_cert;
mod signer;
mod sshsig;
pub(crate) mod time;
mod token;
mod usage;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use crate::text::err;
use args::BadArgs;
use mode::Mode;

/// Why a run ends early.
pub(super) enum Stop {
    /// Said already, or nothing to say; this exit status.
    Status(u8),
    /// Told on stderr, exit status 255.
    Fatal(String),
}

impl Stop {
    /// A fatal message.
    fn fatal(text: impl Into<String>) -> Self {
        Self::Fatal(text.into())
    }
}

/// The result of one mode.
pub(super) type Outcome<T = ()> = Result<T, Stop>;

/// Runs the program.
pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    let args = match args::parse(args) {
        Ok(args) => args,
        Err(BadArgs::Usage(reason)) => {
            if let Some(reason) = reason {
                err!("{reason}\r\n");
            }
            err!("{}", usage::USAGE);
            return ExitCode::from(1);
        }
        Err(BadArgs::Message(text)) => {
            err!("{text}\r\n");
            return ExitCode::from(255);
        }
    };
    let done = match &args.mode {
        Mode::Generate => generate::run(&args),
        Mode::PrintPublic => show::print_public(&args),
        Mode::Fingerprint => show::fingerprints(&args),
        Mode::Export => convert::export(&args),
        Mode::Import => convert::import(&args),
        Mode::ChangePassphrase => change::passphrase(&args),
        Mode::ChangeComment => change::comment(&args),
        Mode::FindHost(host) => hosts::find(&args, host),
        Mode::RemoveHost(host) => hosts::remove(&args, host),
        Mode::HashHosts => hosts::hash(&args),
        Mode::ResourceRecord(host) => record::run(&args, host),
        Mode::GenerateModuli => moduli::generate(&args),
        Mode::ScreenModuli => moduli::screen(&args),
        Mode::Download => security_key::download(&args),
        Mode::ListToken(provider) => token::list(&args, provider),
        Mode::HostKeys => {
            host_keys::run(&args);
            Ok(())
        }
        Mode::Certify(authority) => certify::run(&args, authority),
        Mode::ShowCert => show_cert::run(&args),
        Mode::MakeKrl => krl::generate(&args),
        Mode::QueryKrl => krl::query(&args),
        Mode::Signature(operation) => sshsig::run(&args, *operation),
    };
    let flushed = std::io::stdout().flush();
    match done {
        Ok(()) if flushed.is_ok() => ExitCode::SUCCESS,
        Ok(()) => ExitCode::from(255),
        Err(Stop::Status(status)) => ExitCode::from(status),
        Err(Stop::Fatal(text)) => {
            err!("{text}\r\n");
            ExitCode::from(255)
        }
    }
}
