//! A store of format 2, kept as files: with its history it opens with exactly what was put in.

use std::ops::ControlFlow;

use portolan_store::embedded::verify;
use portolan_store::history::{ChangeKind, HostAt, changes, host_at};
use portolan_store::{CheckpointAt, HistoryOrder, Snapshot, Store, rebuild_all, snapshot_of};

use crate::model::open;
use crate::older_format::{AT, assert_is, bare, copy_of, full, key, records};

fn assert_opens_with_exact_content(fixture: &str) {
    let folder = copy_of(fixture);
    let report = verify(folder.path()).unwrap();
    let counted = (report.commit, report.hosts, report.records, report.history);
    assert_eq!(counted, (6, 4, 4, 4));
    assert_eq!(report.closed_cleanly, fixture.ends_with("closed"));
    let store = open(folder.path()).unwrap();
    let rebuilt = rebuild_all(&store, |_| {}).unwrap();
    let last_at = AT.plus_micros(5);
    assert_eq!((rebuilt.loaded.commit, rebuilt.loaded.at), (6, last_at));
    assert_eq!(rebuilt.records, records().into_iter().collect::<Vec<_>>());
    for (project, report, micros) in [
        ("p/1", full(12), 1),
        ("p/1", bare("bare", &[]), 1),
        ("p2", bare("bare", &[22, 443]), 2),
    ] {
        let key = key(project, &report.host.host_id);
        let snapshot = snapshot_of(&store, &key).unwrap();
        assert_eq!(
            snapshot.as_ref().unwrap().at,
            AT.plus_micros(micros),
            "{key:?}"
        );
        assert_is(snapshot, &report);
    }
    let gone = store.host(&key("p2", "gone")).unwrap().unwrap();
    let gone = Snapshot::decode("gone", &gone).unwrap();
    assert_eq!(gone.retired_at, Some(AT.plus_micros(4)));
    let mut told = Vec::new();
    changes(&store, .., HistoryOrder::Ascending, &mut |change| {
        let host = change.key.host.to_string();
        told.push((change.position.commit, change.kind, host));
        ControlFlow::Continue(())
    })
    .unwrap();
    let expected = [
        (1, ChangeKind::Baseline, "full"),
        (2, ChangeKind::Baseline, "bare"),
        (3, ChangeKind::Baseline, "bare"),
        (3, ChangeKind::Baseline, "gone"),
        (5, ChangeKind::Retired, "gone"),
    ];
    let expected = expected.map(|(commit, kind, host)| (commit, kind, host.to_owned()));
    assert_eq!(told, expected);
    match host_at(&store, &key("p/1", "full"), AT).unwrap() {
        HostAt::Present(first) => assert_is(Some(*first), &full(11)),
        other => panic!("{other:?}"),
    }
    let written = CheckpointAt {
        day: AT.day(),
        commit: 6,
        at: last_at,
    };
    assert_eq!(store.checkpoints().unwrap(), [written]);
}

#[test]
fn a_store_of_format_2_that_was_closed_opens_with_exactly_what_was_put_in() {
    assert_opens_with_exact_content("format-2/closed");
}

#[test]
fn a_store_of_format_2_that_was_killed_opens_with_exactly_what_was_put_in() {
    assert_opens_with_exact_content("format-2/killed");
}
