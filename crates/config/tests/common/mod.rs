//! A system for tests: files and variables in memory, or those of the machine.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use carrick_config::hooks::{FileText, Hooks, Level, local};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

/// Files in memory.
#[derive(Default)]
pub struct Memory {
    pub files: BTreeMap<String, String>,
    pub modes: BTreeMap<String, u32>,
    pub env: BTreeMap<String, String>,
    pub groups: BTreeMap<String, Vec<String>>,
    pub notes: RefCell<Vec<(Level, String)>>,
    pub ran: RefCell<Vec<String>>,
}

impl Memory {
    pub fn with(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(n, t)| ((*n).to_owned(), (*t).to_owned()))
            .collect();
        Self {
            files,
            ..Self::default()
        }
    }
}

impl Hooks for Memory {
    fn read(&self, path: &str) -> io::Result<FileText> {
        let text = self.files.get(path).ok_or(io::ErrorKind::NotFound)?;
        let mode = self.modes.get(path).copied().unwrap_or(0o644);
        Ok(FileText {
            text: text.as_bytes().to_vec(),
            owner: 1000,
            mode,
        })
    }
    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let prefix = format!("{}/", directory.trim_end_matches('/'));
        let mut names: Vec<String> = self
            .files
            .keys()
            .filter_map(|path| path.strip_prefix(&prefix))
            .map(|rest| rest.split('/').next().unwrap_or("").to_owned())
            .collect();
        names.dedup();
        if names.is_empty() {
            Err(io::ErrorKind::NotFound.into())
        } else {
            Ok(names)
        }
    }
    fn env(&self, name: &str) -> Option<String> {
        self.env.get(name).cloned()
    }
    fn home(&self, user: Option<&str>) -> Option<String> {
        match user {
            None | Some("me") => Some("/home/me".into()),
            Some(_) => None,
        }
    }
    fn uid(&self) -> u32 {
        1000
    }
    fn exec(&self, command: &str) -> io::Result<bool> {
        self.ran.borrow_mut().push(command.to_owned());
        Ok(command.starts_with("true"))
    }
    fn local_addresses(&self) -> io::Result<Vec<IpAddr>> {
        Ok(vec![[127, 0, 0, 1].into(), [10, 1, 2, 3].into()])
    }
    fn groups(&self, user: &str) -> Option<Vec<String>> {
        self.groups.get(user).cloned()
    }
    fn current_dir(&self) -> Option<String> {
        Some("/cwd".into())
    }
    fn is_rdomain(&self, name: &str) -> bool {
        name == "vrf1"
    }
    fn note(&self, level: Level, text: &str) {
        self.notes.borrow_mut().push((level, text.to_owned()));
    }
}

/// The machine itself, for comparing with a real ssh.
pub struct Machine {
    pub home: String,
    pub uid: u32,
}

impl Hooks for Machine {
    fn read(&self, path: &str) -> io::Result<FileText> {
        local::read(path)
    }
    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        local::list(directory)
    }
    fn env(&self, name: &str) -> Option<String> {
        local::env(name)
    }
    fn home(&self, user: Option<&str>) -> Option<String> {
        user.is_none().then(|| self.home.clone())
    }
    fn uid(&self) -> u32 {
        self.uid
    }
    fn exec(&self, command: &str) -> io::Result<bool> {
        std::process::Command::new("/bin/sh")
            .args(["-c", command])
            .status()
            .map(|s| s.success())
    }
    fn local_addresses(&self) -> io::Result<Vec<IpAddr>> {
        Ok(vec![[127, 0, 0, 1].into()])
    }
    fn groups(&self, user: &str) -> Option<Vec<String>> {
        let out = std::process::Command::new("id")
            .args(["-Gn", user])
            .output()
            .ok()?;
        let text = String::from_utf8(out.stdout).ok()?;
        out.status
            .success()
            .then(|| text.split_whitespace().map(str::to_owned).collect())
    }
    fn current_dir(&self) -> Option<String> {
        local::current_dir()
    }
}

/// The values of a dump (`-G`, `-T`), by keyword.
pub type Lines = BTreeMap<String, Vec<String>>;

pub fn by_keyword(text: &str) -> Lines {
    let mut lines = Lines::new();
    for line in text.lines() {
        let (keyword, value) = line.split_once(' ').unwrap_or((line, ""));
        lines
            .entry(keyword.to_owned())
            .or_default()
            .push(value.to_owned());
    }
    lines
}

/// The keywords with other values in their dump than in ours, each with a line
/// that shows both. One that has its default in both is none: those may differ.
pub fn differences(
    defaults: (&Lines, &Lines),
    theirs: &str,
    ours: &str,
) -> BTreeMap<String, String> {
    let (theirs, ours) = (by_keyword(theirs), by_keyword(ours));
    let mut differ = BTreeMap::new();
    for keyword in theirs.keys().chain(ours.keys()) {
        let (t, o) = (theirs.get(keyword), ours.get(keyword));
        let same = t == defaults.0.get(keyword) && o == defaults.1.get(keyword);
        if !same && t != o {
            let text = format!("\n  {keyword}: theirs {t:?} ours {o:?}");
            differ.insert(keyword.clone(), text);
        }
    }
    differ
}

/// The lines of a dump without those of some keywords.
pub fn without<'a>(dump: &'a str, apart: &[&str]) -> Vec<&'a str> {
    let stays = |line: &&str| !apart.contains(&line.split(' ').next().unwrap_or(""));
    dump.lines().filter(stays).collect()
}

/// Fails with all that is wrong, if anything is.
pub fn expect_no(wrong: &[String]) {
    let count = wrong.len();
    assert!(
        wrong.is_empty(),
        "{count} differences\n{}",
        wrong.join("\n")
    );
}
