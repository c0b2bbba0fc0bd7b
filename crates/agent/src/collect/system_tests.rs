//! The host that the tests run on, as the agent sees it.

use std::net::TcpListener;

use super::*;

fn command_line_of(system: &mut System<'_>, port: u16) -> Option<String> {
    let (snapshot, _cpu) = system.look().unwrap();
    let report = snapshot.report(crate::machine::Pair::start_of(1), 30, Vec::new(), 0);
    let own = std::process::id();
    let mut ports = report.open_ports.into_iter();
    let found = ports.find(|it| it.port == port && it.pid == Some(own));
    found.unwrap().cmdline
}

#[test]
fn an_agent_that_drops_what_it_can_read_again_looks_as_it_was_told_to() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::open(folder.path()).unwrap();
    let ids = Ids {
        host_id: "h".to_owned(),
        agent_id: "a".to_owned(),
        enterprise_project: "0".to_owned(),
    };
    let means = Means {
        look: Options {
            command_lines: true,
            ..Options::default()
        },
        events: false,
        caps: None,
    };
    let mut system = System::new(ids, means, Withhold::default(), &state);
    let before = command_line_of(&mut system, port);
    assert!(before.is_some());
    system.drop_caches();
    assert_eq!(command_line_of(&mut system, port), before);
}
