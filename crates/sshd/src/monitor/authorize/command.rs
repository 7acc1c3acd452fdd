//! AuthorizedKeysCommand and AuthorizedPrincipalsCommand: programs of the
//! administrator's that print what a file would hold.

use std::io::Read as _;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use carrick_config::command_line;
use carrick_config::tokens::{Tokens, expand};
use carrick_keys::{Certificate, PublicKey};
use carrick_sys::identity::{self, with_effective};
use carrick_sys::passwd::{self, Account};
use carrick_sys::process;

use super::userfile::{self, LONGEST};
use super::{Context, Terms, entry, principals};
use crate::listener::bind::strerror;
use crate::log::{error, info};

/// Where such a program finds others.
const PATH: &str = "/usr/bin:/bin:/usr/sbin:/sbin";

/// The terms that AuthorizedKeysCommand has for a key.
pub(super) fn authorized_keys(context: &Context<'_>, key: &PublicKey) -> Option<Terms> {
    let line = context.options.authorized_keys_command.as_deref()?;
    let helper = Helper {
        keyword: "AuthorizedKeysCommand",
        line,
        user: context.options.authorized_keys_command_user.as_deref(),
        // As OpenSSH always did: without arguments it gets the user's name.
        name_alone: true,
    };
    let (print, text) = (context.print(key), blob_text(key));
    let own = Own::of(context);
    let mut tokens = own.tokens();
    tokens.extend([('t', key.key_type()), ('f', &print), ('k', &text)]);
    let printed = helper.run(context, &tokens)?;
    entry::terms(context, &printed, line, key)
}

/// The terms that AuthorizedPrincipalsCommand has for a certificate.
pub(super) fn authorized_principals(context: &Context<'_>, cert: &Certificate) -> Option<Terms> {
    let line = context.options.authorized_principals_command.as_deref()?;
    let helper = Helper {
        keyword: "AuthorizedPrincipalsCommand",
        line,
        user: context
            .options
            .authorized_principals_command_user
            .as_deref(),
        name_alone: false,
    };
    let key = PublicKey::Certificate(Box::new(cert.clone()));
    let ca = &cert.authority;
    let (print, text) = (context.print(&key), blob_text(&key));
    let (ca_print, ca_text) = (context.print(ca), blob_text(ca));
    let serial = cert.serial.to_string();
    let own = Own::of(context);
    let mut tokens = own.tokens();
    tokens.extend([
        ('t', key.key_type()),
        ('f', print.as_str()),
        ('k', &text),
        ('T', ca.key_type()),
        ('F', &ca_print),
        ('K', &ca_text),
        ('i', &cert.key_id),
        ('s', &serial),
    ]);
    let printed = helper.run(context, &tokens)?;
    principals::in_text(&printed, "(command)", cert)
}

/// A key as base64, without its type in front.
fn blob_text(key: &PublicKey) -> String {
    let line = key.to_line("");
    line.split_once(' ').map_or("", |(_, text)| text).to_owned()
}

/// What the tokens stand for that have nothing to do with the key.
struct Own<'a> {
    user: &'a str,
    home: &'a str,
    uid: String,
    ends: String,
}

impl<'a> Own<'a> {
    fn of(context: &Context<'a>) -> Self {
        let (peer, local) = (context.peer, context.local);
        Self {
            user: &context.account.name,
            home: context.account.home.to_str().unwrap_or_default(),
            uid: context.account.uid.to_string(),
            ends: format!(
                "{} {} {} {}",
                peer.address, peer.port, local.address, local.port
            ),
        }
    }

    fn tokens(&self) -> Vec<(char, &str)> {
        vec![
            ('u', self.user),
            ('h', self.home),
            ('U', &self.uid),
            ('C', &self.ends),
            // Routing domains are not supported: there is none.
            ('D', ""),
        ]
    }
}

/// A command line of the configuration's.
struct Helper<'a> {
    keyword: &'static str,
    line: &'a str,
    user: Option<&'a str>,
    name_alone: bool,
}

impl Helper<'_> {
    /// What the program prints, if it ends well. Whatever is amiss is logged.
    fn run(&self, context: &Context<'_>, tokens: Tokens<'_>) -> Option<Vec<u8>> {
        let words = self
            .words(tokens)
            .inspect_err(|problem| error!("{problem}"))
            .ok()?;
        let mut words = words.into_iter();
        let program = words.next()?;
        let mut args: Vec<String> = words.collect();
        if args.is_empty() && self.name_alone {
            args.push(context.account.name.clone());
        }
        let shown = command_line::join(
            &std::iter::once(program.clone())
                .chain(args.iter().cloned())
                .collect::<Vec<_>>(),
        );
        let account = self.account(context)?;
        self.check(&program, &account)
            .inspect_err(|problem| error!("{problem}"))
            .ok()?;
        self.output(&program, &args, &account, &shown)
    }

    /// Program and arguments, with what their tokens stand for.
    fn words(&self, tokens: Tokens<'_>) -> Result<Vec<String>, String> {
        let Self { keyword, line, .. } = self;
        let split = command_line::split(line)
            .ok_or_else(|| format!("{keyword} \"{line}\" contains invalid quotes"))?;
        let Some((program, args)) = split.split_first() else {
            return Err(format!("{keyword} \"{line}\" yielded no arguments"));
        };
        let args = args.iter().map(|arg| {
            expand(arg, tokens).map_err(|problem| format!("{keyword} \"{line}\": {problem}"))
        });
        std::iter::once(Ok(program.clone())).chain(args).collect()
    }

    /// Whom it runs as.
    fn account(&self, context: &Context<'_>) -> Option<Account> {
        let keyword = self.keyword;
        let Some(user) = self.user else {
            error!("No user for {keyword} specified, skipping");
            return None;
        };
        let name = expand(user, &[('u', context.account.name.as_str())])
            .inspect_err(|problem| error!("{keyword}User {user}: {problem}"))
            .ok()?;
        match passwd::by_name(&name) {
            Ok(Some(account)) => Some(account),
            Ok(None) => {
                error!("{keyword}User \"{name}\" not found: Success");
                None
            }
            Err(problem) => {
                error!("{keyword}User \"{name}\" not found: {}", strerror(&problem));
                None
            }
        }
    }

    /// Whether nobody but root can change what is run.
    fn check(&self, program: &str, account: &Account) -> Result<(), String> {
        let keyword = self.keyword;
        if !program.starts_with('/') {
            return Err(format!("{keyword} path is not absolute"));
        }
        if !identity::is_root() && account.uid != identity::effective_uid() {
            let name = &account.name;
            return Err(format!("{keyword}: only root can run it as user {name}"));
        }
        let look = || {
            let path = Path::new(program);
            let about = path.metadata().map_err(|problem| {
                let problem = strerror(&problem);
                format!("Could not stat {keyword} \"{program}\": {problem}")
            })?;
            userfile::check_path(path, &about, 0, None)
                .map_err(|problem| format!("Unsafe {keyword} \"{program}\": {problem}"))
        };
        with_effective(&super::identity(account), look)
            .map_err(|problem| format!("{keyword}: {}", strerror(&problem)))?
    }

    fn output(
        &self,
        program: &str,
        args: &[String],
        account: &Account,
        shown: &str,
    ) -> Option<Vec<u8>> {
        let keyword = self.keyword;
        let mut command = Command::new(program);
        command
            .args(args)
            .env_clear()
            .env("PATH", PATH)
            .env("USER", &account.name)
            .env("LOGNAME", &account.name)
            .env("HOME", &account.home)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if let Some(language) = std::env::var_os("LANG") {
            command.env("LANG", language);
        }
        process::as_user_until_we_end(&mut command, &super::identity(account));
        let mut child = command
            .spawn()
            .inspect_err(|problem| error!("{keyword} {shown}: {}", strerror(problem)))
            .ok()?;
        let mut printed = Vec::new();
        let read = child
            .stdout
            .take()
            .map(|out| out.take(LONGEST + 1).read_to_end(&mut printed));
        let whole = matches!(read, Some(Ok(_))) && printed.len() as u64 <= LONGEST;
        if !whole {
            error!("{keyword} {shown}: output that cannot be read, or is too long");
            // It may have ended by itself.
            let _ = child.kill();
        }
        let status = child
            .wait()
            .inspect_err(|problem| error!("{keyword} {shown}: {}", strerror(problem)))
            .ok()?;
        match (status.signal(), status.code()) {
            _ if !whole => None,
            (Some(signal), _) => {
                error!("{keyword} {shown} exited on signal {signal}");
                None
            }
            (None, Some(0)) => Some(printed),
            (None, code) => {
                let code = code.unwrap_or(-1);
                info!("{keyword} {shown} failed, status {code}");
                None
            }
        }
    }
}
