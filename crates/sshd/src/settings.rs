//! The configuration as this daemon sees it: loading, what of it is not built
//! yet, and the words of the configuration in terms of other crates.

use std::io;

use carrick_config::hooks::{FileText, Hooks, Level as NoteLevel, local};
use carrick_config::sshd::{ConnectionSpec, Options, Source};
use carrick_config::words::{FingerprintHash, LogLevel};
use carrick_config::{Error, Origin};
use carrick_sys::passwd;

use crate::args::{Args, CONFIG};
use crate::log::{self, Level, Sink, info};

/// The program's name in the system log.
const NAME: &str = "sshd";

/// The system, for the configuration.
struct System;

/// The system, for what is looked up later in the configuration's way.
pub const HOOKS: &dyn Hooks = &System;

impl Hooks for System {
    fn read(&self, path: &str) -> io::Result<FileText> {
        local::read(path)
    }
    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        local::list(directory)
    }
    fn env(&self, name: &str) -> Option<String> {
        local::env(name)
    }
    fn home(&self, user: Option<&str>) -> Option<String> {
        let account = match user {
            Some(name) => passwd::by_name(name),
            None => passwd::by_uid(self.uid()),
        };
        account.ok()??.home.into_os_string().into_string().ok()
    }
    fn uid(&self) -> u32 {
        carrick_sys::identity::effective_uid()
    }
    fn groups(&self, user: &str) -> Option<Vec<String>> {
        let account = passwd::by_name(user).ok()??;
        Some(passwd::group_names(&passwd::groups_of(&account).ok()?))
    }
    fn current_dir(&self) -> Option<String> {
        local::current_dir()
    }
    fn note(&self, level: NoteLevel, text: &str) {
        let level = match level {
            NoteLevel::Error => Level::Error,
            NoteLevel::Info => Level::Info,
            NoteLevel::Debug1 => Level::Debug1,
            NoteLevel::Debug2 => Level::Debug2,
            NoteLevel::Debug3 => Level::Debug3,
        };
        log::write(level, format_args!("{text}"));
    }
}

/// The configuration: its text and what it says for every connection.
pub struct Config {
    source: Source,
    global: Options,
}

impl Config {
    /// Reads it as the command line says.
    pub fn load(args: &Args) -> Result<Self, Error> {
        let path = args.config.as_deref().unwrap_or(CONFIG);
        let mut source = Source::open(path, &System)?;
        source.ports.clone_from(&args.ports);
        source.options.clone_from(&args.options);
        let global = Options::load(&mut source, &System)?;
        Ok(Self { source, global })
    }

    /// Reads it from what [`Self::encode`] made: the files of then.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut source =
            Source::decode(bytes).map_err(|_| Error::new("", 0, "invalid configuration"))?;
        let global = Options::load(&mut source, &System)?;
        Ok(Self { source, global })
    }

    /// All of it as bytes.
    pub fn encode(&self) -> Vec<u8> {
        self.source.encode()
    }

    /// What holds where no Match block applies.
    pub fn global(&self) -> &Options {
        &self.global
    }

    /// What holds for one connection.
    pub fn for_connection(&self, spec: &ConnectionSpec) -> Result<Options, Error> {
        self.global.for_connection(&self.source, spec, &System)
    }

    /// What `-T` and `-G` print.
    pub fn dump(&self, args: &Args) -> Result<String, Error> {
        if args.connection.is_empty() {
            return Ok(self.global.dump());
        }
        let mut spec = ConnectionSpec::default();
        for text in &args.connection {
            spec.parse(text, &System)?;
        }
        Ok(self.for_connection(&spec)?.dump())
    }

    /// The first keyword that asks for what is not built, with its place.
    pub fn unbuilt(&self) -> Option<(&'static str, Option<&Origin>)> {
        let mentioned = self.global.mentioned_keywords();
        UNBUILT.iter().find_map(|(name, asks)| {
            let in_match_only = !self.global.is_set(name) && mentioned.contains(name);
            let hit = asks(&self.global) || (in_match_only && NOT_EVEN_IN_MATCH.contains(name));
            hit.then(|| (*name, mentioned.origin(name)))
        })
    }
}

/// Whether the options ask for something.
type Asks = fn(&Options) -> bool;

/// Keywords that are read but not acted on, each with the question whether
/// its value asks for more than is done anyway. A daemon that ignored one of
/// these would be less safe, or do less, than its administrator thinks.
const UNBUILT: &[(&str, Asks)] = &[
    ("ChannelTimeout", |o| !o.channel_timeouts.is_empty()),
    ("ListenAddress", |o| {
        o.listen_addresses.iter().any(|at| at.rdomain.is_some())
    }),
    ("GSSAPIAuthentication", |o| o.gssapi_authentication),
    ("KerberosAuthentication", |o| o.kerberos_authentication),
    ("RDomain", |o| is_given(o.rdomain.as_deref())),
    ("UnusedConnectionTimeout", |o| {
        o.unused_connection_timeout.is_some()
    }),
    ("UseDNS", |o| o.use_dns),
];

/// Those of which not even a Match block may speak, as its value is seen only
/// when it applies, and that would be too late.
const NOT_EVEN_IN_MATCH: &[&str] = &["RDomain"];

fn is_given(value: Option<&str>) -> bool {
    value.is_some_and(|value| !value.eq_ignore_ascii_case("none"))
}

/// ChrootDirectory, if it names one.
pub fn chroot_directory(options: &Options) -> Option<&str> {
    let path = options.chroot_directory.as_deref();
    path.filter(|path| is_given(Some(path)))
}

/// What an options set asks for that is not built.
pub fn unbuilt_in(options: &Options) -> Option<&'static str> {
    UNBUILT
        .iter()
        .find_map(|(name, asks)| asks(options).then_some(*name))
}

/// Says what the daemon goes without.
pub fn warn_of_absent(options: &Options) {
    if options.use_pam
        && let Some(origin) = options.set_keywords().origin("UsePAM")
    {
        info!("{origin}: Unsupported option UsePAM");
    }
}

/// Starts the log as the options say.
pub fn start_log(options: &Options, to_stderr: bool) {
    let sink = if to_stderr {
        Sink::Stderr
    } else {
        Sink::Syslog(options.syslog_facility.number(), NAME)
    };
    log::start(level_of(options.log_level), sink);
}

/// The level while the configuration is being read.
pub fn level_of_args(args: &Args) -> Level {
    match args.debug {
        0 if args.quiet => Level::Quiet,
        0 => Level::Info,
        1 => Level::Debug1,
        2 => Level::Debug2,
        _ => Level::Debug3,
    }
}

/// LogLevel.
pub fn level_of(level: LogLevel) -> Level {
    match level {
        LogLevel::Quiet => Level::Quiet,
        LogLevel::Fatal => Level::Fatal,
        LogLevel::Error => Level::Error,
        LogLevel::Info => Level::Info,
        LogLevel::Verbose => Level::Verbose,
        LogLevel::Debug1 => Level::Debug1,
        LogLevel::Debug2 => Level::Debug2,
        LogLevel::Debug3 => Level::Debug3,
    }
}

/// FingerprintHash.
pub fn fingerprint_hash(options: &Options) -> carrick_keys::FingerprintHash {
    use carrick_keys::FingerprintHash as Known;
    match options.fingerprint_hash {
        FingerprintHash::Md5 => Known::Md5,
        FingerprintHash::Sha1 => Known::Sha1,
        FingerprintHash::Sha256 => Known::Sha256,
        FingerprintHash::Sha384 => Known::Sha384,
        FingerprintHash::Sha512 => Known::Sha512,
    }
}
