//! docker: `<data root>/containers/<id>/config.v2.json`.
//!
//! dockerd writes it before it starts the container, and again whenever something of it changes, by
//! renaming a new file over the old one. Its ports are those that it has published in fact, also
//! where it chose the number on the host itself; while the container does not run there are none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::mappings::{Mapping, Mappings};
use super::record::{self, Record};

/// Where dockerd keeps everything unless told otherwise.
pub(super) const DATA_ROOT: &str = "/var/lib/docker";

/// The file of one container.
pub(super) fn file(data_root: &Path, id: &str) -> PathBuf {
    data_root.join("containers").join(id).join("config.v2.json")
}

#[derive(Deserialize)]
struct Container {
    #[serde(rename = "Name")]
    name: Option<String>,
    #[serde(rename = "Config")]
    config: Option<Config>,
    #[serde(rename = "NetworkSettings")]
    network: Option<Network>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(rename = "Image")]
    image: Option<String>,
    #[serde(rename = "Labels")]
    labels: Option<Labels>,
}

/// What the kubelet's shim for docker writes.
#[derive(Default, Deserialize)]
struct Labels {
    #[serde(rename = "io.kubernetes.container.name")]
    container: Option<String>,
    #[serde(rename = "io.kubernetes.pod.name")]
    pod: Option<String>,
    #[serde(rename = "io.kubernetes.pod.namespace")]
    namespace: Option<String>,
    #[serde(rename = "io.kubernetes.sandbox.id")]
    sandbox: Option<String>,
}

/// By `8080/tcp`; a port that is only exposed has none.
type Ports = BTreeMap<String, Option<Vec<Binding>>>;

#[derive(Deserialize)]
struct Network {
    #[serde(rename = "Ports")]
    ports: Option<Ports>,
}

#[derive(Deserialize)]
struct Binding {
    #[serde(rename = "HostIp")]
    addr: Option<String>,
    #[serde(rename = "HostPort")]
    port: Option<String>,
}

/// Reads such a file. `None`: it is none.
pub(super) fn parse(bytes: &[u8]) -> Option<Record> {
    let container: Container = serde_json::from_slice(bytes).ok()?;
    let (image, labels) = container
        .config
        .map_or((None, None), |config| (config.image, config.labels));
    let labels = labels.unwrap_or_default();
    // docker puts a slash before each name.
    let own = container
        .name
        .map(|it| it.trim_start_matches('/').to_owned());
    let name = labels.container.filter(|_| labels.pod.is_some()).or(own);
    let ports = container.network.and_then(|network| network.ports);
    Some(Record {
        name: record::name(name),
        image: record::text(image),
        pod_name: record::text(labels.pod),
        pod_namespace: record::text(labels.namespace),
        sandbox: record::id(labels.sandbox),
        published: Mappings::new(
            ports
                .unwrap_or_default()
                .iter()
                .flat_map(mappings)
                .collect(),
        ),
    })
}

fn mappings((port, bindings): (&String, &Option<Vec<Binding>>)) -> Vec<Mapping> {
    let (number, transport) = port.split_once('/').unwrap_or((port, "tcp"));
    let bindings = bindings.iter().flatten();
    let mapping = |binding: &Binding| {
        let addr = binding.addr.as_deref().unwrap_or("");
        let host_port = binding.port.as_deref()?.parse().ok()?;
        Mapping::new(transport, addr, number.parse().ok()?, host_port, 1)
    };
    bindings.filter_map(mapping).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_container_has_name_image_and_published_ports() {
        let file = br#"{"ID":"x","Name":"/web","State":{"Running":true,"Pid":7},
            "Config":{"Image":"nginx:1.27","Env":["A=b"],"Labels":{"maintainer":"x"}},
            "NetworkSettings":{"Bridge":"","Ports":{"443/tcp":null,"5300/sctp":[{"HostIp":"","HostPort":"1"}],
            "53/udp":[{"HostIp":"0.0.0.0","HostPort":"5353"},{"HostIp":"::","HostPort":"5353"}],
            "80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"},{"HostIp":"127.0.0.1","HostPort":""}]}}}"#;
        let mapping =
            |transport, addr, port, host| Mapping::new(transport, addr, port, host, 1).unwrap();
        let expected = Record {
            name: Some("web".to_owned()),
            image: Some("nginx:1.27".to_owned()),
            published: Mappings::new(vec![
                mapping("tcp", "127.0.0.1", 80, 8080),
                mapping("udp", "0.0.0.0", 53, 5353),
                mapping("udp", "::", 53, 5353),
            ]),
            ..Record::default()
        };
        assert_eq!(parse(file), Some(expected));
    }

    #[test]
    fn a_container_of_a_pod_has_the_name_that_its_pod_gives_it() {
        let file = br#"{"Name":"/k8s_web_shop-0_prod_5d1f_2","Config":{"Image":"sha256:1","Labels":{
            "io.kubernetes.container.name":"web","io.kubernetes.pod.name":"shop-0",
            "io.kubernetes.pod.namespace":"prod","io.kubernetes.sandbox.id":"ID"}},"NetworkSettings":{"Ports":null}}"#;
        let id = "5".repeat(64);
        let with_id = |id: &str| String::from_utf8_lossy(file).replace("ID", id);
        let told = parse(with_id(&id).as_bytes()).unwrap();
        assert_eq!(told.name.as_deref(), Some("web"));
        assert_eq!(told.pod_name.as_deref(), Some("shop-0"));
        assert_eq!(told.pod_namespace.as_deref(), Some("prod"));
        assert_eq!(told.sandbox, Some(id));
        assert_eq!(parse(with_id("../x").as_bytes()).unwrap().sandbox, None);
        // A label alone is what anybody may write on a container.
        let alone = br#"{"Name":"/a","Config":{"Labels":{"io.kubernetes.container.name":"web"}}}"#;
        assert_eq!(parse(alone).unwrap().name.as_deref(), Some("a"));
    }

    #[test]
    fn what_is_damaged_is_no_record() {
        let whole = br#"{"Name":"/web","Config":{"Image":"i"},"NetworkSettings":{"Ports":{}}}"#;
        assert!(parse(whole).is_some());
        for cut in 0..whole.len() {
            assert_eq!(parse(&whole[..cut]), None, "{cut}");
        }
        for bad in [&b"[]"[..], br#"{"Name":7}"#, br#"{"Config":[]}"#] {
            assert_eq!(parse(bad), None);
        }
        let deep = "[".repeat(100_000);
        assert_eq!(
            parse(format!(r#"{{"Name":"/a","X":{deep}"#).as_bytes()),
            None
        );
    }

    proptest! {
        #[test]
        fn no_file_makes_the_parser_panic(junk in proptest::collection::vec(any::<u8>(), 0..200), ports in "\\PC{0,40}") {
            let _whatever = parse(&junk);
            let file = serde_json::json!({"Name": ports, "NetworkSettings": {"Ports": {&ports: [{"HostIp": ports, "HostPort": ports}]}}});
            prop_assert!(parse(file.to_string().as_bytes()).is_some());
        }
    }
}
