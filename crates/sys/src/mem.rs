//! Telling the allocator that this process is small and long-lived, and the
//! system that it holds secrets.

use rustix::mm::{MlockFlags, mlock_with};

/// Asks for large buffers in mappings of their own, and for freed memory to
/// go back soon: a process per connection must not keep its high-water mark.
pub fn stay_small() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: `mallopt` takes two integers and touches only the allocator.
        unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, 256 * 1024) };
        // SAFETY: as above.
        unsafe { libc::mallopt(libc::M_TRIM_THRESHOLD, 64 * 1024) };
        // SAFETY: as above.
        unsafe { libc::mallopt(libc::M_TOP_PAD, 16 * 1024) };
        // SAFETY: as above.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
    }
}

/// Gives free memory back to the system now.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `malloc_trim` takes an integer and touches only free memory.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Keeps the data of this process (heap, stack, everything private that can
/// be written) in memory, so that no secret in it is written to swap, and
/// out of core files. As much as the system lets it: without privileges that
/// is bounded (RLIMIT_MEMLOCK). Memory that is allocated later needs another
/// call. Says whether all of it is locked.
pub fn lock_data() -> std::io::Result<bool> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let mut all = true;
    for (start, len) in maps.lines().filter_map(private_data) {
        let start = std::ptr::with_exposed_provenance_mut(start);
        // Pages are locked as they are used: a thread's stack has many that
        // never are.
        // SAFETY: mlock2 reads and writes nothing, and a range that is not
        // mapped any more is an error and no harm.
        all &= unsafe { mlock_with(start, len, MlockFlags::ONFAULT) }.is_ok();
    }
    Ok(all)
}

/// The range in a line of `/proc/self/maps`, if it is of private pages that
/// can be written.
fn private_data(line: &str) -> Option<(usize, usize)> {
    let (range, rest) = line.split_once(' ')?;
    if !rest.starts_with("rw-p") {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    Some((start, end.checked_sub(start)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_data_is_found_and_locked() {
        let line = "55d0c000-55d0e000 rw-p 00002000 fd:00 17 /bin/x";
        assert_eq!(private_data(line), Some((0x55d0_c000, 0x2000)));
        for other in [
            "55d0c000-55d0e000 r-xp 0 fd:00 17 /bin/x",
            "7f00-8f00 rw-s 0 00:01 3 /dev/zero",
            "",
        ] {
            assert_eq!(private_data(other), None);
        }
        lock_data().unwrap();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let locked = status.lines().find(|l| l.starts_with("VmLck:")).unwrap();
        assert!(!locked.ends_with(" 0 kB"), "{locked}");
    }
}
