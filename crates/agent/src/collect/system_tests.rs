//! The host that the tests run on, as the agent sees it.

use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use portolan_wire::open_port::Transport;

use super::*;

/// One that looks without events.
fn system(state: &StateDir, look: Options) -> System<'_> {
    let ids = Ids {
        host_id: "h".to_owned(),
        agent_id: "a".to_owned(),
        enterprise_project: "0".to_owned(),
    };
    let means = Means {
        look,
        events: false,
        caps: None,
    };
    System::new(ids, means, Withhold::default(), state)
}

fn state_in(folder: &Path) -> StateDir {
    StateDir::open(folder).unwrap()
}

/// A listener that came and went in that namespace.
fn passed(netns: u64) -> Passed {
    let event = |kind| Event {
        kind,
        transport: Transport::Tcp,
        laddr: [127, 0, 0, 1].into(),
        v6only: None,
        port: 1,
        netns,
        cookie: u64::MAX,
        pid: 7,
        start_ns: 0,
        uid: 0,
        comm: String::new(),
        path: None,
        cgroup: 0,
        at_ns: 0,
        ephemeral: false,
    };
    Passed {
        opened: event(EventKind::Opened),
        closed: event(EventKind::Closed),
    }
}

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
    let state = state_in(folder.path());
    let mut system = system(
        &state,
        Options {
            command_lines: true,
            ..Options::default()
        },
    );
    let before = command_line_of(&mut system, port);
    assert!(before.is_some());
    system.drop_caches();
    assert_eq!(command_line_of(&mut system, port), before);
}

#[test]
fn what_passed_before_a_look_knows_its_namespace_is_told_after_one() {
    let folder = tempfile::tempdir().unwrap();
    let state = state_in(folder.path());
    let mut system = system(&state, Options::default());
    // Where that of pid 1 may not be seen, the own one counts as the host's.
    let inode = |path| std::fs::metadata(path).map(|it| it.ino());
    let host = inode("/proc/1/ns/net").or_else(|_| inode("/proc/self/ns/net"));
    let host = host.unwrap();
    for reason in ["before the first look", "after the caches were dropped"] {
        system.tell(vec![passed(host)]);
        assert_eq!(system.passed, [], "{reason}");
        system.look().unwrap();
        let told = std::mem::take(&mut system.passed);
        let netns: Vec<_> = told.into_iter().map(|it| it.netns).collect();
        assert_eq!(netns, [None], "{reason}");
        system.drop_caches();
    }
    system.look().unwrap();
    system.tell(vec![passed(1)]);
    system.look().unwrap();
    let gone = system.passed.first().unwrap().netns.as_deref();
    assert!(gone.unwrap().starts_with("netns:1@"), "{gone:?}");
}

#[test]
fn what_passed_beyond_the_place_for_it_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let state = state_in(folder.path());
    let mut system = system(&state, Options::default());
    system.tell((0..TRANSIENTS_MAX + 3).map(|_| passed(1)).collect());
    assert_eq!(system.unplaced.len(), TRANSIENTS_MAX);
    assert_eq!(system.watching.lost(), 3);
}

#[test]
fn a_socket_that_closes_and_opens_again_during_a_look_is_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let state = state_in(folder.path());
    let mut system = system(&state, Options::default());
    let mut scan = system.collector.scan().unwrap();
    let Passed { opened, closed } = passed(1);
    let undone = Event {
        kind: EventKind::Undone,
        ..closed.clone()
    };
    for end in [undone, closed] {
        let events = vec![opened.clone(), end, opened.clone()];
        system.take_in(&mut scan, None, events);
        assert!(system.between.look_in(0).is_some());
        assert_eq!(system.between.to_look_into(u64::MAX), [1].into());
    }
}

#[test]
fn a_socket_that_a_look_met_and_that_is_over_when_the_look_ends_came_and_went() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let state = state_in(folder.path());
    let mut system = system(&state, Options::default());
    let mut scan = system.collector.scan().unwrap();
    let mine = scan.sockets.iter().find(|it| it.port.port == port);
    let netns = std::fs::metadata("/proc/self/ns/net").unwrap().ino();
    let cookie = mine.unwrap().cookie.unwrap();
    // As a look that takes longer than a port needs to settle finds it.
    let event = |of: Event| Event {
        cookie,
        port,
        netns,
        ..of
    };
    let Passed { opened, closed } = passed(netns);
    system.take_in(&mut scan, None, vec![event(opened), event(closed)]);
    assert!(scan.sockets.iter().all(|it| it.port.port != port));
    assert_eq!(system.passed.len(), 1, "it is told as a transient");
    assert_eq!(system.between.to_look_into(0), [netns].into());
}
