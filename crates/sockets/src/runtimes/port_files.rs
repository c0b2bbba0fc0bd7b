//! Published ports that a network's tool has written down, not the runtime.
//!
//! CNI keeps what it was asked for in `/var/lib/cni/results/<network>-<id>-<interface>`: the host
//! ports of Kubernetes with containerd and CRI-O, and those of nerdctl. netavark has
//! `/run/containers/networks/firewall/ports/<network>_<id>`, since it can put its rules back after
//! firewalld was reloaded (1.4 cannot): those of podman. Both are there while the container's
//! network is.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::files::{HostFiles, Look, Stamp};
use super::index::Index;
use super::mappings::{Form, Mappings};

const FOLDERS: [&str; 2] = [
    "/var/lib/cni/results",
    "/run/containers/networks/firewall/ports",
];
/// Most bytes of one file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The folders, as they were when last looked at.
#[derive(Debug)]
pub(super) struct PortFiles(Vec<Index>);

/// The files of one container.
pub(super) type Read = HashMap<PathBuf, (Stamp, Mappings)>;

impl PortFiles {
    pub(super) fn new() -> Self {
        Self(FOLDERS.into_iter().map(Index::new).collect())
    }

    pub(super) fn refresh(&mut self, files: &HostFiles) {
        for index in &mut self.0 {
            index.refresh(files);
        }
    }

    /// Brings the files of a container up to date. One that cannot be read stays as it was.
    pub(super) fn look(&self, files: &HostFiles, id: &str, read: &mut Read) {
        let paths: Vec<PathBuf> = self.0.iter().flat_map(|index| index.paths(id)).collect();
        read.retain(|path, _| paths.contains(path));
        for path in paths {
            if let Some(new) = look(files, &path, read.get(&path)) {
                read.insert(path, new);
            }
        }
    }
}

fn look(
    files: &HostFiles,
    path: &Path,
    known: Option<&(Stamp, Mappings)>,
) -> Option<(Stamp, Mappings)> {
    match files.read(path, known.map(|it| it.0), FILE_BYTES_MAX) {
        Look::New(stamp, bytes) => Some((stamp, parse(&bytes)?)),
        Look::Same | Look::Missing | Look::Unreadable => None,
    }
}

#[derive(Deserialize)]
struct File {
    /// netavark's.
    port_mappings: Option<Vec<Form>>,
    /// CNI's.
    #[serde(rename = "capabilityArgs")]
    arguments: Option<Arguments>,
}

#[derive(Deserialize)]
struct Arguments {
    #[serde(rename = "portMappings")]
    port_mappings: Option<Vec<Form>>,
}

pub(super) fn parse(bytes: &[u8]) -> Option<Mappings> {
    let file: File = serde_json::from_slice(bytes).ok()?;
    let of_cni = file.arguments.and_then(|it| it.port_mappings);
    let forms = file.port_mappings.into_iter().chain(of_cni).flatten();
    Some(Mappings::of(forms.collect()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_tools_tell_the_same() {
        let expected = Mappings::parse(r#"[{"hostPort":80,"containerPort":8080}]"#).unwrap();
        let cni = br#"{"kind":"cniCacheV1","containerId":"a1","config":"e30=","ifName":"eth0",
            "networkName":"cbr0","cniArgs":[["IgnoreUnknown","1"]],"capabilityArgs":{"dns":{},
            "portMappings":[{"hostPort":80,"containerPort":8080,"protocol":"tcp","hostIP":""}]},
            "result":{"cniVersion":"1.0.0","ips":[{"address":"10.244.0.7/24"}]}}"#;
        let netavark = br#"{"container_id":"a1","port_mappings":[{"container_port":8080,"host_ip":"",
            "host_port":80,"protocol":"tcp","range":1}],"network_name":"podman","container_ip_v4":"10.88.0.7"}"#;
        for file in [&cni[..], netavark] {
            assert_eq!(parse(file).as_ref(), Some(&expected));
        }
        for none in [
            &br#"{"port_mappings":null}"#[..],
            br#"{"capabilityArgs":{}}"#,
        ] {
            assert_eq!(parse(none), Some(Mappings::default()));
        }
        for bad in [&b""[..], b"[]x", br#"{"port_mappings":[{}]}"#] {
            assert_eq!(parse(bad), None);
        }
    }

    proptest! {
        #[test]
        fn no_file_makes_the_parser_panic(junk in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,30}", number: u64) {
            let _whatever = parse(&junk);
            let form = serde_json::json!({"hostPort": number, "containerPort": number, "hostIP": text, "protocol": text, "range": number});
            let file = serde_json::json!({"port_mappings": [form], "capabilityArgs": {"portMappings": [form]}});
            prop_assert!(parse(file.to_string().as_bytes()).is_some());
        }
    }
}
