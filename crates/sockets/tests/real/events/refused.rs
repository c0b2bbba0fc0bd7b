//! Without privilege: what is said.

use std::process::Command;

use portolan_sockets::Watch;

use crate::scene::isolated;

/// Set in the process that attaches and says how it went.
const TELL: &str = "PORTOLAN_TEST_TELL_A_WATCH";
const MARK: &str = "WATCH ";

/// Not a test of its own: the body of the process with few capabilities.
#[test]
fn tells_how_attaching_went_when_asked_to() {
    if std::env::var_os(TELL).is_some() {
        let told = match Watch::attach() {
            Ok(_) => "attached".to_owned(),
            Err(error) => format!(
                "{error} | {:?} {} | {}",
                error.missing, error.refused, error.source
            ),
        };
        println!("\n{MARK}{told}");
    }
}

/// Attaches as nobody with these capabilities, in a copy that everybody may run.
fn told_with(capabilities: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), mode).unwrap();
    let exe = folder.path().join("watch");
    std::fs::copy(std::env::current_exe().unwrap(), &exe).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .args([
            &format!("--inh-caps={capabilities}"),
            &format!("--ambient-caps={capabilities}"),
        ])
        .arg(&exe)
        .args([
            "--exact",
            "events::refused::tells_how_attaching_went_when_asked_to",
            "--nocapture",
        ])
        .env(TELL, "1")
        .current_dir("/")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().find_map(|line| line.strip_prefix(MARK));
    line.unwrap_or_else(|| panic!("{said}\n{errors}"))
        .to_owned()
}

#[test]
fn what_is_missing_is_named_and_three_capabilities_are_enough() {
    isolated(
        module_path!(),
        "what_is_missing_is_named_and_three_capabilities_are_enough",
        || {
            let none = told_with("-all");
            assert!(
                none.contains("needs CAP_BPF and CAP_PERFMON and CAP_NET_ADMIN, or root"),
                "{none}"
            );
            let two = told_with("-all,+bpf,+perfmon");
            assert!(
                two.contains("udp_released failed: it needs CAP_NET_ADMIN, or root"),
                "{two}"
            );
            assert_eq!(told_with("-all,+bpf,+perfmon,+net_admin"), "attached");
        },
    );
}
