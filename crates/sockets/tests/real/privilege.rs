//! Without privilege: what can still be seen, and what is said about the rest.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use portolan_wire::open_port::OpenPort;
use serde_json::{Value, json};

use crate::program::{Program, python_in};
use crate::scene::{Cgroup, isolated, only, run, scan};
use crate::ss;

/// Set in the process that scans and tells what it saw as one line of JSON.
const TELL: &str = "PORTOLAN_TEST_TELL_A_SCAN";
const MARK: &str = "SCAN ";

/// Not a test of its own: the body of the unprivileged process.
#[test]
fn tells_a_scan_when_asked_to() {
    if std::env::var_os(TELL).is_none() {
        return;
    }
    // A socket of the unprivileged user's own, in the host's namespace.
    let own = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let scan = scan();
    let number = own.local_addr().unwrap().port();
    // `ss` with the same privileges says the same. Without netlink it tells as little as the tables.
    if scan.statistics.netlink_dumps > 0 {
        let netns = only(&scan, number).port.netns;
        ss::assert_same(&scan, netns.as_deref(), &ss::rows(&[]));
    }
    let ports: Vec<&OpenPort> = scan.sockets.iter().map(|socket| &socket.port).collect();
    let told = json!({
        "ports": ports,
        "coverage": scan.coverage,
        "unseen": scan.unseen,
        "own": number,
        "pid": std::process::id(),
        "tables": scan.statistics.proc_net_fallbacks,
        "dumps": scan.statistics.netlink_dumps,
    });
    println!("\n{MARK}{told}");
}

/// Scans in a process that `command` starts. The binary is copied to where everybody may run it.
fn scan_by(command: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let exe = folder.path().join("scan");
    std::fs::copy(std::env::current_exe().unwrap(), &exe).unwrap();
    std::fs::set_permissions(&exe, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (program, arguments) = command.split_first().unwrap();
    let output = Command::new(program)
        .args(arguments)
        .arg(&exe)
        .args([
            "--exact",
            "privilege::tells_a_scan_when_asked_to",
            "--nocapture",
        ])
        .env(TELL, "1")
        .current_dir("/")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().find_map(|line| line.strip_prefix(MARK));
    let errors = String::from_utf8_lossy(&output.stderr);
    serde_json::from_str(line.unwrap_or_else(|| panic!("{said}\n{errors}"))).unwrap()
}

const NOBODY: [&str; 4] = [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
];

/// Root listens on 8000 here and on 9000 in `blue`; nobody is in `red`.
fn scene() -> (Program, Program) {
    run("ip netns add blue && ip netns add red");
    let host = Program::start("s = tcp('::', 8000, AF_INET6); say('ready'); hear()");
    let blue = Program::start_by(
        &mut python_in("blue"),
        "s = tcp('0.0.0.0', 9000); say('ready'); hear()",
    );
    (host, blue)
}

fn port(told: &Value, port: u64) -> &Value {
    let mut found = told["ports"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["port"] == port);
    let first = found
        .next()
        .unwrap_or_else(|| panic!("nothing on {port}: {told:#}"));
    assert!(found.next().is_none());
    first
}

#[test]
fn nobody_sees_all_ports_and_hears_which_capabilities_owners_need() {
    isolated(
        module_path!(),
        "nobody_sees_all_ports_and_hears_which_capabilities_owners_need",
        || {
            let _scene = scene();
            let told = scan_by(&NOBODY);
            let roots = port(&told, 8000);
            assert_eq!(
                (&roots["pid"], &roots["path"]),
                (&Value::Null, &Value::Null)
            );
            assert_eq!(
                (&roots["user"], &roots["v6only"]),
                (&json!("root"), &json!(false))
            );
            let own = port(&told, told["own"].as_u64().unwrap());
            assert_eq!(own["pid"], told["pid"]);
            // The namespace cannot be entered, but a process in it shows its tables.
            let blue = port(&told, 9000);
            let netns = blue["netns"].as_str().unwrap();
            assert!(netns.starts_with("netns:tables-"), "{netns}");
            let refused = Command::new(NOBODY[0])
                .args(&NOBODY[1..])
                .args(["ss", "-N", "blue", "-H", "-lntup"])
                .output()
                .unwrap();
            assert!(!refused.status.success(), "ss cannot enter it either");
            assert_eq!(told["coverage"]["privileged"], json!(false));
            assert_eq!(told["coverage"]["sockets_unattributed"], json!(2));
            assert_eq!(told["coverage"]["namespaces"], json!(2));
            // By their mounts, of which nobody can tell which processes are in them.
            assert_eq!(told["coverage"]["namespaces_skipped"], json!(2));
            let unseen = told["unseen"].as_array().unwrap();
            assert_eq!(unseen.len(), 3, "{unseen:#?}");
            assert!(
                unseen[0]
                    .as_str()
                    .unwrap()
                    .contains("CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH")
            );
            assert!(unseen[1].as_str().unwrap().contains("CAP_SYS_ADMIN"));
            assert!(unseen[2].as_str().unwrap().contains("/proc/PID/net"));
        },
    );
}

#[test]
fn the_names_of_containers_need_the_right_to_read_roots_files() {
    isolated(
        module_path!(),
        "the_names_of_containers_need_the_right_to_read_roots_files",
        || {
            let cgroup = Cgroup::new(0xa9);
            let listen = "s = tcp('0.0.0.0', 8000); say('ready'); hear()";
            let _program = Program::start(&format!("{}\n{listen}", cgroup.enter()));
            let containers = "/run/containers/storage/overlay-containers";
            let folder = format!("{containers}/{}/userdata", cgroup.id);
            run(&format!("mkdir -p {folder} && chmod 700 {containers}"));
            let record = r#"{"annotations":{"io.kubernetes.container.name":"web"}}"#;
            std::fs::write(format!("{folder}/config.json"), record).unwrap();
            assert_eq!(
                only(&scan(), 8000).port.container_name.as_deref(),
                Some("web")
            );

            let sentence = |told: &Value| {
                let unseen = told["unseen"].as_array().unwrap().iter();
                let mut sentences = unseen.filter_map(Value::as_str);
                let found = sentences.find(|it| it.starts_with("The names of 1 container"));
                found.map(str::to_owned)
            };
            let told = scan_by(&NOBODY);
            assert_eq!(port(&told, 8000)["container_id"], json!(cgroup.id));
            assert_eq!(port(&told, 8000).get("container_name"), None);
            let said = sentence(&told).unwrap();
            assert!(
                said.contains("needs CAP_DAC_READ_SEARCH, or root"),
                "{said}"
            );

            let may_read = [
                "--inh-caps=+dac_read_search",
                "--ambient-caps=+dac_read_search",
            ];
            let told = scan_by(&[&NOBODY[..], &may_read].concat());
            assert_eq!(port(&told, 8000)["container_name"], json!("web"));
            assert_eq!(sentence(&told), None);

            let told = scan_filtered(WITHOUT_OPENAT2);
            assert_eq!(port(&told, 8000)["container_name"], json!("web"));
        },
    );
}

#[test]
fn two_capabilities_show_owners_and_a_third_enters_namespaces() {
    isolated(
        module_path!(),
        "two_capabilities_show_owners_and_a_third_enters_namespaces",
        || {
            let (host, blue) = scene();
            let with = |capabilities: &str| {
                let inheritable = format!("--inh-caps={capabilities}");
                let ambient = format!("--ambient-caps={capabilities}");
                scan_by(&[&NOBODY[..], &[&inheritable, &ambient]].concat())
            };
            let told = with("+sys_ptrace,+dac_read_search");
            assert_eq!(port(&told, 8000)["pid"], json!(host.pid()));
            assert_eq!(port(&told, 9000)["pid"], json!(blue.pid()));
            assert_eq!(port(&told, 9000)["netns"], json!("blue"));
            let coverage = &told["coverage"];
            assert_eq!(coverage["sockets_unattributed"], json!(0));
            assert_eq!(
                (&coverage["privileged"], &coverage["namespaces"]),
                (&json!(false), &json!(2))
            );
            assert_eq!(
                coverage["namespaces_skipped"],
                json!(1),
                "red shows no process"
            );
            assert_eq!(told["unseen"].as_array().unwrap().len(), 2);

            let told = with("+sys_ptrace,+dac_read_search,+sys_admin");
            assert_eq!(port(&told, 8000)["pid"], json!(host.pid()));
            assert_eq!(port(&told, 9000)["pid"], json!(blue.pid()));
            let coverage = &told["coverage"];
            assert_eq!(
                (&coverage["privileged"], &coverage["namespaces"]),
                (&json!(true), &json!(3))
            );
            assert_eq!(coverage["namespaces_skipped"], json!(0));
            assert_eq!(told["unseen"], json!([]));
            assert_eq!(told["tables"], json!(0));
        },
    );
}

/// Sets up the seccomp filter FILTER and then becomes the program it is told.
const FILTERED: &str = "
import ctypes, os, platform, struct, sys
number = {'x86_64': 41, 'aarch64': 198}[platform.machine()]
def op(code, yes, no, k): return struct.pack('HBBI', code, yes, no, k)
program = b''.join([op(0x20, 0, 0, 0), FILTER, op(0x06, 0, 0, 0x7fff0000)])
kept = ctypes.create_string_buffer(program)
class Filter(ctypes.Structure): _fields_ = [('length', ctypes.c_ushort), ('filter', ctypes.c_void_p)]
filter = Filter(len(program) // 8, ctypes.cast(kept, ctypes.c_void_p))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(filter), 0, 0) == 0, ctypes.get_errno()
os.execv(sys.argv[1], sys.argv[1:])
";
/// socket(2) with AF_NETLINK as its first argument: EPERM.
const WITHOUT_NETLINK: &str = "op(0x15, 0, 3, number), op(0x20, 0, 0, 16), op(0x15, 0, 1, 16), \
                               op(0x06, 0, 0, 0x00050000 | 1)";
/// openat2(2), which has one number on all machines: ENOSYS, as before Linux 5.6.
const WITHOUT_OPENAT2: &str = "op(0x15, 0, 1, 437), op(0x06, 0, 0, 0x00050000 | 38)";

fn scan_filtered(filter: &str) -> Value {
    scan_by(&["python3", "-c", &FILTERED.replace("FILTER", filter)])
}

#[test]
fn where_netlink_is_refused_the_tables_of_proc_stand_in_in_every_namespace() {
    isolated(
        module_path!(),
        "where_netlink_is_refused_the_tables_of_proc_stand_in_in_every_namespace",
        || {
            let (host, blue) = scene();
            let told = scan_filtered(WITHOUT_NETLINK);
            assert_eq!(told["dumps"], json!(0));
            // TCP and UDP in the host's namespace, in blue and in red.
            assert_eq!(told["tables"], json!(6));
            assert_eq!(port(&told, 8000)["pid"], json!(host.pid()));
            assert_eq!(port(&told, 8000).get("v6only"), None);
            assert_eq!(port(&told, 9000)["pid"], json!(blue.pid()));
            assert_eq!(port(&told, 9000)["netns"], json!("blue"));
            assert_eq!(told["coverage"]["namespaces"], json!(3));
            let unseen = told["unseen"].as_array().unwrap();
            assert_eq!(unseen.len(), 1, "{unseen:#?}");
            assert!(
                unseen[0]
                    .as_str()
                    .unwrap()
                    .contains("NETLINK_SOCK_DIAG (Operation not permitted")
            );
        },
    );
}

#[test]
fn from_another_namespace_the_hosts_is_still_that_of_pid_1() {
    isolated(
        module_path!(),
        "from_another_namespace_the_hosts_is_still_that_of_pid_1",
        || {
            let (host, blue) = scene();
            run("ip netns exec blue ip link set lo up");
            let in_blue = ["ip", "netns", "exec", "blue"];
            let told = scan_by(&in_blue);
            assert_eq!(port(&told, 8000).get("netns"), None);
            assert_eq!(port(&told, 8000)["pid"], json!(host.pid()));
            for number in [9000, told["own"].as_u64().unwrap()] {
                assert_eq!(port(&told, number)["netns"], json!("blue"));
            }
            assert_eq!(port(&told, 9000)["pid"], json!(blue.pid()));
            assert_eq!(told["unseen"], json!([]));

            let told = scan_by(&[&in_blue[..], &NOBODY[..]].concat());
            assert_eq!(port(&told, 8000).get("netns"), None);
            for number in [9000, told["own"].as_u64().unwrap()] {
                assert_eq!(port(&told, number)["netns"], json!("blue"));
            }
            assert_eq!(told["coverage"]["privileged"], json!(false));
        },
    );
}

#[test]
fn without_a_process_file_system_the_error_names_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let proc_root = folder.path().to_owned();
    let options = portolan_sockets::Options {
        proc_root,
        ..Default::default()
    };
    let error = portolan_sockets::Collector::new(options)
        .scan()
        .unwrap_err();
    assert!(
        error.to_string().contains(folder.path().to_str().unwrap()),
        "{error}"
    );
}
