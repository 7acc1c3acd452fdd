//! The multi-call binary.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    carrick_cli::multi_call()
}
