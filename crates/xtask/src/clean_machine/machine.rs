//! A Debian of its own: made by debootstrap, booted by systemd-nspawn with systemd as init.
//!
//! Its network is its own too, with nothing but a loopback: what it needs comes from its packages.
//! A container and not a virtual machine, because that works wherever root does.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::run::{self, Step};

const SUITE: &str = "bookworm";
/// Beyond the smallest Debian: an init, what every server has, and what the document uses.
const INCLUDED: &str = "--include=systemd-sysv,dbus,ca-certificates,curl,iproute2,openssl";
const FOLDER: &str = "target/clean-machine";
/// Longest wait for a boot or an end.
const PATIENCE: Duration = Duration::from_secs(120);

/// The files of a machine that is not running.
pub(super) struct Files {
    root: PathBuf,
}

impl Files {
    /// Makes them anew. What debootstrap made is kept for the next time; a machine gets a copy.
    pub(super) fn make() -> anyhow::Result<Self> {
        let folder = run::root().join(FOLDER);
        std::fs::create_dir_all(&folder)?;
        let (base, root) = (folder.join("base"), folder.join("root"));
        if !base.exists() {
            let part = folder.join("base.part");
            remove(&part)?;
            let arguments = ["--variant=minbase", INCLUDED, SUITE, text(&part)?];
            run::all(&[Step::new("clean Debian", "debootstrap", &arguments)])?;
            std::fs::rename(&part, &base)?;
        }
        remove(&root)?;
        let arguments = ["--archive", text(&base)?, text(&root)?];
        run::all(&[Step::new("copy of it", "cp", &arguments)])?;
        Ok(Self { root })
    }

    /// A path in the machine, from outside.
    pub(super) fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside)
    }

    /// Boots it and waits until all its units are up.
    pub(super) fn boot(&self) -> anyhow::Result<Machine> {
        let log = self.root.with_file_name("boot.log");
        let told = File::create(&log)?;
        let nspawn = Command::new("systemd-nspawn")
            .args(["--quiet", "--register=no", "--keep-unit", "--boot"])
            // What systemd-nspawn refuses, and no machine of its own does.
            .arg("--system-call-filter=bpf")
            .args(["--private-network", "--console=pipe", "--directory"])
            .arg(&self.root)
            .stdin(Stdio::null())
            .stdout(told.try_clone()?)
            .stderr(told)
            .spawn()
            .context("cannot run systemd-nspawn")?;
        let mut machine = Machine { nspawn, init: None };
        machine
            .wait_for_boot()
            .with_context(|| format!("the machine did not boot; it said: {}", log.display()))?;
        Ok(machine)
    }
}

/// A booted machine; it ends with this value.
pub(super) struct Machine {
    nspawn: Child,
    /// Its init, by the pid outside.
    init: Option<String>,
}

impl Machine {
    fn wait_for_boot(&mut self) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(status) = self.nspawn.try_wait()? {
                bail!("systemd-nspawn ended: {status}");
            }
            self.init = only_child(self.nspawn.id());
            let asked = ["systemctl", "is-system-running"];
            let state = self.inside(&asked)?.output()?.stdout;
            if state == b"running\n" {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        bail!("it was not up within {} s", PATIENCE.as_secs())
    }

    /// A program in the machine, as root, with the environment of a fresh log-in.
    fn inside(&self, words: &[&str]) -> anyhow::Result<Command> {
        let init = self.init.as_deref().unwrap_or("0");
        let mut command = Command::new("nsenter");
        command
            .args(["--target", init, "--all", "--wd", "--"])
            .args([
                "env",
                "--ignore-environment",
                "HOME=/root",
                "LC_ALL=C.UTF-8",
            ])
            .args(["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=dumb"])
            .args(words)
            .stdin(Stdio::null());
        Ok(command)
    }

    /// Runs a script that is a file in the machine; what it says goes to the terminal.
    pub(super) fn run(&self, script: &str) -> anyhow::Result<()> {
        let status = self.inside(&["bash", script])?.status()?;
        if !status.success() {
            bail!("the script ended with {status}; the last line that begins with + is where");
        }
        Ok(())
    }

    fn power_off(&mut self) -> anyhow::Result<()> {
        self.inside(&["systemctl", "poweroff"])?.output()?;
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if self.nspawn.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("it did not end within {} s", PATIENCE.as_secs())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Err(error) = self.power_off() {
            run::say(&format!("clean machine: {error:#}; it is killed"));
            // With it goes everything in the machine: its init is the head of a pid namespace.
            let _ended = self.nspawn.kill();
            let _reaped = self.nspawn.wait();
        }
    }
}

fn only_child(pid: u32) -> Option<String> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next().map(str::to_owned)
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("the project's path is not UTF-8")
}
