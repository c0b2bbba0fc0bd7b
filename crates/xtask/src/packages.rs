//! What the project's commands need beside the toolchain, as Debian's packages.

use std::path::{Path, PathBuf};

use crate::run::{self, Step};

/// A program that is run, and the package that holds it.
type Needed = (&'static str, &'static str);

/// For the tests.
pub(crate) const TESTS: &[Needed] = &[
    ("ip", "iproute2"),         // network namespaces, and `ss` as the second opinion
    ("python3", "python3"),     // a server that is not ours, to be found
    ("setpriv", "util-linux"),  // a collector without privileges
    ("pgrep", "procps"),        // the processes of a container runtime
    ("mkfs.ext4", "e2fsprogs"), // a disk that loses power, as a loop image
    ("systemd-analyze", "systemd"), // whether units are sound
    ("docker-compose", "docker-compose"), // whether a compose file is
    ("cc", "gcc"),              // zstd and ring hold C and assembly
    ("clang", "clang"), // whether the kernel's programs are what their source gives, as BPF below
    ("llvm-strip", "llvm"),
    // Real containers. A `docker` alone may be a client without a server.
    ("dockerd", "docker.io"),
    ("docker", "docker.io"),
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("podman", "podman"),
    ("runc", "runc"),         // podman's default, crun, refuses hybrid cgroups
    ("conmon", "conmon"),     // looks after each container of podman
    ("netavark", "netavark"), // the network of a pod
];

/// For the clients that the tests run.
pub(crate) const CLIENTS: &[Needed] = &[
    ("python3", "python3"),
    ("node", "nodejs"),
    ("npm", "npm"), // brings the service's Node SDK
];

/// For building the programs that run in the kernel.
pub(crate) const BPF: &[Needed] = &[("clang", "clang"), ("llvm-strip", "llvm")];

/// For building packages.
pub(crate) const DEB: &[Needed] = &[
    ("dpkg-shlibdeps", "dpkg-dev"), // which libraries a binary needs
    ("cc", "gcc"),
];

/// For what is measured beside the collector.
pub(crate) const COLLECTOR: &[Needed] = &[
    ("ss", "iproute2"),
    ("netstat", "net-tools"),
    ("lsof", "lsof"),
    ("nsenter", "util-linux"),
];

/// For the agent's image.
pub(crate) const IMAGE: &[Needed] = &[
    ("podman", "podman"),
    ("runc", "runc"), // podman's default, crun, refuses hybrid cgroups
    ("conmon", "conmon"),
    ("update-ca-certificates", "ca-certificates"), // what the image brings
];

/// For the databases that are measured beside Portolan.
pub(crate) const PEERS: &[Needed] = &[
    ("postgres", "postgresql"),
    ("python3", "python3"), // asks all of them
];

/// For a clean machine to install them on.
pub(crate) const CLEAN_MACHINE: &[Needed] = &[
    ("debootstrap", "debootstrap"),
    ("systemd-nspawn", "systemd-container"),
    ("nsenter", "util-linux"),
];

/// Where programs are that an ordinary user's PATH lacks: `ip` and the like, and podman's helpers.
const FOLDERS: [&str; 3] = ["/usr/sbin", "/sbin", "/usr/lib/podman"];

/// Debian keeps each version's server in a folder of its own: `15/bin`.
const POSTGRESQL: &str = "/usr/lib/postgresql";

/// Where Debian's packages ask whether they may start their services; see invoke-rc.d(8).
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs what is missing; does nothing where all is there.
pub(crate) fn install(needed: &[Needed]) -> anyhow::Result<()> {
    let mut missing: Vec<&str> = needed
        .iter()
        .filter(|(program, _)| !found(program))
        .map(|(_, package)| *package)
        .collect();
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    install_all(&missing)
}

/// Installs packages of which it is known that they are missing.
pub(crate) fn install_all(missing: &[&str]) -> anyhow::Result<()> {
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(missing);
    let _quiet = NoServices::begin()?;
    run::all(&[apt("package lists", &["update"]), apt("packages", &install)])
}

fn found(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(FOLDERS).map(PathBuf::from);
    let mut folders = folders.chain(postgresql_folders());
    folders.any(|folder| folder.join(program).is_file())
}

fn postgresql_folders() -> impl Iterator<Item = PathBuf> {
    let versions = std::fs::read_dir(POSTGRESQL).into_iter().flatten();
    versions.flatten().map(|version| version.path().join("bin"))
}

fn apt(name: &'static str, arguments: &[&str]) -> Step {
    as_root(name, "apt-get", arguments).with("DEBIAN_FRONTEND", "noninteractive")
}

fn as_root(name: &'static str, program: &str, arguments: &[&str]) -> Step {
    let root = std::fs::metadata("/proc/self")
        .is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if root {
        Step::new(name, program, arguments)
    } else {
        Step::new(name, "sudo", &[&[program], arguments].concat())
    }
}

/// While it lives, no package that is installed starts a service: the tests start what they need.
struct NoServices {
    /// Whether the policy is ours to remove.
    made: bool,
}

impl NoServices {
    fn begin() -> anyhow::Result<Self> {
        let made = !Path::new(POLICY).exists();
        if made {
            // 101 is "forbidden by policy".
            let write =
                format!("printf '#!/bin/sh\\nexit 101\\n' > {POLICY} && chmod 755 {POLICY}");
            run::all(&[as_root("no services", "sh", &["-c", &write])])?;
        }
        Ok(Self { made })
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.made
            && let Err(error) = run::all(&[as_root("services again", "rm", &["-f", POLICY])])
        {
            run::say(&format!("xtask: {POLICY} is left behind: {error:#}"));
        }
    }
}
