//! The executable's path, which the kernel side writes from the file up to the root.

use portolan_wire::caps::PATH_CHARS_MAX;

/// Joins names that are each ended by 0. None where there is none, or where it is no whole path.
pub(super) fn join(names: &[u8]) -> Option<String> {
    let names = names.strip_suffix(&[0])?;
    let mut path = Vec::with_capacity(names.len() + 1);
    for name in names.rsplit(|byte| *byte == 0) {
        if name.is_empty() {
            return None;
        }
        path.push(b'/');
        path.extend_from_slice(name);
    }
    let path = String::from_utf8_lossy(&path).into_owned();
    (path.chars().count() <= PATH_CHARS_MAX).then_some(path)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_from_the_file_up_become_a_path_and_what_is_cut_becomes_none() {
        assert_eq!(
            join(b"sshd\0sbin\0usr\0").as_deref(),
            Some("/usr/sbin/sshd")
        );
        assert_eq!(join(b"memfd:x\0").as_deref(), Some("/memfd:x"));
        assert_eq!(join(b"caf\xe9\0").as_deref(), Some("/caf\u{fffd}"));
        for cut in [&b""[..], b"sshd", b"\0", b"sshd\0\0usr\0", b"\0usr\0"] {
            assert_eq!(join(cut), None, "{cut:?}");
        }
        assert_eq!(join(&[&[b'x'; PATH_CHARS_MAX][..], b"\0"].concat()), None);
    }

    proptest! {
        #[test]
        fn any_path_reads_back(names in proptest::collection::vec("[a-z (.]{1,12}", 1..20)) {
            let mut bytes = Vec::new();
            for name in names.iter().rev() {
                bytes.extend(name.bytes());
                bytes.push(0);
            }
            prop_assert_eq!(join(&bytes), Some(format!("/{}", names.join("/"))));
        }
    }
}
