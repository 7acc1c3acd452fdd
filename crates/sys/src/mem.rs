//! Telling the allocator that this process is small and long-lived.

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
