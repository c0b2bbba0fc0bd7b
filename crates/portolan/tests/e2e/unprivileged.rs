//! Without root: less is seen, and what was not is said in a sentence.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::harness::{Server, must_be_root, portolan, run};

/// `portolan` as the user nobody, from a folder that nobody may read.
fn as_nobody(folder: &tempfile::TempDir, arguments: &[&str]) -> Command {
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let program: PathBuf = folder.path().join("portolan");
    std::fs::copy(env!("CARGO_BIN_EXE_portolan"), &program).unwrap();
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(program)
        .args(arguments);
    command
}

#[test]
fn demo_works_and_says_what_it_could_not_see_and_what_would_be_needed() {
    must_be_root();
    let folder = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let output = as_nobody(&folder, &["demo", "--once", "--listen", "127.0.0.1:0"])
        .output()
        .unwrap();
    let talk = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{talk}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let port = listener.local_addr().unwrap().port();
    let rows = answer["data_list"].as_array().unwrap();
    assert!(
        rows.iter().any(|row| row["port"] == port),
        "root's listener is listed without its owner"
    );
    assert!(
        talk.contains("Not seen: ") && talk.contains("CAP_SYS_PTRACE"),
        "{talk}"
    );
}

#[test]
fn scan_works_and_says_what_it_could_not_see() {
    must_be_root();
    let folder = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let output = as_nobody(&folder, &["scan", "--output", "json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let port = listener.local_addr().unwrap().port();
    let rows = document["open_ports"].as_array().unwrap();
    let row = rows.iter().find(|row| row["port"] == port).unwrap();
    assert_eq!(
        row.get("pid"),
        None,
        "the owner of root's socket is not told"
    );
    assert_eq!(document["coverage"]["privileged"], false);
    assert!(document["coverage"]["sockets_unattributed"].as_u64() >= Some(1));
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(talk.contains("CAP_"), "what would be needed: {talk}");
}

/// What root restores or repairs in the folder of another user is that user's.
#[test]
fn a_store_that_root_restores_or_repairs_stays_its_owners() {
    must_be_root();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start_with(folder.path(), "127.0.0.1:0", &[]);
    server.stop();
    let nobody = Some(65534);
    let everything = |folder: &Path| {
        let found = run("find", &[folder.to_str().unwrap(), "-printf", "%U:%G %p\n"]);
        String::from_utf8(found.stdout).unwrap()
    };
    for path in everything(&data).lines() {
        let path = path.split_once(' ').unwrap().1;
        std::os::unix::fs::lchown(path, nobody, nobody).unwrap();
    }
    std::fs::write(data.join("commit.mark"), "damaged").unwrap();
    let done = portolan()
        .args(["store", "repair", "--data-dir"])
        .arg(&data)
        .output()
        .unwrap();
    let told = String::from_utf8(done.stderr).unwrap();
    assert!(
        done.status.success() && told.contains("accepted the loss"),
        "{told}"
    );
    let found = everything(&data);
    assert!(found.lines().count() > 5, "{found}");
    assert!(
        found.lines().all(|line| line.starts_with("65534:65534 ")),
        "{found}"
    );
    let verified = as_nobody(
        &folder,
        &["store", "verify", "--data-dir", data.to_str().unwrap()],
    )
    .output()
    .unwrap();
    let told = String::from_utf8(verified.stderr).unwrap();
    assert!(verified.status.success(), "{told}");
}
