//! podman with runc: no server; conmon looks after each container.

use std::process::Command;

use super::prove::prove;
use super::show::{Shown, assert_shows, assert_shows_of_holder};
use super::{Container, Network, Runtime, STATE, holder, said, state};
use crate::scene::{collector, isolated, run};

const IMAGE: &str = "localhost/holder:1";

struct Podman;

impl Podman {
    fn start() -> Self {
        let image = holder::image(&state());
        // For the infra container of a pod, which cannot be told anything else.
        let change = format!("--change=ENV {}=", holder::HOLD);
        said(&mut podman(&[
            "import",
            &change,
            image.to_str().unwrap(),
            IMAGE,
        ]));
        Self
    }

    fn run(&self, name: &str, options: &[&str], holds: &str) -> Container {
        let mut command = podman(&["run", "--detach", "--log-driver=none", "--name", name]);
        // The defaults are more than a test may take.
        command.args(["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"]);
        let holds = format!("{}={holds}", holder::HOLD);
        command.args(options).args(["--env", &holds, IMAGE]);
        let id = said(command.args(holder::COMMAND));
        self.inspect(name, id)
    }

    fn inspect(&self, name: &str, id: String) -> Container {
        let pid = said(&mut podman(&["inspect", "--format={{.State.Pid}}", name]));
        Container {
            name: name.to_owned(),
            id,
            pid: pid.parse().unwrap(),
            image: Some(IMAGE),
        }
    }
}

impl Runtime for Podman {
    fn start(&self, name: &str, network: Network<'_>, holds: &str) -> Container {
        let network = match network {
            Network::Own => "none".to_owned(),
            Network::Host => "host".to_owned(),
            Network::Of(other) => format!("container:{}", other.name),
        };
        self.run(name, &["--network", &network], holds)
    }

    fn restart(&self, container: &Container) -> Container {
        said(&mut podman(&["restart", "--time=0", &container.name]));
        self.inspect(&container.name, container.id.clone())
    }

    fn remove(&self, name: &str) {
        said(&mut podman(&["rm", "--force", "--time=0", name]));
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        for all in [&["pod", "rm"][..], &["rm"]] {
            let mut command = podman(all);
            let _removed = command.args(["--all", "--force", "--time=0"]).output();
        }
    }
}

fn podman(arguments: &[&str]) -> Command {
    let mut command = Command::new("podman");
    // crun does not know machines that have both kinds of cgroups.
    command.args(["--runtime=runc", "--cgroup-manager=cgroupfs"]);
    command.args(["--events-backend=none", "--network-backend=netavark"]);
    for folder in ["root", "runroot", "tmpdir"] {
        command.arg(format!("--{folder}={STATE}/{folder}"));
    }
    command.args(arguments);
    command
}

#[test]
fn containers_of_podman_are_shown_as_podman_knows_them() {
    isolated(
        module_path!(),
        "containers_of_podman_are_shown_as_podman_knows_them",
        || prove(&Podman::start()),
    );
}

#[test]
fn a_pod_of_podman_is_called_by_its_infra_container_and_conmon_is_on_the_host() {
    isolated(
        module_path!(),
        "a_pod_of_podman_is_called_by_its_infra_container_and_conmon_is_on_the_host",
        || {
            let runtime = Podman::start();
            let infra = holder::COMMAND.join(" ");
            let mut command = podman(&["pod", "create", "--name=pod", "--network=podman"]);
            command.args(["--publish=127.0.0.1:9090:8080", "--infra-image", IMAGE]);
            let pod = said(command.args(["--infra-name=infra", "--infra-command", &infra]));
            let web = runtime.run("web", &["--pod=pod"], "tcp=0.0.0.0:8080");
            let format = "--format={{.Id}} {{.State.Pid}} {{.State.ConmonPid}}";
            let infra = said(&mut podman(&["inspect", format, "infra"]));
            let infra: Vec<&str> = infra.split(' ').collect();
            let conmon: u32 = infra[2].parse().unwrap();
            let infra = Container {
                name: "infra".to_owned(),
                id: infra[0].to_owned(),
                pid: infra[1].parse().unwrap(),
                image: Some(IMAGE),
            };
            let published = Shown {
                pid: Some(conmon),
                path: Some("/usr/bin/conmon".to_owned()),
                ..Shown::of(&infra, None, "tcp 127.0.0.1:9090").of_nobody()
            };
            let in_pod = Shown::of(&web, Some(&infra), "tcp 0.0.0.0:8080");
            let in_pod = in_pod.published(&["127.0.0.1 9090"]);
            assert_shows(&mut collector(), &[in_pod, published]);
            drop(runtime);
            // podman forgets two of them on machines that have both kinds of cgroups.
            run(&format!(
                "find /sys/fs/cgroup -depth -type d -path '*/{pod}' -exec rmdir {{}} +"
            ));
        },
    );
}

#[test]
fn what_podman_publishes_is_told_with_the_ports_of_the_container() {
    isolated(
        module_path!(),
        "what_podman_publishes_is_told_with_the_ports_of_the_container",
        || {
            let runtime = Podman::start();
            let options = [
                "--network=podman",
                "--publish=127.0.0.1:9090:8080",
                "--publish=9091-9093:8081-8083/udp",
            ];
            let holds = "tcp=0.0.0.0:8080 udp=[::]:8082 tcp=0.0.0.0:8082 tcp=127.0.0.1:8081";
            let web = runtime.run("web", &options, holds);
            let mut collector = collector();
            let web_port = |name| Shown::of(&web, Some(&web), name);
            let mut expected = vec![
                web_port("tcp 0.0.0.0:8080").published(&["127.0.0.1 9090"]),
                web_port("udp *:8082").published(&["0.0.0.0 9092"]),
                web_port("tcp 0.0.0.0:8082"),
                web_port("tcp 127.0.0.1:8081"),
            ];
            assert_shows_of_holder(&mut collector, &expected);
            said(&mut podman(&["rename", "web", "shop"]));
            for row in &mut expected {
                row.container_name = Some("shop".to_owned());
            }
            assert_shows_of_holder(&mut collector, &expected);
        },
    );
}
