//! Environments of Python under `target`: nothing of the user's is touched.

use std::process::{Command, Stdio};

use crate::packages;
use crate::run::{self, Step};

/// Makes an environment with the packages of a list, or brings it up to date.
pub(crate) fn environment(folder: &str, requirements: &str) -> anyhow::Result<()> {
    if !can_make_environments() {
        packages::install_all(&["python3-venv"])?;
    }
    let python = format!("{folder}/bin/python");
    let install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--requirement",
        requirements,
    ];
    run::all(&[
        Step::new("environment", "python3", &["-m", "venv", folder]),
        Step::new("python packages", &python, &install),
    ])
}

/// Debian's Python has the module in a package of its own.
fn can_make_environments() -> bool {
    let asked = Command::new("python3")
        .args(["-c", "import ensurepip, venv"])
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}
