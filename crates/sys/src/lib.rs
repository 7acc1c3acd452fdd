//! Every operating system call that Rust's std lacks

pub mod daemonize;
pub mod descriptors;
pub mod fdpass;
pub mod fdstream;
pub mod files;
pub mod hostname;
pub mod identity;
mod library;
pub mod listen;
pub mod localtime;
pub mod mem;
pub mod netgroup;
#[cfg(target_os = "linux")]
pub mod netlink;
pub mod passwd;
pub mod peercred;
pub mod pkcs11;
pub mod process;
pub mod pty;
pub mod queue;
pub mod resolve;
pub mod sandbox;
pub mod shadow;
pub mod signals;
pub mod sk;
pub mod socket;
pub mod termios;
pub mod tty;
pub mod tun;
