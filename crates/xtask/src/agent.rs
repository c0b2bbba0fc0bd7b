//! The agent as it is shipped: one static file that needs no library of the host, and an image of it.
//!
//! Static against glibc, since that needs nothing but the toolchain: a static-pie of about 5 MB. Its
//! look-up of names asks the host's resolver files and DNS, and no plug-in of NSS.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use crate::packages;
use crate::run::{self, Step, cargo};

/// The profile of Cargo.toml that it is built with.
pub(crate) const PROFILE: &str = "agent";

/// The certificates that an image brings, from the machine that builds it.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";
const RECIPE: &str = "deploy/container/agent.Containerfile";
/// What the image is made of.
const CONTEXT: &str = "target/image";
const IMAGE: &str = "localhost/portolan-agent";

/// The target that it is built for. Naming it keeps the flags of a static file from build scripts.
pub(crate) fn target() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

/// The built file.
pub(crate) fn binary() -> PathBuf {
    let folder = run::root().join("target").join(target());
    folder.join(PROFILE).join("portolan-agent")
}

/// Builds it.
pub(crate) fn build() -> Step {
    let target = target();
    let how = ["build", "--locked", "--profile", PROFILE, "--target"];
    let what = [target.as_str(), "-p", "portolan-agent"];
    cargo("static agent", &[how.as_slice(), &what].concat())
        .with("RUSTFLAGS", "-C target-feature=+crt-static")
}

/// Builds an image, and asks an agent in it, with the rights that the recipe names, what it sees.
pub(crate) fn image() -> anyhow::Result<()> {
    packages::install(packages::IMAGE)?;
    run::all(&[build()])?;
    let context = run::root().join(CONTEXT);
    std::fs::create_dir_all(&context).with_context(|| format!("cannot make {CONTEXT}"))?;
    for (from, name) in [
        (binary(), "portolan-agent"),
        (CERTIFICATES.into(), "ca-certificates.crt"),
    ] {
        std::fs::copy(&from, context.join(name))
            .with_context(|| format!("cannot copy {}", from.display()))?;
    }
    let build = ["build", "--file", RECIPE, "--tag", IMAGE, CONTEXT];
    // runc and the limits: podman's own would ask for more than a machine without them may give.
    let run = [
        &["--runtime", "runc", "run", "--rm", "--log-driver", "none"],
        ["--ulimit", "nofile=1024:1024"].as_slice(),
        &["--ulimit", "nproc=1024:1024"],
        RIGHTS,
        &[IMAGE, "doctor", "--host-root", "/host"],
    ];
    run::all(&[Step::new("image", "podman", &build)])?;
    sees_the_host(&run.concat())
}

/// What the doctor must find in a container with these rights. That a process shows its files to
/// nobody is the machine's affair.
const FOUND: &[&str] = &[
    "ok       sockets:",
    "ok       capabilities:",
    "ok       events:",
];

fn sees_the_host(podman: &[&str]) -> anyhow::Result<()> {
    let asked = Command::new("podman")
        .args(podman)
        .output()
        .context("cannot run podman")?;
    let told = String::from_utf8_lossy(&asked.stdout);
    run::say(&told);
    run::say(&String::from_utf8_lossy(&asked.stderr));
    for found in FOUND {
        anyhow::ensure!(told.contains(found), "the doctor does not say {found:?}");
    }
    Ok(())
}

/// What the agent needs of the host; the same as in deploy/kubernetes and docs/OPERATIONS.md.
const RIGHTS: &[&str] = &[
    "--pid=host",
    "--network=host",
    "--cgroupns=host",
    "--read-only",
    "--cap-drop=all",
    "--cap-add=SYS_ADMIN,SYS_PTRACE,DAC_READ_SEARCH,NET_ADMIN",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    "--volume=/:/host:ro,rslave",
    "--volume=/sys/fs/cgroup:/sys/fs/cgroup:ro",
];
