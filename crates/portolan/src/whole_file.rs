//! A file that takes its name only when all of it was written and synced.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// Writes a file beside its place, checks it there and gives it its name. Of what is not whole nothing
/// is left.
pub(crate) fn write<T>(
    file: &Path,
    mode: u32,
    write: impl FnOnce(&mut File) -> anyhow::Result<()>,
    check: impl FnOnce(&Path) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let part = beside(file)?;
    let done = written(&part, mode, write).and_then(|()| {
        let checked = check(&part)?;
        std::fs::rename(&part, file)
            .and_then(|()| sync_folder_of(file))
            .with_context(|| format!("cannot rename {}", part.display()))?;
        Ok(checked)
    });
    if done.is_err() {
        // Half a file is of no use to anybody. It may not even be there.
        let _absent = std::fs::remove_file(&part);
    }
    done
}

fn written(
    part: &Path,
    mode: u32,
    write: impl FnOnce(&mut File) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(part)
        .with_context(|| format!("cannot write {}", part.display()))?;
    write(&mut file)?;
    file.sync_all()
        .with_context(|| format!("cannot write {}", part.display()))
}

/// `FILE.part`. A name that is there already must be that of a file: a device would be replaced.
fn beside(file: &Path) -> anyhow::Result<PathBuf> {
    let mut name = match file.file_name() {
        Some(name) => name.to_owned(),
        None => bail!("{} names no file", file.display()),
    };
    if std::fs::metadata(file).is_ok_and(|found| !found.is_file()) {
        bail!("{} is there and is no ordinary file", file.display());
    }
    name.push(".part");
    Ok(file.with_file_name(name))
}

/// Makes a name durable.
fn sync_folder_of(file: &Path) -> io::Result<()> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
