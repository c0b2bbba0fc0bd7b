//! Finds the path of a cgroup by its id.
//!
//! The kernel (since 5.8) tells the cgroup of a socket as the inode of a folder in the unified
//! cgroup file system, and offers no way back to its path without `CAP_DAC_READ_SEARCH`; so the
//! folders are listed, which any user may do. Asked only for sockets of which no holder is known.
//! Limits: [`FOLDERS_MAX`] folders, [`DEPTH_MAX`] levels; a missing id costs one listing each
//! [`LISTING_PAUSE`] at most.

use std::collections::HashMap;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Placement;

const FOLDERS_MAX: usize = 20_000;
const DEPTH_MAX: usize = 24;
const LISTING_PAUSE: Duration = Duration::from_secs(30);
/// The cgroup of everything that was put into none.
const ROOT_ID: u64 = 1;

/// The cgroups as they were when last listed.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    placements: HashMap<u64, Placement>,
    listed: Option<Instant>,
}

impl Tree {
    /// What the path of cgroup `id` says. `root` is where the unified hierarchy is mounted.
    pub(crate) fn placement(&mut self, root: &Path, id: u64, now: Instant) -> Option<&Placement> {
        if id <= ROOT_ID {
            return None;
        }
        let rested = self
            .listed
            .is_none_or(|at| now.duration_since(at) >= LISTING_PAUSE);
        if rested && !self.placements.contains_key(&id) {
            self.placements = list(root);
            self.listed = Some(now);
        }
        self.placements.get(&id)
    }
}

fn list(root: &Path) -> HashMap<u64, Placement> {
    let mut placements = HashMap::new();
    let mut waiting: Vec<(PathBuf, usize)> = vec![(root.to_owned(), 0)];
    while let Some((folder, depth)) = waiting.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if !is_folder || placements.len() >= FOLDERS_MAX {
                continue;
            }
            let path = entry.path();
            let below = path.strip_prefix(root).unwrap_or(&path).to_string_lossy();
            placements.insert(entry.ino(), Placement::of_path(&format!("/{below}")));
            if depth < DEPTH_MAX {
                waiting.push((path, depth + 1));
            }
        }
    }
    placements
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_cgroup_is_found_by_its_inode_and_a_missing_one_is_not_sought_each_time() {
        let root = tempfile::tempdir().unwrap();
        let id = "e".repeat(64);
        let folder = root.path().join("docker").join(&id).join("init");
        std::fs::create_dir_all(&folder).unwrap();
        let inode = |path: &Path| std::fs::metadata(path).unwrap().ino();
        let mut tree = Tree::default();
        let now = Instant::now();
        let found = tree.placement(root.path(), inode(&folder), now).unwrap();
        assert_eq!(found.container.as_ref(), Some(&id));

        let late = root.path().join("lxc/web");
        std::fs::create_dir_all(&late).unwrap();
        assert_eq!(
            tree.placement(root.path(), inode(&late), now),
            None,
            "listed a moment ago"
        );
        let later = now + LISTING_PAUSE;
        let found = tree.placement(root.path(), inode(&late), later).unwrap();
        assert_eq!(found.container.as_deref(), Some("web"));
        assert_eq!(tree.placement(root.path(), ROOT_ID, later), None);
    }
}
