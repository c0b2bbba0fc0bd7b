//! podman: `<storage>/overlay-containers/containers.json`, one list of all containers.
//!
//! The list is that of the storage library, which CRI-O uses, too; it has names and images. It is
//! written before a container starts, by renaming a new file over the old one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::record::{self, Record};

/// Where podman keeps its containers unless told otherwise.
pub(super) const CONTAINERS: &str = "/var/lib/containers/storage/overlay-containers";

/// The list below that folder.
pub(super) fn file(containers: &Path) -> PathBuf {
    containers.join("containers.json")
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    names: Option<Vec<String>>,
    metadata: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "image-name")]
    image: Option<String>,
}

/// Reads the list, by id. `None`: it is none.
pub(super) fn parse(bytes: &[u8]) -> Option<HashMap<String, Record>> {
    let entries: Vec<Entry> = serde_json::from_slice(bytes).ok()?;
    Some(entries.into_iter().map(record).collect())
}

fn record(entry: Entry) -> (String, Record) {
    let metadata = entry.metadata.unwrap_or_default();
    let metadata: Option<Metadata> = serde_json::from_str(&metadata).ok();
    let record = Record {
        name: record::name(entry.names.and_then(|names| names.into_iter().next())),
        image: record::text(metadata.and_then(|it| it.image)),
        ..Record::default()
    };
    (entry.id, record)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_container_has_its_first_name_and_its_image() {
        let file = br#"[{"id":"a1","names":["web","other"],"image":"c45e","layer":"l",
            "metadata":"{\"image-name\":\"localhost/holder:1\",\"name\":\"web\",\"created-at\":1}","flags":{}},
            {"id":"b2","names":null,"metadata":"{"}]"#;
        let told = parse(file).unwrap();
        assert_eq!(told["a1"].name.as_deref(), Some("web"));
        assert_eq!(told["a1"].image.as_deref(), Some("localhost/holder:1"));
        assert_eq!(told["b2"], Record::default());
        assert_eq!(told.len(), 2);
    }

    #[test]
    fn what_is_damaged_is_no_list() {
        for bad in [&b""[..], b"{}", b"[{}]", br#"[{"id":"a1","names":["w"#] {
            assert_eq!(parse(bad), None);
        }
    }

    proptest! {
        #[test]
        fn no_file_makes_the_parser_panic(junk in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,60}") {
            let _whatever = parse(&junk);
            let file = serde_json::json!([{"id": text, "names": [text], "metadata": text}]);
            prop_assert!(parse(file.to_string().as_bytes()).is_some());
        }
    }
}
