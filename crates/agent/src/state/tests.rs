use super::*;
use crate::identity::{Basis, KeptHost};

fn kept() -> Kept {
    let host = KeptHost {
        host_id: "0123456789abcdef0123456789abcdef".to_owned(),
        basis: Basis::MachineId,
        machine: Some("aa".to_owned()),
        product: None,
    };
    Kept::new(
        "fedcba9876543210fedcba9876543210".to_owned(),
        1_764_000_000,
        host,
    )
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_is_kept_comes_back_and_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("var/lib/agent");
    let state = StateDir::open(&path).unwrap();
    assert_eq!(state.load().unwrap(), None);
    state.keep(&kept()).unwrap();
    assert_eq!(state.load().unwrap(), Some(kept()));
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&path.join("agent.json")), 0o600);
    assert!(!path.join("agent.json.tmp").exists());
    drop(state);
    assert_eq!(StateDir::open(&path).unwrap().load().unwrap(), Some(kept()));
}

#[test]
fn two_agents_on_one_folder_refuse_until_the_first_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let first = StateDir::open(folder.path()).unwrap();
    let error = StateDir::open(folder.path()).unwrap_err();
    assert!(
        matches!(&error, StateError::InUse { path } if path == folder.path()),
        "{error}"
    );
    assert!(error.to_string().contains("--state-dir"), "{error}");
    drop(first);
    StateDir::open(folder.path()).unwrap();
}

#[test]
fn a_damaged_file_is_moved_aside_and_not_lost() {
    let damaged = [
        &b"{\"format\":1,\"agent_id\":"[..],
        b"",
        b"\xff\xfe",
        b"[]",
        br#"{"format":2,"agent_id":"fedcba9876543210fedcba9876543210","generation":1,"host":{"host_id":"h","basis":"random"}}"#,
        br#"{"format":1,"agent_id":"short","generation":1,"host":{"host_id":"h","basis":"random"}}"#,
        br#"{"format":1,"agent_id":"fedcba9876543210fedcba9876543210","generation":1,"host":{"host_id":"a b","basis":"random"}}"#,
    ];
    for bytes in damaged {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path()).unwrap();
        fs::write(folder.path().join("agent.json"), bytes).unwrap();
        assert_eq!(
            state.load().unwrap(),
            None,
            "{}",
            String::from_utf8_lossy(bytes)
        );
        assert_eq!(
            fs::read(folder.path().join("agent.json.damaged")).unwrap(),
            bytes
        );
        assert!(!folder.path().join("agent.json").exists());
        state.keep(&kept()).unwrap();
        assert_eq!(state.load().unwrap(), Some(kept()));
    }
}

#[test]
fn a_folder_that_cannot_be_made_says_so_with_its_name_and_the_flag() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = StateDir::open(&file.join("agent")).unwrap_err().to_string();
    assert!(
        error.contains(&file.join("agent").display().to_string()),
        "{error}"
    );
    assert!(error.contains("--state-dir"), "{error}");
}

#[test]
fn client_udp_ports_come_back_and_their_loss_is_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::open(folder.path()).unwrap();
    assert!(state.load_client_udp().unwrap().is_empty());
    let told: BTreeSet<Identity> = serde_json::from_str(
        r#"[{"netns":null,"type":"UDP","laddr":"0.0.0.0","port":40000},
            {"netns":"b7c1","type":"UDP","laddr":"::","port":40001}]"#,
    )
    .unwrap();
    state.keep_client_udp(&told).unwrap();
    assert_eq!(state.load_client_udp().unwrap(), told);
    fs::write(folder.path().join("client-udp.json"), "{").unwrap();
    assert!(state.load_client_udp().unwrap().is_empty());
}
