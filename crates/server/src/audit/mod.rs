//! The audit log: every administrative act and every refused credential, in files that only grow.
//!
//! `DATA/audit.log`, JSON lines, each with the hash of the line before it, so that a line that is
//! changed, lost or slipped in shows. Holds: that an act begins is on disk before it does, and what
//! became of it before it is answered, so nothing is done unrecorded; no line holds a secret.
//! Limits: `caps::AUDIT_FILE_BYTES_MAX` a file; refused credentials are told one by one only up to
//! `caps::AUDIT_REFUSALS_TOLD_MAX` a minute. The chain finds tampering by who cannot rewrite all of
//! what follows; against somebody who can, keep the last hash somewhere else.

mod line;
mod log;
mod refusals;
mod thread;
mod verify;

use std::net::IpAddr;
use std::path::PathBuf;

use portolan_wire::time::UnixMicros;

pub(crate) use thread::{Audit, AuditThread};
pub use verify::{Verified, verify};

/// What goes wrong with the audit log.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// A file of it cannot be used.
    #[error("cannot {what} the audit log {}: {source}", path.display())]
    File {
        /// What failed.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not as it was written.
    #[error(
        "the audit log is not as it was written: {}, line {line}: {what}",
        path.display()
    )]
    Broken {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
}

/// The outcome of an act that is about to be done. Where no other follows, the server ended in between.
pub(crate) const BEGUN: &str = "begun";

/// Something that was done or refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Act {
    pub(crate) at: UnixMicros,
    /// The id of the credential; never a secret.
    pub(crate) actor: Option<String>,
    /// The address that it came from.
    pub(crate) source: Option<IpAddr>,
    /// Such as `token.create`.
    pub(crate) action: &'static str,
    /// What it was done to.
    pub(crate) target: String,
    /// [`BEGUN`], `done`, the code of the error, or `cut` of a backup that was not taken whole.
    pub(crate) outcome: String,
    /// What else there is to say.
    pub(crate) detail: String,
    /// How often.
    pub(crate) count: u64,
}
