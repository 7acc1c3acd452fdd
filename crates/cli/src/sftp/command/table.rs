//! The commands by name.

/// How a command is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Chdir,
    Chgrp,
    Chmod,
    Chown,
    Copy,
    Df,
    Get,
    Help,
    LocalChdir,
    LocalLs,
    LocalMkdir,
    LocalPwd,
    LocalUmask,
    Link,
    Ls,
    Mkdir,
    Progress,
    Put,
    Pwd,
    Quit,
    Reget,
    Rename,
    Reput,
    Remove,
    Rmdir,
    Shell,
    Symlink,
    Version,
}

/// Of what a command's operands are names, for completing them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sftp) enum Side {
    /// Files at the server.
    Remote,
    /// Files here.
    Local,
    /// First a file here, then one at the server.
    Up,
    /// First a file at the server, then one here.
    Down,
    /// Nothing.
    Neither,
}

/// A name, what it stands for, and what follows it.
type Entry = (&'static str, Kind, Side);

/// Sorted by name.
const TABLE: &[Entry] = &[
    ("!", Kind::Shell, Side::Neither),
    ("?", Kind::Help, Side::Neither),
    ("bye", Kind::Quit, Side::Neither),
    ("cd", Kind::Chdir, Side::Remote),
    ("chdir", Kind::Chdir, Side::Remote),
    ("chgrp", Kind::Chgrp, Side::Remote),
    ("chmod", Kind::Chmod, Side::Remote),
    ("chown", Kind::Chown, Side::Remote),
    ("copy", Kind::Copy, Side::Remote),
    ("cp", Kind::Copy, Side::Remote),
    ("df", Kind::Df, Side::Remote),
    ("dir", Kind::Ls, Side::Remote),
    ("exit", Kind::Quit, Side::Neither),
    ("get", Kind::Get, Side::Down),
    ("help", Kind::Help, Side::Neither),
    ("lcd", Kind::LocalChdir, Side::Local),
    ("lchdir", Kind::LocalChdir, Side::Local),
    ("lls", Kind::LocalLs, Side::Local),
    ("lmkdir", Kind::LocalMkdir, Side::Local),
    ("ln", Kind::Link, Side::Remote),
    ("lpwd", Kind::LocalPwd, Side::Neither),
    ("ls", Kind::Ls, Side::Remote),
    ("lumask", Kind::LocalUmask, Side::Neither),
    ("mget", Kind::Get, Side::Down),
    ("mkdir", Kind::Mkdir, Side::Remote),
    ("mput", Kind::Put, Side::Up),
    ("progress", Kind::Progress, Side::Neither),
    ("put", Kind::Put, Side::Up),
    ("pwd", Kind::Pwd, Side::Neither),
    ("quit", Kind::Quit, Side::Neither),
    ("reget", Kind::Reget, Side::Down),
    ("rename", Kind::Rename, Side::Remote),
    ("reput", Kind::Reput, Side::Up),
    ("rm", Kind::Remove, Side::Remote),
    ("rmdir", Kind::Rmdir, Side::Remote),
    ("symlink", Kind::Symlink, Side::Remote),
    ("version", Kind::Version, Side::Neither),
];

/// The names of the commands, sorted.
pub(in crate::sftp) fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|(name, ..)| *name)
}

/// Of what the operands of the command called `name` are names.
pub(in crate::sftp) fn operands_of(name: &[u8]) -> Option<Side> {
    find(name).map(|(.., side)| *side)
}

/// The command called `name`, in any case.
pub(super) fn find(name: &[u8]) -> Option<&'static Entry> {
    TABLE
        .iter()
        .find(|(known, ..)| known.as_bytes().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::TABLE;

    #[test]
    fn the_table_is_sorted_and_has_each_name_once() {
        assert!(TABLE.windows(2).all(|two| two[0].0 < two[1].0));
    }
}
