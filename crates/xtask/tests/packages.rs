//! The Debian packages before they are built: units, and what `[package.metadata.deb]` names.
//!
//! That they install and run is proven by `cargo xtask long`, on a clean machine.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use toml::{Table, Value};

struct Package {
    /// The folder of the crate.
    folder: PathBuf,
    /// `[package.metadata.deb]`
    deb: Table,
    unit: PathBuf,
    /// Highest exposure by `systemd-analyze security`, in tenths.
    exposure_max: u8,
}

fn packages() -> [Package; 2] {
    let package = |name: &str, unit: &str, exposure_max| {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let folder = crates.join(name);
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let mut manifest: Table = manifest.parse().unwrap();
        let deb = manifest["package"]["metadata"]["deb"].as_table_mut();
        let deb = std::mem::take(deb.unwrap());
        let scripts = folder.join(deb["maintainer-scripts"].as_str().unwrap());
        Package {
            folder,
            deb,
            unit: scripts.join(format!("{unit}.service")),
            exposure_max,
        }
    };
    [
        package("portolan", "portolan", 13),
        package("agent", "portolan-agent", 30),
    ]
}

impl Package {
    /// Where each asset comes from and where it goes.
    fn assets(&self) -> Vec<(PathBuf, String)> {
        let assets = self.deb["assets"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        assets
            .iter()
            .map(|asset| (PathBuf::from(text(&asset[0])), text(&asset[1])))
            .collect()
    }

    /// The installed files, as absolute paths.
    fn installed(&self) -> Vec<String> {
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let assets = self.assets();
        let installed = assets
            .iter()
            .map(|(from, to)| format!("/{to}{}", name(from)));
        installed.collect()
    }

    fn unit(&self) -> String {
        std::fs::read_to_string(&self.unit).unwrap()
    }
}

#[test]
fn every_file_of_a_package_is_there_or_is_built() {
    for package in packages() {
        for (from, to) in package.assets() {
            assert!(to.ends_with('/'), "{to} is a folder");
            let built = from.starts_with("target/release");
            assert!(
                built || package.folder.join(&from).is_file(),
                "{}",
                from.display()
            );
        }
        let scripts = package.unit.parent().unwrap();
        assert_eq!(
            package.deb["systemd-units"]["unit-scripts"],
            package.deb["maintainer-scripts"]
        );
        for script in ["postinst", "postrm"] {
            let text = std::fs::read_to_string(scripts.join(script)).unwrap();
            assert!(text.contains("\n#DEBHELPER#\n"), "{script} starts no unit");
        }
    }
}

/// What a unit runs, reads and calls its user comes from its own package.
#[test]
fn a_unit_names_what_its_package_installs() {
    for package in packages() {
        let (unit, installed) = (package.unit(), package.installed());
        let setting = |name: &str| {
            let line = unit.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name} in the unit"))
                .to_owned()
        };
        let mut paths: Vec<String> = setting("ExecStart=")
            .split(' ')
            .chain(setting("Documentation=file://").split(' '))
            .filter(|word| word.starts_with('/'))
            .map(str::to_owned)
            .collect();
        paths.extend(
            unit.lines()
                .find_map(|line| line.strip_prefix("EnvironmentFile="))
                .map(str::to_owned),
        );
        assert!(paths.len() >= 3, "{paths:?}");
        for path in paths {
            assert!(installed.contains(&path), "{path} is not in {installed:?}");
        }
        let users = package
            .assets()
            .into_iter()
            .find(|(_, to)| to == "usr/lib/sysusers.d/");
        let users = std::fs::read_to_string(package.folder.join(users.unwrap().0)).unwrap();
        assert!(
            users.contains(&format!("\nu {} - ", setting("User="))),
            "{users}"
        );
    }
}

/// systemd's own checks. A directive that is lost shows in the exposure; a misspelt one is told.
#[test]
fn systemd_finds_no_fault_in_the_units_and_little_exposure() {
    for package in packages() {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join(package.unit.file_name().unwrap());
        // The program need not be installed here.
        let unit = package
            .unit()
            .replace("ExecStart=/usr/bin/portolan", "ExecStart=/bin/true ");
        std::fs::write(&copy, unit).unwrap();
        let verified = Command::new("systemd-analyze")
            .args(["verify", "--man=no"])
            .arg(&copy)
            .output()
            .unwrap();
        let told = String::from_utf8(verified.stderr).unwrap();
        assert!(verified.status.success() && told.is_empty(), "{told}");
        let security = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager"])
            .arg(format!("--threshold={}", package.exposure_max))
            .arg(&copy)
            .output()
            .unwrap();
        let told = String::from_utf8(security.stdout).unwrap();
        assert!(security.status.success(), "{told}");
        assert!(told.contains("Overall exposure level"), "{told}");
    }
}
