//! What becomes of looking when the agent costs too much: real events of this machine (root), a meter
//! that a test turns.

use std::cell::Cell;

use super::*;
use crate::budget::{CHECK_GAP, SPAN, Usage};

struct Turned<'a>(&'a Cell<Usage>);

impl Meter for Turned<'_> {
    fn usage(&mut self, _kernel: Duration) -> Usage {
        self.0.get()
    }
}

struct Rig<'a> {
    system: System<'a>,
    usage: &'a Cell<Usage>,
    now: Duration,
}

impl<'a> Rig<'a> {
    fn new(state: &'a StateDir, usage: &'a Cell<Usage>) -> Self {
        let ids = Ids {
            host_id: "h".to_owned(),
            agent_id: "a".to_owned(),
            enterprise_project: "0".to_owned(),
        };
        let means = Means {
            look: Options::default(),
            events: true,
            caps: Some(Caps::default()),
        };
        let mut system = System::new(ids, means, Withhold::default(), state);
        system.meter = Box::new(Turned(usage));
        Self {
            system,
            usage,
            now: Duration::ZERO,
        }
    }

    /// Lets time pass at a cost of so many thousandths of a core, until `done`.
    fn until(&mut self, thousandths: u32, done: impl Fn(Tempo) -> bool) -> Tempo {
        for _ in 0..10_000 {
            let tempo = self.system.upkeep(self.now);
            if done(tempo) {
                return tempo;
            }
            self.now += CHECK_GAP;
            let mut usage = self.usage.get();
            usage.cpu += CHECK_GAP * thousandths / 1_000;
            self.usage.set(usage);
        }
        panic!("it never came");
    }

    fn mode(&mut self) -> Option<String> {
        let (snapshot, _) = self.system.look().unwrap();
        let pair = crate::machine::Pair::start_of(1);
        snapshot.report(pair, 30, Vec::new(), 0).agent?.mode
    }
}

#[test]
fn an_agent_that_costs_too_much_looks_rarely_then_lets_the_events_go_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::open(folder.path()).unwrap();
    let usage = Cell::new(Usage::default());
    let mut rig = Rig::new(&state, &usage);
    assert!(rig.system.events().is_some(), "this test needs root");
    assert_eq!(rig.mode().as_deref(), Some("events"));

    let slow = rig.until(30, |tempo| tempo.is_slow);
    assert!(slow.is_watched && rig.now <= SPAN, "{:?}", rig.now);
    assert_eq!(rig.mode().as_deref(), Some("slow"));
    rig.until(30, |tempo| !tempo.is_watched);
    assert!(rig.system.events().is_none());
    assert_eq!(rig.mode().as_deref(), Some("slow"), "it looks all the same");

    rig.until(1, |tempo| tempo.is_watched);
    rig.until(1, |tempo| !tempo.is_slow);
    assert_eq!(rig.mode().as_deref(), Some("events"));
}

#[test]
fn caches_that_are_dropped_are_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::open(folder.path()).unwrap();
    let usage = Cell::new(Usage::default());
    let mut rig = Rig::new(&state, &usage);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let is_seen = |rig: &mut Rig<'_>| {
        let (snapshot, _) = rig.system.look().unwrap();
        let ports = snapshot.open_ports();
        ports
            .iter()
            .any(|open| open.port == port && open.pid.is_some())
    };
    // Until it has settled.
    while !is_seen(&mut rig) {}
    usage.set(Usage {
        memory_bytes: Some(65 << 20),
        ..Usage::default()
    });
    rig.system.upkeep(Duration::ZERO);
    assert!(rig.system.all_looked_at.is_none(), "nothing is known");
    assert!(is_seen(&mut rig));
}
