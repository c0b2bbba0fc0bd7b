//! Whose files a command leaves behind that works in a server's data folder.
//!
//! An administrator runs `restore` and `repair` as root, and the server is another user, which could
//! not open what root made. Refusing root would cost a step at the worst of times.

use std::io;
use std::os::unix::fs::{MetadataExt as _, lchown};
use std::path::Path;

use anyhow::Context as _;

const ROOT: u32 = 0;

/// Gives the owner of `folder` what root made below it; does nothing for anybody but root.
pub(crate) fn give_to_owner_of(folder: &Path) -> anyhow::Result<()> {
    let given = || {
        let made_by_root = std::fs::metadata("/proc/self")?.uid() == ROOT;
        let owner = std::fs::metadata(folder)?;
        if made_by_root && owner.uid() != ROOT {
            give(folder, owner.uid(), owner.gid())?;
        }
        io::Result::Ok(())
    };
    given().with_context(|| {
        format!(
            "cannot give the owner of {0} what is in {0}",
            folder.display()
        )
    })
}

fn give(folder: &Path, uid: u32, gid: u32) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let found = entry.metadata()?;
        if found.uid() == ROOT {
            lchown(entry.path(), Some(uid), Some(gid))?;
        }
        if found.is_dir() {
            give(&entry.path(), uid, gid)?;
        }
    }
    Ok(())
}
