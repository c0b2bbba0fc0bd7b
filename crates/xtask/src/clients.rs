//! What the tests with real clients need: the clients, and for the long ones a Keystone.

use crate::python;
use crate::run::{Step, cargo};

const PROGRAMS: &str = "crates/portolan/tests/clients";

/// Installs the clients.
pub(crate) fn install() -> anyhow::Result<()> {
    python::environment("target/clients", &format!("{PROGRAMS}/requirements.txt"))
}

/// Installs Keystone.
pub(crate) fn install_keystone() -> anyhow::Result<()> {
    let requirements = format!("{PROGRAMS}/requirements-keystone.txt");
    python::environment("target/keystone", &requirements)
}

/// A server beside a real Keystone; the binaries must have been built.
pub(crate) fn beside_keystone() -> Step {
    cargo(
        "beside a real Keystone",
        &[
            "test",
            "--locked",
            "-p",
            "portolan",
            "--test",
            "e2e",
            "--",
            "--ignored",
            "a_real_keystone",
        ],
    )
}
