use std::net::IpAddr;

use portolan_wire::digest::Digest;
use portolan_wire::hss::port_statistics::SortDir;
use portolan_wire::open_port::{Category, OpenPort, Transport};
use portolan_wire::time::UnixMicros;
use proptest::prelude::*;

use super::*;
use crate::{
    Agents, Cells, Choice, Counted, Host, HostFacts, Ignored, Pair, Project, Sockets, Start,
};

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

/// What is written down of counts, and read again.
fn copy(counts: &Counts, selection: &Selection) -> MomentCounts {
    let mut copy = MomentCounts::empty(selection);
    for group in selection.groups() {
        copy.set_rows(&group, &counts.group_rows(&group)).unwrap();
    }
    copy
}

fn rows(counts: &MomentCounts) -> Vec<Page> {
    let filter = |category, sockets| Filter {
        category,
        sockets,
        transport: None,
        port: None,
        port_string: None,
        status: None,
    };
    let all = PageRequest {
        sort_dir: SortDir::Asc,
        start: Start::Offset(0),
        limit: usize::MAX,
    };
    let categories = [Category::Host, Category::Container];
    let filters = categories.into_iter().flat_map(|category| {
        let sockets = Sockets::ALL.into_iter();
        sockets.map(move |sockets| filter(category, sockets))
    });
    filters.map(|filter| counts.page(&filter, &all)).collect()
}

fn selections() -> [Selection; 3] {
    let of = |ids: &[&str]| Selection::of(ids.iter().map(|id| EnterpriseProjectId::from(*id)));
    [Selection::Whole, of(&["a"]), of(&["a", "b", "none"])]
}

/// Adds a host to the counts of a selection, or takes it away.
fn change(counts: &mut MomentCounts, host: &Host, by: i32) {
    for group in [None, Some(host.facts.enterprise_project.clone())] {
        for number in host.facts.cells.iter() {
            let ignored = host
                .ignored
                .cells()
                .iter()
                .filter(|other| *other == number)
                .count();
            let every = host
                .facts
                .cells
                .iter()
                .filter(|other| *other == number)
                .count();
            // Of several of one number all are ignored here, or none.
            let ignored = i32::from(ignored == every);
            counts
                .change(&group, number.get(), by, by * ignored)
                .unwrap();
        }
    }
}

proptest! {
    /// A copy that was written down and read again counts the same, and goes on alike.
    #[test]
    fn counts_are_what_their_rows_say(hosts in prop::collection::vec(("[ab]", ports(), any::<bool>()), 1..6), more in ports()) {
        let mut project = Project::default();
        for (number, (enterprise_project, ports, all)) in hosts.iter().enumerate() {
            put(&mut project, &number.to_string(), enterprise_project, ports, *all);
        }
        let counts = project.counts();
        put(&mut project, "new", "a", &more, true);
        for selection in selections() {
            let mut copy = copy(&counts, &selection);
            prop_assert_eq!(rows(&copy), rows(&counts.of_selection(&selection)));
            change(&mut copy, project.host("new").unwrap(), 1);
            prop_assert_eq!(rows(&copy), rows(&project.counts().of_selection(&selection)));
        }
    }

    /// Taking away what each host adds leaves nothing, and what it was taken from is as it was.
    #[test]
    fn changes_of_one_copy_are_not_seen_in_another(hosts in prop::collection::vec(("[ab]", ports(), any::<bool>()), 1..6)) {
        let mut project = Project::default();
        for (number, (enterprise_project, ports, all)) in hosts.iter().enumerate() {
            put(&mut project, &number.to_string(), enterprise_project, ports, *all);
        }
        for selection in selections() {
            let counts = project.counts();
            let before = rows(&counts.of_selection(&selection));
            let mut less = counts.of_selection(&selection);
            project.hosts_after(None).for_each(|host| change(&mut less, host, -1));
            prop_assert_eq!(rows(&less), rows(&MomentCounts::empty(&selection)));
            prop_assert_eq!(rows(&counts.of_selection(&selection)), before);
        }
    }
}

#[test]
fn a_change_below_nothing_is_refused() {
    let mut project = Project::default();
    let port = OpenPort::new(Transport::Tcp, [0, 0, 0, 0].into(), 6379);
    put(&mut project, "h", "a", std::slice::from_ref(&port), true);
    let mut counts = project.counts().of_selection(&Selection::Whole);
    let number = project.host("h").unwrap().facts.cells.iter().next();
    let number = number.unwrap().get();
    for (number, by, ignored_by) in [
        (number, -2, 0),
        (number, 0, -2),
        (number + 256, -1, 0),
        (1 << 25 | number, 1, 0),
        (number & !0x3f, 1, 0),
    ] {
        let refused = Err(TooFew { number, by });
        assert_eq!(counts.change(&None, number, by, ignored_by), refused);
    }
    assert_eq!(counts.change(&None, number, -1, -1), Ok(()));
    let other = Some("b".into());
    assert_eq!(
        counts.change(&other, number, -1, 0),
        Ok(()),
        "it is not selected"
    );
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
        let mut counts = MomentCounts::empty(&Selection::Whole);
        counts.set_rows(&None, rows).unwrap_err()
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
}
