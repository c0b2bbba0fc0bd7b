//! containerd, CRI-O and nerdctl: the annotations in the `config.json` of a container's bundle.
//!
//! The runtime writes the file before it makes the container's first process, and never again.
//! Each of them has annotations of its own; a bundle without any (docker's, `ctr`'s, podman's) says
//! nothing here. nerdctl tells no image, and newer ones no ports.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::mappings::Mappings;
use super::record::{self, Record};

/// Where containerd keeps the bundles of its namespaces for Kubernetes and for nerdctl.
pub(super) const CONTAINERD: [&str; 2] = [
    "/run/containerd/io.containerd.runtime.v2.task/k8s.io",
    "/run/containerd/io.containerd.runtime.v2.task/default",
];
/// Where CRI-O keeps its bundles, each in a folder `userdata`.
pub(super) const CRIO: &str = "/run/containers/storage/overlay-containers";

/// The file of one container of containerd.
pub(super) fn containerd_file(bundles: &Path, id: &str) -> PathBuf {
    bundles.join(id).join("config.json")
}

/// The file of one container of CRI-O.
pub(super) fn crio_file(bundles: &Path, id: &str) -> PathBuf {
    bundles.join(id).join("userdata/config.json")
}

#[derive(Deserialize)]
struct Bundle {
    annotations: Option<Annotations>,
}

#[derive(Deserialize)]
struct Annotations {
    #[serde(rename = "io.kubernetes.cri.container-name")]
    cri_name: Option<String>,
    #[serde(rename = "io.kubernetes.cri.image-name")]
    cri_image: Option<String>,
    #[serde(rename = "io.kubernetes.cri.sandbox-name")]
    cri_pod: Option<String>,
    #[serde(rename = "io.kubernetes.cri.sandbox-namespace")]
    cri_namespace: Option<String>,
    #[serde(rename = "io.kubernetes.cri.sandbox-id")]
    cri_sandbox: Option<String>,
    #[serde(rename = "io.kubernetes.container.name")]
    crio_name: Option<String>,
    #[serde(rename = "io.kubernetes.cri-o.ImageName")]
    crio_image: Option<String>,
    #[serde(rename = "io.kubernetes.pod.name")]
    crio_pod: Option<String>,
    #[serde(rename = "io.kubernetes.pod.namespace")]
    crio_namespace: Option<String>,
    #[serde(rename = "io.kubernetes.cri-o.SandboxID")]
    crio_sandbox: Option<String>,
    #[serde(rename = "io.kubernetes.cri-o.PortMappings")]
    crio_ports: Option<String>,
    #[serde(rename = "nerdctl/name")]
    nerdctl_name: Option<String>,
    #[serde(rename = "nerdctl/ports")]
    nerdctl_ports: Option<String>,
}

/// Reads such a file. `None`: it is none, or names no container.
pub(super) fn parse(bytes: &[u8]) -> Option<Record> {
    let bundle: Bundle = serde_json::from_slice(bytes).ok()?;
    let told = bundle.annotations?;
    let ports = told.crio_ports.or(told.nerdctl_ports);
    let record = Record {
        name: record::name(told.cri_name.or(told.crio_name).or(told.nerdctl_name)),
        image: record::text(told.cri_image.or(told.crio_image)),
        pod_name: record::text(told.cri_pod.or(told.crio_pod)),
        pod_namespace: record::text(told.cri_namespace.or(told.crio_namespace)),
        sandbox: record::id(told.cri_sandbox.or(told.crio_sandbox)),
        published: ports
            .and_then(|it| Mappings::parse(&it))
            .unwrap_or_default(),
    };
    record.tells().then_some(record)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn containerd_names_container_image_and_pod() {
        let file = br#"{"ociVersion":"1.1.0","process":{"args":["nginx"]},"annotations":{
            "io.kubernetes.cri.container-name":"web","io.kubernetes.cri.container-type":"container",
            "io.kubernetes.cri.image-name":"docker.io/library/nginx:1.27",
            "io.kubernetes.cri.sandbox-id":"5555555555555555555555555555555555555555555555555555555555555555","io.kubernetes.cri.sandbox-name":"shop-0",
            "io.kubernetes.cri.sandbox-namespace":"prod","io.kubernetes.cri.sandbox-uid":"u"}}"#;
        let expected = Record {
            name: some("web"),
            image: some("docker.io/library/nginx:1.27"),
            pod_name: some("shop-0"),
            pod_namespace: some("prod"),
            sandbox: Some("5".repeat(64)),
            ..Record::default()
        };
        assert_eq!(parse(file), Some(expected));
        let sandbox = br#"{"annotations":{"io.kubernetes.cri.container-type":"sandbox",
            "io.kubernetes.cri.sandbox-name":"shop-0","io.kubernetes.cri.sandbox-namespace":"prod"}}"#;
        let told = parse(sandbox).unwrap();
        assert_eq!((told.name, told.pod_name), (None, some("shop-0")));
    }

    #[test]
    fn crio_names_them_too_and_its_sandbox_the_published_ports() {
        let file = br#"{"annotations":{"io.container.manager":"cri-o",
            "io.kubernetes.container.name":"POD","io.kubernetes.cri-o.ContainerType":"sandbox",
            "io.kubernetes.cri-o.ImageName":"registry.k8s.io/pause:3.9","io.kubernetes.pod.name":"shop-0",
            "io.kubernetes.pod.namespace":"prod","io.kubernetes.cri-o.SandboxID":"5555555555555555555555555555555555555555555555555555555555555555",
            "io.kubernetes.cri-o.PortMappings":"[{\"hostPort\":80,\"containerPort\":8080,\"protocol\":\"TCP\",\"hostIP\":\"\"}]"}}"#;
        let expected = Record {
            name: some("POD"),
            image: some("registry.k8s.io/pause:3.9"),
            pod_name: some("shop-0"),
            pod_namespace: some("prod"),
            sandbox: Some("5".repeat(64)),
            published: Mappings::parse(r#"[{"hostPort":80,"containerPort":8080}]"#).unwrap(),
        };
        assert_eq!(parse(file), Some(expected));
    }

    #[test]
    fn nerdctl_names_the_container_and_its_ports() {
        let file = br#"{"annotations":{"nerdctl/name":"web","nerdctl/namespace":"default",
            "nerdctl/ports":"[{\"HostPort\":8080,\"ContainerPort\":80,\"Protocol\":\"tcp\",\"HostIP\":\"0.0.0.0\"}]"}}"#;
        let expected = Record {
            name: some("web"),
            published: Mappings::parse(r#"[{"HostPort":8080,"ContainerPort":80}]"#).unwrap(),
            ..Record::default()
        };
        assert_eq!(parse(file), Some(expected));
        // Ports that cannot be read do not cost the name.
        let bad = br#"{"annotations":{"nerdctl/name":"web","nerdctl/ports":"[{"}}"#;
        assert_eq!(parse(bad).unwrap().name, some("web"));
    }

    #[test]
    fn a_bundle_that_names_nobody_is_no_record() {
        for file in [
            &br#"{"ociVersion":"1.0.2"}"#[..],
            br#"{"annotations":null}"#,
            br#"{"annotations":{"io.container.manager":"libpod"}}"#,
            br#"{"annotations":{"nerdctl/name":""}}"#,
            br#"{"annotations":{"nerdctl/name":7}}"#,
            br#"{"annotations":{"nerdctl/name":"we"#,
            b"",
        ] {
            assert_eq!(parse(file), None);
        }
    }

    proptest! {
        #[test]
        fn no_file_makes_the_parser_panic(junk in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,60}") {
            let _whatever = parse(&junk);
            let file = serde_json::json!({"annotations": {"nerdctl/name": "web", "nerdctl/ports": text}});
            prop_assert!(parse(file.to_string().as_bytes()).is_some());
        }
    }
}
