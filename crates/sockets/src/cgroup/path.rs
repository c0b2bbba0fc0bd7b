//! The layouts of cgroup paths, runtime by runtime.
//!
//! A path is read from its end, so of nested containers (docker in docker, kind) the innermost one
//! counts: it is the one whose processes fill the namespace. Segments below a container (`init`,
//! `container`, a systemd inside it) are passed over. A runtime's monitor (conmon, lxc.monitor, the
//! supervisor of nspawn) is beside the container, not in it; it may be in an outer one.
//! Limits: a container that may write cgroups can pretend to hold another one, but not to be
//! outside of itself. containerd's own tool `ctr` lets people choose ids and namespaces freely,
//! which only in its namespace `default` can be told from any other cgroup. Rootless podman on
//! cgroup v1, and runtimes told to make no cgroup, leave nothing to read.

use std::borrow::Cow;

use portolan_wire::caps::{NETNS_CHARS_MAX, STRING_CHARS_MAX};

use super::forms::{
    HEX_ID_DIGITS, is_buildkit_id, is_containerd_id, is_fargate_id, is_guid, is_hex_id, unescape,
};

/// What the kernel appends to a cgroup that is removed while a process still ends in it.
const DELETED: &str = " (deleted)";

/// What one segment says.
enum Segment<'a> {
    Container(Cow<'a, str>),
    /// A process of the runtime that looks after a container from a cgroup beside it.
    Monitor,
    /// The same, from a cgroup below the container's, or below the pod's.
    MonitorWithin,
    Other,
}

/// The id of the innermost container on a path.
pub(super) fn container(path: &str) -> Option<Cow<'_, str>> {
    let mut before = path.strip_suffix(DELETED).unwrap_or(path);
    let mut within_monitor = false;
    while let Some((parent, name)) = before.rsplit_once('/') {
        before = parent;
        match read(parent, name) {
            Segment::Container(id) if !within_monitor && is_sound(&id) => return Some(id),
            segment => within_monitor = matches!(segment, Segment::MonitorWithin),
        }
    }
    None
}

fn read<'a>(parent: &'a str, name: &'a str) -> Segment<'a> {
    // A systemd path given to a runtime that drives cgroupfs: `slice:prefix:id` as one name.
    let (before, name) = name.rsplit_once(':').unwrap_or(("", name));
    let name = name.strip_suffix(".scope").unwrap_or(name);
    let (_, above) = parent.rsplit_once('/').unwrap_or(("", parent));
    if is_monitor(above, before, name) {
        return Segment::Monitor;
    }
    if is_monitor_within(above, name) {
        return Segment::MonitorWithin;
    }
    if let Some(id) = hex_id_of(name)
        && is_id_prefix(name.strip_suffix(id).unwrap_or("?"))
    {
        return Segment::Container(id.into());
    }
    machine(above, name)
        .or_else(|| named(parent, above, name).map(Cow::Borrowed))
        .map_or(Segment::Other, Segment::Container)
}

fn is_monitor(above: &str, before: &str, name: &str) -> bool {
    let conmon = hex_id_of(name)
        .and_then(|id| name.strip_suffix(id))
        .is_some_and(|prefix| prefix.ends_with("conmon-"));
    conmon
        || before.ends_with("conmon")
        || above == "lxc.monitor"
        || name.starts_with("lxc.monitor.")
}

fn is_monitor_within(above: &str, name: &str) -> bool {
    match name {
        "lxc.monitor" | "conmon" => true,
        "supervisor" => machine_of_unit(above).is_some(),
        _ => false,
    }
}

/// The last 64 bytes, if they are an id.
fn hex_id_of(name: &str) -> Option<&str> {
    name.get(name.len().saturating_sub(HEX_ID_DIGITS)..)
        .filter(|id| is_hex_id(id))
}

/// What runtimes write before the id: nothing (docker, kubelet, ECS) or their own name.
fn is_id_prefix(prefix: &str) -> bool {
    const PREFIXES: [&str; 7] = [
        "",
        "docker-",
        "libpod-",
        "libpod-payload-",
        "cri-containerd-",
        "crio-",
        "nerdctl-",
    ];
    PREFIXES.contains(&prefix)
}

/// Containers that systemd-machined knows, by their machine's name: systemd-nspawn, libvirt's LXC.
fn machine<'a>(above: &'a str, name: &'a str) -> Option<Cow<'a, str>> {
    if name == "payload" {
        return machine_of_unit(above);
    }
    // On cgroup v1 there is no `payload`. A virtual machine has a scope, too, and is no container.
    let own = machine_of_unit(name)?;
    let is_container = name.starts_with("systemd-nspawn@") || own.starts_with("lxc-");
    is_container.then_some(own)
}

/// The machine whose unit that is; `.scope` may be cut off.
fn machine_of_unit(unit: &str) -> Option<Cow<'_, str>> {
    let service = unit.strip_suffix(".service");
    let nspawn = service.and_then(|it| it.strip_prefix("systemd-nspawn@"));
    let scope = unit.strip_suffix(".scope").unwrap_or(unit);
    unescape(nspawn.or_else(|| scope.strip_prefix("machine-"))?)
}

/// Containers whose id is a name, told by where they are.
fn named<'a>(parent: &str, above: &str, name: &'a str) -> Option<&'a str> {
    if let Some(name) = name.strip_prefix("lxc.payload.") {
        return Some(name);
    }
    let buildkit = name.strip_prefix("docker-").filter(|it| is_buildkit_id(it));
    if buildkit.is_some() {
        return buildkit;
    }
    let is_container = match above {
        "lxc" | "lxc.payload" => !name.starts_with("lxc."),
        "buildkit" => is_buildkit_id(name),
        "garden" | "mesos" => is_guid(name),
        "default" => parent == "/default" && is_containerd_id(name),
        _ => false,
    };
    (is_container || is_fargate_id(name)).then_some(name)
}

fn is_sound(id: &str) -> bool {
    !id.is_empty() && id.chars().count() <= NETNS_CHARS_MAX && !id.contains(char::is_control)
}

/// The systemd unit on a path: the innermost service, else the innermost scope. A container's own
/// scope is no unit that anybody wrote.
pub(super) fn unit(path: &str) -> Option<&str> {
    let path = path.strip_suffix(DELETED).unwrap_or(path);
    let innermost = |suffix: &str| {
        path.rsplit('/').find(|name| {
            name.len() > suffix.len()
                && name.ends_with(suffix)
                && matches!(read("", name), Segment::Other)
        })
    };
    let unit = innermost(".service").or_else(|| innermost(".scope"))?;
    (unit.chars().count() <= STRING_CHARS_MAX && !unit.contains(char::is_control)).then_some(unit)
}

#[cfg(test)]
#[path = "path_tests.rs"]
mod tests;
