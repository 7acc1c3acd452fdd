//! Where hosts come from: files, standard input, arguments. They are read by
//! a thread of their own, so that a slow writer at the other end of a pipe
//! does not keep connections waiting.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use carrick_keys::host_list::{Entry, entry, without_comment};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::args::Source;
use crate::log::debug;
use crate::text::os_error;

/// How many hosts wait to be asked: the rest of a list stays where it is.
const AHEAD: usize = 64;

/// A host to ask.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Where it can be reached, tried in turn.
    pub(super) places: Vec<String>,
    /// What it is called in the output, comma-separated.
    pub(super) names: String,
}

/// Starts to read; an error is the text to end with.
pub(super) fn start(sources: Vec<Source>) -> Receiver<Result<Target, String>> {
    let (sender, receiver) = channel(AHEAD);
    std::thread::spawn(move || {
        for source in &sources {
            match read(source, &sender) {
                Ok(()) => {}
                Err(Stop::Failed(text)) => {
                    // Nobody listens when the scan has ended already.
                    let _ = sender.blocking_send(Err(text));
                    return;
                }
                Err(Stop::Unwanted) => return,
            }
        }
    });
    receiver
}

/// Why reading ends early.
enum Stop {
    /// For this reason.
    Failed(String),
    /// The scan is over.
    Unwanted,
}

fn read(source: &Source, to: &Sender<Result<Target, String>>) -> Result<(), Stop> {
    match source {
        Source::Argument(host) => targets(host.as_bytes(), to),
        Source::Stdin => lines(io::stdin().lock(), "(stdin)", to),
        Source::File(path) => {
            let file = File::open(path).map_err(|e| failed(path, &e))?;
            lines(BufReader::new(file), path, to)
        }
    }
}

fn failed(path: impl AsRef<Path>, error: &io::Error) -> Stop {
    let path = path.as_ref().display();
    Stop::Failed(format!("ssh-keyscan: {path}: {}", os_error(error)))
}

fn lines(
    mut input: impl BufRead,
    name: impl AsRef<Path>,
    to: &Sender<Result<Target, String>>,
) -> Result<(), Stop> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = input.read_until(b'\n', &mut line);
        if read.map_err(|e| failed(&name, &e))? == 0 {
            return Ok(());
        }
        targets(without_comment(&line), to)?;
    }
}

/// Hands on what one line or argument means.
fn targets(text: &[u8], to: &Sender<Result<Target, String>>) -> Result<(), Stop> {
    let hand_on = |target| to.blocking_send(Ok(target)).map_err(|_| Stop::Unwanted);
    match entry(text) {
        None => Ok(()),
        Some(Entry::Host(host)) => hand_on(Target {
            places: lossy(host.places).split(',').map(str::to_owned).collect(),
            names: lossy(host.names),
        }),
        Some(Entry::Network(network)) => {
            debug!("CIDR range {}", OsStr::from_bytes(text).display());
            for address in network.addresses() {
                debug!("CIDR expand: address {address}");
                hand_on(Target {
                    places: vec![address.to_string()],
                    names: address.to_string(),
                })?;
            }
            Ok(())
        }
    }
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All targets, each as `places names`, and the error if there is one.
    fn all(sources: Vec<Source>) -> Vec<String> {
        let mut receiver = start(sources);
        let mut out = Vec::new();
        while let Some(item) = receiver.blocking_recv() {
            out.push(match item {
                Ok(target) => format!("{} {}", target.places.join("|"), target.names),
                Err(text) => text,
            });
        }
        out
    }

    #[test]
    fn files_and_arguments_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list");
        std::fs::write(&path, "# all\n192.0.2.0/31\n\na,b c # x\nlast").unwrap();
        let sources = vec![Source::File(path), Source::Argument("127.1".into())];
        let want = [
            "192.0.2.0 192.0.2.0",
            "192.0.2.1 192.0.2.1",
            "a|b c",
            "last last",
        ];
        assert_eq!(all(sources)[..4], want);
    }

    #[test]
    fn what_cannot_be_read_ends_it() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing");
        for (path, why) in [
            (missing.as_path(), "No such file or directory"),
            (dir.path(), "Is a directory"),
        ] {
            let sources = vec![Source::File(path.into()), Source::Argument("host".into())];
            assert_eq!(
                all(sources),
                [format!("ssh-keyscan: {}: {why}", path.display())]
            );
        }
    }

    #[test]
    fn a_vast_network_is_read_no_further_than_it_is_asked() {
        let mut receiver = start(vec![Source::Argument("2001:db8::/32".into())]);
        for want in ["2001:db8::", "2001:db8::1"] {
            assert_eq!(receiver.blocking_recv().unwrap().unwrap().names, want);
        }
    }
}
