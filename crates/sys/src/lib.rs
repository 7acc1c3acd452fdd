//! Every operating system call that Rust's std lacks
