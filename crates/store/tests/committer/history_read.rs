//! Reading the history that commits have written: by position, by moment, and as counts.

use std::ops::ControlFlow;

use portolan_census::Selection;
use portolan_store::HistoryOrder;
use portolan_store::Store;
use portolan_store::history::{
    Moments, changes, changes_of_host, checkpoint, commit_until, counts_at, counts_at_while,
    net_cells,
};
use portolan_wire::time::UnixMicros;

use crate::bench::{Bench, PROJECT, all_rows, every_tcp, host_key, report};
use crate::history::{ignoring, records, stored, told};

/// Pages of changes neither skip nor repeat, in either order and wherever they are cut.
#[test]
fn a_range_of_positions_holds_exactly_its_changes() {
    let mut bench = Bench::new();
    for sequence in 1..6 {
        let port = u16::try_from(sequence).unwrap();
        let both = ["g", "h"].map(|id| report(id, 1, sequence, &[port, port + 100]));
        bench.send_all(both.to_vec()).unwrap();
        bench.change(vec![]).unwrap();
    }
    let all = bench.changes();
    for (begin, first) in all.iter().enumerate() {
        let mut after = Vec::new();
        let mut keep = |change| {
            after.push(change);
            ControlFlow::Continue(())
        };
        let positions = (
            std::ops::Bound::Excluded(first.position),
            std::ops::Bound::Unbounded,
        );
        changes(&*bench.store, positions, HistoryOrder::Ascending, &mut keep).unwrap();
        assert_eq!(after, all[begin + 1..]);
        let mut before = Vec::new();
        let mut keep = |change| {
            before.push(change);
            ControlFlow::Continue(())
        };
        let (store, descending) = (&*bench.store, HistoryOrder::Descending);
        changes(store, ..first.position, descending, &mut keep).unwrap();
        before.reverse();
        assert_eq!(before, all[..begin]);
        let (mut of_host, key) = (Vec::new(), host_key("g"));
        let mut keep = |change| {
            of_host.push(change);
            ControlFlow::Continue(())
        };
        changes_of_host(store, &key, positions, HistoryOrder::Ascending, &mut keep).unwrap();
        let expected = all[begin + 1..].iter().filter(|change| change.key == key);
        assert!(of_host.iter().eq(expected));
    }
}

#[test]
fn the_commit_of_a_moment_is_the_newest_that_begins_no_later() {
    let mut bench = Bench::new();
    let mut begins = vec![(UnixMicros(0), 0)];
    for sequence in 1..20 {
        bench.send(report("h", 1, sequence, &[22]));
        begins.push((stored(&bench, "h").at, stored(&bench, "h").history_at));
        bench.clock.advance_s(10);
    }
    for pair in begins.windows(2) {
        let [(at, commit), (next, _)] = pair else {
            panic!("two");
        };
        assert_eq!(commit_until(&*bench.store, *at).unwrap(), *commit);
        let before_next = UnixMicros(next.0 - 1);
        assert_eq!(commit_until(&*bench.store, before_next).unwrap(), *commit);
    }
}

#[test]
fn counts_within_a_commit_are_the_same_before_and_after_a_checkpoint_of_it() {
    let mut bench = Bench::new();
    let reports = vec![report("h", 1, 1, &[22]), report("h", 1, 2, &[99])];
    bench.send_all(reports).unwrap();
    let (first, last) = match bench.changes().as_slice() {
        [first, .., last] => (first.at, last.at),
        few => panic!("{few:?}"),
    };
    assert!(
        first < last,
        "versions of one commit have moments of their own"
    );
    let state = bench.published.state.load_full();
    bench
        .store
        .save_checkpoint(&checkpoint(&state).unwrap())
        .unwrap();
    bench.clock.advance_s(1_000);
    bench.send(report("h", 1, 3, &[77]));
    let state = bench.published.state.load_full();
    let ports = |at| {
        let counts = counts_at(&*bench.store, &state, PROJECT, &Selection::Whole, at).unwrap();
        let rows = counts.page(&every_tcp(), &all_rows()).rows;
        rows.iter().map(|row| row.port).collect::<Vec<_>>()
    };
    assert_eq!(ports(first), [22]);
    assert_eq!(ports(last), [99]);
}

/// What the counts of a moment were is those of now without what was done since.
#[test]
fn what_was_done_to_the_counts_adds_up_with_what_is_ignored() {
    let mut bench = Bench::new();
    let sum = |bench: &Bench, after: UnixMicros| {
        let until = UnixMicros(i64::MAX);
        let moments = Moments { after, until };
        let net = net_cells(&*bench.store, PROJECT, 0..=u64::MAX, moments).unwrap();
        let sum = |of: &std::collections::HashMap<_, i64>| of.values().sum::<i64>();
        (sum(&net.cells), sum(&net.ignored))
    };
    bench.send(report("h", 1, 1, &[22, 6379]));
    let begin = stored(&bench, "h").at;
    assert_eq!(sum(&bench, UnixMicros(0)), (2, 0));
    assert_eq!(sum(&bench, begin), (0, 0));
    bench.clock.advance_s(1);
    bench.ignore(&ignoring("h", 6379));
    bench.ignore(&ignoring("h", 22));
    assert_eq!(sum(&bench, begin), (0, 1), "of danger only");
    assert_eq!(records(&bench), 2, "what changes no count is not in it");
    bench.send(report("h", 1, 2, &[6379]));
    assert_eq!(sum(&bench, begin), (-1, 1));
    bench.retire("h", &Selection::Whole);
    assert_eq!(sum(&bench, begin), (-2, 0));
    assert_eq!(sum(&bench, UnixMicros(0)), (0, 0));
    assert_eq!(
        told(&bench.changes()).len(),
        3,
        "ignoring is no change of a port"
    );
}

/// Who asked and went away is read no further for.
#[test]
fn counts_of_a_moment_are_worked_out_for_as_long_as_they_are_wanted() {
    let mut bench = Bench::new();
    for sequence in 1..40 {
        bench.clock.advance_s(1);
        bench.send(report("h", 1, sequence, &[22, sequence as u16 + 100]));
    }
    let at = stored(&bench, "h").first_seen[0];
    let state = bench.published.state.load_full();
    let asked = std::cell::Cell::new(0);
    let counts = |most: u32| {
        asked.set(0);
        let is_wanted = || {
            asked.set(asked.get() + 1);
            asked.get() <= most
        };
        let whole = Selection::Whole;
        counts_at_while(&*bench.store, &state, PROJECT, &whole, at, &is_wanted).unwrap()
    };
    assert!(counts(10).is_none());
    assert_eq!(
        asked.get(),
        11,
        "records that are read after it was given up"
    );
    let page = counts(u32::MAX).unwrap().page(&every_tcp(), &all_rows());
    let ports: Vec<_> = page.rows.iter().map(|row| row.port).collect();
    assert_eq!(ports, [22, 101]);
}
