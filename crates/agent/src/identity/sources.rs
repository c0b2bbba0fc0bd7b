//! What a machine tells of itself without network: cloud-init's files, machine-id, DMI.
//!
//! Files instead of a cloud's metadata service: the agent talks to its server alone, and a metadata
//! service may be forbidden or slow. Holds: what is absent, unreadable or a placeholder is `None`.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;

use super::is_host_id;

/// Most bytes read of one file; cloud-init's instance data holds user data and can be long.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// What this machine tells of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    /// The id that the cloud gave the instance.
    pub(crate) cloud_instance_id: Option<String>,
    /// /etc/machine-id.
    pub(crate) machine_id: Option<String>,
    /// DMI's product_uuid, lower case; readable by root only.
    pub(crate) product_uuid: Option<String>,
}

impl Sources {
    /// Reads the files under `root` (`/` but for tests).
    pub(crate) fn read(root: &Path) -> Self {
        Self {
            cloud_instance_id: cloud_instance_id(root),
            machine_id: machine_id(root),
            product_uuid: product_uuid(root),
        }
    }
}

/// cloud-init's instance data says which cloud it was; the older file holds the id alone.
fn cloud_instance_id(root: &Path) -> Option<String> {
    let id = match read(root, "run/cloud-init/instance-data.json") {
        Some(text) => {
            let data: InstanceData = serde_json::from_str(&text).ok()?;
            data.v1
                .instance_id
                .filter(|_| data.v1.cloud_name.is_none_or(|name| is_cloud(&name)))?
        }
        None => read(root, "var/lib/cloud/data/instance-id")?,
    };
    let id = id.trim();
    (is_host_id(id) && !is_placeholder(id)).then(|| id.to_owned())
}

/// The part of cloud-init's instance data that matters here, by its documented `v1` keys.
#[derive(Deserialize)]
struct InstanceData {
    v1: StandardKeys,
}

#[derive(Deserialize)]
struct StandardKeys {
    instance_id: Option<String>,
    cloud_name: Option<String>,
}

/// Data sources that take the instance id from a file that somebody wrote, often the same for all.
fn is_cloud(name: &str) -> bool {
    !["nocloud", "none", "unknown", "fallback"].contains(&name.to_ascii_lowercase().as_str())
}

/// Ids that cloud-init makes up, and those of its documentation that people copy.
fn is_placeholder(id: &str) -> bool {
    let id = id.to_ascii_lowercase();
    id == "nocloud"
        || id == "none"
        || id.starts_with("iid-datasource")
        || id.starts_with("iid-local")
        || id.starts_with("iid-nocloud")
}

/// 32 hex digits (machine-id(5)); an image before its first boot says `uninitialized`.
fn machine_id(root: &Path) -> Option<String> {
    let id = read(root, "etc/machine-id")?.trim().to_ascii_lowercase();
    let is_hex = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_hex && id.bytes().any(|byte| byte != b'0')).then_some(id)
}

fn product_uuid(root: &Path) -> Option<String> {
    let uuid = read(root, "sys/class/dmi/id/product_uuid")?
        .trim()
        .to_ascii_lowercase();
    let digits = || uuid.bytes().filter(|byte| byte.is_ascii_hexdigit());
    // Boards without one of their own say all zeros or all ones.
    let is_own =
        digits().count() == 32 && digits().any(|b| b != b'0') && digits().any(|b| b != b'f');
    is_own.then_some(uuid)
}

fn read(root: &Path, name: &str) -> Option<String> {
    let file = File::open(root.join(name)).ok()?;
    let mut text = String::new();
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        root
    }

    fn sources(files: &[(&str, &str)]) -> Sources {
        Sources::read(root(files).path())
    }

    #[test]
    fn a_machine_without_any_of_the_files_tells_nothing() {
        assert_eq!(sources(&[]), Sources::default());
    }

    #[test]
    fn all_three_are_read_and_normalised() {
        let found = sources(&[
            (
                "run/cloud-init/instance-data.json",
                r#"{"ds":{},"v1":{"cloud_name":"aws","instance_id":"i-0abc12","region":"r"}}"#,
            ),
            ("etc/machine-id", "0123456789ABCDEF0123456789abcdef\n"),
            (
                "sys/class/dmi/id/product_uuid",
                "4C4C4544-0042-3510-8054-B7C04F333432\n",
            ),
        ]);
        assert_eq!(found.cloud_instance_id.as_deref(), Some("i-0abc12"));
        assert_eq!(
            found.machine_id.as_deref(),
            Some("0123456789abcdef0123456789abcdef")
        );
        let uuid = "4c4c4544-0042-3510-8054-b7c04f333432";
        assert_eq!(found.product_uuid.as_deref(), Some(uuid));
    }

    #[test]
    fn the_older_file_serves_where_there_is_no_instance_data() {
        let found = sources(&[("var/lib/cloud/data/instance-id", "i-0abc12\n")]);
        assert_eq!(found.cloud_instance_id.as_deref(), Some("i-0abc12"));
    }

    #[test]
    fn placeholders_and_ids_that_are_no_host_ids_are_not_taken() {
        for id in [
            "nocloud",
            "iid-datasource-none",
            "iid-local01",
            "",
            "a b",
            &"x".repeat(65),
        ] {
            let found = sources(&[("var/lib/cloud/data/instance-id", id)]);
            assert_eq!(found.cloud_instance_id, None, "{id:?}");
        }
        for cloud in ["nocloud", "none", "unknown", "NoCloud"] {
            let data = format!(r#"{{"v1":{{"cloud_name":"{cloud}","instance_id":"abc"}}}}"#);
            let older = ("var/lib/cloud/data/instance-id", "abc");
            let found = sources(&[("run/cloud-init/instance-data.json", &data), older]);
            assert_eq!(
                found.cloud_instance_id, None,
                "{cloud}: the older file is no better"
            );
        }
    }

    #[test]
    fn broken_instance_data_and_machine_ids_are_absent() {
        for id in [
            "",
            "uninitialized\n",
            "0123",
            &"0".repeat(32),
            &"g".repeat(32),
        ] {
            assert_eq!(
                sources(&[("etc/machine-id", id)]).machine_id,
                None,
                "{id:?}"
            );
        }
        for data in [
            "",
            "{",
            "{}",
            r#"{"v1":{}}"#,
            r#"{"v1":{"instance_id":null}}"#,
        ] {
            let found = sources(&[("run/cloud-init/instance-data.json", data)]);
            assert_eq!(found.cloud_instance_id, None, "{data:?}");
        }
        for uuid in ["00000000-0000-0000-0000-000000000000", "Not Settable", ""] {
            assert_eq!(
                sources(&[("sys/class/dmi/id/product_uuid", uuid)]).product_uuid,
                None
            );
        }
    }
}
