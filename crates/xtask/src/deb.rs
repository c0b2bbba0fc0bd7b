//! The Debian packages of server and agent.
//!
//! cargo-deb makes them of `[package.metadata.deb]` in the two crates and of `deploy/debian/`, in one
//! version, since its maintainer scripts are part of what is shipped.

use crate::run::{self, Step, cargo};
use crate::{agent, packages, tools};

const CARGO_DEB_VERSION: &str = "3.8.0";

/// Where the packages are put.
pub(crate) const PACKAGES: &str = "target/debian";

/// Builds both packages into [`PACKAGES`].
pub(crate) fn build() -> anyhow::Result<()> {
    build_programs()?;
    pack("1", PACKAGES)
}

/// Builds what is packed.
pub(crate) fn build_programs() -> anyhow::Result<()> {
    packages::install(packages::DEB)?;
    let server = ["build", "--release", "--locked", "-p", "portolan"];
    run::all(&[cargo("release build", &server), agent::build()])
}

/// Makes both packages of what is built, with a Debian revision, in a folder of nothing else.
pub(crate) fn pack(revision: &str, folder: &str) -> anyhow::Result<()> {
    let cargo_deb = tools::install("cargo-deb", CARGO_DEB_VERSION)?;
    match std::fs::remove_dir_all(run::root().join(folder)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let pack = |name, package, more: &[&str]| {
        let arguments = [
            "--package",
            package,
            "--no-build",
            "--strip",
            "--locked",
            "--deb-revision",
            revision,
            "--output",
            folder,
        ];
        Step::new(name, &cargo_deb, &[&arguments, more].concat())
    };
    let target = agent::target();
    let built = ["--profile", agent::PROFILE, "--target", &target];
    run::all(&[
        pack("server's package", "portolan", &[]),
        pack("agent's package", "portolan-agent", &built),
    ])
}
