//! docker: dockerd with its own containerd.

use std::process::Command;

use super::prove::prove;
use super::show::{Shown, assert_shows};
use super::{Container, Network, Runtime, STATE, Server, holder, said, state};
use crate::scene::{collector, isolated};

const IMAGE: &str = "holder:1";

struct Docker {
    _server: Server,
}

impl Docker {
    fn start() -> Self {
        let state = state();
        let mut dockerd = Command::new("dockerd");
        dockerd.arg("--data-root").arg(state.join("data"));
        dockerd.arg("--exec-root").arg(state.join("exec"));
        dockerd.arg("--pidfile").arg(state.join("pid"));
        dockerd.args(["--host", &host()]);
        // No firewall and no bridge of its own, and no limits that only the host may set.
        dockerd.args(["--iptables=false", "--ip6tables=false", "--bridge=none"]);
        dockerd.args(["--ip-forward=false", "--default-ulimit=nofile=1024:1024"]);
        let server = Server::start(&mut dockerd, || docker(&["version"]));
        let image = holder::image(&state);
        said(&mut docker(&["import", image.to_str().unwrap(), IMAGE]));
        Self { _server: server }
    }

    fn run(&self, name: &str, options: &[&str], holds: &str) -> Container {
        let mut command = docker(&["run", "--detach", "--log-driver=none", "--name", name]);
        let holds = format!("{}={holds}", holder::HOLD);
        command.args(options).args(["--env", &holds, IMAGE]);
        let id = said(command.args(holder::COMMAND));
        self.inspect(name, id)
    }

    fn inspect(&self, name: &str, id: String) -> Container {
        let pid = said(&mut docker(&["inspect", "--format={{.State.Pid}}", name]));
        Container {
            name: name.to_owned(),
            id,
            pid: pid.parse().unwrap(),
        }
    }
}

impl Runtime for Docker {
    fn start(&self, name: &str, network: Network<'_>, holds: &str) -> Container {
        let network = match network {
            Network::Own => "none".to_owned(),
            Network::Host => "host".to_owned(),
            Network::Of(other) => format!("container:{}", other.name),
        };
        self.run(name, &["--network", &network], holds)
    }

    fn restart(&self, container: &Container) -> Container {
        said(&mut docker(&["restart", "--time=0", &container.name]));
        self.inspect(&container.name, container.id.clone())
    }

    fn remove(&self, name: &str) {
        said(&mut docker(&["rm", "--force", name]));
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // The server would leave the cgroups of its containers behind.
        let left = docker(&["ps", "--all", "--quiet"]).output().unwrap();
        let left = String::from_utf8_lossy(&left.stdout);
        let _removed = docker(&["rm", "--force"])
            .args(left.split_whitespace())
            .output();
    }
}

fn host() -> String {
    format!("unix://{STATE}/docker.sock")
}

fn docker(arguments: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.args(["--host", &host()]).args(arguments);
    command
}

/// The process that runs that program, and its path.
fn process(name: &str) -> (u32, String) {
    let pid = said(Command::new("pgrep").args(["--exact", "--oldest", name]));
    let exe = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap();
    (pid.parse().unwrap(), exe.to_str().unwrap().to_owned())
}

#[test]
fn containers_of_docker_are_shown_as_docker_knows_them() {
    isolated(
        module_path!(),
        "containers_of_docker_are_shown_as_docker_knows_them",
        || prove(&Docker::start()),
    );
}

#[test]
fn sockets_of_docker_itself_are_in_the_namespace_that_they_were_made_in() {
    isolated(
        module_path!(),
        "sockets_of_docker_itself_are_in_the_namespace_that_they_were_made_in",
        || {
            let runtime = Docker::start();
            said(&mut docker(&["network", "create", "lan"]));
            let options = ["--network=lan", "--publish=127.0.0.1:9090:8080"];
            let web = runtime.run("web", &options, "tcp=0.0.0.0:8080");
            let (dockerd, proxy) = (process("dockerd"), process("docker-proxy"));
            // docker's name server has ports of its own choice.
            let rows = crate::ss::rows(&["nsenter", "--net", "--target", &web.pid.to_string()]);
            let resolver = rows.iter().filter(|row| row.name.contains("127.0.0.11"));
            let mut expected: Vec<Shown> = resolver
                .map(|row| Shown {
                    pid: Some(dockerd.0),
                    path: Some(dockerd.1.clone()),
                    ..Shown::of(&web, Some(&web), &row.name)
                })
                .collect();
            assert_eq!(expected.len(), 2, "TCP and UDP: {rows:?}");
            expected.push(Shown::of(&web, Some(&web), "tcp 0.0.0.0:8080"));
            // The published port is a process of the host.
            expected.push(Shown {
                container: None,
                pid: Some(proxy.0),
                path: Some(proxy.1),
                ..Shown::of(&web, None, "tcp 127.0.0.1:9090")
            });
            assert_shows(&mut collector(), &expected);
        },
    );
}
