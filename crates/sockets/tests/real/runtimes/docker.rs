//! docker: dockerd with its own containerd.

use std::process::Command;

use super::prove::prove;
use portolan_sockets::Collector;

use super::show::{Shown, assert_shows, assert_shows_of_holder};
use super::{Container, Network, Runtime, STATE, Server, holder, said, state};
use crate::scene::{collector, isolated};

const IMAGE: &str = "holder:1";

struct Docker {
    /// None while it is down.
    server: Option<Server>,
}

impl Docker {
    fn start() -> Self {
        let state = state();
        let server = serve();
        let image = holder::image(&state);
        said(&mut docker(&["import", image.to_str().unwrap(), IMAGE]));
        Self {
            server: Some(server),
        }
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
            image: Some(IMAGE),
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

/// dockerd, whose containers live on when it ends.
fn serve() -> Server {
    let mut dockerd = Command::new("dockerd");
    for (option, name) in [
        ("data-root", "data"),
        ("exec-root", "exec"),
        ("pidfile", "pid"),
    ] {
        dockerd.arg(format!("--{option}={STATE}/{name}"));
    }
    dockerd.args(["--host", &host(), "--live-restore"]);
    // No firewall and no bridge of its own, and no limits that only the host may set.
    dockerd.args(["--iptables=false", "--ip6tables=false", "--bridge=none"]);
    dockerd.args(["--ip-forward=false", "--default-ulimit=nofile=1024:1024"]);
    Server::start(&mut dockerd, || docker(&["version"]))
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
            let published = Shown::of(&web, Some(&web), "tcp 0.0.0.0:8080");
            expected.push(published.published(&["127.0.0.1 9090"]));
            // The published port is a process of the host.
            expected.push(Shown {
                pid: Some(proxy.0),
                path: Some(proxy.1),
                ..Shown::of(&web, None, "tcp 127.0.0.1:9090").of_nobody()
            });
            assert_shows(&mut collector(), &expected);
        },
    );
}

#[test]
fn what_docker_publishes_is_told_with_the_ports_of_the_network_it_is_published_for() {
    isolated(
        module_path!(),
        "what_docker_publishes_is_told_with_the_ports_of_the_network_it_is_published_for",
        || {
            let runtime = Docker::start();
            said(&mut docker(&["network", "create", "lan"]));
            let options = [
                "--network=lan",
                "--publish=127.0.0.1:9090:8080",
                "--publish=0.0.0.0:9091-9092:8081-8082/udp",
                "--publish=127.0.0.1::8083",
            ];
            let holds = "tcp=0.0.0.0:8080 udp=0.0.0.0:8081 udp=0.0.0.0:8080 tcp=127.0.0.1:8081";
            let web = runtime.run("web", &options, holds);
            let beside = runtime.start(
                "beside",
                Network::Of(&web),
                "udp=[::]:8082 tcp=127.0.0.1:8083 tcp=0.0.0.0:8084",
            );
            let hosted = runtime.start("hosted", Network::Host, "tcp=127.0.0.1:8080");
            let mut collector = collector();
            let web_port = |name| Shown::of(&web, Some(&web), name);
            let beside_port = |name| Shown::of(&beside, Some(&web), name);
            let mut expected = vec![
                web_port("tcp 0.0.0.0:8080").published(&["127.0.0.1 9090"]),
                web_port("udp 0.0.0.0:8081").published(&["0.0.0.0 9091"]),
                web_port("udp 0.0.0.0:8080"),
                // On the loopback, where nothing that is published arrives.
                web_port("tcp 127.0.0.1:8081"),
                beside_port("tcp 127.0.0.1:8083"),
                beside_port("udp *:8082").published(&["0.0.0.0 9092"]),
                beside_port("tcp 0.0.0.0:8084"),
                Shown::of(&hosted, None, "tcp 127.0.0.1:8080"),
            ];
            assert_shows_of_holder(&mut collector, &expected);

            said(&mut docker(&["rename", "web", "shop"]));
            for row in &mut expected {
                if row.container_name.as_deref() == Some("web") {
                    row.container_name = Some("shop".to_owned());
                }
            }
            assert_shows_of_holder(&mut collector, &expected);
        },
    );
}

#[test]
fn names_stay_while_docker_is_started_again() {
    isolated(
        module_path!(),
        "names_stay_while_docker_is_started_again",
        || {
            let mut runtime = Docker::start();
            let web = runtime.start("web", Network::Own, "tcp=0.0.0.0:8080");
            let expected = [Shown::of(&web, Some(&web), "tcp 0.0.0.0:8080")];
            let mut collector = collector();
            assert_shows(&mut collector, &expected);
            // Ended first, then with the record out of the way, then begun again.
            drop(runtime.server.take());
            // An agent that starts while it is down finds its records, too.
            assert_shows(&mut crate::scene::collector(), &expected);
            let record = format!("{STATE}/data/containers/{}/config.v2.json", web.id);
            let away = format!("{record}.away");
            std::fs::rename(&record, &away).unwrap();
            let shown = |collector: &mut Collector| -> Vec<Shown> {
                collector
                    .scan()
                    .unwrap()
                    .sockets
                    .iter()
                    .map(Shown::by)
                    .collect()
            };
            assert_eq!(shown(&mut collector), expected);
            std::fs::rename(&away, &record).unwrap();
            std::thread::scope(|scope| {
                let server = scope.spawn(serve);
                while !server.is_finished() {
                    assert_eq!(shown(&mut collector), expected);
                }
                runtime.server = Some(server.join().unwrap());
            });
            assert_eq!(shown(&mut collector), expected);
        },
    );
}
