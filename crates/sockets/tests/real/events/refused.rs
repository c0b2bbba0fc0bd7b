//! Without privilege: what is said.

use std::process::Command;

use portolan_sockets::Watch;

use crate::scene::{Cgroup, isolated};

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

/// Attaches by a command that gets a copy of this program which everybody may run.
fn told_by(command: &mut Command) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), mode).unwrap();
    let exe = folder.path().join("watch");
    std::fs::copy(std::env::current_exe().unwrap(), &exe).unwrap();
    let output = command
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

/// Attaches as nobody with these capabilities.
fn told_with(capabilities: &str) -> String {
    told_by(
        Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .args([
                &format!("--inh-caps={capabilities}"),
                &format!("--ambient-caps={capabilities}"),
            ]),
    )
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

#[test]
fn a_part_of_the_cgroups_is_not_taken_for_the_whole() {
    isolated(
        module_path!(),
        "a_part_of_the_cgroups_is_not_taken_for_the_whole",
        || {
            let cgroup = Cgroup::new(0xe2);
            let enter = format!("echo $$ > {}/cgroup.procs", cgroup.path.display());
            let root = cgroup.path.parent().unwrap().display().to_string();
            // As a container: a view of the cgroups that begins at its own, and its own processes.
            let view = format!("umount {root} && mount -t cgroup2 cgroup2 {root} && \"$@\"");
            let inside =
                "unshare --cgroup --mount --pid --fork --mount-proc sh -c \"$0\" sh \"$@\"";
            let line = format!("{enter} && {inside}");
            let alone = told_by(Command::new("sh").args(["-c", &line, &view]));
            let need = "cgroup hierarchy failed: it needs a mount of cgroup2 that shows the whole";
            assert!(alone.contains(need), "{alone}");
            // One that sees the host's processes finds the whole by the first of them.
            let inside = "unshare --cgroup --mount sh -c \"$0\" sh \"$@\"";
            let line = format!("{enter} && {inside}");
            let told = told_by(Command::new("sh").args(["-c", &line, &view]));
            assert_eq!(told, "attached");
        },
    );
}
