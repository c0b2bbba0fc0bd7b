//! While processes come and go: what is told of a socket is true of its holder.

use crate::scene::{Program, collector, isolated};

/// Listeners that live for some milliseconds, and others that hold nothing and get their pids: the
/// next pid is set back all the time, so that a few pids serve for all.
const CHURN: &str = "
import random, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
base = os.getpid() + 100
say('ready')
while True:
    with open('/proc/sys/kernel/ns_last_pid', 'w') as f: f.write(str(base))
    for _ in range(8):
        if os.fork() == 0:
            s = tcp('127.0.0.1', 0); time.sleep(random.random() / 200); os._exit(0)
        os.posix_spawn('/bin/true', ['true'], {})
    time.sleep(random.random() / 200)
";

#[test]
fn an_owner_that_ends_during_a_scan_is_not_mistaken_for_another_process() {
    isolated(
        module_path!(),
        "an_owner_that_ends_during_a_scan_is_not_mistaken_for_another_process",
        || {
            let program = Program::start(CHURN);
            let mut collector = collector();
            let (mut owned, mut lost) = (0, 0);
            for _ in 0..500 {
                for socket in collector.scan().unwrap().sockets {
                    if socket.port.pid.is_none() {
                        assert_eq!(socket.port.path, None);
                        lost += 1;
                        continue;
                    }
                    owned += 1;
                    let path = socket.port.path.as_deref();
                    assert_eq!(path, Some(program.exe().as_str()), "{socket:?}");
                    assert!(socket.holders > 0);
                }
            }
            assert!(owned > 0 && lost > 0, "{owned} {lost}");
        },
    );
}
