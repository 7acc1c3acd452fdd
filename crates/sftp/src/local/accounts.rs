//! Names of users and groups, looked up once each.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt as _;

use carrick_sys::passwd;

/// The most names that are remembered, of users and of groups.
const MOST: usize = 4096;

/// Whose server it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// The login name.
    pub user: String,
    /// The home directory.
    pub directory: Vec<u8>,
}

/// What is known of users and groups.
pub(super) struct Accounts {
    own: Home,
    users: HashMap<u32, Option<String>>,
    groups: HashMap<u32, Option<String>>,
}

fn remembered(
    names: &mut HashMap<u32, Option<String>>,
    id: u32,
    look: impl FnOnce() -> Option<String>,
) -> Option<&str> {
    if names.len() >= MOST && !names.contains_key(&id) {
        names.clear();
    }
    names.entry(id).or_insert_with(look).as_deref()
}

impl Accounts {
    pub(super) fn new(own: Home) -> Self {
        Self {
            own,
            users: HashMap::new(),
            groups: HashMap::new(),
        }
    }

    /// The name of a user.
    pub(super) fn user(&mut self, uid: u32) -> Option<&str> {
        let look = || Some(passwd::by_uid(uid).ok().flatten()?.name);
        remembered(&mut self.users, uid, look)
    }

    /// The name of a group.
    pub(super) fn group(&mut self, gid: u32) -> Option<&str> {
        let look = || passwd::group_names(&[gid]).into_iter().next();
        remembered(&mut self.groups, gid, look)
    }

    /// Where a user is at home; an empty name means who is logged in.
    pub(super) fn home(&self, user: &[u8]) -> Option<Vec<u8>> {
        if user.is_empty() {
            return Some(self.own.directory.clone());
        }
        home_of(user)
    }
}

/// Where somebody is at home, by name.
pub(super) fn home_of(user: &[u8]) -> Option<Vec<u8>> {
    let name = core::str::from_utf8(user).ok()?;
    let account = passwd::by_name(name).ok().flatten()?;
    Some(account.home.as_os_str().as_bytes().to_vec())
}
