//! What the tests with real clients need: the clients, and for the long ones a Keystone.

use anyhow::Context as _;

use crate::run::{Step, cargo};
use crate::{packages, python, run};

const PROGRAMS: &str = "crates/portolan/tests/clients";

/// Where npm installs, as its lock says.
const NODE: &str = "target/clients-node";

/// Installs the clients.
pub(crate) fn install() -> anyhow::Result<()> {
    packages::install(packages::CLIENTS)?;
    python::environment("target/clients", &format!("{PROGRAMS}/requirements.txt"))?;
    install_for_node()
}

/// Installs exactly what the lock names, without running what packages bring.
fn install_for_node() -> anyhow::Result<()> {
    let folder = run::root().join(NODE);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {NODE}"))?;
    for file in ["package.json", "package-lock.json"] {
        let from = run::root().join(PROGRAMS).join("node").join(file);
        std::fs::copy(&from, folder.join(file))
            .with_context(|| format!("cannot copy {}", from.display()))?;
    }
    let install = [
        "ci",
        "--prefix",
        NODE,
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
    ];
    run::all(&[Step::new("node packages", "npm", &install)])
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
