//! Copies within the machine (`copy-data`): by the system where it can, which
//! may not even copy, else piece by piece.

use rustix::fs::{copy_file_range, fstat};
use rustix::io::{Errno, pread, retry_on_intr};

use super::{File, PIECE, failed, is_regular, write_all};
use crate::msg::Code;
use crate::server::{Place, Result};

/// Copies `len` bytes, or up to the end where that is 0; how many there were.
pub(super) fn copy(from: &Place<'_, File>, len: u64, to: &Place<'_, File>) -> Result<u64> {
    let is_offset = |offset: u64| i64::try_from(offset).is_ok();
    if !is_offset(from.offset) || !is_offset(to.offset) {
        return Err(failed(Errno::INVAL));
    }
    let source = fstat(&from.file.fd).map_err(failed)?;
    let target = fstat(&to.file.fd).map_err(failed)?;
    let same = (source.st_dev, source.st_ino) == (target.st_dev, target.st_ino);
    // A file that grows while it is read, or a device, would never end.
    if same || (len == 0 && !is_regular(&source)) {
        return Err(Code::FAILURE.into());
    }
    let most = if len == 0 { u64::MAX } else { len };
    let mut done = 0;
    if is_regular(&source) && is_regular(&target) && !to.file.append {
        done = by_system(from, most, to);
    }
    piece_by_piece(from, most, to, done).map_err(failed)
}

fn behind<'a>(place: &Place<'a, File>, done: u64) -> Place<'a, File> {
    Place {
        file: place.file,
        offset: place.offset.saturating_add(done),
    }
}

/// As much as the system copies; why it copied no more, the other way shows.
fn by_system(from: &Place<'_, File>, most: u64, to: &Place<'_, File>) -> u64 {
    // Not all at once, so that a signal is noticed.
    const STEP: u64 = 1 << 30;
    let mut done: u64 = 0;
    while done < most {
        let (mut source, mut target) = (behind(from, done).offset, behind(to, done).offset);
        let step = usize::try_from((most - done).min(STEP)).unwrap_or(usize::MAX);
        let copied = retry_on_intr(|| {
            let (source, target) = (Some(&mut source), Some(&mut target));
            copy_file_range(&from.file.fd, source, &to.file.fd, target, step)
        });
        match copied {
            Ok(count) if count > 0 => {
                done = done.saturating_add(u64::try_from(count).unwrap_or(0));
            }
            _ => break,
        }
    }
    done
}

fn piece_by_piece(
    from: &Place<'_, File>,
    most: u64,
    to: &Place<'_, File>,
    mut done: u64,
) -> core::result::Result<u64, Errno> {
    let mut piece = vec![0; PIECE];
    while done < most {
        let step = usize::try_from(most - done).unwrap_or(usize::MAX);
        let room = piece.get_mut(..step.min(PIECE)).unwrap_or_default();
        let source = behind(from, done);
        let count = retry_on_intr(|| pread(&source.file.fd, &mut *room, source.offset))?;
        if count == 0 {
            break;
        }
        let target = behind(to, done);
        write_all(
            target.file,
            target.offset,
            room.get(..count).unwrap_or_default(),
        )?;
        done = done.saturating_add(u64::try_from(count).unwrap_or(0));
    }
    Ok(done)
}
