//! The manifests for Kubernetes, by the schemas that Kubernetes publishes; no cluster is asked.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The oldest and the newest version that a manifest is checked against.
const VERSIONS: [&str; 2] = ["1.31", "1.37"];

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap().to_owned()
}

/// What the schemas say of a manifest; `Ok` where they have nothing against it.
fn validate(manifest: &Path, version: &str) -> Result<(), String> {
    let program = root().join("target/clients/bin/kubernetes-validate");
    let told = Command::new(&program)
        .args(["--strict", "--kubernetes-version", version])
        .arg(manifest)
        .output()
        .unwrap_or_else(|error| {
            panic!(
                "{}: {error}; cargo xtask clients installs it",
                program.display()
            )
        });
    let text = [told.stdout, told.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    if told.status.success() {
        Ok(())
    } else {
        Err(text)
    }
}

#[test]
fn kubernetes_accepts_the_manifests() {
    let folder = root().join("deploy/kubernetes");
    let mut checked = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let manifest = entry.unwrap().path();
        for version in VERSIONS {
            validate(&manifest, version).unwrap();
        }
        checked += 1;
    }
    assert_eq!(checked, 3, "the agent's, NATS's and the servers'");
}

/// The check is worth something: fields that do not exist are refused, deep in any of them.
#[test]
fn a_misspelt_field_is_refused() {
    for (manifest, field) in [
        ("portolan-agent.yaml", "hostNetwork:"),
        ("nats.yaml", "podAntiAffinity:"),
        ("portolan.yaml", "failureThreshold:"),
    ] {
        let manifest = root().join("deploy/kubernetes").join(manifest);
        let text = std::fs::read_to_string(manifest).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let misspelt = folder.path().join("misspelt.yaml");
        let another = field.replace(':', "s:");
        std::fs::write(&misspelt, text.replace(field, &another)).unwrap();
        let refusal = validate(&misspelt, "1.37").unwrap_err();
        assert!(refusal.contains(another.trim_end_matches(':')), "{refusal}");
    }
}
