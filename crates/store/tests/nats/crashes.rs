//! Nodes that die in the middle of appends.

use portolan_store::jetstream::{Appended, Log, NatsLog};

use super::{Running, come, eventually};

const STREAM: &str = "PORTOLAN_LOG_0000000000000001";

/// Appends until it is acknowledged, as a server does: what nobody tells is looked up.
fn append(log: &NatsLog, place: u64, message: &[u8]) {
    eventually(&format!("message {place}"), || {
        match log.append(place, message) {
            Ok(Appended::AtItsPlace) => return Some(()),
            Ok(Appended::NotLast) | Err(_) => {}
        }
        let found = log.message(place).ok()??;
        assert_eq!(found, message, "another's, and nobody else writes");
        Some(())
    });
}

fn message(place: u64) -> Vec<u8> {
    format!("message {place}").into_bytes()
}

/// Every message is at its place, and there is none behind them.
fn compare(log: &NatsLog, last: u64) {
    for place in 1..=last {
        let found = eventually("an answer", || log.message(place).ok());
        assert_eq!(found, Some(message(place)));
    }
    let ends = eventually("an answer", || log.ends().ok());
    assert_eq!((ends.first, ends.last), (1, last));
}

#[test]
fn a_leader_that_is_killed_takes_nothing_along() {
    const LAST: u64 = 120;
    let mut cluster = Running::of_three();
    let writer = cluster.log_of(1, 1);
    let reader = cluster.log();
    reader.enter(1).unwrap();
    reader.follow(1, Box::new(|| {})).unwrap();
    for place in 1..=LAST {
        if place == 40 || place == 80 {
            let leader = cluster.cluster.leader_of(STREAM).unwrap();
            cluster.cluster.kill(leader).unwrap();
            append(&writer, place, &message(place));
            cluster.cluster.start_node(leader).unwrap();
        } else {
            append(&writer, place, &message(place));
        }
    }
    for place in 1..=LAST {
        assert_eq!(come(&reader, place).unwrap(), message(place));
    }
    assert_eq!(reader.arrived(LAST + 1).unwrap(), None);
    compare(&writer, LAST);
}

#[test]
fn a_cluster_that_is_killed_whole_comes_back_with_all_of_it() {
    const LAST: u64 = 40;
    let mut cluster = Running::of_three();
    let log = cluster.log_of(1, 1);
    (1..=LAST).for_each(|place| append(&log, place, &message(place)));
    for node in 0..3 {
        cluster.cluster.kill(node).unwrap();
    }
    for node in 0..3 {
        cluster.cluster.start_node(node).unwrap();
    }
    // While it comes back, nothing is told that is not so.
    let ends = eventually("an answer", || match log.ends() {
        Ok(ends) => Some(ends),
        Err(portolan_store::jetstream::LogError::Unanswered { .. }) => None,
        Err(error) => panic!("{error}"),
    });
    assert_eq!((ends.first, ends.last), (1, LAST));
    compare(&log, LAST);
    append(&log, LAST + 1, &message(LAST + 1));
}
