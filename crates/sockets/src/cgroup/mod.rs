//! Which container and which systemd unit a process belongs to, told by its cgroups.
//!
//! The path of a cgroup is the one thing that every runtime leaves behind, that any user may read
//! and that a process in a container cannot choose, but for what is below its own. [`path`] knows the layouts; [`tree`] finds the
//! path of a socket's cgroup where no process is known.

mod forms;
mod path;
mod tree;

use std::borrow::Cow;

pub(crate) use forms::is_hex_id;
pub(crate) use tree::Tree;

/// What the cgroups of a process say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Placement {
    /// The container, by the id its runtime gave it.
    pub(crate) container: Option<String>,
    /// The systemd unit, such as `ssh.service`.
    pub(crate) unit: Option<String>,
}

impl Placement {
    /// Reads `/proc/PID/cgroup`: one line a hierarchy, `ID:CONTROLLERS:PATH`.
    ///
    /// The unified hierarchy (`0::`) is asked first, then systemd's, then the others: on hybrid
    /// machines some runtimes use only some of them.
    pub(crate) fn parse(file: &str) -> Self {
        let mut paths: Vec<(u8, &str)> = file.lines().filter_map(ranked).collect();
        paths.sort_by_key(|(rank, _)| *rank);
        let container = paths.iter().find_map(|(_, path)| path::container(path));
        let systemds = paths.iter().filter(|(rank, _)| *rank < OTHER);
        let unit = systemds
            .map(|(_, path)| path)
            .find_map(|path| path::unit(path));
        Self {
            container: container.map(Cow::into_owned),
            unit: unit.map(str::to_owned),
        }
    }

    /// The same for one path of the unified hierarchy.
    fn of_path(path: &str) -> Self {
        let (container, unit) = (path::container(path), path::unit(path));
        Self {
            container: container.map(Cow::into_owned),
            unit: unit.map(str::to_owned),
        }
    }
}

/// Hierarchies that systemd does not lay out, so that names ending in `.service` mean nothing.
const OTHER: u8 = 2;

fn ranked(line: &str) -> Option<(u8, &str)> {
    let mut fields = line.splitn(3, ':');
    let (hierarchy, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let rank = match (hierarchy, controllers) {
        ("0", "") => 0,
        (_, "name=systemd") => 1,
        _ => OTHER,
    };
    Some((rank, path))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_hybrid_machine_tells_the_container_in_whichever_hierarchy_has_it() {
        let id = "c".repeat(64);
        let file = format!("12:pids:/docker/{id}\n1:name=systemd:/system.slice/x.service\n0::/\n");
        let placement = Placement::parse(&file);
        assert_eq!(placement.container, Some(id));
        assert_eq!(placement.unit.as_deref(), Some("x.service"));
    }

    #[test]
    fn units_are_read_only_from_hierarchies_that_systemd_lays_out() {
        let file = "4:memory:/batch/fake.service\n1:name=systemd:/\n0::/\n";
        assert_eq!(Placement::parse(file), Placement::default());
    }

    #[test]
    fn a_path_may_hold_colons() {
        let id = "d".repeat(64);
        let file = format!("0::/system.slice/kubepods-pod1.slice:cri-containerd:{id}\n");
        assert_eq!(Placement::parse(&file).container, Some(id));
    }

    proptest! {
        #[test]
        fn no_file_makes_the_parser_panic_or_tell_an_id_out_of_bounds(file in "[a-f0-9:/.\\-@é\\n]{0,300}", junk in ".{0,100}") {
            for text in [file, junk] {
                let placement = Placement::parse(&text);
                for told in [placement.container, placement.unit].into_iter().flatten() {
                    prop_assert!(!told.is_empty() && told.chars().count() <= 256);
                    prop_assert!(text.contains(&told), "only what the file says");
                }
            }
        }
    }
}
