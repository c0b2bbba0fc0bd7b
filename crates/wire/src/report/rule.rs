//! What is allowed, as data: the words of a fault come from the same constants as the check.

use std::fmt;

use super::read::Read;
use crate::caps;

/// What is allowed of one value. Shown as what the value must do: `be 1 to 65535`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// An integer, both ends included.
    Integer { min: u64, max: u64 },
    /// A string of so many characters without NUL.
    Text { min: usize, max: usize },
    /// A string of so many characters without NUL that no message shows.
    Secret { min: usize, max: usize },
    /// What a credential's holder may do.
    Role,
    /// A host id.
    HostId,
    /// An enterprise project that a host can be in.
    EnterpriseProject,
    /// A transport protocol.
    Transport,
    /// An IP address without zone.
    Address,
    /// A moment.
    Moment,
    /// A digest.
    Digest,
    /// A boolean.
    Flag,
    /// An object.
    Object,
    /// An array of at most so many entries.
    List { max: usize },
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer { min, max } => write!(f, "be {min} to {max}"),
            Self::Text { min, max } | Self::Secret { min, max } => {
                write!(f, "be a string of {min} to {max} characters without NUL")
            }
            Self::HostId => {
                write!(
                    f,
                    "be a string of 1 to {} of [A-Za-z0-9._:-]",
                    caps::HOST_ID_CHARS_MAX
                )
            }
            Self::EnterpriseProject => write!(
                f,
                "be a string of 1 to {} characters without NUL, and not all_granted_eps",
                caps::ENTERPRISE_PROJECT_ID_CHARS_MAX
            ),
            Self::Role => f.write_str("be reader, agent or admin"),
            Self::Transport => f.write_str("be TCP or UDP"),
            Self::Address => f.write_str("be an IP address without zone"),
            Self::Moment => f.write_str(
                "be a moment in RFC 3339 that ends with Z, such as 2026-11-24T02:13:00Z",
            ),
            Self::Digest => f.write_str("be a string of 32 lower-case hex digits"),
            Self::Flag => f.write_str("be true or false"),
            Self::Object => f.write_str("be an object"),
            Self::List { .. } => f.write_str("be an array"),
        }
    }
}

/// One field that the server knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// Its path within the item, `[]` for any index: `open_ports[].port`. Empty: the item itself.
    pub(crate) path: &'static str,
    /// Whether an object without it is faulty.
    pub(crate) required: bool,
    /// What is allowed of its value.
    pub(crate) rule: Rule,
}

impl Row {
    /// A field that must be there.
    pub(crate) const fn required<R: Read<'static>>(path: &'static str) -> Self {
        Self {
            path,
            required: true,
            rule: R::RULE,
        }
    }

    /// A field that may be absent or `null`; or an entry of a list.
    pub(crate) const fn optional<R: Read<'static>>(path: &'static str) -> Self {
        Self {
            path,
            required: false,
            rule: R::RULE,
        }
    }
}

/// The items of one kind of request: what they are called and every field that is known of them.
#[derive(Debug)]
pub(crate) struct Form {
    /// The list that holds them: `reports`. Of a body that is the one item, what it is.
    pub(crate) list: &'static str,
    /// The names that lead to an item's host id.
    pub(crate) host_id: &'static [&'static str],
    /// The known fields, required ones of an object in the order in which they are missed.
    pub(crate) rows: &'static [Row],
}

impl Form {
    /// The row of a path.
    pub(crate) fn row(&self, path: &str) -> Option<&'static Row> {
        self.rows.iter().find(|row| row.path == path)
    }

    /// The fields of the object at a path, each with its bare name.
    pub(crate) fn fields(&self, path: &str) -> impl Iterator<Item = (&'static str, &'static Row)> {
        self.rows.iter().filter_map(move |row| {
            let below = row.path.strip_prefix(path)?;
            let name = if path.is_empty() {
                below
            } else {
                below.strip_prefix('.')?
            };
            (!name.is_empty() && !name.contains(['.', '['])).then_some((name, row))
        })
    }
}
