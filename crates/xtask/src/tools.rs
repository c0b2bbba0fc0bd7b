//! Programs of the registry that the commands run, built into `target/tools`: nothing of the user's
//! is touched.

use std::process::Command;

use crate::run::{self, cargo};

const FOLDER: &str = "target/tools";

/// Installs a program in exactly that version, where it is not there yet. Returns where it is.
pub(crate) fn install(name: &'static str, version: &str) -> anyhow::Result<String> {
    let program = format!("{FOLDER}/bin/{name}");
    let asked = Command::new(run::root().join(&program))
        .arg("--version")
        .output();
    let there = asked.is_ok_and(|told| String::from_utf8_lossy(&told.stdout).contains(version));
    if !there {
        let wanted = format!("{name}@{version}");
        run::all(&[cargo(
            name,
            &["install", "--locked", "--root", FOLDER, &wanted],
        )])?;
    }
    Ok(program)
}
