//! A folder whose files are called by the ids of containers.
//!
//! Holds: it is listed again only after it changed. A change that comes in the same tick of the
//! file system's clock as the listing leaves no trace, so a listing is trusted only when a later
//! one finds the folder as it was.

use std::collections::HashMap;
use std::path::PathBuf;

use super::files::{HostFiles, Look, Stamp};
use crate::cgroup::is_hex_id;

/// Most files of one folder; a node runs a few hundred containers.
const NAMES_MAX: usize = 20_000;

/// The files of one folder, by the last id in their name.
#[derive(Debug)]
pub(super) struct Index {
    folder: PathBuf,
    stamp: Option<Stamp>,
    trusted: bool,
    by_id: HashMap<String, Vec<String>>,
}

impl Index {
    pub(super) fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            stamp: None,
            trusted: false,
            by_id: HashMap::new(),
        }
    }

    /// Lists the folder if it changed. One that cannot be read stays as it was.
    pub(super) fn refresh(&mut self, files: &HostFiles) {
        let known = self.stamp.filter(|_| self.trusted);
        match files.list(&self.folder, known, NAMES_MAX) {
            Look::New(stamp, names) => {
                self.trusted = self.stamp == Some(stamp);
                self.stamp = Some(stamp);
                self.by_id.clear();
                for name in names {
                    if let Some(id) = id_in(&name) {
                        self.by_id.entry(id.to_owned()).or_default().push(name);
                    }
                }
            }
            Look::Missing => *self = Self::new(std::mem::take(&mut self.folder)),
            Look::Same | Look::Unreadable => {}
        }
    }

    /// The names of a container's files.
    pub(super) fn names(&self, id: &str) -> impl Iterator<Item = &str> {
        self.by_id.get(id).into_iter().flatten().map(String::as_str)
    }

    /// The paths of a container's files.
    pub(super) fn paths(&self, id: &str) -> Vec<PathBuf> {
        self.names(id).map(|name| self.folder.join(name)).collect()
    }
}

fn id_in(name: &str) -> Option<&str> {
    name.rsplit(['-', '_', '.']).find(|part| is_hex_id(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_by_the_last_id_in_its_name() {
        let (net, id) = ("a".repeat(64), "b".repeat(64));
        for name in [
            format!("{net}_{id}"),
            format!("cbr0-{id}-eth0"),
            format!("shop-0_prod_web-{id}.log"),
        ] {
            assert_eq!(id_in(&name), Some(id.as_str()), "{name}");
        }
        assert_eq!(id_in(&id[1..]), None);
    }

    #[test]
    fn files_that_come_and_go_are_noticed_and_a_folder_that_is_gone_has_none() {
        let host = tempfile::tempdir().unwrap();
        let folder = host.path().join("logs");
        std::fs::create_dir(&folder).unwrap();
        let files = HostFiles::new(host.path().to_owned());
        let mut index = Index::new("/logs");
        let count = |index: &mut Index, id: &str| {
            index.refresh(&files);
            index.names(id).count()
        };
        let ids = ["a", "b"].map(|digit| digit.repeat(64));
        assert_eq!(count(&mut index, &ids[0]), 0);
        for id in &ids {
            std::fs::write(folder.join(format!("x-{id}.log")), "").unwrap();
            assert_eq!(count(&mut index, id), 1);
        }
        assert_eq!(count(&mut index, &ids[0]), 1);
        std::fs::remove_file(folder.join(format!("x-{}.log", ids[0]))).unwrap();
        assert_eq!(count(&mut index, &ids[0]), 0);
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(count(&mut index, &ids[1]), 0);
    }
    #[test]
    fn a_file_that_came_in_the_same_tick_as_the_listing_is_found_by_the_next_one() {
        let host = tempfile::tempdir().unwrap();
        let files = HostFiles::new(host.path().to_owned());
        let path = host.path().join("logs");
        std::fs::create_dir(&path).unwrap();
        let mut index = Index::new("/logs");
        index.refresh(&files);
        let listed = std::fs::metadata(&path).unwrap().modified().unwrap();
        let id = "a".repeat(64);
        std::fs::write(path.join(&id), "").unwrap();
        let folder = std::fs::File::open(&path).unwrap();
        folder.set_modified(listed).unwrap();
        index.refresh(&files);
        assert_eq!(index.names(&id).count(), 1);
    }
}
