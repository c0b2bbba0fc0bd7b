//! Follows docs/OPERATIONS.md word for word on a clean machine, so that it cannot say what is not so.
//!
//! One shell runs the document's commands from top to bottom, as a person would, and checks between
//! its sections look at what the document promises. Holds: every block of commands is run.

mod document;
mod machine;

use std::path::Path;

use anyhow::{Context as _, bail};

use crate::clean_machine::document::{Section, sections};
use crate::clean_machine::machine::Files;
use crate::run;
use crate::{deb, packages};

const DOCUMENT: &str = "docs/OPERATIONS.md";
/// Where packages of a later revision are built, for the upgrade.
const LATER: &str = "target/debian-later";

/// What is done before the commands of a section.
const BEFORE: &[(&str, &str)] = &[
    (
        "Install the server",
        include_str!("checks/before_install.sh"),
    ),
    ("Upgrade", include_str!("checks/before_upgrade.sh")),
];

/// What must hold after the commands of a section.
const AFTER: &[(&str, &str)] = &[
    ("Install the server", include_str!("checks/install.sh")),
    ("The first token", include_str!("checks/first_token.sh")),
    ("TLS", include_str!("checks/tls.sh")),
    ("Renew the certificate", include_str!("checks/renewed.sh")),
    ("Agents", include_str!("checks/agent_waits.sh")),
    ("Configure an agent", include_str!("checks/agent.sh")),
    ("Tokens", include_str!("checks/tokens.sh")),
    ("Restore", include_str!("checks/restored.sh")),
    ("Upgrade", include_str!("checks/upgrade.sh")),
    ("Verify and repair", include_str!("checks/repair.sh")),
    ("A port below 1024", include_str!("checks/low_port.sh")),
    ("An agent with less", include_str!("checks/less.sh")),
    ("Uninstall", include_str!("checks/removed.sh")),
    ("Take the data away, too", include_str!("checks/purged.sh")),
];

/// Builds the packages, installs them on a clean machine and follows the document there.
pub(crate) fn follow_the_document() -> anyhow::Result<()> {
    packages::install(packages::CLEAN_MACHINE)?;
    deb::build_programs()?;
    deb::pack("2", LATER)?;
    // After the others: wherever cargo-deb puts a package, it takes older ones out of target/debian.
    deb::pack("1", deb::PACKAGES)?;
    let files = Files::make()?;
    copy_packages(deb::PACKAGES, &files.path("root"))?;
    copy_packages(LATER, &files.path("root/later"))?;
    let document = std::fs::read_to_string(run::root().join(DOCUMENT))?;
    std::fs::write(files.path("root/follow.sh"), script(&sections(&document)?)?)?;
    let machine = files.boot()?;
    machine.run("/root/follow.sh")
}

/// One shell script, of the document's commands and the checks.
fn script(sections: &[Section]) -> anyhow::Result<String> {
    for (heading, _) in BEFORE.iter().chain(AFTER) {
        let commands = sections.iter().find(|section| section.heading == *heading);
        if commands.is_none_or(|section| section.commands.is_empty()) {
            bail!("{DOCUMENT} has no commands under {heading:?}, which a check belongs to");
        }
    }
    let mut script = include_str!("checks/prelude.sh").to_owned();
    for Section { heading, commands } in sections {
        if commands.is_empty() {
            continue;
        }
        // A check is a shell of its own: what it sets is not there for the document's commands.
        let checks = |table: &[(&str, &str)]| -> String {
            let of_it = table.iter().filter(|(of, _)| of == heading);
            of_it.map(|(_, check)| format!("(\n{check})\n")).collect()
        };
        script.push_str(&format!("set +x; echo '== {heading}'; set -x\n"));
        script.push_str(&checks(BEFORE));
        script.push_str(commands);
        script.push_str(&checks(AFTER));
    }
    script.push_str("set +x; echo 'followed to the end'\n");
    Ok(script)
}

fn copy_packages(from: &str, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(run::root().join(from))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            let name = path.file_name().context("a package without a name")?;
            std::fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole is run by `cargo xtask long`; here its pieces are put together and read by a shell.
    #[test]
    fn the_document_and_the_checks_are_one_sound_script() {
        let document = std::fs::read_to_string(run::root().join(DOCUMENT)).unwrap();
        let script = script(&sections(&document).unwrap()).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &script).unwrap();
        let mut bash = std::process::Command::new("bash");
        let read = bash.arg("-n").arg(file.path()).output().unwrap();
        let told = String::from_utf8_lossy(&read.stderr);
        assert!(read.status.success() && told.is_empty(), "{told}");
        assert!(script.contains("apt-get install --yes ./portolan-server_"));
    }

    #[test]
    fn a_check_without_its_section_is_told() {
        let error = script(&[]).unwrap_err().to_string();
        assert!(error.contains("Install the server"), "{error}");
    }
}
