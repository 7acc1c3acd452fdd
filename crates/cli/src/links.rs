//! `carrick --install-links DIR`: a folder in which every program is found by
//! its name, to stand in `PATH`.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// What is at a link's place.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Free,
    /// A link to this very program.
    Ours,
    /// A link to another copy of it.
    Older,
    Taken,
}

/// Makes the links to `program`, each by a name of `names`. What is there and
/// no link of ours stays, and then nothing at all is done.
pub(crate) fn install(folder: &Path, program: &Path, names: &[&str]) -> Result<(), String> {
    let told =
        |path: &Path, e: io::Error| format!("{}: {}", path.display(), crate::text::os_error(&e));
    fs::create_dir_all(folder).map_err(|e| told(folder, e))?;
    let mut work = Vec::new();
    for name in names {
        let path = folder.join(name);
        match place(&path, program).map_err(|e| told(&path, e))? {
            Place::Ours => {}
            Place::Free => work.push((path, false)),
            Place::Older => work.push((path, true)),
            Place::Taken => {
                let path = path.display();
                return Err(format!(
                    "{path} is there and is no link to Carrick; nothing was changed"
                ));
            }
        }
    }
    for (path, replace) in work {
        let made = if replace {
            replace_link(program, &path)
        } else {
            symlink(program, &path)
        };
        made.map_err(|e| told(&path, e))?;
    }
    Ok(())
}

fn place(path: &Path, program: &Path) -> io::Result<Place> {
    let kind = match fs::symlink_metadata(path) {
        Ok(meta) => meta.file_type(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Place::Free),
        Err(e) => return Err(e),
    };
    if !kind.is_symlink() {
        return Ok(Place::Taken);
    }
    let to = fs::read_link(path)?;
    Ok(if to == program {
        Place::Ours
    } else if to.file_name() == program.file_name() {
        Place::Older
    } else {
        Place::Taken
    })
}

/// Puts a new link in the place of an old one, with no moment between them.
fn replace_link(program: &Path, path: &Path) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    symlink(program, &beside)?;
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
        let (bin, old, new) = (
            dir.path().join("a/bin"),
            Path::new("/old/carrick"),
            Path::new("/new/carrick"),
        );
        for program in [old, new, new] {
            install(&bin, program, &["ssh", "scp"]).unwrap();
            for name in ["ssh", "scp"] {
                assert_eq!(fs::read_link(bin.join(name)).unwrap(), program);
            }
            assert_eq!(fs::read_dir(&bin).unwrap().count(), 2);
        }
    }

    #[test]
    fn what_is_not_ours_stays_and_nothing_is_done() {
        let dir = tempfile::tempdir().unwrap();
        let program = Path::new("/new/carrick");
        fs::write(dir.path().join("ssh"), "theirs").unwrap();
        assert!(install(dir.path(), program, &["scp", "ssh"]).is_err());
        assert!(!dir.path().join("scp").exists());
        assert_eq!(fs::read(dir.path().join("ssh")).unwrap(), b"theirs");
        fs::remove_file(dir.path().join("ssh")).unwrap();
        symlink("/usr/lib/ssh", dir.path().join("ssh")).unwrap();
        assert!(install(dir.path(), program, &["scp", "ssh"]).is_err());
    }
}
