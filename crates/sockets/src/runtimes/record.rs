//! What a runtime has written down of one container.

use portolan_wire::caps::{PATH_CHARS_MAX, STRING_CHARS_MAX};

use super::mappings::Mappings;
use crate::cgroup::is_hex_id;

/// What is told of a container beside its id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// As people call it: `web`. In a pod the name within it.
    pub(crate) name: Option<String>,
    /// As it was asked for: `redis:7`.
    pub(crate) image: Option<String>,
    pub(crate) pod_name: Option<String>,
    pub(crate) pod_namespace: Option<String>,
    /// The container whose network namespace it shares, as far as the record says: a pod's sandbox.
    pub(super) sandbox: Option<String>,
    pub(super) published: Mappings,
}

impl Record {
    /// Whether it says whose container it is; a record of another kind of file does not.
    pub(super) fn tells(&self) -> bool {
        self.name.is_some() || self.pod_name.is_some()
    }
}

/// A name of a container that a report can hold. A longer one, or one that would steer a terminal,
/// is none: cut, it would be another container's.
pub(super) fn name(text: Option<String>) -> Option<String> {
    sound(text, PATH_CHARS_MAX)
}

/// The same for images, pods and their namespaces.
pub(super) fn text(text: Option<String>) -> Option<String> {
    sound(text, STRING_CHARS_MAX)
}

/// The id of another container. One of another form could lead anywhere.
pub(super) fn id(text: Option<String>) -> Option<String> {
    text.filter(|it| is_hex_id(it))
}

fn sound(text: Option<String>, chars_max: usize) -> Option<String> {
    text.filter(|it| {
        !it.is_empty() && !it.contains(char::is_control) && it.chars().count() <= chars_max
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_no_report_can_hold_is_none() {
        let name_of = |chars: usize| name(Some("é".repeat(chars)));
        assert_eq!(name_of(4_096).unwrap().chars().count(), 4_096);
        assert_eq!(name_of(4_097), None);
        assert!(text(Some("x".repeat(256))).is_some());
        assert_eq!(text(Some("x".repeat(257))), None);
        for bad in ["", "a\0b", "a\nb", "\u{1b}[2J"] {
            assert_eq!(name(Some(bad.to_owned())), None, "{bad:?}");
        }
    }
}
