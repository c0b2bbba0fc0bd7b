//! Starts this program anew in namespaces of its own, which end with it and all that it made.

use std::process::Command;

use anyhow::{Context, ensure};

use crate::scene::{Scene, Size};

/// Set in the process that makes the scene.
const INSIDE: &str = "PORTOLAN_BENCH_INSIDE";

/// Whether this process is in namespaces of its own.
pub(crate) fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs the whole bench in namespaces of its own.
pub(crate) fn run(words: &[String]) -> anyhow::Result<()> {
    let status = Command::new("unshare")
        .args(["--mount", "--net", "--pid", "--fork", "--kill-child"])
        .arg("--mount-proc")
        .args(["sh", "-c", "ip link set lo up && \"$@\"; exit $?", "sh"])
        .arg(std::env::current_exe()?)
        .args(words)
        .env(INSIDE, "1")
        .status()
        .context("unshare (util-linux) must be installed")?;
    ensure!(
        status.success(),
        "the bench failed; it needs root, ip, ss, netstat, lsof"
    );
    Ok(())
}

/// Makes the scene and runs a program beside it, which sees nothing else.
pub(crate) fn run_beside(size: &Size, program: &str, arguments: &[String]) -> anyhow::Result<()> {
    let _scene = Scene::make(size)?;
    let status = Command::new(program).args(arguments).status();
    let status = status.with_context(|| format!("cannot start {program}"))?;
    ensure!(status.success(), "{program} ended with {status}");
    Ok(())
}
