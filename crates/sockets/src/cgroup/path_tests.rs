use super::*;

const A: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const B: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

/// Runtime, then path (`A` and `B` stand for two ids of 64 hex digits), container, unit.
type Layouts = &'static [(
    &'static str,
    &'static [(&'static str, Option<&'static str>, Option<&'static str>)],
)];

const LAYOUTS: Layouts = &[
    (
        "docker",
        &[
            // cgroupfs; with a cgroup parent of one's own; systemd; rootless
            ("/docker/A", Some("A"), None),
            ("/A", Some("A"), None),
            ("/batch/jobs/A", Some("A"), None),
            ("/system.slice/docker-A.scope", Some("A"), None),
            ("/batch.slice/docker-A.scope", Some("A"), None),
            (
                "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-A.scope",
                Some("A"),
                Some("user@1000.service"),
            ),
            // a systemd inside
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
            // seen from inside a cgroup namespace
            ("/../A", Some("A"), None),
            ("/../../system.slice/docker-A.scope", Some("A"), None),
            // a process that ends after its cgroup was removed
            ("/docker/A (deleted)", Some("A"), None),
            ("/system.slice/docker-A.scope (deleted)", Some("A"), None),
        ],
    ),
    (
        "BuildKit",
        &[
            (
                "/docker/buildkit/4qo3xyk0wvn0x5p9a1b2c3d4e",
                Some("4qo3xyk0wvn0x5p9a1b2c3d4e"),
                None,
            ),
            (
                "/system.slice/docker-4qo3xyk0wvn0x5p9a1b2c3d4e.scope",
                Some("4qo3xyk0wvn0x5p9a1b2c3d4e"),
                None,
            ),
            (
                "/buildkit/4qo3xyk0wvn0x5p9a1b2c3d4e",
                Some("4qo3xyk0wvn0x5p9a1b2c3d4e"),
                None,
            ),
            ("/docker/A/buildkit/not-an-id", Some("A"), None),
            (
                "/system.slice/buildkit.service",
                None,
                Some("buildkit.service"),
            ),
        ],
    ),
    (
        "podman",
        &[
            // rootful: systemd, cgroup v2 below it, cgroupfs
            ("/machine.slice/libpod-A.scope", Some("A"), None),
            ("/machine.slice/libpod-A.scope/container", Some("A"), None),
            ("/libpod_parent/libpod-A", Some("A"), None),
            // pods
            (
                "/machine.slice/machine-libpod_pod_B.slice/libpod-A.scope/container",
                Some("A"),
                None,
            ),
            ("/libpod_parent/B/libpod-A", Some("A"), None),
            // rootless; on cgroup v1 nothing tells
            (
                "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-A.scope/container",
                Some("A"),
                Some("user@1000.service"),
            ),
            (
                "/user.slice/user-1000.slice/user@1000.service/user.slice/user-libpod_pod_B.slice/libpod-A.scope/container",
                Some("A"),
                Some("user@1000.service"),
            ),
            (
                "/user.slice/user-1000.slice/session-3.scope",
                None,
                Some("session-3.scope"),
            ),
            // in a service of its own (`--cgroups=split`)
            (
                "/system.slice/web.service/libpod-payload-A",
                Some("A"),
                Some("web.service"),
            ),
            (
                "/system.slice/web.service/runtime",
                None,
                Some("web.service"),
            ),
            (
                "/system.slice/web.service/supervisor",
                None,
                Some("web.service"),
            ),
            // conmon is not the container, nor the pod, but may be in an outer container
            ("/machine.slice/libpod-conmon-A.scope", None, None),
            (
                "/machine.slice/machine-libpod_pod_B.slice/libpod-conmon-A.scope",
                None,
                None,
            ),
            ("/libpod_parent/libpod-conmon-A", None, None),
            ("/libpod_parent/conmon", None, None),
            ("/libpod_parent/B/conmon", None, None),
            ("/batch/B/conmon", None, None),
            ("/docker/B/libpod_parent/conmon", Some("B"), None),
            (
                "/docker/B/machine.slice/libpod-conmon-A.scope",
                Some("B"),
                None,
            ),
        ],
    ),
    (
        "Kubernetes",
        &[
            // kubelet by cgroupfs: guaranteed, burstable, best effort, a static pod
            ("/kubepods/pod8d2e-11/A", Some("A"), None),
            ("/kubepods/burstable/pod8d2e-11/A", Some("A"), None),
            ("/kubepods/besteffort/pod8d2e-11/A", Some("A"), None),
            (
                "/kubepods/burstable/pod0123456789abcdef0123456789abcdef/A",
                Some("A"),
                None,
            ),
            ("/kubepods/burstable/pod8d2e-11/crio-A", Some("A"), None),
            ("/kubepods/besteffort/pod8d2e-11", None, None),
            ("/kubepods/burstable", None, None),
            // by systemd
            (
                "/kubepods.slice/kubepods-pod12_34.slice/cri-containerd-A.scope",
                Some("A"),
                None,
            ),
            (
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod12_34.slice/cri-containerd-A.scope",
                Some("A"),
                None,
            ),
            (
                "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod12_34.slice/crio-A.scope",
                Some("A"),
                None,
            ),
            (
                "/kubepods.slice/kubepods-pod12_34.slice/crio-A.scope/container",
                Some("A"),
                None,
            ),
            (
                "/kubepods.slice/kubepods-pod12_34.slice/docker-A.scope",
                Some("A"),
                None,
            ),
            // conmon of CRI-O, in the pod or beside it
            (
                "/kubepods.slice/kubepods-pod12_34.slice/crio-conmon-A.scope",
                None,
                None,
            ),
            ("/kubepods/burstable/pod8d2e-11/crio-conmon-A", None, None),
            ("/system.slice/crio-conmon-A.scope", None, None),
            // kubelet by systemd with a runtime by cgroupfs
            (
                "/system.slice/containerd.service/kubepods-burstable-pod12.slice:cri-containerd:A",
                Some("A"),
                Some("containerd.service"),
            ),
            (
                "/system.slice/crio.service/kubepods-pod12.slice:crio-conmon:A",
                None,
                Some("crio.service"),
            ),
            // from inside a cgroup namespace
            (
                "/../../kubepods-pod12.slice/cri-containerd-A.scope",
                Some("A"),
                None,
            ),
        ],
    ),
    (
        "containerd's own tools",
        &[
            ("/default/ctr-web", Some("ctr-web"), None),
            ("/default/web (deleted)", Some("web"), None),
            ("/default/A", Some("A"), None),
            ("/k8s.io/A", Some("A"), None),
            ("/system.slice/nerdctl-A.scope", Some("A"), None),
            // ids and namespaces that people chose
            ("/batch/web", None, None),
            ("/default/", None, None),
            ("/default/two words", None, None),
            ("/slice/default/web", None, None),
        ],
    ),
    (
        "ECS",
        &[
            ("/ecs/8c1f/A", Some("A"), None),
            ("/ecs/cluster/8c1f/A", Some("A"), None),
            (
                "/ecstasks.slice/ecstasks-8c1f.slice/docker-A.scope",
                Some("A"),
                None,
            ),
            (
                "/ecs/0123456789abcdef0123456789abcdef/0123456789abcdef0123456789abcdef-2574839563",
                Some("0123456789abcdef0123456789abcdef-2574839563"),
                None,
            ),
            ("/ecs/0123456789abcdef0123456789abcdef", None, None),
        ],
    ),
    (
        "Garden and Mesos",
        &[
            (
                "/system.slice/garden.service/garden/70eb4ce5-a065-4401-6990-88ed",
                Some("70eb4ce5-a065-4401-6990-88ed"),
                Some("garden.service"),
            ),
            (
                "/garden/0d233f08-00c2-43d8-5b57-2c2af4f5bfc0/init",
                Some("0d233f08-00c2-43d8-5b57-2c2af4f5bfc0"),
                None,
            ),
            ("/garden/tools", None, None),
            (
                "/mesos/0d233f08-00c2-43d8-5b57-2c2af4f5bfc0",
                Some("0d233f08-00c2-43d8-5b57-2c2af4f5bfc0"),
                None,
            ),
            (
                "/system.slice/mesos-slave.service",
                None,
                Some("mesos-slave.service"),
            ),
        ],
    ),
    (
        "LXC, LXD, Proxmox",
        &[
            ("/lxc/web", Some("web"), None),
            ("/lxc/101/ns/init.scope", Some("101"), Some("init.scope")),
            ("/lxc.payload/web", Some("web"), None),
            ("/lxc.payload.web", Some("web"), None),
            (
                "/lxc.payload.web/system.slice/ssh.service",
                Some("web"),
                Some("ssh.service"),
            ),
            (
                "/user.slice/user-1000.slice/session-1.scope/lxc.payload.web",
                Some("web"),
                Some("session-1.scope"),
            ),
            ("/lxc/web/lxc.payload", Some("web"), None),
            ("/lxc.monitor.web", None, None),
            ("/lxc.monitor/101", None, None),
            ("/lxc/web/lxc.monitor", None, None),
            ("/docker/A/lxc.monitor.web", Some("A"), None),
            ("/lxc.pivot", None, None),
        ],
    ),
    (
        "systemd-nspawn and other machines",
        &[
            (
                "/machine.slice/systemd-nspawn@web.service/payload",
                Some("web"),
                None,
            ),
            (
                "/machine.slice/systemd-nspawn@web.service",
                Some("web"),
                None,
            ),
            (
                "/machine.slice/systemd-nspawn@my\\x2dweb.service/payload/system.slice/ssh.service",
                Some("my-web"),
                Some("ssh.service"),
            ),
            (
                "/machine.slice/machine-my\\x2dweb.scope/payload/init.scope",
                Some("my-web"),
                Some("init.scope"),
            ),
            (
                "/machine.slice/systemd-nspawn@web.service/supervisor",
                None,
                None,
            ),
            (
                "/machine.slice/machine-web.scope/supervisor",
                None,
                Some("machine-web.scope"),
            ),
            // libvirt: a container and a virtual machine
            (
                "/machine.slice/machine-lxc\\x2d4711\\x2dweb.scope",
                Some("lxc-4711-web"),
                None,
            ),
            (
                "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt/emulator",
                None,
                Some("machine-qemu\\x2d1\\x2dvm.scope"),
            ),
            (
                "/system.slice/web.service/payload",
                None,
                Some("web.service"),
            ),
        ],
    ),
    (
        "nested: docker in docker, kind",
        &[
            ("/docker/A/docker/B", Some("B"), None),
            ("/system.slice/docker-A.scope/docker/B", Some("B"), None),
            (
                "/docker/A/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod1.slice/cri-containerd-B.scope",
                Some("B"),
                None,
            ),
            (
                "/docker/A/kubelet/kubepods/besteffort/pod8d2e-11/B",
                Some("B"),
                None,
            ),
            (
                "/docker/A/kubelet.slice/kubelet.service",
                Some("A"),
                Some("kubelet.service"),
            ),
            ("/lxc.payload.web/docker/A", Some("A"), None),
        ],
    ),
    (
        "no container",
        &[
            ("/", None, None),
            ("", None, None),
            ("A", None, None),
            ("/system.slice/ssh.service", None, Some("ssh.service")),
            (
                "/system.slice/system-getty.slice/getty@tty1.service",
                None,
                Some("getty@tty1.service"),
            ),
            ("/init.scope", None, Some("init.scope")),
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/web.service",
                None,
                Some("web.service"),
            ),
            ("/system.slice/docker.service", None, Some("docker.service")),
            ("/batch/a51bd86afdd2c30741ecdc0cb9ce6f6c", None, None),
            ("/batch/unknown-A", None, None),
            ("/system.slice/.service", None, None),
            (
                "/system.slice/my-conmon-tool.service",
                None,
                Some("my-conmon-tool.service"),
            ),
        ],
    ),
    (
        "hostile: what a container or a user may write below its own cgroup",
        &[
            ("/docker/A/lxc.payload.", Some("A"), None),
            ("/docker/A/lxc.payload.\u{7}", Some("A"), None),
            ("/docker/A//", Some("A"), None),
            ("/docker/A/default/web", Some("A"), None),
            (
                "/docker/A/machine-\\xff.scope/payload",
                Some("A"),
                Some("machine-\\xff.scope"),
            ),
            ("/docker/A/systemd-nspawn@.service/payload", Some("A"), None),
            ("/docker/A/:", Some("A"), None),
            ("/docker/A/ (deleted)", Some("A"), None),
            ("/docker/A/é", Some("A"), None),
        ],
    ),
];

#[test]
fn every_known_layout_tells_its_container_and_unit() {
    let full = |text: &str| match text {
        "A" => A.to_owned(),
        "B" => B.to_owned(),
        other => other.to_owned(),
    };
    for (runtime, paths) in LAYOUTS {
        for (path, expected, unit_expected) in *paths {
            let path = path.replace('A', A).replace('B', B);
            let expected = expected.map(full);
            let told = container(&path).map(Cow::into_owned);
            assert_eq!(told, expected, "{runtime}: container of {path}");
            assert_eq!(unit(&path), *unit_expected, "{runtime}: unit of {path}");
        }
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
