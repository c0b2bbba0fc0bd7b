//! The layouts of cgroup paths, runtime by runtime.
//!
//! A path is read from its end, so of nested containers (docker in docker, kind) the innermost one
//! counts: it is the one whose processes fill the namespace. Segments below a container (`init`,
//! `container`, a systemd inside it) are passed over. A runtime's monitor (conmon, lxc.monitor) is
//! on the host, not in the container.
//! Limits: containerd's own tool `ctr` lets people choose ids and namespaces freely, which only in
//! its namespace `default` can be told from any other cgroup.

use portolan_wire::caps::{NETNS_CHARS_MAX, STRING_CHARS_MAX};

/// Hex digits of a container id of docker, podman, containerd's CRI and CRI-O.
const ID_DIGITS: usize = 64;
/// Letters and digits of an id of BuildKit.
const BUILDKIT_ID_CHARS: usize = 25;

/// What one segment says.
enum Segment<'a> {
    Container(&'a str),
    /// A process of the runtime that looks after a container from outside.
    Monitor,
    Other,
}

/// The id of the innermost container on a path.
pub(super) fn container(path: &str) -> Option<&str> {
    let mut before = path;
    while let Some((parent, name)) = before.rsplit_once('/') {
        match read(parent, name) {
            Segment::Container(id) => return Some(id).filter(|id| is_sound(id)),
            Segment::Monitor => return None,
            Segment::Other => before = parent,
        }
    }
    None
}

fn read<'a>(parent: &str, name: &'a str) -> Segment<'a> {
    // A systemd path given to a runtime that drives cgroupfs: `slice:prefix:id` as one name.
    let name = name.rsplit(':').next().unwrap_or(name);
    let name = name.strip_suffix(".scope").unwrap_or(name);
    if name.contains("conmon-") || name.starts_with("lxc.monitor") {
        return Segment::Monitor;
    }
    if let Some(id) = name.get(name.len().saturating_sub(ID_DIGITS)..)
        && is_hex_id(id)
        && is_id_prefix(name.strip_suffix(id).unwrap_or("?"))
    {
        return Segment::Container(id);
    }
    let named = name.strip_prefix("lxc.payload.");
    let nspawn = name
        .strip_prefix("systemd-nspawn@")
        .and_then(|it| it.strip_suffix(".service"));
    if let Some(id) = named.or(nspawn) {
        return Segment::Container(id);
    }
    match parent {
        "/default" | "/lxc" | "/lxc.payload" => Segment::Container(name),
        "/docker/buildkit" if is_buildkit_id(name) => Segment::Container(name),
        _ => Segment::Other,
    }
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

fn is_hex_id(text: &str) -> bool {
    text.len() == ID_DIGITS && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_buildkit_id(text: &str) -> bool {
    text.len() == BUILDKIT_ID_CHARS
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
}

fn is_sound(id: &str) -> bool {
    !id.is_empty() && id.chars().count() <= NETNS_CHARS_MAX && !id.contains(char::is_control)
}

/// The systemd unit on a path: the innermost service, else the innermost scope. A container's own
/// scope is no unit that anybody wrote.
pub(super) fn unit(path: &str) -> Option<&str> {
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
mod tests {
    use super::*;

    const A: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const B: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

    /// Path (`A` and `B` stand for two ids of 64 hex digits), container, unit.
    const LAYOUTS: &[(&str, Option<&str>, Option<&str>)] = &[
        // docker: cgroupfs, systemd, a systemd inside, BuildKit
        ("/docker/A", Some("A"), None),
        ("/system.slice/docker-A.scope", Some("A"), None),
        (
            "/system.slice/docker-A.scope/init.scope",
            Some("A"),
            Some("init.scope"),
        ),
        (
            "/docker/A/system.slice/nginx.service",
            Some("A"),
            Some("nginx.service"),
        ),
        (
            "/docker/buildkit/4qo3xyk0wvn0x5p9a1b2c3d4e",
            Some("4qo3xyk0wvn0x5p9a1b2c3d4e"),
            None,
        ),
        ("/../A", Some("A"), None),
        // podman: systemd, cgroupfs, cgroup v2 below it, pod, rootless, split; its monitor
        ("/machine.slice/libpod-A.scope", Some("A"), None),
        ("/machine.slice/libpod-A.scope/container", Some("A"), None),
        ("/libpod_parent/libpod-A", Some("A"), None),
        (
            "/machine.slice/machine-libpod_pod_B.slice/libpod-A.scope/container",
            Some("A"),
            None,
        ),
        (
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-A.scope/container",
            Some("A"),
            Some("user@1000.service"),
        ),
        (
            "/system.slice/web.service/libpod-payload-A",
            Some("A"),
            Some("web.service"),
        ),
        ("/machine.slice/libpod-conmon-A.scope", None, None),
        ("/libpod_parent/libpod-conmon-A", None, None),
        ("/libpod_parent/conmon", None, None),
        // Kubernetes: containerd and CRI-O by systemd, kubelet by cgroupfs, mixed drivers
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod12_34.slice/cri-containerd-A.scope",
            Some("A"),
            None,
        ),
        (
            "/kubepods.slice/kubepods-pod12_34.slice/crio-A.scope",
            Some("A"),
            None,
        ),
        (
            "/kubepods.slice/kubepods-pod12_34.slice/crio-A.scope/container",
            Some("A"),
            None,
        ),
        (
            "/kubepods.slice/kubepods-pod12_34.slice/crio-conmon-A.scope",
            None,
            None,
        ),
        (
            "/kubepods.slice/kubepods-pod12_34.slice/docker-A.scope",
            Some("A"),
            None,
        ),
        ("/kubepods/burstable/pod8d2e-11/A", Some("A"), None),
        ("/kubepods/pod8d2e-11/A", Some("A"), None),
        ("/kubepods/besteffort/pod8d2e-11", None, None),
        (
            "/system.slice/containerd.service/kubepods-burstable-pod12.slice:cri-containerd:A",
            Some("A"),
            Some("containerd.service"),
        ),
        (
            "/../../kubepods-pod12.slice/cri-containerd-A.scope",
            Some("A"),
            None,
        ),
        // containerd's own tools, ECS
        ("/default/ctr-web", Some("ctr-web"), None),
        ("/default/A", Some("A"), None),
        ("/system.slice/nerdctl-A.scope", Some("A"), None),
        ("/ecs/cluster/8c1f/A", Some("A"), None),
        // LXC and nspawn
        ("/lxc/web", Some("web"), None),
        ("/lxc.payload.web", Some("web"), None),
        (
            "/lxc.payload.web/system.slice/ssh.service",
            Some("web"),
            Some("ssh.service"),
        ),
        ("/lxc.payload/web", Some("web"), None),
        ("/lxc.monitor.web", None, None),
        (
            "/machine.slice/systemd-nspawn@web.service/payload",
            Some("web"),
            None,
        ),
        // nested: docker in docker, kind
        ("/docker/A/docker/B", Some("B"), None),
        (
            "/docker/A/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod1.slice/cri-containerd-B.scope",
            Some("B"),
            None,
        ),
        (
            "/docker/A/kubelet.slice/kubelet.service",
            Some("A"),
            Some("kubelet.service"),
        ),
        // no containers
        ("/", None, None),
        ("", None, None),
        ("/system.slice/ssh.service", None, Some("ssh.service")),
        (
            "/system.slice/system-getty.slice/getty@tty1.service",
            None,
            Some("getty@tty1.service"),
        ),
        ("/init.scope", None, Some("init.scope")),
        (
            "/user.slice/user-1000.slice/session-3.scope",
            None,
            Some("session-3.scope"),
        ),
        (
            "/user.slice/user-1000.slice/user@1000.service/app.slice/web.service",
            None,
            Some("web.service"),
        ),
        (
            "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope",
            None,
            Some("machine-qemu\\x2d1\\x2dvm.scope"),
        ),
        ("/batch/a51bd86afdd2c30741ecdc0cb9ce6f6c", None, None),
        ("/batch/unknown-A", None, None),
        ("/default/", None, None),
        ("/system.slice/.service", None, None),
    ];

    #[test]
    fn every_known_layout_tells_its_container_and_unit() {
        let full = |text: &str| match text {
            "A" => A.to_owned(),
            "B" => B.to_owned(),
            other => other.to_owned(),
        };
        for (path, expected, unit_expected) in LAYOUTS {
            let path = path.replace('A', A).replace('B', B);
            let expected = expected.map(full);
            assert_eq!(
                container(&path).map(str::to_owned),
                expected,
                "container of {path}"
            );
            assert_eq!(unit(&path), *unit_expected, "unit of {path}");
        }
    }

    #[test]
    fn an_id_is_64_lower_case_hex_digits() {
        assert_eq!(container(&format!("/docker/{}", A.to_uppercase())), None);
        assert_eq!(container(&format!("/docker/{}", &A[1..])), None);
        assert_eq!(container(&format!("/docker/{A}0")), None);
        assert_eq!(container(&format!("/docker/é{}", &A[1..])), None);
    }

    #[test]
    fn names_beyond_the_caps_are_not_told() {
        assert_eq!(container(&format!("/lxc/{}", "x".repeat(129))), None);
        assert_eq!(
            unit(&format!("/system.slice/{}.service", "x".repeat(256))),
            None
        );
    }
}
