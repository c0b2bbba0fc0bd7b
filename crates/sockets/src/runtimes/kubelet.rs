//! Kubernetes: the names in /var/log/containers, where the kubelet links each container's log.
//!
//! `<pod>_<namespace>_<container>-<id>.log`. Whatever the runtime, though a moment after the
//! container has started; so it is asked last. Only the names are read, no log is opened.

use super::record::{self, Record};

/// Where the kubelet makes the links.
pub(super) const LOGS: &str = "/var/log/containers";

/// Reads such a name, of the container with that id. `None`: it is none.
pub(super) fn parse(name: &str, id: &str) -> Option<Record> {
    let name = name.strip_suffix(".log")?.strip_suffix(id)?;
    let mut parts = name.strip_suffix('-')?.split('_');
    let [pod, namespace, container] = std::array::from_fn(|_| parts.next().map(str::to_owned));
    if parts.next().is_some() {
        return None;
    }
    let record = Record {
        name: record::name(container),
        pod_name: record::text(pod),
        pod_namespace: record::text(namespace),
        ..Record::default()
    };
    record.name.is_some().then_some(record)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_log_is_called_by_pod_namespace_container_and_id() {
        let told = parse("shop-0_prod_web-1-a1.log", "a1").unwrap();
        assert_eq!(told.pod_name.as_deref(), Some("shop-0"));
        assert_eq!(told.pod_namespace.as_deref(), Some("prod"));
        assert_eq!(told.name.as_deref(), Some("web-1"));
        for other in [
            "a1.log",
            "shop-0_prod-a1.log",
            "a_b_c_d-a1.log",
            "shop-0_prod_web-b2.log",
            "shop-0_prod_-a1.log",
            "shop-0_prod_web-a1",
        ] {
            assert_eq!(parse(other, "a1"), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_name_makes_the_parser_panic(name in "\\PC{0,60}", id in "\\PC{0,8}") {
            let _whatever = parse(&name, &id);
            let _whatever = parse(&format!("{name}-{id}.log"), &id);
        }
    }
}
