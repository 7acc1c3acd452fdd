//! The multi-call binary: the program is chosen by the name it was started
//! with, or by the first argument (`carrick ssh host`).

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::ExitCode;

use crate::text::err;
use crate::{
    add, agent, copy_id, keygen, keyscan, keysign, links, pkcs11_helper, scp, sftp, sftp_server,
    sister, sk_helper, ssh, text,
};

/// A program: takes the arguments after its name.
type Program = fn(Vec<OsString>) -> ExitCode;

const PROGRAMS: &[(&str, Program)] = &[
    ("scp", scp::main),
    ("sftp", sftp::main),
    ("sftp-server", sftp_server::main),
    ("ssh", ssh::main),
    ("ssh-add", add::main),
    ("ssh-agent", agent::main),
    ("ssh-copy-id", copy_id::main),
    ("ssh-keygen", keygen::main),
    ("ssh-keyscan", keyscan::main),
    ("ssh-keysign", keysign::main),
    ("ssh-pkcs11-helper", pkcs11_helper::main),
    ("ssh-sk-helper", sk_helper::main),
];

/// The program called `name`, which may be a path.
fn program(name: &OsStr) -> Option<Program> {
    let base = name.as_bytes().rsplit(|b| *b == b'/').next()?;
    PROGRAMS
        .iter()
        .find(|(known, _)| known.as_bytes() == base)
        .map(|(_, program)| *program)
}

/// `carrick`: all programs in one.
pub fn main() -> ExitCode {
    sister::this_is_the_multi_call_binary();
    let mut args = std::env::args_os();
    // Whoever starts a set-uid program says what it is called: that must not
    // decide what it does with rights that they do not have.
    if carrick_sys::identity::is_elevated() {
        return keysign::main(Vec::new());
    }
    let name = args.next().unwrap_or_default();
    if let Some(program) = program(&name) {
        return program(args.collect());
    }
    match args.next() {
        Some(first) if program(&first).is_some() => {
            program(&first).map_or(ExitCode::FAILURE, |program| program(args.collect()))
        }
        Some(flag) if flag == "--install-links" => match (args.next(), args.next()) {
            (Some(folder), None) => install_links(folder.as_ref()),
            _ => usage(),
        },
        Some(first) => {
            err!("carrick: no program called {}\n", first.display());
            usage()
        }
        None => usage(),
    }
}

fn usage() -> ExitCode {
    err!(
        "usage: carrick program [argument ...]\n       carrick --install-links folder\nprograms:\n"
    );
    for (name, _) in PROGRAMS {
        err!("    {name}\n");
    }
    ExitCode::from(255)
}

/// Links the binaries under every name they have.
fn install_links(folder: &Path) -> ExitCode {
    let done = std::env::current_exe()
        .and_then(|binary| binary.canonicalize())
        .map_err(|e| text::os_error(&e))
        .and_then(|binary| {
            let small = binary.with_file_name(links::KEYGEN);
            let keygen = if small.is_file() { &small } else { &binary };
            let links: Vec<_> = PROGRAMS
                .iter()
                .map(|(name, _)| match *name {
                    "ssh-keygen" => (*name, keygen.as_path()),
                    _ => (*name, binary.as_path()),
                })
                .collect();
            links::install(folder, &links)
        });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            err!("carrick: {why}\n");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::program;

    #[test]
    fn programs_by_name_or_path() {
        assert!(program("ssh".as_ref()).is_some());
        assert!(program("/usr/local/bin/ssh-keygen".as_ref()).is_some());
        assert!(program("/usr/bin/ssh/".as_ref()).is_none());
        assert!(program("carrick".as_ref()).is_none());
    }
}
