//! The nodes of NATS that the tests of a cluster run.

use crate::python;

const PROGRAMS: &str = "crates/store/tests/nats";

/// Installs `nats-server` into `target/nats/bin`: Debian's is years older than what is demanded of a
/// cluster, and the registry of Python has it as a binary.
pub(crate) fn install() -> anyhow::Result<()> {
    python::environment("target/nats", &format!("{PROGRAMS}/requirements.txt"))
}
