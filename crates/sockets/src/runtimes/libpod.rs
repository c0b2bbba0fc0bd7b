//! podman before version 5: `<storage>/libpod/bolt_state.db`, for the published ports.
//!
//! The list of containers does not tell them, nor does any file of a container. What the database
//! says of a container never changes, so it is read once. podman 5 has another database, of SQLite,
//! which is not read: there netavark's files tell the ports (see [`super::port_files`]).

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::bolt;
use super::files::HostFiles;
use super::mappings::{Form, Mappings};

/// The database beside the folder of containers.
fn file(containers: &Path) -> Option<PathBuf> {
    Some(containers.parent()?.join("libpod/bolt_state.db"))
}

#[derive(Deserialize)]
struct Container {
    #[serde(rename = "newPortMappings")]
    ports: Option<Vec<Form>>,
}

/// What is published of a container. `None`: it is not there, or not now.
pub(super) fn read(files: &HostFiles, containers: &Path, id: &str) -> Option<Mappings> {
    let file = files.open_plain(&file(containers)?)?;
    parse(&bolt::get(&file, &["ctr", id], "config")?)
}

pub(super) fn parse(bytes: &[u8]) -> Option<Mappings> {
    let container: Container = serde_json::from_slice(bytes).ok()?;
    Some(Mappings::of(container.ports.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ports_of_a_container_are_found_in_the_database() {
        let ids = ["a".repeat(64), "b".repeat(64)];
        let ports = r#"{"newPortMappings":[{"host_ip":"","container_port":80,"host_port":8080,"range":1,"protocol":"tcp"}]}"#;
        let (folder, path) = bolt::tests::podmans(&ids, &["{}", ports]);
        let libpod = folder.path().join("storage/libpod");
        std::fs::create_dir_all(&libpod).unwrap();
        std::fs::rename(path, libpod.join("bolt_state.db")).unwrap();
        let files = HostFiles::new(folder.path().to_owned());
        let found = |id: &str| read(&files, Path::new("/storage/overlay-containers"), id);
        assert_eq!(found(&ids[0]), Some(Mappings::default()));
        assert_eq!(
            found(&ids[1]),
            Mappings::parse(r#"[{"hostPort":8080,"containerPort":80}]"#)
        );
        assert_eq!(found("c"), None);
        assert_eq!(
            read(&files, Path::new("/other/overlay-containers"), &ids[1]),
            None
        );
        assert_eq!(parse(b"{"), None);
    }
}
