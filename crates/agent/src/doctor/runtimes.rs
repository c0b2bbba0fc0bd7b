//! Which container runtimes have left their records here, and whether those can be read.

use std::io::ErrorKind;
use std::path::Path;

use super::Finding;

/// Folders of the runtimes' records, relative to the root.
const RECORDS: [(&str, &str); 5] = [
    ("docker", "var/lib/docker/containers"),
    ("podman", "var/lib/containers/storage"),
    ("containerd", "run/containerd"),
    ("CRI-O", "run/crio"),
    ("Kubernetes", "var/log/containers"),
];

/// One finding a runtime that is there, or one that none is.
pub(super) fn findings(root: &Path) -> Vec<Finding> {
    let found = RECORDS
        .iter()
        .filter_map(|(runtime, folder)| finding(runtime, &root.join(folder)));
    let findings: Vec<_> = found.collect();
    if findings.is_empty() {
        return vec![Finding::fine(
            "runtimes",
            "No container runtime has records here.",
        )];
    }
    findings
}

fn finding(runtime: &str, folder: &Path) -> Option<Finding> {
    let shown = folder.display();
    match std::fs::read_dir(folder) {
        Ok(_) => Some(Finding::fine(
            "runtimes",
            format!("{runtime}: {shown} can be read."),
        )),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Some(Finding::missing(
            "runtimes",
            format!(
                "{runtime}: {shown} cannot be read, so its containers have no names: that needs \
                 CAP_DAC_READ_SEARCH, or root."
            ),
        )),
        Err(_not_there) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_with_records_is_found_and_one_without_is_not() {
        let root = tempfile::tempdir().unwrap();
        let [none] = findings(root.path()).try_into().unwrap();
        assert!(
            none.ok && none.text.starts_with("No container runtime"),
            "{none:?}"
        );
        std::fs::create_dir_all(root.path().join("run/crio")).unwrap();
        let [found] = findings(root.path()).try_into().unwrap();
        assert!(found.ok && found.text.starts_with("CRI-O: "), "{found:?}");
    }
}
