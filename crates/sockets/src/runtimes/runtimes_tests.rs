//! Trees of files in the shape that each runtime writes, whole and damaged.

use portolan_wire::open_port::Transport;

use super::*;
use crate::fake_proc::FakeProc;

const DOCKER: &str = "/var/lib/docker/containers/{id}/config.v2.json";
const CONTAINERD: &str = "/run/containerd/io.containerd.runtime.v2.task/k8s.io/{id}/config.json";
const CRIO: &str = "/run/containers/storage/overlay-containers/{id}/userdata/config.json";
const PODMAN: &str = "/var/lib/containers/storage/overlay-containers/containers.json";
const LOG: &str = "/var/log/containers/shop-0_prod_late-{id}.log";
const CNI: &str = "/var/lib/cni/results/cbr0-{id}-eth0";

/// A host with nothing but the records of its runtimes.
struct Host {
    root: tempfile::TempDir,
    runtimes: Runtimes,
    processes: Processes,
    now: Instant,
}

impl Host {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        Self {
            runtimes: Runtimes::new(root.path().to_owned()),
            processes: Processes::new(FakeProc::new().root().to_owned()),
            now: Instant::now(),
            root,
        }
    }

    fn path(&self, path: &str, id: &str) -> PathBuf {
        let path = path.replace("{id}", id);
        self.root.path().join(path.trim_start_matches('/'))
    }

    /// As runtimes do: beside it, then renamed.
    fn write(&self, path: &str, id: &str, text: &str) {
        let path = self.path(path, id);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let new = path.with_extension("new");
        std::fs::write(&new, text.replace("{id}", id)).unwrap();
        std::fs::rename(new, path).unwrap();
    }

    fn remove(&self, path: &str, id: &str) {
        std::fs::remove_file(self.path(path, id)).unwrap();
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
    }

    fn scan(&mut self, ids: &[&str]) {
        let ids = ids.iter().copied().collect();
        self.runtimes.refresh(ids, &mut self.processes, self.now);
    }

    fn name(&mut self, id: &str) -> Option<String> {
        self.scan(&[id]);
        self.runtimes.get(id)?.name.clone()
    }

    /// TCP 80 of that container in that network namespace, described.
    fn port(&mut self, container: &str, netns: Option<&str>) -> OpenPort {
        self.scan(
            &[Some(container), netns]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>(),
        );
        let mut port = OpenPort::new(Transport::Tcp, "0.0.0.0".parse().unwrap(), 80);
        port.container_id = Some(container.to_owned());
        port.netns = netns.map(str::to_owned);
        self.runtimes.describe(&mut port);
        port
    }
}

fn id(digit: &str) -> String {
    digit.repeat(64)
}

fn docker(name: &str) -> String {
    format!(
        r#"{{"Name":"/{name}","Config":{{"Image":"nginx:1"}},"NetworkSettings":{{"Ports":
        {{"80/tcp":[{{"HostIp":"0.0.0.0","HostPort":"8080"}}]}}}}}}"#
    )
}

fn cri(name: &str, sandbox: &str) -> String {
    format!(
        r#"{{"annotations":{{"io.kubernetes.cri.container-name":"{name}","io.kubernetes.cri.image-name":"nginx:1",
        "io.kubernetes.cri.sandbox-id":"{sandbox}","io.kubernetes.cri.sandbox-name":"shop-0",
        "io.kubernetes.cri.sandbox-namespace":"prod"}}}}"#
    )
}

fn texts(port: &OpenPort) -> [Option<&str>; 4] {
    [
        port.container_name.as_deref(),
        port.container_image.as_deref(),
        port.pod_name.as_deref(),
        port.pod_namespace.as_deref(),
    ]
}

fn published(port: &OpenPort) -> Vec<String> {
    let shown = port
        .published
        .iter()
        .map(|it| format!("{} {}", it.addr, it.port));
    shown.collect()
}

#[test]
fn a_container_of_docker_is_told_with_its_published_port() {
    let (mut host, web) = (Host::new(), id("a"));
    host.write(DOCKER, &web, &docker("web"));
    let port = host.port(&web, Some(&web));
    assert_eq!(texts(&port), [Some("web"), Some("nginx:1"), None, None]);
    assert_eq!(published(&port), ["0.0.0.0 8080"]);
    // In the namespace of another container, and in the host's, nothing of its own is published.
    let other = id("b");
    assert_eq!(published(&host.port(&web, Some(&other))), [""; 0]);
    assert_eq!(published(&host.port(&web, None)), [""; 0]);
    // What another container holds in its namespace is published with it.
    host.write(DOCKER, &other, &docker("beside").replace("8080", ""));
    let beside = host.port(&other, Some(&web));
    assert_eq!(beside.container_name.as_deref(), Some("beside"));
    assert_eq!(published(&beside), ["0.0.0.0 8080"]);
}

#[test]
fn a_pod_of_containerd_is_told_with_the_host_port_that_cni_gave_its_sandbox() {
    let (mut host, web, sandbox) = (Host::new(), id("a"), id("5"));
    host.write(CONTAINERD, &web, &cri("web", &sandbox));
    host.write(CNI, &sandbox, r#"{"capabilityArgs":{"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]}}"#);
    // By its sandbox, or by its first container where the sandbox has no process.
    for netns in [&sandbox, &web] {
        let port = host.port(&web, Some(netns));
        assert_eq!(
            texts(&port),
            [Some("web"), Some("nginx:1"), Some("shop-0"), Some("prod")]
        );
        assert_eq!(published(&port), ["0.0.0.0 8080"]);
    }
    host.wait(LOOK_AFTER);
    host.remove(CNI, &sandbox);
    assert_eq!(published(&host.port(&web, Some(&sandbox))), [""; 0]);
}

#[test]
fn a_pod_of_crio_is_told_with_the_host_port_in_the_record_of_its_sandbox() {
    let (mut host, web, sandbox) = (Host::new(), id("a"), id("5"));
    let record = |name: &str, ports: &str| {
        format!(
            r#"{{"annotations":{{"io.kubernetes.container.name":"{name}","io.kubernetes.cri-o.ImageName":"nginx:1",
            "io.kubernetes.pod.name":"shop-0","io.kubernetes.pod.namespace":"prod",
            "io.kubernetes.cri-o.SandboxID":"{sandbox}"{ports}}}}}"#
        )
    };
    host.write(CRIO, &web, &record("web", ""));
    let ports =
        r#","io.kubernetes.cri-o.PortMappings":"[{\"hostPort\":8080,\"containerPort\":80}]""#;
    host.write(CRIO, &sandbox, &record("POD", ports));
    let port = host.port(&web, Some(&web));
    assert_eq!(
        texts(&port),
        [Some("web"), Some("nginx:1"), Some("shop-0"), Some("prod")]
    );
    assert_eq!(published(&port), ["0.0.0.0 8080"]);
}

#[test]
fn a_container_of_podman_is_told_with_the_port_that_netavark_published() {
    let (mut host, web) = (Host::new(), id("a"));
    host.write(
        PODMAN,
        &web,
        r#"[{"id":"{id}","names":["web"],"metadata":"{\"image-name\":\"nginx:1\"}"}]"#,
    );
    let file = format!("/run/containers/networks/firewall/ports/{}_{{id}}", id("9"));
    host.write(&file, &web, r#"{"port_mappings":[{"container_port":80,"host_ip":"127.0.0.1","host_port":8080,"range":1,"protocol":"tcp"}]}"#);
    let port = host.port(&web, Some(&web));
    assert_eq!(texts(&port), [Some("web"), Some("nginx:1"), None, None]);
    assert_eq!(published(&port), ["127.0.0.1 8080"]);
}

#[test]
fn a_container_of_podman_is_told_with_the_port_in_podmans_database() {
    let (mut host, web) = (Host::new(), id("b"));
    let list = r#"[{"id":"{id}","names":["web"],"metadata":"{}"}]"#;
    host.write(PODMAN, &web, list);
    let ports = r#"{"newPortMappings":[{"container_port":80,"host_ip":"","host_port":8080,"range":1,"protocol":"tcp"}]}"#;
    let (_folder, database) = bolt::tests::podmans(&[id("a"), web.clone()], &["{}", ports]);
    let libpod = host.path("/var/lib/containers/storage/libpod", "");
    std::fs::create_dir_all(&libpod).unwrap();
    assert_eq!(published(&host.port(&web, Some(&web))), [""; 0]);
    // Not there when it was first looked for.
    std::fs::copy(database, libpod.join("bolt_state.db")).unwrap();
    assert_eq!(published(&host.port(&web, Some(&web))), ["0.0.0.0 8080"]);
}

#[test]
fn the_names_of_logs_serve_where_no_record_is_found() {
    let (mut host, web) = (Host::new(), id("a"));
    host.write(LOG, &web, "never read");
    let port = host.port(&web, None);
    assert_eq!(
        texts(&port),
        [Some("late"), None, Some("shop-0"), Some("prod")]
    );
}

#[test]
fn a_name_stays_while_its_record_is_gone_damaged_or_says_nothing() {
    let (mut host, web) = (Host::new(), id("a"));
    host.write(DOCKER, &web, &docker("web"));
    assert_eq!(host.name(&web).as_deref(), Some("web"));
    let whole = docker("web");
    for damage in [&whole[..60], "", "[]", "{}", r#"{"Name":"/a\u0000b"}"#] {
        host.write(DOCKER, &web, damage);
        host.wait(LOOK_AFTER);
        assert_eq!(host.name(&web).as_deref(), Some("web"), "{damage}");
    }
    host.remove(DOCKER, &web);
    // Neither does another record of it count, that would call it otherwise.
    host.write(LOG, &web, "");
    host.wait(LOOK_AFTER);
    assert_eq!(host.name(&web).as_deref(), Some("web"));
    // A rename does.
    host.write(DOCKER, &web, &docker("shop"));
    host.wait(LOOK_AFTER);
    assert_eq!(host.name(&web).as_deref(), Some("shop"));
}

#[test]
fn a_name_outlives_a_pause_without_open_ports_but_not_a_long_one() {
    let (mut host, web) = (Host::new(), id("a"));
    host.write(DOCKER, &web, &docker("web"));
    assert_eq!(host.name(&web).as_deref(), Some("web"));
    host.remove(DOCKER, &web);
    host.wait(FORGET_AFTER - Duration::from_secs(1));
    host.scan(&[]);
    assert_eq!(host.name(&web).as_deref(), Some("web"));
    host.wait(FORGET_AFTER);
    host.scan(&[]);
    assert_eq!(host.name(&web), None);
}

#[test]
fn a_record_that_comes_late_is_found_at_once_while_the_container_is_young_and_later_within_a_while()
{
    let (mut host, web, old) = (Host::new(), id("a"), id("b"));
    host.scan(&[&web, &old]);
    assert_eq!(host.name(&web), None);
    host.write(DOCKER, &web, &docker("web"));
    assert_eq!(host.name(&web).as_deref(), Some("web"));

    host.wait(RETRY_AFTER);
    host.scan(&[&old]);
    host.write(DOCKER, &old, &docker("old"));
    host.wait(RETRY_AFTER - Duration::from_millis(1));
    assert_eq!(host.name(&old), None, "looked for a while ago");
    host.wait(Duration::from_millis(1));
    assert_eq!(host.name(&old).as_deref(), Some("old"));
}

#[test]
fn what_was_published_late_is_seen_while_the_container_is_young() {
    let (mut host, web) = (Host::new(), id("a"));
    host.write(DOCKER, &web, &docker("web").replace("8080", ""));
    assert_eq!(published(&host.port(&web, Some(&web))), [""; 0]);
    host.write(DOCKER, &web, &docker("web"));
    assert_eq!(published(&host.port(&web, Some(&web))), ["0.0.0.0 8080"]);
}

#[test]
fn names_that_no_report_can_hold_are_none_and_cost_nothing_else() {
    let (mut host, web) = (Host::new(), id("a"));
    for (chars, expected) in [(4_096, true), (4_097, false)] {
        let mut host = Host::new();
        host.write(DOCKER, &web, &docker(&"é".repeat(chars)));
        assert_eq!(host.name(&web).is_some(), expected, "{chars}");
    }
    host.write(CONTAINERD, &web, &cri(r"a\u0000b", "s"));
    let port = host.port(&web, None);
    assert_eq!(
        texts(&port),
        [None, Some("nginx:1"), Some("shop-0"), Some("prod")]
    );
}

#[test]
fn a_huge_record_and_a_link_out_of_the_host_are_not_read() {
    let (mut host, web, linked) = (Host::new(), id("a"), id("b"));
    let huge = docker("web") + &" ".repeat(4 << 20);
    host.write(DOCKER, &web, &huge);
    assert_eq!(host.name(&web), None);
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("config.v2.json"), docker("outside")).unwrap();
    let folder = host.path("/var/lib/docker/containers/{id}", &linked);
    std::os::unix::fs::symlink(outside.path(), &folder).unwrap();
    assert_eq!(host.name(&linked), None);
    std::fs::remove_file(&folder).unwrap();
    std::fs::create_dir(&folder).unwrap();
    let file = outside.path().join("config.v2.json");
    std::os::unix::fs::symlink(file, folder.join("config.v2.json")).unwrap();
    host.wait(RETRY_AFTER);
    assert_eq!(host.name(&linked), None);
}

#[test]
fn an_id_that_is_no_runtimes_is_no_path() {
    let mut host = Host::new();
    for odd in ["web", "../../../../etc", "", &id("g"), &id("A")] {
        host.write(DOCKER, "x", &docker("web"));
        assert_eq!(host.name(odd), None);
        assert!(host.runtimes.known.is_empty(), "{odd}");
    }
    // Nor is the sandbox that a record names.
    let web = id("a");
    host.write(CONTAINERD, &web, &cri("web", "../x"));
    host.scan(&[&web]);
    assert_eq!(host.runtimes.known.len(), 1);
}

#[test]
fn no_more_containers_are_remembered_than_the_limit() {
    let mut host = Host::new();
    let ids: Vec<String> = (0..KNOWN_MAX + 10).map(|it| format!("{it:064x}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    for _ in 0..3 {
        host.scan(&ids);
        assert_eq!(host.runtimes.known.len(), KNOWN_MAX);
    }
    let looked = host
        .runtimes
        .known
        .values()
        .filter(|it| it.looked.is_some());
    assert_eq!(looked.count(), LOOKS_MAX, "those that are young come first");
    host.wait(FORGET_AFTER);
    host.scan(&[]);
    assert!(host.runtimes.known.is_empty());
}
