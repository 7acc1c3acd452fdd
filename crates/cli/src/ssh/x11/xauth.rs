//! The display's cookie, from `xauth`: the user's own, or one that is made for
//! strangers.
//!
//! The program is run without a shell. The name of the display, which is from
//! the environment, was seen to hold no blank and no line break.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use carrick::Secret;
use carrick::x11::{MIT_MAGIC_COOKIE_1, from_hex};
use carrick_config::ssh::Options;
use carrick_sys::descriptors;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::agent::new_folder;
use crate::log::{debug, debug2, info};
use crate::text::os_error;

/// How much longer the X server knows a cookie than we let anybody use it.
const SLACK: u32 = 60;

/// What the options say.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    program: PathBuf,
    trusted: bool,
    /// Zero: for as long as the connection lasts.
    timeout: Duration,
}

/// A protocol of authentication and its cookie.
type Cookie = (String, Secret);

/// What to get in with.
pub(super) enum Key {
    Cookie(String, Secret),
    /// There is no cookie; the display may let the user's programs in without.
    Nothing,
}

impl Key {
    fn new(cookie: Option<Cookie>) -> Self {
        cookie.map_or(Self::Nothing, |(protocol, cookie)| {
            Self::Cookie(protocol, cookie)
        })
    }
}

impl Settings {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            program: PathBuf::from(&options.xauth_location),
            trusted: options.forward_x11_trusted,
            timeout: options.forward_x11_timeout,
        }
    }

    /// How long strangers are let in; `None`: for good, or they are no strangers.
    pub(super) fn timeout(&self) -> Option<Duration> {
        (!self.trusted && !self.timeout.is_zero()).then_some(self.timeout)
    }
}

/// The way into `display`; `None`: strangers could not be told from the user's
/// own programs, which was told.
pub(super) async fn key(settings: &Settings, display: &str) -> Option<Key> {
    let (settings, display) = (settings.clone(), display.to_owned());
    let (sender, found) = oneshot::channel();
    // A thread of ours, beside the connection: an X server may let `xauth` wait.
    let started = thread::Builder::new().spawn(move || {
        // Whoever asked may not want to know any more.
        let _ = sender.send(find(&settings, &display));
    });
    if let Err(problem) = started {
        debug!("cannot run xauth: {}", os_error(&problem));
        return None;
    }
    found.await.ok()?
}

fn find(settings: &Settings, display: &str) -> Option<Key> {
    // The user's own file names this machine's displays so.
    let local = display.strip_prefix("localhost:");
    let display = &local.map_or_else(|| display.to_owned(), |number| format!("unix:{number}"));
    let exists = std::fs::metadata(&settings.program).is_ok();
    if !exists {
        debug!("No xauth program.");
    }
    if settings.trusted {
        let cookie = exists.then(|| list(settings, None, display));
        return Some(Key::new(cookie.flatten()));
    }
    let key = exists.then(|| untrusted(settings, display)).flatten();
    if key.is_none() {
        info!("Warning: untrusted X11 forwarding setup failed: xauth key data not generated");
    }
    key
}

/// Has the X server make a cookie for strangers; `None`: it made none.
fn untrusted(settings: &Settings, display: &str) -> Option<Key> {
    let folder = Folder::new()?;
    let file = folder.0.join("xauthfile");
    let mut args = vec!["generate".to_owned(), display.to_owned()];
    args.extend([MIT_MAGIC_COOKIE_1.to_owned(), "untrusted".to_owned()]);
    if let Some(timeout) = settings.timeout() {
        let seconds = u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX);
        let seconds = seconds.saturating_add(SLACK);
        args.extend(["timeout".to_owned(), seconds.to_string()]);
    }
    let mut command = xauth(settings, Some(&file), &args);
    let made = command.stdout(Stdio::null()).status();
    let made = made.inspect_err(|problem| debug!("cannot run xauth: {}", os_error(problem)));
    made.is_ok_and(|status| status.success())
        .then(|| Key::new(list(settings, Some(&file), display)))
}

/// The first cookie that a file, or the user's own, has for a display.
fn list(settings: &Settings, file: Option<&Path>, display: &str) -> Option<Cookie> {
    let mut command = xauth(settings, file, &["list", display]);
    let output = command.stdout(Stdio::piped()).output();
    let output = output.inspect_err(|problem| debug!("cannot run xauth: {}", os_error(problem)));
    read(&Zeroizing::new(output.ok()?.stdout))
}

fn xauth<S: AsRef<OsStr>>(settings: &Settings, file: Option<&Path>, args: &[S]) -> Command {
    let mut command = descriptors::program(&settings.program);
    if let Some(file) = file {
        command.arg("-f").arg(file);
    }
    command
        .args(args)
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    debug2!("xauth command: {command:?}");
    command
}

/// What `xauth list` says: the display's name, the protocol, and the cookie in
/// hexadecimal digits.
fn read(text: &[u8]) -> Option<Cookie> {
    let line = text.split(|byte| *byte == b'\n').next()?;
    let mut words = line
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let (protocol, cookie) = (words.nth(1)?, words.next()?);
    let protocol = String::from_utf8(protocol.to_vec()).ok()?;
    Some((protocol, from_hex(cookie)?))
}

/// A folder for the file of one cookie, gone with the value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Option<Self> {
        let made = new_folder(Path::new("/tmp"));
        let made = made.inspect_err(|problem| debug!("mkdtemp: {}", os_error(problem)));
        made.ok().map(Self)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // `xauth` may have left its lock beside the file.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_xauth_lists() {
        let (protocol, cookie) = read(b"vm/unix:10  MIT-MAGIC-COOKIE-1  00ff\nx y 11\n").unwrap();
        assert_eq!(protocol, MIT_MAGIC_COOKIE_1);
        assert_eq!(cookie.expose(), [0, 0xff]);
        for bad in [
            &b""[..],
            b"\n",
            b"a",
            b"a b",
            b"a b 0",
            b"a b xy\n",
            b"a \xff 00",
        ] {
            assert!(read(bad).is_none());
        }
    }

    /// A program that writes down how it was called, makes what it is told to
    /// and lists a cookie.
    fn fake(dir: &Path, status: i32) -> Settings {
        let (program, log) = (dir.join("xauth"), dir.join("log"));
        let text = format!(
            "#!/bin/sh\necho \"$@\" >>{}\ncase \"$*\" in *generate*) exit {status};; esac\n\
             echo 'h/unix:5  MIT-MAGIC-COOKIE-1  0a0b'\n",
            log.display()
        );
        std::fs::write(&program, text).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        Settings {
            program,
            trusted: false,
            timeout: Duration::from_secs(10),
        }
    }

    #[tokio::test]
    async fn strangers_get_a_cookie_of_their_own_and_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let settings = fake(dir.path(), 0);
        let Some(Key::Cookie(_, found)) = key(&settings, "localhost:5.1").await else {
            panic!()
        };
        assert_eq!(found.expose(), b"\x0a\x0b");
        let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
        let lines: Vec<_> = log.lines().collect();
        let file = lines[0].split(' ').nth(1).unwrap();
        assert_eq!(
            lines,
            [
                format!("-f {file} generate unix:5.1 {MIT_MAGIC_COOKIE_1} untrusted timeout 70"),
                format!("-f {file} list unix:5.1"),
            ]
        );
        assert!(!Path::new(file).parent().unwrap().exists());
        let refused = fake(dir.path(), 1);
        assert!(key(&refused, ":5").await.is_none());
        let none = Settings {
            program: "/nowhere/xauth".into(),
            ..settings
        };
        assert!(key(&none, ":5").await.is_none());
    }

    #[tokio::test]
    async fn the_users_own_cookie_is_for_the_trusted() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings {
            trusted: true,
            ..fake(dir.path(), 0)
        };
        let found = key(&settings, ":5").await;
        assert!(matches!(found, Some(Key::Cookie(..))));
        let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
        assert_eq!(log, "list :5\n");
        let none = Settings {
            program: "/nowhere/xauth".into(),
            ..settings
        };
        assert!(matches!(key(&none, ":5").await, Some(Key::Nothing)));
    }

    #[test]
    fn strangers_are_let_in_for_a_while() {
        let of = |trusted, seconds| {
            let settings = Settings {
                program: PathBuf::new(),
                trusted,
                timeout: Duration::from_secs(seconds),
            };
            settings.timeout().map(|timeout| timeout.as_secs())
        };
        assert_eq!(of(false, 5), Some(5));
        assert_eq!(of(false, 0), None);
        assert_eq!(of(true, 5), None);
    }
}
