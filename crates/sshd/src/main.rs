//! The daemon's program; see the library.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    carrick_sshd::main()
}
