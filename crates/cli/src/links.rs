//! `carrick --install-links DIR`: a folder in which every program is found by
//! its name, to stand in `PATH`.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The binary with all programs.
pub(crate) const MULTI_CALL: &str = "carrick";
/// The binary with `ssh-keygen` alone.
pub(crate) const KEYGEN: &str = "carrick-keygen";

/// What is at a link's place.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Free,
    /// The link that is to be there.
    Ours,
    /// A link to another copy of the binary, or to another binary of ours.
    Older,
    Taken,
}

/// Makes links, each by its name and to its binary. What is there and no link
/// of ours stays, and then nothing at all is done.
pub(crate) fn install(folder: &Path, links: &[(&str, &Path)]) -> Result<(), String> {
    let told =
        |path: &Path, e: io::Error| format!("{}: {}", path.display(), crate::text::os_error(&e));
    fs::create_dir_all(folder).map_err(|e| told(folder, e))?;
    let mut work = Vec::new();
    for (name, binary) in links {
        let path = folder.join(name);
        match place(&path, binary).map_err(|e| told(&path, e))? {
            Place::Ours => {}
            Place::Free => work.push((path, *binary, false)),
            Place::Older => work.push((path, *binary, true)),
            Place::Taken => {
                let path = path.display();
                return Err(format!(
                    "{path} is there and is no link to Carrick; nothing was changed"
                ));
            }
        }
    }
    for (path, binary, replace) in work {
        let made = if replace {
            replace_link(binary, &path)
        } else {
            symlink(binary, &path)
        };
        made.map_err(|e| told(&path, e))?;
    }
    Ok(())
}

fn place(path: &Path, binary: &Path) -> io::Result<Place> {
    let kind = match fs::symlink_metadata(path) {
        Ok(meta) => meta.file_type(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Place::Free),
        Err(e) => return Err(e),
    };
    if !kind.is_symlink() {
        return Ok(Place::Taken);
    }
    let to = fs::read_link(path)?;
    let name = to.file_name();
    let of_ours = [MULTI_CALL, KEYGEN].map(|name| Some(OsStr::new(name)));
    Ok(if to == binary {
        Place::Ours
    } else if name == binary.file_name() || of_ours.contains(&name) {
        Place::Older
    } else {
        Place::Taken
    })
}

/// Puts a new link in the place of an old one, with no moment between them.
fn replace_link(binary: &Path, path: &Path) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    symlink(binary, &beside)?;
    fs::rename(&beside, path).inspect_err(|_| {
        // Nobody else has a link of this name.
        let _ = fs::remove_file(&beside);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_made_kept_and_renewed() {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("a/bin");
        let [old, new, small] =
            ["/old/carrick", "/new/carrick", "/new/carrick-keygen"].map(Path::new);
        for (ssh, keygen) in [(old, old), (new, small), (new, small), (old, old)] {
            let links = [("ssh", ssh), ("ssh-keygen", keygen)];
            install(&bin, &links).unwrap();
            for (name, binary) in links {
                assert_eq!(fs::read_link(bin.join(name)).unwrap(), binary);
            }
            assert_eq!(fs::read_dir(&bin).unwrap().count(), 2);
        }
    }

    #[test]
    fn what_is_not_ours_stays_and_nothing_is_done() {
        let dir = tempfile::tempdir().unwrap();
        let binary = Path::new("/new/carrick");
        let links = [("scp", binary), ("ssh", binary)];
        fs::write(dir.path().join("ssh"), "theirs").unwrap();
        assert!(install(dir.path(), &links).is_err());
        assert!(!dir.path().join("scp").exists());
        assert_eq!(fs::read(dir.path().join("ssh")).unwrap(), b"theirs");
        fs::remove_file(dir.path().join("ssh")).unwrap();
        symlink("/usr/lib/ssh", dir.path().join("ssh")).unwrap();
        assert!(install(dir.path(), &links).is_err());
    }
}
