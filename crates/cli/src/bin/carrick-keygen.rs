//! `ssh-keygen` alone: a program this short of work starts faster the smaller
//! it is.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    carrick_cli::ssh_keygen()
}
