//! Encoding and decoding, and the way back along random sets.

use portolan_census::{Agents, Cells, Counted, HostFacts, Pair, Selection};
use portolan_wire::digest::Digest;
use portolan_wire::ids::HostKey;
use portolan_wire::open_port::{OpenPort, canonicalise};
use portolan_wire::report::Report;
use portolan_wire::testing;
use portolan_wire::time::UnixMicros;
use proptest::prelude::*;

use super::back::undo;
use super::compare::{Compared, Next, compare};
use super::record::{Counts, NewEntry, Part, Record, Writer};
use super::{ChangeKind, changes_of};
use crate::snapshot::form::Body;
use crate::{Snapshot, snapshot};

fn key() -> HostKey {
    HostKey {
        project: "p".into(),
        host: "h".into(),
    }
}

/// A version of a host, with its value.
#[derive(Clone, Debug)]
struct Version {
    value: Vec<u8>,
    snapshot: Snapshot,
}

/// The version that a report makes, and the record that its commit writes.
fn commit(
    before: Option<&Version>,
    report: &Report,
    at: UnixMicros,
    commit: u64,
) -> (Version, Vec<u8>) {
    let body = snapshot::encode_body(report).unwrap();
    let next = Next {
        enterprise_project: &report.host.enterprise_project_id,
        heartbeat_interval_s: report.heartbeat_interval_s.unwrap_or(30),
        body: Body(&body),
        transients: &report.transients,
        granted: &Selection::Whole,
    };
    let compared = compare(before.map(|before| before.value.as_slice()), next).unwrap();
    let cells = Cells::of(report.open_ports.iter().map(Counted::from));
    let facts = HostFacts {
        id: "h".into(),
        enterprise_project: next.enterprise_project.into(),
        pair: Pair {
            generation: report.generation,
            sequence: report.sequence,
        },
        at,
        digest: Digest::of(&report.open_ports),
        record_hash: 0,
        agents: Agents::default(),
        heartbeat_interval_s: next.heartbeat_interval_s,
        open_ports: u32::try_from(report.open_ports.len()).unwrap(),
        cells,
        history_at: commit,
        retired_at: None,
    };
    let value = snapshot::encode(
        &facts,
        compared.first_seen(at.0),
        compared.way(commit),
        Body(&body),
    )
    .unwrap();
    let record = record(before, &compared, at);
    let snapshot = Snapshot::decode("h", &value).unwrap();
    (Version { value, snapshot }, record)
}

fn record(before: Option<&Version>, compared: &Compared, at: UnixMicros) -> Vec<u8> {
    let mut writer = Writer::default();
    let entry = NewEntry {
        key: &key(),
        kind: compared.kind,
        at,
        before_at: before.map(|before| before.snapshot.at),
        previous: before.map_or(0, |before| before.snapshot.history_at),
        counts: Counts::Differs(Part {
            enterprise_project: "0",
            cells: vec![(7, -2), (9, 1)],
            ignored: Vec::new(),
        }),
        detail: &compared.detail,
        rows: compared.rows,
    };
    writer.push(entry).unwrap();
    writer.finish().unwrap()
}

/// Reports of one host; each keeps some of the ports of the one before, with other attributes or in
/// another container.
fn reports() -> impl Strategy<Value = Vec<Report>> {
    let kept = any::<[u8; 8]>();
    prop::collection::vec((testing::report(12), kept), 1..6).prop_map(|drawn| {
        let mut reports: Vec<Report> = Vec::new();
        for (mut report, kept) in drawn {
            if let Some(before) = reports.last() {
                let open_ports = before.open_ports.iter().zip(kept.iter().cycle());
                let again = open_ports.filter_map(|(port, kept)| again(port, *kept));
                report.open_ports.extend(again);
                canonicalise(&mut report.open_ports);
            }
            reports.push(report);
        }
        reports
    })
}

fn again(port: &OpenPort, kept: u8) -> Option<OpenPort> {
    let mut port = port.clone();
    match kept % 4 {
        0 => return None,
        1 => port.pid = port.pid.map_or(Some(1), |pid| Some(pid + 1)),
        2 => {
            // Its twin, if it is a container's.
            port.netns = port.netns.map(|netns| format!("{netns}+"));
            port.container_id = port.netns.clone();
        }
        _ => {}
    }
    Some(port)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// From the newest of a chain of versions each one before it comes back: set, attributes, moments
    /// and all that was told of the host.
    #[test]
    fn walking_back_gives_each_version_as_it_was(reports in reports()) {
        let mut versions: Vec<Version> = Vec::new();
        let mut records = Vec::new();
        for (place, report) in reports.iter().enumerate() {
            let at = UnixMicros(1_000 * (place as i64 + 1));
            let (version, record) = commit(versions.last(), report, at, place as u64 + 1);
            prop_assert_eq!(&version.snapshot.open_ports, &report.open_ports);
            versions.push(version);
            records.push(record);
        }
        let mut back = versions.last().unwrap().snapshot.clone();
        for place in (0..versions.len()).rev() {
            prop_assert_eq!(&back, &versions[place].snapshot);
            let record = Record::read(&records[place]).unwrap();
            let entry = record.entries().next().unwrap().unwrap();
            match undo(back.clone(), &entry).unwrap() {
                Some(before) => back = before,
                None => prop_assert_eq!(place, 0),
            }
        }
    }

    /// What stays open keeps its moment, what opens has the new one; and the rows are the difference
    /// of the two sets, but for containers and their twins.
    #[test]
    fn moments_and_rows_are_those_of_the_two_sets(reports in reports()) {
        let mut before: Option<Version> = None;
        for (place, report) in reports.iter().enumerate() {
            let at = UnixMicros(1_000 * (place as i64 + 1));
            let (version, record) = commit(before.as_ref(), report, at, place as u64 + 1);
            let rows = changes_of(1, &record).unwrap();
            let count = |kind: ChangeKind| rows.iter().filter(|row| row.kind == kind).count();
            prop_assert_eq!(count(ChangeKind::Transient), report.transients.len());
            for (row, n) in rows.iter().zip(0..) {
                prop_assert_eq!(row.position.n, n);
            }
            let Some(was) = &before else {
                prop_assert_eq!(count(ChangeKind::Baseline), 1);
                prop_assert_eq!(rows.len(), 1 + report.transients.len());
                before = Some(version);
                continue;
            };
            let old = &was.snapshot;
            let stays = |port: &OpenPort| old.open_ports.iter().position(|p| p.identity() == port.identity());
            for (port, since) in report.open_ports.iter().zip(&version.snapshot.first_seen) {
                match stays(port) {
                    Some(place) => prop_assert_eq!(*since, old.first_seen[place]),
                    None => prop_assert!(*since == at || is_twin(old, port, *since)),
                }
            }
            let opened = report.open_ports.iter().filter(|port| stays(port).is_none()).count();
            let twins = version.snapshot.first_seen.iter().zip(&report.open_ports)
                .filter(|(since, port)| stays(port).is_none() && **since != at).count();
            prop_assert_eq!(count(ChangeKind::Opened), opened - twins);
            let closed = old.open_ports.iter()
                .filter(|port| !report.open_ports.iter().any(|p| p.identity() == port.identity())).count();
            prop_assert_eq!(count(ChangeKind::Closed), closed - twins);
            before = Some(version);
        }
    }

    #[test]
    fn no_bytes_make_the_reading_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = changes_of(1, &bytes);
        let _ = changes_of(1, &[&[1][..], &bytes].concat());
    }

    /// A record that was cut or altered anywhere is read as another one or refused; it never panics,
    /// and a version that it does not fit is never changed to another set silently by a cut.
    #[test]
    fn a_record_that_was_cut_or_altered_does_not_panic(
        reports in reports(), cut: prop::sample::Index, altered: prop::sample::Index, by in 1_u8..,
    ) {
        let mut before: Option<Version> = None;
        for (place, report) in reports.iter().enumerate() {
            let at = UnixMicros(1_000 * (place as i64 + 1));
            let (version, mut record) = commit(before.as_ref(), report, at, place as u64 + 1);
            prop_assert!(changes_of(1, &record[..cut.index(record.len())]).is_err());
            let place = altered.index(record.len());
            record[place] = record[place].wrapping_add(by);
            let _ = changes_of(1, &record);
            if let Ok(read) = Record::read(&record) {
                for entry in read.entries().flatten() {
                    let _ = undo(version.snapshot.clone(), &entry);
                }
            }
            before = Some(version);
        }
    }
}

fn is_twin(old: &Snapshot, port: &OpenPort, since: UnixMicros) -> bool {
    let mut olds = old.open_ports.iter().zip(&old.first_seen);
    port.netns.is_some()
        && olds.any(|(was, first_seen)| {
            was.netns.is_some()
                && was.netns != port.netns
                && (was.port, was.transport) == (port.port, port.transport)
                && was.container_name == port.container_name
                && *first_seen == since
        })
}
