//! The ids that name things, as types of their own, so that one cannot be given for another.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        // Hash and order of the type are those of its text, so maps can be asked with a `&str`.
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// A tenant: the `{project_id}` of the URL, 1 to 256 characters.
    ProjectId
}
id! {
    /// A group of hosts inside a project, 1 to 128 characters; `0` is the default one.
    EnterpriseProjectId
}
id! {
    /// One machine within a project: 1 to 64 of `[A-Za-z0-9._:-]`.
    HostId
}

impl EnterpriseProjectId {
    /// The default enterprise project.
    pub const DEFAULT: &str = "0";
    /// The keyword that means every enterprise project that a credential may read.
    pub const ALL_GRANTED: &str = "all_granted_eps";
}

/// A host of the whole server: hosts are keyed by project and host id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostKey {
    /// The project.
    pub project: ProjectId,
    /// The host within it.
    pub host: HostId,
}
