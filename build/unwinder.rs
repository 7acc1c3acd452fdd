//! Links the unwinder into our programs, where a glibc Linux would load it from
//! `libgcc_s.so`.
//!
//! Why: each program start opens, maps and relocates that library for nothing
//! (we abort on panic), a fifth of what a start costs beyond an empty program's,
//! and a login starts four processes. How: the linker finds `-lgcc_s`, which
//! std asks for, as a script that names the same compiler's static libraries.
//! Where these are not to be found, nothing is changed.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const LIBRARIES: [&str; 2] = ["libgcc_eh.a", "libgcc.a"];

fn main() {
    println!("cargo::rerun-if-changed=../../build/unwinder.rs");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|is| is == value);
    if !(is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu")) {
        return;
    }
    // Another target's compiler may be called anything.
    if env::var("HOST") != env::var("TARGET") {
        return;
    }
    let found: Option<Vec<PathBuf>> = LIBRARIES.iter().map(|name| library(name)).collect();
    let (Some(found), Some(out)) = (found, env::var_os("OUT_DIR")) else {
        return;
    };
    let shown: Vec<_> = found
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let script = format!("GROUP ( {} )\n", shown.join(" "));
    if fs::write(Path::new(&out).join("libgcc_s.so"), script).is_ok() {
        println!("cargo::rustc-link-search=native={}", out.display());
    }
}

/// Where the C compiler has one of its libraries.
fn library(name: &str) -> Option<PathBuf> {
    let said = Command::new("cc")
        .arg(format!("-print-file-name={name}"))
        .output()
        .ok()?;
    // Without such a file the name comes back alone.
    let path = PathBuf::from(String::from_utf8(said.stdout).ok()?.trim());
    (path.is_absolute() && path.exists()).then_some(path)
}
