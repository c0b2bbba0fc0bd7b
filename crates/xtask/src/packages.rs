//! What the project's commands need beside the toolchain, as Debian's packages.

use std::path::Path;

use crate::run::{self, Step};

/// A program that is run, and the package that holds it.
type Needed = (&'static str, &'static str);

/// For the tests.
pub(crate) const TESTS: &[Needed] = &[
    ("ip", "iproute2"),         // network namespaces, and `ss` as the second opinion
    ("python3", "python3"),     // a server that is not ours, to be found
    ("setpriv", "util-linux"),  // a collector without privileges
    ("mkfs.ext4", "e2fsprogs"), // a disk that loses power, as a loop image
    ("systemd-analyze", "systemd"), // whether the packages' units are sound
    ("cc", "gcc"),              // zstd and ring hold C and assembly
];

/// For building packages.
pub(crate) const DEB: &[Needed] = &[
    ("dpkg-shlibdeps", "dpkg-dev"), // which libraries a binary needs
    ("cc", "gcc"),
];

/// For a clean machine to install them on.
pub(crate) const CLEAN_MACHINE: &[Needed] = &[
    ("debootstrap", "debootstrap"),
    ("systemd-nspawn", "systemd-container"),
    ("nsenter", "util-linux"),
];

/// Installs what is missing; does nothing where all is there.
pub(crate) fn install(needed: &[Needed]) -> anyhow::Result<()> {
    let missing: Vec<&str> = needed
        .iter()
        .filter(|(program, _)| !found(program))
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(missing);
    run::all(&[apt("package lists", &["update"]), apt("packages", &install)])
}

fn found(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    // Where an ordinary user's PATH lacks them, `ip` and the like are in /usr/sbin.
    let folders = path.split(':').chain(["/usr/sbin", "/sbin"]);
    folders
        .into_iter()
        .any(|folder| Path::new(folder).join(program).is_file())
}

fn apt(name: &'static str, arguments: &[&str]) -> Step {
    let root = std::fs::metadata("/proc/self")
        .is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let step = if root {
        Step::new(name, "apt-get", arguments)
    } else {
        Step::new(name, "sudo", &[&["apt-get"], arguments].concat())
    };
    step.with("DEBIAN_FRONTEND", "noninteractive")
}
