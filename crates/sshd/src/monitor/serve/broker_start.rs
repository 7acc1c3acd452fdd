//! What a broker is told at its start: whom to become, and by which rules. It
//! has them from here alone, so that a worker cannot talk it into others.

use std::io;
use std::os::unix::ffi::OsStrExt as _;

use carrick_config::sshd::{Options, UserEnvironment};
use carrick_config::tokens::expand;
use carrick_sys::{identity, passwd};

use super::super::endpoint::Endpoint;
use super::super::forwarding;
use super::super::login::Authenticated;
use crate::log;
use crate::rpc::broker;
use crate::settings;

/// For the broker of this user, whose connection has these ends.
pub(super) fn of(
    user: &Authenticated,
    peer: &Endpoint,
    local: &Endpoint,
) -> io::Result<broker::Start> {
    let (account, options) = (user.account(), user.options());
    let become_user = if identity::is_root() {
        Some((account.uid, (account.gid, passwd::groups_of(account)?)))
    } else {
        None
    };
    let pairs = options
        .set_env
        .iter()
        .map(|pair| (pair.name.clone(), pair.value.clone()));
    let subsystems = options
        .subsystems
        .iter()
        .map(|s| (s.name.clone(), s.line.clone()));
    Ok(broker::Start {
        become_user,
        chroot: chroot_directory(account, options)?,
        account: broker::Account {
            name: account.name.clone(),
            home: account.home.as_os_str().as_bytes().to_vec(),
            shell: account.shell.as_os_str().as_bytes().to_vec(),
            root: account.uid == 0,
        },
        rules: broker::Rules {
            forced_command: options
                .force_command
                .clone()
                .filter(|command| !command.eq_ignore_ascii_case("none")),
            permit_tty: options.permit_tty,
            permit_agent: options.allow_agent_forwarding && !options.disable_forwarding,
            agent_link: in_home(
                account,
                options.agent_socket_link.as_deref(),
                "AgentSocketLink",
            )?,
            accept_env: options.accept_env.clone(),
            set_env: pairs.collect(),
            user_environment: match &options.permit_user_environment {
                UserEnvironment::No => None,
                UserEnvironment::Yes => Some("*".to_owned()),
                UserEnvironment::Only(patterns) => Some(patterns.clone()),
            },
            user_rc: options.permit_user_rc,
            subsystems: subsystems.collect(),
            max_sessions: options.max_sessions,
            change_password: user.must_change_password(),
        },
        forwarding: forwarding::rules(options),
        x11: forwarding::x11(options),
        permissions: user.permissions().clone(),
        steps: options.expose_auth_info.then(|| user.steps().to_owned()),
        peer: peer.pair(),
        local: local.pair(),
        log_level: log::level().number(),
    })
}

/// The root directory of the user's sessions, its tokens expanded.
fn chroot_directory(account: &passwd::Account, options: &Options) -> io::Result<Option<Vec<u8>>> {
    let path = settings::chroot_directory(options);
    Ok(in_home(account, path, "ChrootDirectory")?.map(String::into_bytes))
}

/// A path of the configuration, with what stands for the account filled in.
fn in_home(
    account: &passwd::Account,
    path: Option<&str>,
    keyword: &str,
) -> io::Result<Option<String>> {
    let Some(path) = path else {
        return Ok(None);
    };
    let home = account.home.to_string_lossy();
    let (user, uid) = (account.name.as_str(), account.uid.to_string());
    // As OpenSSH: a tilde first, then the tokens.
    let path = match path.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("%h{rest}"),
        _ => path.to_owned(),
    };
    expand(&path, &[('h', &home), ('u', user), ('U', &uid)])
        .map(Some)
        .map_err(|problem| io::Error::other(format!("{keyword}: {problem}")))
}
