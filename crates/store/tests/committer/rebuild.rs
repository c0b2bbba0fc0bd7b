//! Invariant 2: the census equals a replay of the store, after any crash.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use portolan_census::{Liveness, Selection, State};
use portolan_store::embedded::{EmbeddedOptions, EmbeddedStore};
use portolan_store::{
    Clock, Committer, Loaded, Prepared, Published, Snapshot, Store, rebuild, snapshot_of,
};
use portolan_wire::ids::HostKey;
use portolan_wire::report::Report;
use portolan_wire::testing;
use portolan_wire::time::UnixMicros;
use proptest::prelude::*;

use crate::bench::told;
use crate::memory_store::MemoryStore;

struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> UnixMicros {
        UnixMicros(self.0.fetch_add(1_000, std::sync::atomic::Ordering::SeqCst))
    }
}

/// Few hosts and rising pairs, so that hosts are reported again and move.
fn reports() -> impl Strategy<Value = Vec<Report>> {
    let host = prop_oneof![Just("a"), Just("b"), Just("c")];
    let enterprise_project = prop_oneof![Just("0"), Just("x")];
    let one =
        (testing::report(12), host, enterprise_project).prop_map(|(mut report, id, scope)| {
            report.host.host_id = id.into();
            report.host.enterprise_project_id = scope.into();
            report
        });
    prop::collection::vec(one, 1..8).prop_map(|mut reports| {
        for (sequence, report) in (1..).zip(&mut reports) {
            (report.generation, report.sequence) = (1, sequence);
        }
        reports
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_rebuild_equals_the_live_census_after_every_prefix(reports in reports()) {
        let folder = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(Ticking(AtomicI64::new(1)));
        let mut published = Arc::new(Published::new(State::default(), Liveness::new(0), &Loaded::default()));
        for (place, report) in reports.iter().enumerate() {
            let store = Arc::new(EmbeddedStore::open(folder.path(), EmbeddedOptions::default()).unwrap());
            let (rebuilt, loaded) = rebuild(&*store, |_| {}).unwrap();
            prop_assert_eq!(told(&rebuilt), told(&published.state.load()));
            prop_assert_eq!(loaded.commit, place as u64);
            published = Arc::new(Published::new(rebuilt, Liveness::new(0), &loaded));
            let mut committer = Committer::new(
                Arc::clone(&store) as Arc<dyn Store>,
                Arc::clone(&clock),
                Arc::clone(&published),
                &loaded,
            );
            let prepared = Prepared::new("p".into(), report, Selection::Whole).unwrap();
            committer.commit(vec![prepared]).unwrap();
            let key = HostKey { project: "p".into(), host: report.host.host_id.as_str().into() };
            let stored = snapshot_of(&*store, &key).unwrap().unwrap();
            prop_assert_eq!(&stored.open_ports, &report.open_ports);
            prop_assert_eq!(&stored.host, &report.host);
            prop_assert_eq!((&stored.coverage, &stored.agent), (&report.coverage, &report.agent));
            // Dropped as it is, or closed: both are ends that a store must survive.
            if place % 2 == 0 { store.close().unwrap(); }
        }
    }
}

/// With more hosts than are ever under way: whoever waits for the threads that ended must not wait on.
#[test]
fn a_value_that_does_not_decode_ends_the_rebuild_with_its_cause() {
    let store = MemoryStore::default();
    store.put_raw("whole", &[2, 0, 0]);
    for host in 0..20_000 {
        store.put_raw(&format!("h{host:05}"), &[1]);
    }
    let error = rebuild(&store, |_| {}).unwrap_err();
    assert!(error.to_string().contains("does not decode"), "{error}");
}

#[test]
fn a_value_of_another_version_ends_the_rebuild_with_the_way_to_bring_it_over() {
    let store = MemoryStore::default();
    store.put_raw("h", &[4, 0, 0]);
    let told = rebuild(&store, |_| {}).unwrap_err().to_string();
    for part in [
        "a host's value has version 4, and this program reads versions 1 to 3",
        "`portolan backup FILE`",
        "`portolan restore FILE`",
    ] {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn a_value_of_another_version_or_cut_short_is_an_error() {
    for value in [
        &[][..],
        &[0],
        &[4, 1, 2, 3],
        &[1],
        &[1, 1],
        &[2],
        &[2, 1],
        &[3],
        &[3, 1],
    ] {
        assert!(Snapshot::decode("h", value).is_err(), "{value:?}");
    }
}
