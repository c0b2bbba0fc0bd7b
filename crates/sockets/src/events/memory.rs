//! Gives back what loading takes.
//!
//! Finding the fields of the running kernel means reading its whole type description, some 30 MB
//! once parsed. It is freed after loading, but glibc keeps freed memory for later use, of which
//! there is none. Rejected: loading in a child that hands descriptors over, which needs a program to
//! start and a second way for each error to come back.

/// How much unused memory glibc may keep at the end of a heap: its own default, before it raises it.
#[cfg(target_env = "gnu")]
const KEPT_BYTES: std::ffi::c_int = 128 << 10;

/// Runs `load` and returns the memory that it freed to the system, where the allocator is glibc's.
#[cfg(target_env = "gnu")]
#[expect(
    unsafe_code,
    reason = "no safe crate offers mallopt(3) and malloc_trim(3)"
)]
pub(super) fn giving_back<T>(load: impl FnOnce() -> T) -> T {
    // SAFETY: both take no pointer, touch only memory that is free, and take the allocator's locks
    // themselves, so they may be called on any thread at any time.
    //
    // The first keeps the limit where it is: each large block that is freed would raise it, up to
    // 64 MiB, and malloc_trim leaves the end of a heap that is not the first thread's alone.
    let _whether_set = unsafe { libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES) };
    let loaded = load();
    // SAFETY: as above.
    let _whether_any = unsafe { libc::malloc_trim(0) };
    loaded
}

#[cfg(not(target_env = "gnu"))]
pub(super) fn giving_back<T>(load: impl FnOnce() -> T) -> T {
    load()
}
