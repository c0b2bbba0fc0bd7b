//! The fleet is what it is said to be: repeatable, valid on the wire, and of the stated shares.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::RangeInclusive;

use portolan_sim::fleet::{Figures, Fleet, Options, STEPS_PER_HOUR};
use portolan_wire::digest::Digest;
use portolan_wire::exposure::Exposure;
use portolan_wire::open_port::{Category, Transport, canonicalise};
use portolan_wire::report::{Report, ReportsRequest, parse};
use portolan_wire::time::UnixMicros;

const HOSTS: u32 = 5_000;

fn fleet() -> Fleet {
    Fleet::new(Options {
        hosts: HOSTS,
        ..Options::default()
    })
}

/// Asserts that `part` of `whole` is a share in thousandths within `range`.
fn assert_share(what: &str, part: usize, whole: usize, range: RangeInclusive<usize>) {
    let per_mille = part * 1_000 / whole;
    assert!(
        range.contains(&per_mille),
        "{what}: {per_mille} per mille, expected {range:?}"
    );
}

fn has(report: &Report, transport: Transport, port: u16, v6: bool) -> bool {
    report.open_ports.iter().any(|p| {
        p.category() == Category::Host
            && (p.transport, p.port, p.laddr.is_ipv6()) == (transport, port, v6)
    })
}

fn distinct(report: &Report) -> usize {
    let keys: BTreeSet<_> = report
        .open_ports
        .iter()
        .map(|p| (p.category(), p.transport, p.port))
        .collect();
    keys.len()
}

#[test]
fn a_host_is_the_same_in_every_fleet_of_its_seed_and_in_no_other() {
    let one = fleet();
    let larger = Fleet::new(Options {
        hosts: 1_000_000,
        ..Options::default()
    });
    let other = Fleet::new(Options {
        seed: 2,
        ..Options::default()
    });
    for i in [0, 17, 4_999, 999_999] {
        assert_eq!(one.host(i), larger.host(i));
        assert_eq!(one.host(i).host.host_id, one.host_id(i));
        assert_ne!(one.host(i).host.host_id, other.host(i).host.host_id);
        assert_ne!(one.host(i).open_ports, other.host(i).open_ports);
    }
}

/// Figures of two versions of the program can only be compared while this test stands unchanged:
/// whoever must change these lines says so beside the figures.
#[test]
fn the_fleet_of_seed_1_is_the_one_that_published_figures_are_of() {
    let fleet = fleet();
    let digests: Vec<String> = [0, 1, 4_999]
        .iter()
        .map(|i| Digest::of(&fleet.host(*i).open_ports).to_string())
        .collect();
    let published = [
        "21ae4050852f9b2a369a7a08e307a6a9",
        "81fa18e769a00ce26ba0f3194b02b8bc",
        "ba3b1efb3dfa76c868d48683365681e7",
    ];
    assert_eq!(digests, published);
}

#[test]
fn host_ids_and_addresses_never_meet() {
    let fleet = fleet();
    let mut seen = HashSet::new();
    for report in fleet.reports() {
        assert!(seen.insert(report.host.host_id));
        assert!(report.host.host_ips.into_iter().all(|ip| seen.insert(ip)));
    }
}

/// The wire's own parser checks every cap and form, as it does for any agent.
#[test]
fn reports_are_canonical_and_pass_the_checks_of_the_wire() {
    let fleet = fleet();
    let now = UnixMicros::from_seconds(1_767_225_600);
    for step in [0, 90] {
        let reports: Vec<Report> = (0..500).map(|i| fleet.host_at(i, step)).collect();
        for report in &reports {
            let mut canonical = report.open_ports.clone();
            canonicalise(&mut canonical);
            assert_eq!(canonical, report.open_ports, "{}", report.host.host_id);
        }
        let request = ReportsRequest { reports };
        let body = serde_json::to_vec(&request).unwrap();
        let parsed = parse(&body, now).unwrap();
        for (parsed, sent) in parsed.into_iter().zip(&request.reports) {
            assert_eq!(&parsed.unwrap(), sent);
        }
    }
}

#[test]
fn the_shares_of_system_services_are_as_stated() {
    let fleet = fleet();
    let (mut ntp, mut dhcp, mut rpc_tcp, mut rpc_udp) = (0, 0, 0, 0);
    for report in fleet.reports() {
        assert!(has(&report, Transport::Tcp, 22, false) && has(&report, Transport::Tcp, 22, true));
        ntp += usize::from(has(&report, Transport::Udp, 123, false));
        dhcp += usize::from(has(&report, Transport::Udp, 68, false));
        rpc_tcp += usize::from(has(&report, Transport::Tcp, 111, false));
        rpc_udp += usize::from(has(&report, Transport::Udp, 111, false));
    }
    let hosts = HOSTS as usize;
    assert_share("123/UDP", ntp, hosts, 885..=915);
    assert_share("68/UDP", dhcp, hosts, 830..=870);
    assert_share("111/TCP", rpc_tcp, hosts, 730..=770);
    assert_eq!(rpc_tcp, rpc_udp, "rpcbind has both or none");
}

#[test]
fn a_host_has_about_53_sockets_of_which_40_differ_in_category_port_and_type() {
    let fleet = fleet();
    let sockets: usize = fleet.reports().map(|report| report.open_ports.len()).sum();
    let distinct: usize = fleet.reports().map(|report| distinct(&report)).sum();
    assert_share("sockets", sockets, HOSTS as usize, 51_500..=54_000);
    assert_share("distinct", distinct, HOSTS as usize, 39_000..=41_000);
}

#[test]
fn most_ports_of_hosts_are_at_any_address_and_those_of_containers_in_their_network() {
    let fleet = fleet();
    let mut sockets = BTreeMap::<(Category, Exposure), usize>::new();
    let mut of_category = BTreeMap::<Category, usize>::new();
    for port in fleet.reports().flat_map(|report| report.open_ports) {
        *sockets
            .entry((port.category(), port.exposure()))
            .or_default() += 1;
        *of_category.entry(port.category()).or_default() += 1;
    }
    for (category, exposure, range) in [
        (Category::Host, Exposure::Any, 800..=850),
        (Category::Host, Exposure::Loopback, 130..=160),
        (Category::Host, Exposure::Private, 20..=35),
        (Category::Container, Exposure::Private, 700..=750),
        (Category::Container, Exposure::Any, 250..=300),
    ] {
        let what = format!("{category:?} {exposure}");
        let part = sockets.get(&(category, exposure)).copied().unwrap_or(0);
        assert_share(&what, part, of_category[&category], range);
    }
}

#[test]
fn a_fifth_of_the_hosts_has_1_to_20_containers_of_a_handful_of_ports_each() {
    let fleet = fleet();
    let mut hosts_by_count = BTreeMap::<usize, usize>::new();
    let (mut without_id, mut pods) = (0, 0);
    for report in fleet.reports() {
        let mut ports = BTreeMap::<&str, usize>::new();
        for port in report
            .open_ports
            .iter()
            .filter(|p| p.category() == Category::Container)
        {
            let netns = port.netns.as_deref().unwrap();
            *ports.entry(netns).or_default() += 1;
            without_id += usize::from(port.container_id.is_none());
            pods += usize::from(port.pod_name.is_some());
            let own = port.container_id.as_deref() == Some(netns);
            assert_eq!(own, port.pod_name.is_none() && port.container_id.is_some());
        }
        assert!(
            ports.values().all(|count| (1..=7).contains(count)),
            "{ports:?}"
        );
        assert_eq!(report.coverage.namespaces, Some(1 + ports.len() as u64));
        *hosts_by_count.entry(ports.len()).or_default() += 1;
    }
    let none = hosts_by_count.remove(&0).unwrap();
    assert_share(
        "hosts with containers",
        HOSTS as usize - none,
        HOSTS as usize,
        180..=220,
    );
    let counts: Vec<usize> = hosts_by_count.into_keys().collect();
    assert_eq!(counts, (1..=20).collect::<Vec<_>>());
    assert!(
        without_id > 0 && pods > 0,
        "named namespaces: {without_id}, pods: {pods}"
    );
}

#[test]
fn one_host_in_twenty_has_many_ephemeral_range_ports_and_the_others_hardly_any() {
    let fleet = fleet();
    let mut many = 0;
    for report in fleet.reports() {
        let host = report
            .open_ports
            .iter()
            .filter(|p| p.category() == Category::Host);
        let ephemeral = host.filter(|p| (32_768..61_000).contains(&p.port)).count();
        many += usize::from(ephemeral >= 10);
        assert!(
            !(7..10).contains(&ephemeral),
            "neither many nor few: {ephemeral}"
        );
    }
    assert_share(
        "hosts with many ephemeral-range ports",
        many,
        HOSTS as usize,
        40..=60,
    );
}

#[test]
fn enterprise_projects_are_of_very_different_size() {
    let fleet = fleet();
    let mut sizes = BTreeMap::<String, usize>::new();
    for report in fleet.reports() {
        *sizes.entry(report.host.enterprise_project_id).or_default() += 1;
    }
    assert_eq!(fleet.enterprise_projects().len(), 1_000);
    assert!(
        sizes
            .keys()
            .all(|id| fleet.enterprise_projects().contains(id))
    );
    // The harmonic number of 1,000 is 7.485: the largest has one host in 7.485.
    assert_share(
        "hosts of the default one",
        sizes["0"],
        HOSTS as usize,
        120..=148,
    );
    assert_share(
        "hosts of the second",
        sizes["ep-0001"],
        HOSTS as usize,
        57..=77,
    );
    assert!(sizes.len() > 700, "{} have hosts", sizes.len());

    let single = Fleet::new(Options {
        enterprise_projects: 1,
        ..Options::default()
    });
    assert!(
        single
            .reports()
            .take(100)
            .all(|r| r.host.enterprise_project_id == "0")
    );
}

#[test]
fn an_agent_without_privileges_names_what_it_could_not_attribute() {
    let fleet = fleet();
    let (mut blind, mut hidden) = (0, 0);
    for report in fleet.reports() {
        let unknown = report
            .open_ports
            .iter()
            .filter(|p| p.path.is_none())
            .count();
        assert_eq!(report.coverage.sockets_unattributed, Some(unknown as u64));
        assert_eq!(unknown > 0, !report.coverage.privileged);
        blind += usize::from(!report.coverage.privileged);
        hidden += unknown;
    }
    assert_share("hosts without privileges", blind, HOSTS as usize, 22..=42);
    assert!(hidden > blind * 20);
}

#[test]
fn in_an_hour_one_host_in_a_hundred_changes_and_a_few_flap() {
    let fleet = fleet();
    let mut changed = 0;
    for i in 0..HOSTS {
        let (before, after) = (fleet.host(i), fleet.host_at(i, STEPS_PER_HOUR));
        assert!(after.sequence > before.sequence && after.generation == before.generation);
        assert_eq!(after.host, before.host);
        changed += usize::from(Digest::of(&after.open_ports) != Digest::of(&before.open_ports));
    }
    // 50 of 5,000 expected, and at most some 5 that flap; four standard deviations are 28.
    assert!((22..=83).contains(&changed), "{changed}");
}

#[test]
fn a_step_without_change_leaves_the_set_as_it_was() {
    let fleet = fleet();
    let mut announced = 0;
    let mut seen = 0;
    for i in 0..200 {
        let mut before = fleet.host(i);
        for step in 1..=2 * STEPS_PER_HOUR {
            let after = fleet.host_at(i, step);
            if fleet.changes_at(i, step) {
                announced += 1;
                seen += usize::from(after.open_ports != before.open_ports);
            } else {
                assert_eq!(after.open_ports, before.open_ports, "host {i}, step {step}");
            }
            before = after;
        }
    }
    assert!(
        announced > 0 && seen * 10 >= announced * 9,
        "{seen} of {announced} were changes"
    );
}

#[test]
fn figures_are_those_of_the_reports_and_of_any_division_of_the_hosts() {
    let fleet = fleet();
    let parts = Figures::of(&fleet, 0..300, 0).merged(&Figures::of(&fleet, 300..1_000, 0));
    let reports: Vec<Report> = fleet.reports().take(1_000).collect();
    let rows = |category| {
        let ports = reports.iter().flat_map(|r| &r.open_ports);
        let keys: BTreeSet<_> = ports
            .filter(|p| p.category() == category)
            .map(|p| (p.transport, p.port))
            .collect();
        keys
    };
    let (host, container) = (rows(Category::Host), rows(Category::Container));
    assert_eq!(parts.hosts, 1_000);
    assert_eq!(
        parts.sockets,
        reports
            .iter()
            .map(|r| r.open_ports.len() as u64)
            .sum::<u64>()
    );
    assert_eq!(
        parts.distinct_per_host,
        reports.iter().map(|r| distinct(r) as u64).sum::<u64>()
    );
    assert_eq!(parts.host_rows(), host.len());
    assert_eq!(parts.container_rows(), container.len());
    assert_eq!(parts.rows_of_any_category(), host.union(&container).count());
    let namespaces = reports
        .iter()
        .filter_map(|r| r.coverage.namespaces)
        .map(|n| n - 1);
    assert_eq!(parts.containers, namespaces.clone().sum::<u64>());
    assert_eq!(
        parts.hosts_with_containers,
        namespaces.filter(|n| *n > 0).count() as u64
    );
}

#[test]
fn a_hundred_thousand_hosts_have_about_43_000_distinct_ports_and_types() {
    let fleet = Fleet::new(Options {
        hosts: 100_000,
        ..Options::default()
    });
    let figures = Figures::of(&fleet, 0..100_000, 0);
    let rows = figures.rows_of_any_category();
    assert!((42_000..=44_000).contains(&rows), "{rows}");
    assert!(
        figures.host_rows() > 40_010,
        "a page at offset 40,000 must have rows"
    );
}
