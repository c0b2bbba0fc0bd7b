//! Portolan beside the databases that people would ask instead.
//!
//! PostgreSQL is Debian's; the others are libraries of Python, in versions told beside the programs
//! that ask them, in an environment of their own under `target`: nothing of the user's is touched.

use crate::run::Step;
use crate::{packages, python};

const ENVIRONMENT: &str = "target/peers";
const PYTHON: &str = "target/peers/bin/python";
const PROGRAMS: &str = "crates/sim/peers";

/// Installs what is missing.
pub(crate) fn install() -> anyhow::Result<()> {
    packages::install(packages::PEERS)?;
    let requirements = format!("{PROGRAMS}/requirements.txt");
    python::environment(ENVIRONMENT, &requirements)
}

/// Measures with so many hosts; both programs must have been built with --release.
pub(crate) fn measure(hosts: &str) -> Step {
    let program = format!("{PROGRAMS}/peers.py");
    let arguments = [
        "-B", // no compiled files beside the sources
        &program,
        "--fleet-bench",
        "target/release/fleet-bench",
        "--portolan",
        "target/release/portolan",
        "--hosts",
        hosts,
    ];
    Step::new("beside databases", PYTHON, &arguments)
}
