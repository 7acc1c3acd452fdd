//! `sftp-server`: what it does is in `carrick_sftp::local`, as the daemon has
//! it too.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::process::ExitCode;

use carrick_sftp::local::{self, Home, Surroundings};
use carrick_sys::mem;

use crate::account;
use crate::text::err;

/// Runs the program.
pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    mem::stay_small();
    let Some(me) = account::me() else {
        err!("No user found for uid {}\n", account::uid());
        return ExitCode::FAILURE;
    };
    let around = Surroundings {
        name: "sftp-server",
        home: Home {
            user: me.name.clone(),
            directory: me.home.as_os_str().as_bytes().to_vec(),
        },
        connection: std::env::var_os("SSH_CONNECTION"),
        system_log: local::system_log(),
        from: rustix::stdio::stdin(),
        to: rustix::stdio::stdout(),
    };
    ExitCode::from(local::run(args, around))
}
