//! Whose an event is.

use std::path::PathBuf;
use std::process::Command;

use portolan_sockets::EventKind::{Closed, Opened};

use super::Heard;
use crate::program::Program;
use crate::scene::{Cgroup, eventually, isolated, run};

#[test]
fn a_listener_that_was_handed_on_closes_when_its_last_holder_ends() {
    isolated(
        module_path!(),
        "a_listener_that_was_handed_on_closes_when_its_last_holder_ends",
        || {
            let mut heard = Heard::here();
            let mut program = Program::start(
                "
s = tcp('127.0.0.1', 8000)
child = os.fork()
if child == 0:
    hear(); os._exit(0)
s.close(); t = tcp('127.0.0.1', 8001)
say('ready'); say(child); os.wait(); hear()
",
            );
            let child = program.hear_number();
            heard.wait_for(Opened, 2);
            assert_eq!(heard.told(), [(Opened, 8000), (Opened, 8001)]);
            program.tell("end");
            heard.wait_for(Closed, 1);
            let last = heard.events.last().unwrap();
            assert_eq!((last.kind, last.port), (Closed, 8000));
            assert_eq!((heard.events[0].pid, last.pid), (program.pid(), child));
        },
    );
}

#[test]
fn the_cgroup_and_the_user_are_those_of_the_process() {
    isolated(
        module_path!(),
        "the_cgroup_and_the_user_are_those_of_the_process",
        || {
            let cgroup = Cgroup::new(0xe1);
            let mut heard = Heard::here();
            let program = Program::start(&format!(
                "{}; os.setuid(4242); s = tcp('127.0.0.1', 8000); say('ready'); hear()",
                cgroup.enter()
            ));
            heard.wait_for(Opened, 1);
            let inode =
                std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&cgroup.path).unwrap());
            assert_eq!((heard.events[0].cgroup, heard.events[0].uid), (inode, 4242));
            program.end();
            eventually("the cgroup is empty", || {
                std::fs::read_to_string(cgroup.path.join("cgroup.procs"))
                    .unwrap()
                    .is_empty()
            });
        },
    );
}

/// Listens from a copy of Python at that place.
fn listen_from(folder: &str, how: &str) -> (Heard, String) {
    run(&format!(
        "mkdir -p {folder} && cp $(readlink -f /usr/bin/python3) {folder}/server"
    ));
    let mut heard = Heard::here();
    let line = format!("{how} {folder}/server \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &line, "sh"]);
    let program = Program::start_by(
        &mut command,
        "s = tcp('127.0.0.1', 8000); say('ready'); hear()",
    );
    heard.wait_for(Opened, 1);
    let link = std::fs::read_link(format!("/proc/{}/exe", heard.events[0].pid)).unwrap();
    drop(program);
    (heard, link.to_str().unwrap().to_owned())
}

#[test]
fn an_executable_is_named_across_mounts_and_however_long_its_path_is() {
    isolated(
        module_path!(),
        "an_executable_is_named_across_mounts_and_however_long_its_path_is",
        || {
            run(
                "mkdir /run/outer && mount -t tmpfs tmpfs /run/outer && mkdir /run/outer/inner \
                 && mount -t tmpfs tmpfs /run/outer/inner",
            );
            let long: PathBuf = (0..15).map(|_| "x".repeat(200)).collect();
            for folder in ["short", &"y".repeat(120), long.to_str().unwrap()] {
                let folder = format!("/run/outer/inner/{folder}");
                let (heard, exe) = listen_from(&folder, "exec");
                assert_eq!(exe, format!("{folder}/server"));
                assert_eq!(heard.events[0].path, Some(exe));
            }
        },
    );
}

#[test]
fn a_removed_executable_keeps_its_name_and_one_too_deep_has_none() {
    isolated(
        module_path!(),
        "a_removed_executable_keeps_its_name_and_one_too_deep_has_none",
        || {
            let remove = "exec sh -c 'exec 3<$0; rm $0; exec /proc/self/fd/3 \"$@\"'";
            let (heard, exe) = listen_from("/run/gone", remove);
            assert_eq!(exe, "/run/gone/server (deleted)");
            assert_eq!(heard.events[0].path.as_deref(), Some("/run/gone/server"));

            let deep: PathBuf = std::iter::repeat_n("d", 80).collect();
            let (heard, exe) = listen_from(&format!("/run/{}", deep.display()), "exec");
            assert!(exe.ends_with("/d/d/server"));
            assert_eq!(heard.events[0].path, None);
        },
    );
}

#[test]
fn a_path_begins_at_the_root_of_its_own_mount_namespace() {
    isolated(
        module_path!(),
        "a_path_begins_at_the_root_of_its_own_mount_namespace",
        || {
            // As a container: the machine's folders below a root of its own.
            let pivot = "exec unshare --mount sh -c 'mkdir -p /run/root; mount -t tmpfs tmpfs /run/root; cd /run/root; \
                mkdir old opt lib lib64 usr bin; for it in lib lib64 usr bin; do mount --bind /$it $it; done; \
                cp $0 opt/server; pivot_root . old; exec /opt/server \"$@\"'";
            let (heard, exe) = listen_from("/run/outside", pivot);
            assert_eq!(exe, "/opt/server");
            assert_eq!(heard.events[0].path.as_deref(), Some("/opt/server"));
        },
    );
}
