//! containerd alone, driven by its own tool ctr: ids are names that people choose.

use std::path::PathBuf;
use std::process::Command;

use super::prove::prove;
use super::show::{Shown, assert_shows};
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
        for space in ["default", "batch"] {
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
