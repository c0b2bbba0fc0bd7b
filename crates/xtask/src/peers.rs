//! Portolan beside the databases that people would ask instead.
//!
//! PostgreSQL is Debian's; the others are libraries of Python, in versions told beside the programs
//! that ask them, in an environment of their own under `target`: nothing of the user's is touched.

use std::process::{Command, Stdio};

use crate::packages;
use crate::run::{self, Step};

const ENVIRONMENT: &str = "target/peers";
const PYTHON: &str = "target/peers/bin/python";
const PROGRAMS: &str = "crates/sim/peers";

/// Installs what is missing.
pub(crate) fn install() -> anyhow::Result<()> {
    packages::install(packages::PEERS)?;
    if !can_make_environments() {
        packages::install_all(&["python3-venv"])?;
    }
    let requirements = format!("{PROGRAMS}/requirements.txt");
    run::all(&[
        Step::new("environment", "python3", &["-m", "venv", ENVIRONMENT]),
        Step::new(
            "databases",
            PYTHON,
            &[
                "-m",
                "pip",
                "install",
                "--quiet",
                "--requirement",
                &requirements,
            ],
        ),
    ])
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

/// Debian's Python has the module in a package of its own.
fn can_make_environments() -> bool {
    let asked = Command::new("python3")
        .args(["-c", "import ensurepip, venv"])
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}
