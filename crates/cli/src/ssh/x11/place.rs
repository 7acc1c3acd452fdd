//! Where the X server is, by `DISPLAY`: `:0`, `unix:0.1`, `host:0`, or on macOS
//! the path of a socket.

use std::io;
use std::path::{Path, PathBuf};

use tokio::net::{TcpStream, UnixStream};

use crate::connect::resolve;
use crate::text::os_error;

/// The port of display 0.
const FIRST_PORT: u32 = 6000;
/// The highest screen that is told to the server.
const SCREENS: u32 = 400;

/// Where the X server is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A display of this machine's.
    Local(u32),
    /// A socket with a name of its own, as macOS has it.
    Socket(PathBuf),
    /// Another machine's, at this port.
    Tcp(String, u32),
}

/// A connection to it.
pub(super) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Place {
    /// Where `display` leads; an error is what to tell.
    pub(super) fn of(display: &str) -> Result<Self, String> {
        if let Some(path) = socket_of(display) {
            return Ok(Self::Socket(path));
        }
        let no_number = || format!("Could not parse display number from DISPLAY: {display}");
        if display.starts_with("unix:") || display.starts_with(':') {
            let (_, number) = display.rsplit_once(':').ok_or_else(no_number)?;
            return leading_number(number)
                .map(Self::Local)
                .ok_or_else(no_number);
        }
        let (host, number) = display
            .split_once(':')
            .ok_or_else(|| format!("Could not find ':' in DISPLAY: {display}"))?;
        let number = leading_number(number).ok_or_else(no_number)?;
        let port = number.checked_add(FIRST_PORT).ok_or_else(no_number)?;
        Ok(Self::Tcp(host.to_owned(), port))
    }

    /// Connects to it; an error is what to tell.
    pub(super) async fn connect(&self, ipv4: Option<bool>) -> Result<Stream, String> {
        match self {
            Self::Local(number) => local(*number).await.map(Stream::Unix),
            Self::Socket(path) => unix(path).await.map(Stream::Unix),
            Self::Tcp(host, port) => tcp(host, *port, ipv4).await.map(Stream::Tcp),
        }
    }
}

/// The screen that `display` names; 0 if it names none.
pub(super) fn screen(display: &str) -> u32 {
    let after_colon = display.split_once(':').map(|(_, after)| after);
    let screen = after_colon.and_then(|after| after.split_once('.'));
    screen
        .and_then(|(_, screen)| screen.parse().ok())
        .filter(|screen| *screen <= SCREENS)
        .unwrap_or(0)
}

/// The digits that a text begins with.
fn leading_number(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit());
    text.get(..end.unwrap_or(text.len()))?.parse().ok()
}

/// A path to a socket, with or without the number of a screen.
fn socket_of(display: &str) -> Option<PathBuf> {
    use std::os::unix::fs::FileTypeExt as _;
    let is_socket = |path: &str| {
        let metadata = std::fs::metadata(path);
        metadata.is_ok_and(|metadata| metadata.file_type().is_socket())
    };
    if !display.starts_with('/') {
        return None;
    }
    let without_screen = display.rsplit_once('.').map(|(path, _)| path);
    let found = [Some(display), without_screen].into_iter().flatten();
    found
        .into_iter()
        .find(|path| is_socket(path))
        .map(PathBuf::from)
}

fn failed(path: &Path, problem: &io::Error) -> String {
    format!("connect {}: {}", path.display(), os_error(problem))
}

async fn unix(path: &Path) -> Result<UnixStream, String> {
    let stream = UnixStream::connect(path).await;
    stream.map_err(|problem| failed(path, &problem))
}

/// A display of this machine's. The name that Linux has outside of the file
/// system is for those who see another /tmp than the X server: only where there
/// is no file, as anybody may take that name, and would be shown the cookie.
async fn local(number: u32) -> Result<UnixStream, String> {
    let path = PathBuf::from(format!("/tmp/.X11-unix/X{number}"));
    match UnixStream::connect(&path).await {
        Ok(stream) => Ok(stream),
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => {
            let stream = outside_of_files(&path);
            stream.map_err(|_| failed(&path, &problem))
        }
        Err(problem) => Err(failed(&path, &problem)),
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn outside_of_files(path: &Path) -> io::Result<UnixStream> {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::net::{SocketAddr, UnixStream as StdStream};
    let address = SocketAddr::from_abstract_name(path.as_os_str().as_bytes())?;
    let stream = StdStream::connect_addr(&address)?;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn outside_of_files(_: &Path) -> io::Result<UnixStream> {
    Err(io::ErrorKind::NotFound.into())
}

async fn tcp(host: &str, port: u32, ipv4: Option<bool>) -> Result<TcpStream, String> {
    let unknown = |why: &str| format!("{host}: unknown host. ({why})");
    let number = u16::try_from(port).map_err(|_| unknown("Servname not supported"))?;
    let addresses = resolve::lookup(host, number, ipv4).await;
    let addresses = addresses.map_err(|why| unknown(&why))?;
    let stream = TcpStream::connect(&*addresses).await;
    let stream =
        stream.map_err(|problem| format!("connect {host} port {port}: {}", os_error(&problem)))?;
    // Better small packets than late ones.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_lead_somewhere() {
        let tcp = |host: &str, port| Ok(Place::Tcp(host.to_owned(), port));
        let number = |display| {
            Err(format!(
                "Could not parse display number from DISPLAY: {display}"
            ))
        };
        for (display, place) in [
            (":0", Ok(Place::Local(0))),
            (":12.3", Ok(Place::Local(12))),
            ("::1.0", Ok(Place::Local(1))),
            ("unix:7", Ok(Place::Local(7))),
            ("unix:7.1", Ok(Place::Local(7))),
            ("localhost:10.0", tcp("localhost", 6010)),
            ("192.0.2.1:1", tcp("192.0.2.1", 6001)),
            ("h:70000", tcp("h", 76000)),
            (":", number(":")),
            ("unix:x", number("unix:x")),
            ("h:", number("h:")),
            ("h:4294967295", number("h:4294967295")),
            ("h:99999999999", number("h:99999999999")),
            ("h", Err("Could not find ':' in DISPLAY: h".to_owned())),
            ("/nowhere/at:0", tcp("/nowhere/at", 6000)),
        ] {
            assert_eq!(Place::of(display), place, "{display}");
        }
    }

    #[test]
    fn a_path_with_or_without_a_screen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("org.xquartz:0");
        let name = path.to_str().unwrap();
        assert!(matches!(Place::of(name), Ok(Place::Tcp(..))));
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(Place::of(name), Ok(Place::Socket(path.clone())));
        assert_eq!(Place::of(&format!("{name}.0")), Ok(Place::Socket(path)));
    }

    #[test]
    fn screens() {
        for (display, number) in [
            (":0", 0),
            (":0.2", 2),
            ("host.example.org:10.3", 3),
            ("host.example.org:10", 0),
            (":0.400", 400),
            (":0.401", 0),
            (":0.x", 0),
            ("x", 0),
        ] {
            assert_eq!(screen(display), number, "{display}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_reached_is_told() {
        let why = Place::Local(4_000_000).connect(None).await.err().unwrap();
        assert_eq!(
            why,
            "connect /tmp/.X11-unix/X4000000: No such file or directory"
        );
        let far = Place::Tcp("127.0.0.1".into(), 76000);
        let why = far.connect(None).await.err().unwrap();
        assert!(why.starts_with("127.0.0.1: unknown host. ("), "{why}");
    }
}
