//! Which capabilities the agent needs for what, and which it lacks.

use rustix::thread::{CapabilitySet, capabilities};

use super::Finding;

/// What is needed: any of these sets, by name, and for what.
const NEEDED: [(&str, CapabilitySet, &str); 6] = [
    (
        "CAP_SYS_PTRACE",
        CapabilitySet::SYS_PTRACE,
        "see which processes are in which network namespace, and what programs they run",
    ),
    (
        "CAP_DAC_READ_SEARCH",
        CapabilitySet::DAC_READ_SEARCH.union(CapabilitySet::DAC_OVERRIDE),
        "see which files the processes of other users hold",
    ),
    (
        "CAP_SYS_ADMIN",
        CapabilitySet::SYS_ADMIN,
        "enter the network namespaces of containers",
    ),
    (
        "CAP_BPF",
        CapabilitySet::BPF.union(CapabilitySet::SYS_ADMIN),
        "load the programs that tell the kernel's events",
    ),
    (
        "CAP_PERFMON",
        CapabilitySet::PERFMON.union(CapabilitySet::SYS_ADMIN),
        "let those programs read what the kernel knows of a socket",
    ),
    (
        "CAP_NET_ADMIN",
        CapabilitySet::NET_ADMIN,
        "attach them to the binding of UDP ports",
    ),
];

/// What is lacking, or that nothing is.
pub(super) fn findings() -> Vec<Finding> {
    match capabilities(None) {
        Ok(sets) => lacking(sets.effective),
        Err(error) => {
            let text = format!("Which capabilities there are cannot be told: {error}.");
            vec![Finding::missing("capabilities", text)]
        }
    }
}

fn lacking(held: CapabilitySet) -> Vec<Finding> {
    let lacking = NEEDED.iter().filter(|(_, any, _)| !held.intersects(*any));
    let findings: Vec<_> = lacking
        .map(|(name, _, what)| {
            Finding::missing(
                "capabilities",
                format!("{name}, or root, is needed to {what}."),
            )
        })
        .collect();
    if findings.is_empty() {
        return vec![Finding::fine(
            "capabilities",
            "All that are needed are there.",
        )];
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(held: CapabilitySet) -> Vec<String> {
        let findings = lacking(held).into_iter().filter(|finding| !finding.ok);
        let name = |text: String| text.split(',').next().map(str::to_owned);
        findings.filter_map(|finding| name(finding.text)).collect()
    }

    #[test]
    fn each_lacking_capability_is_named_once() {
        let all: Vec<_> = NEEDED.iter().map(|(name, ..)| *name).collect();
        assert_eq!(named(CapabilitySet::empty()), all);
        assert!(named(CapabilitySet::all()).is_empty());
        let watching = CapabilitySet::BPF | CapabilitySet::PERFMON | CapabilitySet::NET_ADMIN;
        let owners = CapabilitySet::SYS_PTRACE | CapabilitySet::DAC_READ_SEARCH;
        assert_eq!(named(watching | owners), ["CAP_SYS_ADMIN"]);
        assert_eq!(named(owners | CapabilitySet::SYS_ADMIN), ["CAP_NET_ADMIN"]);
    }
}
