use std::net::IpAddr;

use portolan_wire::digest::Digest;
use portolan_wire::open_port::{OpenPort, Transport};
use portolan_wire::time::UnixMicros;
use proptest::prelude::*;

use super::*;
use crate::{Agents, Cells, Choice, Counted, HostFacts, Ignored, Pair, Project};

/// Few values, so that hosts share rows; danger among them, which may be ignored.
fn ports() -> impl Strategy<Value = Vec<OpenPort>> {
    let number = prop_oneof![Just(22u16), Just(6379), 1u16..10];
    let address = prop_oneof![Just("0.0.0.0"), Just("::"), Just("127.0.0.1")];
    let port = (any::<bool>(), address, number, prop::option::of("[ab]")).prop_map(
        |(udp, address, number, netns)| {
            let transport = if udp { Transport::Udp } else { Transport::Tcp };
            let address: IpAddr = address.parse().unwrap();
            let mut port = OpenPort::new(transport, address, number);
            port.netns = netns;
            port
        },
    );
    prop::collection::vec(port, 0..12)
}

fn put(project: &mut Project, id: &str, enterprise_project: &str, ports: &[OpenPort], all: bool) {
    let facts = HostFacts {
        id: id.into(),
        enterprise_project: enterprise_project.into(),
        pair: Pair::default(),
        at: UnixMicros(0),
        digest: Digest::default(),
        record_hash: 0,
        agents: Agents::default(),
        heartbeat_interval_s: 30,
        open_ports: 0,
        cells: Cells::of(ports.iter().map(Counted::from)),
        history_at: 0,
        retired_at: None,
    };
    let choices = ports.iter().filter(|_| all).map(|port| Choice {
        container_asset: port.container_asset().map(Into::into),
        port: port.port,
        transport: port.transport,
    });
    let ignored = Ignored::of(choices, ports.iter().map(Counted::from));
    project.put(facts, ignored, 1);
}

fn rows(counts: &Counts) -> Vec<(EnterpriseProjectId, CountRow)> {
    let rows = counts.rows();
    rows.map(|(id, row)| (id.clone(), row)).collect()
}

/// The rows of the whole, which [`Counts::rows`] leaves out.
fn whole(counts: &Counts) -> Vec<CountRow> {
    counts.whole.rows().collect()
}

proptest! {
    /// A copy that was written down and read again counts the same, and goes on alike.
    #[test]
    fn counts_are_what_their_rows_say(hosts in prop::collection::vec(("[ab]", ports(), any::<bool>()), 1..6), more in ports()) {
        let mut project = Project::default();
        for (number, (enterprise_project, ports, all)) in hosts.iter().enumerate() {
            put(&mut project, &number.to_string(), enterprise_project, ports, *all);
        }
        let mut read = Counts::of_rows(rows(&project.counts)).unwrap();
        prop_assert_eq!(rows(&read), rows(&project.counts));
        prop_assert_eq!(whole(&read), whole(&project.counts));
        put(&mut project, "new", "a", &more, true);
        let host = project.host("new").unwrap();
        for number in host.facts.cells.iter() { read.change(&"a".into(), number.get(), 1).unwrap(); }
        for number in host.ignored.cells().iter() { read.ignore(&"a".into(), number.get(), 1).unwrap(); }
        prop_assert_eq!(rows(&read), rows(&project.counts));
        prop_assert_eq!(whole(&read), whole(&project.counts));
    }

    /// Taking away what each host adds leaves nothing, and what it leaves behind is as it was.
    #[test]
    fn changes_of_one_copy_are_not_seen_in_another(hosts in prop::collection::vec(("[ab]", ports(), any::<bool>()), 1..6)) {
        let mut project = Project::default();
        for (number, (enterprise_project, ports, all)) in hosts.iter().enumerate() {
            put(&mut project, &number.to_string(), enterprise_project, ports, *all);
        }
        let (before, mut copy) = (rows(&project.counts), project.counts());
        for host in project.hosts_after(None) {
            let id = &host.facts.enterprise_project;
            for number in host.ignored.cells().iter() { copy.ignore(id, number.get(), -1).unwrap(); }
            for number in host.facts.cells.iter() { copy.change(id, number.get(), -1).unwrap(); }
        }
        prop_assert_eq!(rows(&copy), vec![]);
        prop_assert_eq!(whole(&copy), vec![]);
        prop_assert!(copy.scopes.is_empty());
        prop_assert_eq!(rows(&project.counts), before);
    }
}

#[test]
fn a_change_below_nothing_is_refused_and_changes_nothing() {
    let mut project = Project::default();
    let port = OpenPort::new(Transport::Tcp, [0, 0, 0, 0].into(), 6379);
    put(&mut project, "h", "a", std::slice::from_ref(&port), true);
    let mut counts = project.counts();
    let before = rows(&counts);
    let number = project.host("h").unwrap().facts.cells.iter().next();
    let number = number.unwrap().get();
    for (id, number, by) in [("a", number, -2), ("b", number, -1), ("a", number + 2, -1)] {
        let refused = Err(TooFew { number, by });
        assert_eq!(counts.change(&id.into(), number, by), refused);
        assert_eq!(counts.ignore(&id.into(), number, by), refused);
        assert_eq!(counts.change(&id.into(), number, 0), Ok(()));
    }
    for number in [1 << 25 | number, number & !0x3f] {
        let refused = Err(TooFew { number, by: 1 });
        assert_eq!(counts.change(&"a".into(), number, 1), refused);
        assert_eq!(counts.ignore(&"a".into(), number, 1), refused);
    }
    assert_eq!(rows(&counts), before);
}

#[test]
fn rows_that_are_none_or_in_no_order_are_refused() {
    let row = |list, key, num, ignored| CountRow {
        list,
        key,
        num,
        ignored,
    };
    let refused = |rows: &[CountRow]| {
        let rows = rows.iter().map(|row| ("a".into(), *row));
        Counts::of_rows(rows).unwrap_err()
    };
    let one = row(0, 44, 1, 1);
    for bad in [
        row(0, 44, 0, 0),
        row(0, 44, 1, 2),
        row(200, 44, 1, 0),
        row(0, 1 << 17, 1, 0),
    ] {
        assert_eq!(refused(&[bad]), BadRow(bad));
    }
    assert_eq!(refused(&[one, one]), BadRow(one));
    assert_eq!(refused(&[row(1, 2, 1, 0), one]), BadRow(one));
    let last = row(0, RowKey::MAX.0, 1, 0);
    assert!(Counts::of_rows([("a".into(), one), ("b".into(), one), ("a".into(), last)]).is_ok());
}
