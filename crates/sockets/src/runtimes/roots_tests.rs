use std::os::unix::fs::symlink;
use std::time::Instant;

use super::*;
use crate::fake_proc::FakeProc;

/// A process file system with runtimes in it.
struct Scene {
    fake: FakeProc,
    host: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let (fake, host) = (FakeProc::new(), tempfile::tempdir().unwrap());
        Self { fake, host }
    }

    fn start(&self, pid: u32, comm: &str, arguments: &[&str], cgroup: &str) -> PathBuf {
        self.fake.start(pid, 1, 100, &[]);
        self.fake.contain(pid, crate::fake_proc::NETNS, cgroup);
        let folder = self.fake.root().join(pid.to_string());
        std::fs::write(folder.join("comm"), format!("{comm}\n")).unwrap();
        let status = format!("Name:\t{comm}\nUid:\t0\t0\t0\t0\n");
        std::fs::write(folder.join("status"), status).unwrap();
        std::fs::write(folder.join("cmdline"), arguments.join("\0") + "\0").unwrap();
        folder
    }

    fn seek(&self) -> Roots {
        let files = HostFiles::new(self.host.path().to_owned());
        let mut processes = Processes::new(self.fake.root().to_owned());
        processes.refresh(Instant::now()).unwrap();
        let mut roots = Roots::usual(&files);
        roots.seek(&mut processes, &files);
        roots.seek(&mut processes, &files);
        roots
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.host.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

fn paths(paths: &[&str]) -> Vec<PathBuf> {
    paths.iter().map(PathBuf::from).collect()
}

#[test]
fn a_machine_without_runtimes_has_the_usual_folders() {
    let roots = Scene::new().seek();
    assert_eq!(roots.docker, paths(&["/var/lib/docker"]));
    assert_eq!(roots.containerd, paths(&oci::CONTAINERD));
    assert_eq!(
        roots.crio,
        paths(&["/run/containers/storage/overlay-containers"])
    );
    assert_eq!(
        roots.podman,
        paths(&["/var/lib/containers/storage/overlay-containers"])
    );
}

#[test]
fn each_runtime_tells_where_it_keeps_its_records() {
    let scene = Scene::new();
    scene.write(
        "/etc/docker/daemon.json",
        r#"{"data-root":"/srv/configured"}"#,
    );
    scene.write("/etc/other.json", r#"{"data-root":"/srv/other"}"#);
    let system = "/system.slice/docker.service";
    scene.start(
        10,
        "dockerd",
        &["dockerd", "--data-root", "/srv/given"],
        system,
    );
    scene.start(
        11,
        "dockerd",
        &["dockerd", "--config-file=/etc/other.json"],
        system,
    );
    let shim = scene.start(12, "containerd-shim", &["shim"], system);
    symlink(
        "/run/k3s/io.containerd.runtime.v2.task/k8s.io/a1",
        shim.join("cwd"),
    )
    .unwrap();
    scene.start(
        13,
        "conmon",
        &["conmon", "-b", "/srv/containers/a1/userdata"],
        system,
    );
    let roots = scene.seek();
    let docker = [
        "/var/lib/docker",
        "/srv/configured",
        "/srv/given",
        "/srv/other",
    ];
    assert_eq!(roots.docker.len(), docker.len());
    assert!(
        paths(&docker).iter().all(|it| roots.docker.contains(it)),
        "{:?}",
        roots.docker
    );
    assert_eq!(roots.docker[0], PathBuf::from("/var/lib/docker"));
    let last = |folders: &[PathBuf]| folders.last().unwrap().to_str().unwrap().to_owned();
    assert_eq!(
        last(&roots.containerd),
        "/run/k3s/io.containerd.runtime.v2.task/k8s.io"
    );
    assert_eq!(last(&roots.crio), "/srv/containers");
    assert_eq!(last(&roots.podman), "/srv/containers");
}

#[test]
fn a_process_in_a_container_and_one_of_another_name_are_not_believed() {
    let scene = Scene::new();
    let inside = format!("/docker/{}", "a".repeat(64));
    scene.start(
        10,
        "dockerd",
        &["dockerd", "--data-root=/tmp/inside"],
        &inside,
    );
    scene.start(11, "docker", &["docker", "--data-root=/tmp/client"], "/");
    // Neither is one whose folder is relative, or none.
    scene.start(12, "dockerd", &["dockerd", "--data-root=data"], "/");
    scene.start(13, "conmon", &["conmon", "-b", "/"], "/");
    scene.start(14, "containerd-shim", &[], "/");
    let stranger = scene.start(
        15,
        "dockerd",
        &["dockerd", "--data-root=/tmp/stranger"],
        "/",
    );
    std::fs::write(stranger.join("status"), "Uid:\t1000\t0\t0\t0\n").unwrap();
    let hidden = scene.start(16, "dockerd", &["dockerd", "--data-root=/tmp/hidden"], "/");
    std::fs::remove_file(hidden.join("status")).unwrap();
    let roots = scene.seek();
    assert_eq!(roots.docker, paths(&["/var/lib/docker"]));
    assert_eq!(roots.podman.len(), 1);
    assert_eq!(roots.containerd.len(), 2);
}

#[test]
fn no_more_folders_are_kept_than_their_limit() {
    let scene = Scene::new();
    for pid in 10..60 {
        let root = format!("--data-root=/srv/{pid}");
        scene.start(pid, "dockerd", &["dockerd", &root], "/");
    }
    assert_eq!(scene.seek().docker.len(), FOLDERS_MAX);
}

#[test]
fn a_dockerd_that_is_down_is_known_by_the_root_of_a_container() {
    let scene = Scene::new();
    let bundle = "/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/a1";
    let shim = scene.start(12, "containerd-shim", &["shim"], "/");
    symlink(bundle, shim.join("cwd")).unwrap();
    let config = format!("{bundle}/config.json");
    scene.write(&config, r#"{"root":{"path":"/srv/d/overlay2/x/merged"}}"#);
    assert_eq!(scene.seek().docker.len(), 1, "no folder of containers");
    scene.write("/srv/d/containers/a1/config.v2.json", "{}");
    let roots = scene.seek();
    assert_eq!(roots.docker, paths(&["/var/lib/docker", "/srv/d"]));
    for damaged in [
        "{}",
        "{",
        r#"{"root":{"path":""}}"#,
        r#"{"root":{"path":"d"}}"#,
    ] {
        scene.write(&config, damaged);
        assert_eq!(scene.seek().docker.len(), 1, "{damaged}");
    }
}
