//! Names users by `/etc/passwd`.
//!
//! A file and no NSS: a static binary has no NSS, and a directory service must not be asked each
//! second. Users that it does not know, such as those of a directory, are shown as their number.
//! The names are the host's, as `ps` shows them, also for processes in containers.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Most bytes of the file that are read.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Longest name in characters; a longer one is shown as its number.
const NAME_CHARS_MAX: usize = portolan_wire::caps::STRING_CHARS_MAX;

/// What tells that the file is another: device, inode, size and modification.
type Stamp = (u64, u64, u64, i64, i64);

/// The users of this host.
#[derive(Debug)]
pub(crate) struct Users {
    path: PathBuf,
    stamp: Option<Stamp>,
    names: HashMap<u32, String>,
}

impl Users {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            stamp: None,
            names: HashMap::new(),
        }
    }

    /// Reads the file again if it changed. Without it every user is a number.
    pub(crate) fn refresh(&mut self) {
        let stamp = std::fs::metadata(&self.path).ok().map(|file| {
            (
                file.dev(),
                file.ino(),
                file.size(),
                file.mtime(),
                file.mtime_nsec(),
            )
        });
        if stamp != self.stamp {
            self.names = self.read().unwrap_or_default();
            self.stamp = stamp;
        }
    }

    fn read(&self) -> io::Result<HashMap<u32, String>> {
        let mut bytes = Vec::new();
        File::open(&self.path)?
            .take(FILE_BYTES_MAX)
            .read_to_end(&mut bytes)?;
        Ok(parse(&bytes))
    }

    /// The name of a user, or its number in decimal.
    pub(crate) fn name(&self, uid: u32) -> String {
        self.names
            .get(&uid)
            .cloned()
            .unwrap_or_else(|| uid.to_string())
    }
}

/// Reads passwd(5). Of several names for one uid the first counts, as for getpwuid(3).
pub(crate) fn parse(bytes: &[u8]) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b':');
        let (Some(name), Some(uid)) = (fields.next(), fields.nth(1)) else {
            continue;
        };
        let (Ok(name), Ok(uid)) = (str::from_utf8(name), str::from_utf8(uid)) else {
            continue;
        };
        let plain = !name.is_empty() && !name.contains(char::is_control) && !name.starts_with('#');
        if let (Ok(uid), true) = (uid.parse(), plain && name.chars().count() <= NAME_CHARS_MAX) {
            names.entry(uid).or_insert_with(|| name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_name_of_a_uid_counts_and_faulty_lines_count_nothing() {
        let file = b"root:x:0:0:root:/root:/bin/bash\ntoor:x:0:0::/root:/bin/sh\n\
            # bin:x:2:2\nbroken\n:x:7:7::/:\nwww-data:x:33:33\nminus:x:-1:1\nhuge:x:4294967296:1\n";
        let names = parse(file);
        let expected = [(0, "root".to_owned()), (33, "www-data".to_owned())];
        assert_eq!(names, HashMap::from(expected));
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_missing_one_leaves_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwd");
        let mut users = Users::new(path.clone());
        users.refresh();
        assert_eq!(users.name(1000), "1000");
        std::fs::write(&path, "alice:x:1000:1000:::\n").unwrap();
        users.refresh();
        assert_eq!(users.name(1000), "alice");
        std::fs::write(&path, "alice-b:x:1000:1000:::\n").unwrap();
        users.refresh();
        assert_eq!(users.name(1000), "alice-b");
        std::fs::remove_file(&path).unwrap();
        users.refresh();
        assert_eq!(users.name(1000), "1000");
    }

    proptest! {
        #[test]
        fn no_file_makes_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for name in parse(&bytes).values() {
                prop_assert!(!name.is_empty());
            }
        }
    }
}
