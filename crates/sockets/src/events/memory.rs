//! Gives back what loading took.
//!
//! Finding the fields of the running kernel means reading its whole type description, some 30 MB
//! once parsed. It is freed after loading, but glibc keeps freed memory for later use, of which
//! there is none. Rejected: loading in a child that hands descriptors over, which needs a program to
//! start and a second way for each error to come back.

/// Returns free memory to the system, where the allocator is glibc's.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "no safe crate offers malloc_trim(3)")]
pub(super) fn give_back() {
    // SAFETY: takes no pointer, touches only memory that is free, and takes the allocator's locks
    // itself, so it may be called on any thread at any time.
    let _whether_any = unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
pub(super) fn give_back() {}
