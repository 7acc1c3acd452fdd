//! The programs of the suite but the daemon, and the two binaries that they
//! are: `carrick` with all of them, and `carrick-keygen`, which starts faster
//! because it has `ssh-keygen` alone.

#![forbid(unsafe_code)]

mod account;
mod add;
mod agent;
mod agent_socket;
mod connect;
mod copy_id;
mod helper;
mod home;
mod keyfile;
mod keygen;
mod keyscan;
mod keysign;
mod links;
mod log;
mod multi_call;
mod pkcs11;
mod pkcs11_helper;
mod place;
mod prompt;
mod scp;
mod services;
mod sftp;
mod sftp_server;
mod sister;
mod sk;
mod sk_helper;
mod ssh;
mod text;
mod transfer;
mod wildcard;

use carrick_config::getopt;

pub use multi_call::main as multi_call;

/// `carrick-keygen`: ssh-keygen, whatever it was started as.
pub fn ssh_keygen() -> std::process::ExitCode {
    keygen::main(std::env::args_os().skip(1).collect())
}
