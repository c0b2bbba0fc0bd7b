//! containerd alone, driven by its own tool ctr: ids are names that people choose.

use std::path::PathBuf;
use std::process::Command;

use super::prove::prove;
use super::show::{Shown, assert_shows, assert_shows_of_holder};
use super::{Container, Network, Runtime, STATE, Server, holder, said, state};
use crate::scene::{collector, isolated, netns_inode};

struct Ctr {
    _server: Server,
    rootfs: PathBuf,
}

impl Ctr {
    fn start() -> Self {
        let state = state();
        let config = state.join("config.toml");
        let text = format!(
            "version = 2\nroot = '{STATE}/root'\nstate = '{STATE}/state'\n\
             disabled_plugins = ['io.containerd.grpc.v1.cri']\n\
             [grpc]\naddress = '{STATE}/sock'\n"
        );
        std::fs::write(&config, text).unwrap();
        let mut containerd = Command::new("containerd");
        let server = Server::start(containerd.arg("--config").arg(&config), || {
            ctr("default", &["version"])
        });
        let rootfs = holder::rootfs(&state);
        Self {
            _server: server,
            rootfs,
        }
    }

    fn run(&self, space: &str, id: &str, options: &[&str], holds: &str) -> Container {
        let mut command = ctr(space, &["run", "--detach", "--rootfs"]);
        let holds = format!("{}={holds}", holder::HOLD);
        command.args(options).args(["--env", &holds]);
        said(command.arg(&self.rootfs).arg(id).args(holder::COMMAND));
        inspect(space, id)
    }
}

impl Runtime for Ctr {
    fn start(&self, name: &str, network: Network<'_>, holds: &str) -> Container {
        match network {
            Network::Own => self.run("default", name, &[], holds),
            Network::Host => self.run("default", name, &["--net-host"], holds),
            Network::Of(other) => {
                let joined = format!("--with-ns=network:/proc/{}/ns/net", other.pid);
                self.run("default", name, &[&joined], holds)
            }
        }
    }

    fn restart(&self, container: &Container) -> Container {
        end("default", &container.name);
        said(&mut ctr(
            "default",
            &["task", "start", "--detach", &container.name],
        ));
        inspect("default", &container.name)
    }

    fn remove(&self, name: &str) {
        end("default", name);
        said(&mut ctr("default", &["container", "rm", name]));
    }
}

impl Drop for Ctr {
    fn drop(&mut self) {
        for space in ["default", "batch", "k8s.io"] {
            let left = ctr(space, &["task", "ls", "--quiet"]).output().unwrap();
            for id in String::from_utf8_lossy(&left.stdout).split_whitespace() {
                let _ended = ctr(space, &["task", "rm", "--force", id]).output();
            }
        }
    }
}

fn ctr(space: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("ctr");
    command.args(["--address", &format!("{STATE}/sock"), "--namespace", space]);
    command.args(arguments);
    command
}

fn end(space: &str, id: &str) {
    said(&mut ctr(space, &["task", "rm", "--force", id]));
}

fn inspect(space: &str, id: &str) -> Container {
    let tasks = said(&mut ctr(space, &["task", "ls"]));
    let mut tasks = tasks.lines().map(|line| line.split_whitespace());
    let pid = tasks.find_map(|mut task| (task.next() == Some(id)).then(|| task.next()));
    Container {
        name: id.to_owned(),
        id: id.to_owned(),
        pid: pid.flatten().unwrap().parse().unwrap(),
        image: None,
    }
}

#[test]
fn containers_of_ctr_are_shown_by_the_ids_that_people_gave_them() {
    isolated(
        module_path!(),
        "containers_of_ctr_are_shown_by_the_ids_that_people_gave_them",
        || prove(&Ctr::start()),
    );
}

#[test]
fn a_container_in_another_namespace_of_containerd_is_known_by_its_network_alone() {
    isolated(
        module_path!(),
        "a_container_in_another_namespace_of_containerd_is_known_by_its_network_alone",
        || {
            let runtime = Ctr::start();
            let web = runtime.run("batch", "web", &[], "tcp=0.0.0.0:8080");
            let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
            let netns = format!("netns:{}@{}", netns_inode(web.pid), &boot[..8]);
            let expected = Shown {
                netns: Some(netns),
                ..Shown::of(&web, None, "tcp 0.0.0.0:8080").of_nobody()
            };
            assert_shows(&mut collector(), &[expected]);
        },
    );
}

/// What containerd's CRI writes into the bundles of a pod, and CNI beside them. There is no kubelet
/// here to ask for it, so `ctr` is told the annotations and the file is written.
#[test]
fn a_pod_of_containerd_is_shown_with_its_names_and_its_host_port() {
    isolated(
        module_path!(),
        "a_pod_of_containerd_is_shown_with_its_names_and_its_host_port",
        || {
            let runtime = Ctr::start();
            let [sandbox, web] = ["5", "a"].map(|digit| digit.repeat(64));
            let annotation =
                |name: &str, value: &str| format!("--annotation=io.kubernetes.cri.{name}={value}");
            let pod = [
                annotation("sandbox-id", &sandbox),
                annotation("sandbox-name", "shop-0"),
                annotation("sandbox-namespace", "prod"),
            ];
            let start = |id: &str, more: &[String], holds: &str| {
                let options = pod.iter().chain(more).map(String::as_str);
                runtime.run("k8s.io", id, &options.collect::<Vec<_>>(), holds)
            };
            let sandbox = start(&sandbox, &[annotation("container-type", "sandbox")], "");
            let own = [
                annotation("container-name", "web"),
                annotation("image-name", "docker.io/library/holder:1"),
                format!("--with-ns=network:/proc/{}/ns/net", sandbox.pid),
            ];
            let web = start(&web, &own, "tcp=0.0.0.0:8080 tcp=0.0.0.0:8081");
            std::fs::create_dir_all("/var/lib/cni/results").unwrap();
            let result = format!("/var/lib/cni/results/cbr0-{}-eth0", sandbox.id);
            let asked = r#"{"kind":"cniCacheV1","capabilityArgs":{"portMappings":
                [{"hostPort":9090,"containerPort":8080,"protocol":"tcp","hostIP":""}]}}"#;
            std::fs::write(result, asked).unwrap();
            let web = Container {
                name: "web".to_owned(),
                image: Some("docker.io/library/holder:1"),
                ..web
            };
            let port = |name| Shown::of(&web, Some(&sandbox), name);
            let expected = [
                port("tcp 0.0.0.0:8080").published(&["0.0.0.0 9090"]),
                port("tcp 0.0.0.0:8081"),
            ];
            let mut collector = collector();
            assert_shows_of_holder(&mut collector, &expected);
            for socket in collector.scan().unwrap().sockets {
                let port = socket.port;
                assert_eq!(port.pod_name.as_deref(), Some("shop-0"), "{port:?}");
                assert_eq!(port.pod_namespace.as_deref(), Some("prod"), "{port:?}");
            }
        },
    );
}
