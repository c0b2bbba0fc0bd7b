//! The forms of ids and names in cgroup paths.

use std::borrow::Cow;

/// Hex digits of a container id of docker, podman, containerd's CRI and CRI-O.
pub(super) const HEX_ID_DIGITS: usize = 64;
/// Letters and digits of an id of BuildKit.
const BUILDKIT_ID_CHARS: usize = 25;
/// containerd's own limit.
const CONTAINERD_ID_CHARS_MAX: usize = 76;

/// What docker, podman, containerd's CRI and CRI-O make: 64 hex digits, never used again.
pub(crate) fn is_hex_id(text: &str) -> bool {
    text.len() == HEX_ID_DIGITS && text.bytes().all(is_hex)
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

pub(super) fn is_buildkit_id(text: &str) -> bool {
    text.len() == BUILDKIT_ID_CHARS
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
}

/// What containerd accepts: letters and digits, with single `.`, `_` and `-` between them.
pub(super) fn is_containerd_id(text: &str) -> bool {
    text.len() <= CONTAINERD_ID_CHARS_MAX
        && text
            .split(['.', '_', '-'])
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// Hex digits in groups of 8, 4, 4, 4 and 12, or 4 as the last one.
pub(super) fn is_guid(text: &str) -> bool {
    let mut groups = text.split('-').map(|group| {
        let is_sound = group.bytes().all(is_hex);
        if is_sound { group.len() } else { 0 }
    });
    let lengths: [Option<usize>; 6] = std::array::from_fn(|_| groups.next());
    matches!(
        lengths,
        [Some(8), Some(4), Some(4), Some(4), Some(4 | 12), None]
    )
}

/// The task's id of 32 hex digits and a number, as on Fargate.
pub(super) fn is_fargate_id(text: &str) -> bool {
    text.split_once('-').is_some_and(|(task, number)| {
        task.len() == 32
            && task.bytes().all(is_hex)
            && (1..=10).contains(&number.len())
            && number.bytes().all(|b| b.is_ascii_digit())
    })
}

/// A name as systemd-escape(1) wrote it into that of a unit. `None`: it did not write that.
pub(super) fn unescape(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('\\') {
        return Some(text.into());
    }
    let mut parts = text.split("\\x");
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).filter(|it| it.bytes().all(is_hex))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend(part.get(2..)?.bytes());
    }
    // Every other backslash would have been escaped, too.
    if text.matches('\\').count() != text.matches("\\x").count() {
        return None;
    }
    String::from_utf8(bytes).ok().map(Cow::from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_of_containerd_has_single_separators_inside() {
        for id in ["web", "ctr-web", "a.b_c-d", "0"] {
            assert!(is_containerd_id(id), "{id}");
        }
        for other in ["", "-web", "web-", "a--b", "a b", "wéb", &"x".repeat(77)] {
            assert!(!is_containerd_id(other), "{other}");
        }
    }

    #[test]
    fn a_guid_has_five_groups_of_which_the_last_may_be_short() {
        assert!(is_guid("70eb4ce5-a065-4401-6990-88ed"));
        assert!(is_guid("0d233f08-00c2-43d8-5b57-2c2af4f5bfc0"));
        for other in [
            "70eb4ce5-a065-4401-6990",
            "70eb4ce5-a065-4401-6990-88e",
            "70eb4ce5-a065-4401-6990-88ed-0000",
            "70EB4CE5-a065-4401-6990-88ed",
            "",
        ] {
            assert!(!is_guid(other), "{other}");
        }
    }

    #[test]
    fn what_systemd_did_not_write_is_no_name() {
        assert_eq!(unescape("my\\x2dweb").as_deref(), Some("my-web"));
        assert_eq!(unescape("\\xc3\\xa9").as_deref(), Some("é"));
        for other in ["\\x", "\\x2", "\\xzz", "\\x+1", "\\xff", "a\\b", "\\xé"] {
            assert_eq!(unescape(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn every_name_reads_back(name in "[a-zé\\\\ -]{0,20}") {
            let escaped: String = name.bytes().map(|byte| match byte {
                b'a'..=b'z' => char::from(byte).to_string(),
                other => format!("\\x{other:02x}"),
            }).collect();
            let told = unescape(&escaped);
            prop_assert_eq!(told.as_deref(), Some(name.as_str()));
        }
    }
}
