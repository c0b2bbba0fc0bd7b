//! A disk that is too small: a tmpfs that only a child of the test sees.

use std::path::PathBuf;
use std::process::Command;

/// Names the mount point to the child.
const DISK: &str = "PORTOLAN_TEST_DISK";

/// The disk of the test that runs, if it was started by [`with_disk`].
pub(crate) fn disk() -> Option<PathBuf> {
    std::env::var_os(DISK).map(PathBuf::from)
}

/// Runs a test of this program again, with a disk of that size.
pub(crate) fn with_disk(size: &str, test: &str) {
    let disk = tempfile::tempdir().unwrap();
    // The mount is seen, and lives, in the child's own mount namespace alone.
    let script = "mount -t tmpfs -o size=\"$2\" tmpfs \"$1\" && exec \"$0\" --exact \"$3\"";
    let ended = Command::new("unshare")
        .args(["--mount", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .arg(disk.path())
        .args([size, test])
        .env(DISK, disk.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ended.stdout);
    assert!(
        ended.status.success(),
        "{told}{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    assert!(told.contains("1 passed"), "{told}");
}
