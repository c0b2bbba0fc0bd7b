//! Days begin, are read across, and go.

use std::ops::ControlFlow;

use portolan_store::{HistoryOrder, MemoryHistory, Store};
use portolan_wire::time::UnixMicros;

use super::{BOTH, DAYS, add, assert_equals, batch, opened, read, three_days};
use crate::model::{history_value, names, start};

#[test]
fn records_of_several_days_read_in_both_orders_and_alone() {
    let (folder, model) = three_days();
    let store = opened(folder.path());
    assert_equals(&store, &model, 30);
    let span = store.history_span().unwrap();
    let days: Vec<_> = span.days.iter().map(|day| (day.day, day.first)).collect();
    assert_eq!(days, [(10, 1), (11, 11), (14, 22)]);
    assert!(span.days.iter().all(|day| day.bytes > 0), "{span:?}");
    assert_eq!(span.last, 29);
}

#[test]
fn reading_ends_where_it_is_told_to() {
    let (folder, _) = three_days();
    let store = opened(folder.path());
    for (order, expected) in [
        (HistoryOrder::Ascending, [7, 8]),
        (HistoryOrder::Descending, [23, 22]),
    ] {
        let mut found = Vec::new();
        let mut each = |commit, _: &[u8]| {
            found.push(commit);
            Ok(match found.len() {
                2 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            })
        };
        store.history(7..=24, order, &mut each).unwrap();
        assert_eq!(found, expected);
    }
}

#[test]
fn a_store_that_was_just_made_has_no_history_from_that_moment_on() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = start(folder.path()).unwrap();
    let span = store.history_span().unwrap();
    assert!(
        span.from > UnixMicros::from_seconds(1_700_000_000),
        "{span:?}"
    );
    assert_equals(&store, &MemoryHistory::new(span.from), 1);
    // Dropping nothing changes nothing.
    store.drop_history_before(u32::MAX).unwrap();
    assert_eq!(store.history_span().unwrap(), span);
}

#[test]
fn a_record_of_an_earlier_day_is_refused_and_nothing_is_written() {
    let (folder, model) = three_days();
    let store = opened(folder.path());
    let refused = store.commit(&batch(31, DAYS[1])).unwrap_err();
    let told = refused.to_string();
    let expected = "day 11 of the history does not follow day 14";
    assert!(told.contains(expected), "{told}");
    assert!(refused.is_fatal());
    drop(store);
    assert_equals(&opened(folder.path()), &model, 30);
}

#[test]
fn a_dropped_day_is_gone_from_disk_and_the_history_begins_with_the_next() {
    let (folder, mut model) = three_days();
    let keyspaces = folder.path().join("fjall/keyspaces");
    assert_eq!(names(&keyspaces), ["0", "1", "2", "3", "4"]);
    let store = opened(folder.path());
    store.drop_history_before(DAYS[1]).unwrap();
    model.drop_before(DAYS[1]);
    assert_equals(&store, &model, 30);
    assert_eq!(names(&keyspaces), ["0", "1", "3", "4"]);
    // A day between two that are kept.
    store.drop_history_before(12).unwrap();
    model.drop_before(12);
    assert_equals(&store, &model, 30);
    // The newest stays whatever is asked for.
    store.drop_history_before(u32::MAX).unwrap();
    assert_equals(&store, &model, 30);
    assert_eq!(names(&keyspaces), ["0", "1", "4"]);
    add(&store, &mut model, 31, 20);
    drop(store);
    let store = opened(folder.path());
    assert_equals(&store, &model, 31);
    store.close().unwrap();
}

#[test]
fn the_moment_from_which_on_it_is_complete_is_the_midnight_of_the_first_day_left() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = start(folder.path()).unwrap();
    let now = store.history_span().unwrap().from.day();
    let mut model = MemoryHistory::new(store.history_span().unwrap().from);
    add(&store, &mut model, 1, now);
    add(&store, &mut model, 2, now + 1);
    add(&store, &mut model, 3, now + 2);
    store.drop_history_before(now + 1).unwrap();
    model.drop_before(now + 1);
    assert_eq!(
        store.history_span().unwrap().from,
        UnixMicros::midnight(now + 1)
    );
    assert_equals(&store, &model, 3);
}

#[test]
fn a_reader_goes_on_to_the_end_while_its_days_are_dropped_and_others_are_added() {
    let (folder, mut model) = three_days();
    let store = opened(folder.path());
    for order in BOTH {
        let expected = super::read_model(&model, 0..=u64::MAX, order);
        let mut commit = store.history_span().unwrap().last.max(30);
        let mut found = Vec::new();
        let mut each = |reached, value: &[u8]| {
            found.push((reached, value.to_vec()));
            commit += 1;
            add(&store, &mut model, commit, commit as u32);
            store.drop_history_before(commit as u32).unwrap();
            model.drop_before(commit as u32);
            Ok(ControlFlow::Continue(()))
        };
        store.history(0..=u64::MAX, order, &mut each).unwrap();
        assert_eq!(found, expected, "{order:?}");
        let last = [(commit, history_value(commit))];
        assert_eq!(read(&store, 0..=u64::MAX, order).unwrap(), last);
        assert_equals(&store, &model, commit);
    }
}
