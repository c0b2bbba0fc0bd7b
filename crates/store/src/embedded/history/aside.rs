//! Damaged days out of the way while a damaged database is read.
//!
//! Opening the database fails for one keyspace whose manifest or tables are altered, and deletes one
//! without a manifest; the hosts are none the worse for a day that is. So such days are moved
//! out of the folder of the keyspaces for that time.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::StoreError;
use crate::embedded::layout::{DataDir, cannot_read, cannot_write, make_folder};
use crate::embedded::parts;

/// Where they are meanwhile.
const ASIDE: &str = "days-aside";

/// Puts them back when it ends.
#[derive(Debug)]
pub(crate) struct DaysAside {
    keyspaces: PathBuf,
    aside: PathBuf,
}

impl DaysAside {
    /// Moves the days with damage that can be seen without reading their tables.
    pub(crate) fn take(dir: &DataDir) -> Result<Self, StoreError> {
        let keyspaces = dir.engine().join("keyspaces");
        let aside = dir.engine().join(ASIDE);
        let days = Self { keyspaces, aside };
        // What one that was killed left.
        days.put_back().map_err(cannot_write(&days.aside))?;
        let list = || fs::read_dir(&days.keyspaces)?.collect::<io::Result<Vec<_>>>();
        for entry in list().map_err(cannot_read(&days.keyspaces))? {
            let number = entry.file_name().to_string_lossy().parse::<u64>();
            // 0 is the list of keyspaces and 1 that of hosts and records.
            if !number.is_ok_and(|number| number > 1) {
                continue;
            }
            match parts::check_one(dir, &parts::of_day(&entry.path())) {
                Err(StoreError::Damaged { .. }) => {
                    let moved = make_folder(&days.aside).and_then(|()| {
                        fs::rename(entry.path(), days.aside.join(entry.file_name()))
                    });
                    moved.map_err(cannot_write(&days.aside))?;
                }
                checked => checked?,
            }
        }
        Ok(days)
    }

    fn put_back(&self) -> io::Result<()> {
        if !self.aside.exists() {
            return Ok(());
        }
        for entry in fs::read_dir(&self.aside)? {
            let entry = entry?;
            fs::rename(entry.path(), self.keyspaces.join(entry.file_name()))?;
        }
        fs::remove_dir(&self.aside)
    }
}

impl Drop for DaysAside {
    fn drop(&mut self) {
        if let Err(error) = self.put_back() {
            let folder = self.aside.display();
            tracing::error!(file.path = %folder, %error, "damaged days of the history could not be put back");
        }
    }
}
