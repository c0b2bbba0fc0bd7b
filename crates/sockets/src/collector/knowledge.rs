//! What a collector knows since its last look, for those who learn of sockets another way.

use super::Collector;
use crate::namespaces::{NsKey, name_of_inode};

/// A network namespace, as its sockets tell it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// What it is called; the host's own is called nothing.
    pub name: Option<String>,
    /// The container whose processes fill it.
    pub container_id: Option<String>,
}

impl Collector {
    /// Whether the last scan found the namespace with that inode. One that is not known may still be
    /// the host's, before the first scan, or a container's that has just begun.
    pub fn knows_namespace(&self, inode: u64) -> bool {
        let key = NsKey::Inode(inode);
        self.host == Some(key) || self.names.get(key).is_some()
    }

    /// The namespace with that inode; a name of its own kind where the last scan did not find it.
    pub fn namespace(&self, inode: u64) -> Namespace {
        let key = NsKey::Inode(inode);
        if self.host == Some(key) {
            return Namespace::default();
        }
        match self.names.get(key) {
            Some(name) => Namespace {
                name: Some(name.text.clone()),
                container_id: name.container.clone(),
            },
            None => Namespace {
                name: Some(name_of_inode(key, &self.boot_id)),
                container_id: None,
            },
        }
    }
}
