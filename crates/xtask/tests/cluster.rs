//! What `deploy` has for a cluster, by the programs that read it: nats-server, docker-compose, systemd.
//! No cluster is started here; manifests.rs checks what is for Kubernetes.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap().to_owned()
}

fn deployed(file: &str) -> String {
    let path = root().join("deploy").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `Ok` where a program was content, else what it said.
fn judged(told: Output) -> Result<(), String> {
    let text = [told.stdout, told.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    if told.status.success() {
        Ok(())
    } else {
        Err(text)
    }
}

/// The lines `NAME=value` of a file.
fn environment(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The configuration of a node as it is installed, with a certificate made here.
struct Node {
    folder: TempDir,
    environment: BTreeMap<String, String>,
}

impl Node {
    fn new(configuration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
        write("nats.conf", configuration);
        write("secrets.conf", &deployed("nats/secrets.conf.example"));
        let made = rcgen::generate_simple_self_signed(["nats-1.example".to_owned()]).unwrap();
        write("node.pem", &made.cert.pem());
        write("ca.pem", &made.cert.pem());
        write("node.key", &made.signing_key.serialize_pem());
        let mut environment = environment(&deployed("nats/node.env"));
        for (name, file) in [
            ("NODE_CERT", "node.pem"),
            ("NODE_KEY", "node.key"),
            ("NODE_CA", "ca.pem"),
            ("NODE_STORE", "store"),
        ] {
            let path = folder.path().join(file).to_str().unwrap().to_owned();
            let before = environment.insert(name.to_owned(), path);
            assert!(before.is_some(), "node.env does not set {name}");
        }
        Self {
            folder,
            environment,
        }
    }

    fn check(&self) -> Result<(), String> {
        let program = root().join("target/nats/bin/nats-server");
        let told = Command::new(&program)
            .arg("--config")
            .arg(self.folder.path().join("nats.conf"))
            .arg("-t")
            .env_clear()
            .envs(&self.environment)
            .output();
        judged(told.unwrap_or_else(|error| {
            panic!(
                "{}: {error}; cargo xtask test installs it",
                program.display()
            )
        }))
    }
}

#[test]
fn nats_accepts_the_configuration_of_a_node() {
    Node::new(&deployed("nats/nats.conf")).check().unwrap();
}

/// The check is worth something: a setting that does not exist, and one that node.env lacks.
#[test]
fn nats_refuses_a_misspelt_setting_and_one_that_a_node_lacks() {
    let configuration = deployed("nats/nats.conf");
    let misspelt = configuration.replace("sync_interval:", "sync_intervall:");
    let refusal = Node::new(&misspelt).check().unwrap_err();
    assert!(refusal.contains("sync_intervall"), "{refusal}");
    let mut node = Node::new(&configuration);
    node.environment.remove("NODE_NAME").unwrap();
    let refusal = node.check().unwrap_err();
    assert!(refusal.contains("NODE_NAME"), "{refusal}");
}

/// What a node takes from its environment is told it in every way of starting one.
#[test]
fn every_way_of_starting_a_node_tells_it_what_the_configuration_asks_for() {
    let secrets = deployed("nats/secrets.conf.example");
    let configuration = deployed("nats/nats.conf");
    let asked: BTreeSet<&str> = configuration
        .split_whitespace()
        .filter_map(|word| word.strip_prefix('$'))
        .map(|name| name.trim_end_matches(','))
        .filter(|name| !secrets.contains(&format!("{name} = ")))
        .collect();
    assert!(asked.len() >= 5, "{asked:?}");
    let (compose, kubernetes) = (composed().unwrap(), deployed("kubernetes/nats.yaml"));
    let machine = environment(&deployed("nats/node.env"));
    for name in asked {
        assert!(machine.contains_key(name), "node.env: {name}");
        let nodes = compose.matches(&format!("\n      {name}: ")).count();
        assert_eq!(nodes, 3, "compose.yaml: {name}");
        assert!(
            kubernetes.contains(&format!("- name: {name}\n")),
            "nats.yaml: {name}"
        );
    }
}

/// The calls of JetStream that stand in the code of the log, such as `STREAM.MSG.GET`.
fn calls() -> BTreeSet<String> {
    let folder = root().join("crates/store/src/jetstream/nats");
    let files = std::fs::read_dir(folder).unwrap();
    let files = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.is_file());
    let texts: Vec<String> = files
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let quoted = texts.iter().flat_map(|text| text.split('"'));
    quoted
        .map(|word| word.strip_prefix("$JS.API.").unwrap_or(word))
        .filter(|word| word.starts_with("STREAM.") || word.starts_with("CONSUMER."))
        .map(|word| {
            let end = word.find(|c: char| !c.is_ascii_uppercase() && c != '.');
            let (call, _) = word.split_at(end.unwrap_or(word.len()));
            call.trim_end_matches('.').to_owned()
        })
        .collect()
}

/// A call that is not allowed is never answered.
#[test]
fn the_servers_user_is_allowed_the_calls_that_the_log_makes_and_no_others() {
    let configuration = deployed("nats/nats.conf");
    let allowed: BTreeSet<String> = configuration
        .split('"')
        .filter_map(|word| word.strip_prefix("$JS.API."))
        .map(|subject| subject.trim_end_matches(['.', '*']).to_owned())
        .filter(|call| call != "INFO")
        .collect();
    assert_eq!(allowed, calls());
}

/// The compose file with its references resolved, as docker-compose understands it.
fn composed() -> Result<String, String> {
    compose(&deployed("compose/compose.yaml"))
}

fn compose(text: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("compose.yaml");
    std::fs::write(&file, text).unwrap();
    std::fs::write(
        folder.path().join("portolan.env"),
        "PORTOLAN_STORE=nats://nats-1\n",
    )
    .unwrap();
    let told = Command::new("docker-compose")
        .arg("--file")
        .arg(&file)
        .arg("config")
        .output()
        .unwrap();
    let text = String::from_utf8(told.stdout.clone()).unwrap();
    judged(told).map(|()| text)
}

#[test]
fn compose_accepts_three_nodes_and_three_servers_each_with_a_volume_of_its_own() {
    let composed = composed().unwrap();
    for name in ["nats", "portolan"] {
        for number in 1..=3 {
            let service = format!("\n  {name}-{number}:\n");
            assert!(composed.contains(&service), "{service}");
            let volume = format!("- {name}-{number}:/");
            assert_eq!(composed.matches(&volume).count(), 1, "{volume}");
        }
    }
    let misspelt = deployed("compose/compose.yaml").replace("read_only:", "read_onli:");
    let refusal = compose(&misspelt).unwrap_err();
    assert!(refusal.contains("read_onli"), "{refusal}");
}

/// A unit and what is added to it, where systemd looks for them.
struct Units(TempDir);

impl Units {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |file: &str, text: String| {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            // The programs need not be installed here.
            let text = text.replace("ExecStart=/usr/bin/", "ExecStart=/bin/true ");
            std::fs::write(path, text).unwrap();
        };
        write(
            "nats-server.service",
            deployed("systemd/nats-server.service"),
        );
        write(
            "portolan.service",
            deployed("debian/server/portolan.service"),
        );
        let addition = "portolan.service.d/cluster.conf";
        write(addition, deployed(&format!("systemd/{addition}")));
        Self(folder)
    }

    fn analyze(&self, arguments: &[&str], unit: &str) -> Output {
        // The colon at the end stands for systemd's own folders.
        let path = format!("{}:", self.0.path().display());
        Command::new("systemd-analyze")
            .args(arguments)
            .arg(self.0.path().join(unit))
            .env("SYSTEMD_UNIT_PATH", path)
            .output()
            .unwrap()
    }
}

/// systemd's own checks, as of the packages' units in packages.rs.
#[test]
fn systemd_finds_no_fault_in_the_units_of_a_cluster_and_little_exposure() {
    let units = Units::new();
    for unit in ["nats-server.service", "portolan.service"] {
        let told = units.analyze(&["verify", "--man=no"], unit);
        let text = String::from_utf8(told.stderr).unwrap();
        assert!(told.status.success() && text.is_empty(), "{text}");
        let security = ["security", "--offline=true", "--no-pager", "--threshold=13"];
        let told = units.analyze(&security, unit);
        let text = String::from_utf8(told.stdout).unwrap();
        assert!(told.status.success(), "{text}");
        assert!(text.contains("Overall exposure level"), "{text}");
    }
}

/// The check reads what is added to the package's unit.
#[test]
fn systemd_tells_of_a_misspelt_line_in_what_is_added_to_the_servers_unit() {
    let units = Units::new();
    let addition = units.0.path().join("portolan.service.d/cluster.conf");
    let text = std::fs::read_to_string(&addition).unwrap();
    std::fs::write(
        &addition,
        text.replace("TimeoutStartSec", "TimeoutStartsSec"),
    )
    .unwrap();
    let told = units.analyze(&["verify", "--man=no"], "portolan.service");
    let text = String::from_utf8(told.stderr).unwrap();
    assert!(text.contains("TimeoutStartsSec"), "{text}");
}
