//! Names from patterns, here and at a server: `*`, `?` and `[...]` as
//! [`wildcard`] has them, `{a,b}`, and a backslash before what stands for
//! itself.
//!
//! As in OpenSSH's sftp, a link is what it leads to, a leading dot must be
//! written out, and `[^a]` is no negation. Otherwise than there, `.*` finds neither `.` nor `..`, which no
//! copy or removal is meant for, and the listing of a folder is believed: its
//! files are not asked for again one by one.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use carrick_sftp::client::is_plain_name;
use carrick_sftp::msg::{Attrs, FileKind, Owner, Times};

use super::{Fault, Lost, Remote};
use crate::log::error;
use crate::text::logged;
use crate::wildcard;

/// How many patterns the braces of one may stand for.
const EXPANSIONS: usize = 1024;
/// How many files one pattern may find.
const FOUND: usize = 1_000_000;

/// Where files are.
pub(crate) trait Tree {
    /// Why nothing more can be asked.
    type Error;

    /// A folder's files and, as far as that costs nothing, what is known of
    /// them; nothing if it is no folder or cannot be read.
    fn list(&mut self, folder: &[u8]) -> Result<Vec<(Vec<u8>, Attrs)>, Self::Error>;

    /// What is known of a file, or of a link itself.
    fn lstat(&mut self, path: &[u8]) -> Result<Option<Attrs>, Self::Error>;

    /// What is known of the file that a path leads to.
    fn stat(&mut self, path: &[u8]) -> Result<Option<Attrs>, Self::Error>;
}

/// A file that a pattern has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) path: Vec<u8>,
    pub(crate) attrs: Attrs,
}

impl Found {
    /// The path, with a slash behind it if it is a folder's.
    pub(crate) fn marked(&self) -> Vec<u8> {
        let mut path = self.path.clone();
        if self.attrs.is_dir() && path.last() != Some(&b'/') {
            path.push(b'/');
        }
        path
    }
}

/// Why a pattern has no answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failed<E> {
    /// It stands for more than anybody means.
    TooMany,
    Tree(E),
}

impl<E> From<E> for Failed<E> {
    fn from(e: E) -> Self {
        Self::Tree(e)
    }
}

/// The files that match a pattern, sorted by name (one alternative of braces
/// after the other).
pub(crate) fn glob<T: Tree>(tree: &mut T, pattern: &[u8]) -> Result<Vec<Found>, Failed<T::Error>> {
    let mut found = Vec::new();
    for pattern in expand(pattern).ok_or(Failed::TooMany)? {
        let start = found.len();
        let mut search = Search {
            tree: &mut *tree,
            found: &mut found,
        };
        search.descend(&mut Vec::new(), &pattern, None)?;
        found[start..].sort_by(|a, b| a.path.cmp(&b.path));
    }
    Ok(found)
}

/// The name that a pattern without wildcards means.
pub(crate) fn literal(pattern: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(pattern.len());
    let mut bytes = pattern.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => out.push(*bytes.next().unwrap_or(byte)),
            byte => out.push(*byte),
        }
    }
    out
}

/// A pattern that means just this name.
pub(crate) fn escaped(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    for byte in name {
        if matches!(byte, b'*' | b'?' | b'[' | b'{' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out
}

struct Search<'a, T> {
    tree: &'a mut T,
    found: &'a mut Vec<Found>,
}

impl<T: Tree> Search<'_, T> {
    /// Finds what is at `path` followed by what matches `pattern`. What is
    /// known of `path` itself comes with it. The depth is bounded by the
    /// number of slashes in a line.
    fn descend(
        &mut self,
        path: &mut Vec<u8>,
        pattern: &[u8],
        known: Option<Attrs>,
    ) -> Result<(), Failed<T::Error>> {
        if pattern.is_empty() {
            return self.arrive(path, known);
        }
        let end = component(pattern);
        let (segment, rest) = pattern.split_at(end);
        let slashes = rest.iter().take_while(|b| **b == b'/').count();
        let (slashes, rest) = rest.split_at(slashes);
        let len = path.len();
        if !has_wildcards(segment) {
            path.extend(literal(segment));
            path.extend(slashes);
            self.descend(path, rest, None)?;
            path.truncate(len);
            return Ok(());
        }
        let folder: &[u8] = if path.is_empty() { b"." } else { path };
        let dotted = literal(segment).first() == Some(&b'.');
        let segment = without_negation(segment);
        for (name, attrs) in self.tree.list(folder)? {
            let hidden = name.first() == Some(&b'.') && !dotted;
            if hidden || name == b"." || name == b".." || !wildcard::matches(&segment, &name) {
                continue;
            }
            let leaf = matches!(attrs.kind(), Some(FileKind::Regular | FileKind::Other));
            if leaf && !slashes.is_empty() {
                continue;
            }
            path.extend(&name);
            path.extend(slashes);
            let known = slashes.is_empty().then_some(attrs);
            self.descend(path, rest, known)?;
            path.truncate(len);
        }
        Ok(())
    }

    /// The pattern ends here: there is a file or not.
    fn arrive(&mut self, path: &[u8], known: Option<Attrs>) -> Result<(), Failed<T::Error>> {
        let known = known.filter(|attrs| attrs.kind().is_some());
        let mut attrs = match known {
            Some(attrs) => attrs,
            None => match self.tree.lstat(path)? {
                Some(attrs) => attrs,
                None => return Ok(()),
            },
        };
        if attrs.kind() == Some(FileKind::Symlink)
            && let Some(target) = self.tree.stat(path)?
        {
            attrs = target;
        }
        if self.found.len() == FOUND {
            return Err(Failed::TooMany);
        }
        self.found.push(Found {
            path: path.to_vec(),
            attrs,
        });
        Ok(())
    }
}

/// Where the first slash is, or the end.
fn component(pattern: &[u8]) -> usize {
    pattern
        .iter()
        .position(|b| *b == b'/')
        .unwrap_or(pattern.len())
}

/// Whether a path's component stands for more than one name. What a backslash
/// protects, and a bracket without its partner, does not.
fn has_wildcards(segment: &[u8]) -> bool {
    let mut at = 0;
    while let Some(byte) = segment.get(at) {
        match byte {
            b'*' | b'?' => return true,
            // The first in brackets stands for itself.
            b'[' if segment.iter().skip(at + 2).any(|b| *b == b']') => return true,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    false
}

/// Protects a `^` that begins a set.
fn without_negation(segment: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(segment.len());
    let mut rest = segment;
    while let Some((byte, after)) = rest.split_first() {
        out.push(*byte);
        rest = after;
        match (byte, after.split_first()) {
            (b'\\', Some((escaped, after))) => {
                out.push(*escaped);
                rest = after;
            }
            (b'[', Some((b'^', _))) => out.push(b'\\'),
            _ => {}
        }
    }
    out
}

/// The patterns that a pattern's braces stand for; `None` if they are too
/// many.
fn expand(pattern: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut done = Vec::new();
    // The next to be looked at is the last; with each, how much of it is
    // known to have no braces.
    let mut todo = vec![(pattern.to_vec(), 0)];
    while let Some((pattern, from)) = todo.pop() {
        let Some(braces) = Braces::find(&pattern, from) else {
            done.push(pattern);
            continue;
        };
        let (head, tail) = (&pattern[..braces.open], &pattern[braces.close + 1..]);
        for (start, end) in braces.alternatives.iter().rev() {
            let one = [head, &pattern[*start..*end], tail].concat();
            todo.push((one, braces.open));
        }
        if done.len() + todo.len() > EXPANSIONS {
            return None;
        }
    }
    Some(done)
}

/// The outermost pair of braces that comes first.
struct Braces {
    open: usize,
    close: usize,
    alternatives: Vec<(usize, usize)>,
}

impl Braces {
    fn find(pattern: &[u8], from: usize) -> Option<Self> {
        let mut at = from;
        while let Some(byte) = pattern.get(at) {
            match byte {
                b'\\' => at += 2,
                b'[' => at = behind_set(pattern, at),
                // Alone it is a name, as for the shells.
                b'{' if pattern.get(at + 1) == Some(&b'}') => at += 2,
                b'{' => return Self::at(pattern, at),
                _ => at += 1,
            }
        }
        None
    }

    /// The pair that opens at `open`; without a partner there is none at all.
    fn at(pattern: &[u8], open: usize) -> Option<Self> {
        let mut alternatives = Vec::new();
        let (mut depth, mut start, mut at) = (0_usize, open + 1, open + 1);
        while let Some(byte) = pattern.get(at) {
            match byte {
                b'\\' => at += 1,
                b'[' => at = behind_set(pattern, at) - 1,
                b'{' => depth += 1,
                b'}' if depth == 0 => {
                    alternatives.push((start, at));
                    return Some(Self {
                        open,
                        close: at,
                        alternatives,
                    });
                }
                b'}' => depth -= 1,
                b',' if depth == 0 => {
                    alternatives.push((start, at));
                    start = at + 1;
                }
                _ => {}
            }
            at += 1;
        }
        None
    }
}

/// Where what follows the set is that opens at `open`, or behind the bracket
/// if it is none.
fn behind_set(pattern: &[u8], open: usize) -> usize {
    let close = pattern.iter().skip(open + 2).position(|b| *b == b']');
    close.map_or(open + 1, |n| open + 2 + n + 1)
}

/// The files at a server. A folder that cannot be read is told of.
impl Tree for Remote {
    type Error = Lost;

    fn list(&mut self, folder: &[u8]) -> Result<Vec<(Vec<u8>, Attrs)>, Lost> {
        match self.read_dir(folder) {
            // What is no name in that folder leads elsewhere.
            Ok(entries) => Ok(entries
                .into_iter()
                .filter(|entry| is_plain_name(&entry.name))
                .map(|entry| (entry.name, entry.attrs))
                .collect()),
            Err(Fault::Lost(lost)) => Err(lost),
            Err(fault) => {
                error!("remote readdir(\"{}\"): {fault}", logged(folder));
                Ok(Vec::new())
            }
        }
    }

    fn lstat(&mut self, path: &[u8]) -> Result<Option<Attrs>, Lost> {
        known(Remote::lstat(self, path))
    }

    fn stat(&mut self, path: &[u8]) -> Result<Option<Attrs>, Lost> {
        known(Remote::stat(self, path))
    }
}

fn known(answer: Result<Attrs, Fault>) -> Result<Option<Attrs>, Lost> {
    match answer {
        Ok(attrs) => Ok(Some(attrs)),
        Err(Fault::Lost(lost)) => Err(lost),
        Err(_) => Ok(None),
    }
}

/// The files here.
pub(crate) struct Local;

impl Tree for Local {
    type Error = std::convert::Infallible;

    fn list(&mut self, folder: &[u8]) -> Result<Vec<(Vec<u8>, Attrs)>, Self::Error> {
        let Ok(entries) = fs::read_dir(OsStr::from_bytes(folder)) else {
            return Ok(Vec::new());
        };
        let names = entries.filter_map(|e| Some(e.ok()?.file_name().into_vec()));
        Ok(names.map(|name| (name, Attrs::default())).collect())
    }

    fn lstat(&mut self, path: &[u8]) -> Result<Option<Attrs>, Self::Error> {
        let meta = fs::symlink_metadata(Path::new(OsStr::from_bytes(path)));
        Ok(meta.ok().map(|meta| attrs(&meta)))
    }

    fn stat(&mut self, path: &[u8]) -> Result<Option<Attrs>, Self::Error> {
        let meta = fs::metadata(Path::new(OsStr::from_bytes(path)));
        Ok(meta.ok().map(|meta| attrs(&meta)))
    }
}

/// What is known of a file here.
fn attrs(meta: &Metadata) -> Attrs {
    let time = |seconds: i64| u32::try_from(seconds).unwrap_or(0);
    Attrs {
        size: Some(meta.size()),
        owner: Some(Owner {
            uid: meta.uid(),
            gid: meta.gid(),
        }),
        mode: Some(meta.mode()),
        times: Some(Times {
            accessed: time(meta.atime()),
            modified: time(meta.mtime()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn strings(list: &[Vec<u8>]) -> Vec<String> {
        let text = |b: &Vec<u8>| String::from_utf8_lossy(b).into_owned();
        list.iter().map(text).collect()
    }

    #[test]
    fn braces() {
        for (pattern, want) in [
            ("a", &["a"][..]),
            ("{a,b}", &["a", "b"]),
            ("x{a,}y", &["xay", "xy"]),
            ("{a}", &["a"]),
            ("{a,b}{c,d}", &["ac", "ad", "bc", "bd"]),
            ("{d/{f,s},a}", &["d/f", "d/s", "a"]),
            ("{}", &["{}"]),
            ("x{}{a,b}", &["x{}a", "x{}b"]),
            ("{a", &["{a"]),
            ("a}", &["a}"]),
            ("{a,{b}", &["{a,{b}"]),
            (r"\{a,b}", &[r"\{a,b}"]),
            (r"{a\,b,c}", &[r"a\,b", "c"]),
            ("[{]a,b}", &["[{]a,b}"]),
            ("{[,],b}", &["[,]", "b"]),
            ("\\", &["\\"]),
            ("{\\", &["{\\"]),
        ] {
            assert_eq!(
                strings(&expand(pattern.as_bytes()).unwrap()),
                want,
                "{pattern}"
            );
        }
    }

    #[test]
    fn braces_beyond_reason() {
        assert_eq!(expand("{a,b}".repeat(64).as_bytes()), None);
        assert_eq!(
            expand("{a}".repeat(2000).as_bytes()).map(|all| all.len()),
            Some(1)
        );
    }

    #[test]
    fn literals() {
        for name in ["a", r"a*?[]{},\", "", "\\"] {
            assert_eq!(literal(&escaped(name.as_bytes())), name.as_bytes());
            assert!(!has_wildcards(&escaped(name.as_bytes())));
        }
        assert_eq!(literal(br"a\bc\"), br"abc\");
        for (segment, want) in [
            ("a*", true),
            ("?", true),
            ("[a]", true),
            ("[]]", true),
            ("[a", false),
            ("[]", false),
            (r"\*\?\[a]", false),
            ("a]", false),
        ] {
            assert_eq!(has_wildcards(segment.as_bytes()), want, "{segment}");
        }
    }

    fn fixture() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("d/sub")).unwrap();
        for name in [
            "a", "b c", "^x", "star*", "starx", ".hidden", "d/f1", "d/.h", "d/sub/x", "{a,b}",
        ] {
            fs::write(at(name), "").unwrap();
        }
        symlink("d", at("dlink")).unwrap();
        symlink("nowhere", at("broken")).unwrap();
        dir
    }

    #[test]
    fn what_is_found() {
        let dir = fixture();
        let root = format!("{}/", dir.path().display());
        for (pattern, want) in [
            ("a", &["a"][..]),
            ("nosuch", &[]),
            ("no*such", &[]),
            ("d", &["d/"]),
            ("d/", &["d/"]),
            ("d*", &["d/", "dlink/"]),
            ("d*/", &["d/", "dlink/"]),
            ("*/", &["d/", "dlink/"]),
            ("*x", &["^x", "starx"]),
            ("[^a]*", &["^x", "a"]),
            ("[!a-r]*", &["^x", "star*", "starx", "{a,b}"]),
            (r"star\*", &["star*"]),
            ("star*", &["star*", "starx"]),
            ("broken*", &["broken"]),
            ("broken/", &[]),
            ("a/", &[]),
            ("*/f1", &["d/f1", "dlink/f1"]),
            ("*/s*/*", &["d/sub/x", "dlink/sub/x"]),
            ("d//*", &["d//f1", "d//sub/"]),
            ("./[a-b]*", &["./a", "./b c", "./broken"]),
            (".*", &[".hidden"]),
            ("d/?h", &[]),
            ("d/[.]h", &[]),
            (r"d/\.h", &["d/.h"]),
            (r"d/\.*", &["d/.h"]),
            ("{d,nosuch,a}", &["d/", "a"]),
            ("{d/*,a}", &["d/f1", "d/sub/", "a"]),
            (r"\{a,b}", &["{a,b}"]),
            ("a/*", &[]),
        ] {
            let full = [&escaped(root.as_bytes()), pattern.as_bytes()].concat();
            let found = glob(&mut Local, &full).unwrap();
            let names: Vec<_> = found
                .iter()
                .map(|f| String::from_utf8_lossy(&f.marked()[root.len()..]).into_owned())
                .collect();
            assert_eq!(names, want, "{pattern}");
        }
    }

    #[test]
    fn a_link_is_what_it_leads_to() {
        let dir = fixture();
        let kind = |name: &str| {
            let path = dir.path().join(name);
            let found = glob(&mut Local, path.as_os_str().as_bytes()).unwrap();
            found[0].attrs.kind()
        };
        assert_eq!(kind("dlink"), Some(FileKind::Directory));
        assert_eq!(kind("broken"), Some(FileKind::Symlink));
    }

    /// A tree that counts what it is asked.
    struct Counting(Vec<&'static str>);

    impl Tree for Counting {
        type Error = ();

        fn list(&mut self, _: &[u8]) -> Result<Vec<(Vec<u8>, Attrs)>, ()> {
            self.0.push("list");
            let name = |n: u8| vec![b'a', n];
            let attrs = |n| Attrs::with_mode(if n == 7 { 0o120_777 } else { 0o100_644 });
            Ok((0..100).map(|n| (name(n), attrs(n))).collect())
        }

        fn lstat(&mut self, _: &[u8]) -> Result<Option<Attrs>, ()> {
            self.0.push("lstat");
            Ok(Some(Attrs::with_mode(0o100_644)))
        }

        fn stat(&mut self, _: &[u8]) -> Result<Option<Attrs>, ()> {
            self.0.push("stat");
            Ok(None)
        }
    }

    #[test]
    fn a_listing_is_believed() {
        let mut tree = Counting(Vec::new());
        assert_eq!(glob(&mut tree, b"a*").map(|f| f.len()), Ok(100));
        assert_eq!(tree.0, ["list", "stat"]);
        let mut tree = Counting(Vec::new());
        assert_eq!(glob(&mut tree, b"a*/x").map(|f| f.len()), Ok(1));
        assert_eq!(tree.0, ["list", "lstat"]);
        let mut tree = Counting(Vec::new());
        assert_eq!(glob(&mut tree, b"x/y").map(|f| f.len()), Ok(1));
        assert_eq!(tree.0, ["lstat"]);
    }
}
