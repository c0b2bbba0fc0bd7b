//! What is followed comes in one after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use portolan_store::jetstream::{Appended, Log, LogError};

use super::{Running, come, eventually};

#[test]
fn who_was_asleep_is_woken_and_told_of_what_was_trimmed() {
    let cluster = Running::of_three();
    let writer = cluster.log_of(1, 1);
    for place in 1..=10_u64 {
        assert_eq!(
            writer.append(place, &place.to_le_bytes()).unwrap(),
            Appended::AtItsPlace
        );
    }
    let reader = cluster.log();
    reader.enter(1).unwrap();
    let woken = Arc::new(AtomicU64::new(0));
    let counts = Arc::clone(&woken);
    let wake = move || {
        counts.fetch_add(1, Ordering::SeqCst);
    };
    writer.trim(6).unwrap();
    reader.follow(3, Box::new(wake)).unwrap();
    eventually("a wake", || {
        (woken.load(Ordering::SeqCst) >= 5).then_some(())
    });
    let gone = reader.arrived(3);
    assert!(
        matches!(&gone, Err(LogError::Refused { what }) if what == "the log begins at 6"),
        "{gone:?}"
    );
    for place in 6..=10_u64 {
        assert_eq!(reader.arrived(place).unwrap().unwrap(), place.to_le_bytes());
    }
    assert_eq!(reader.arrived(11).unwrap(), None);
    // It goes on after the end, and what was let go is found again.
    assert_eq!(writer.append(11, b"11").unwrap(), Appended::AtItsPlace);
    assert_eq!(come(&reader, 11).unwrap(), b"11");
    assert_eq!(reader.arrived(10).unwrap().unwrap(), 10_u64.to_le_bytes());
}

#[test]
fn more_than_the_buffer_holds_comes_in_as_it_is_taken() {
    const MESSAGES: u64 = 40;
    let cluster = Running::of_three();
    let log = cluster.log_of(1, 1);
    let message = |place: u64| {
        let mut message = vec![place as u8; 3 << 20];
        message[..8].copy_from_slice(&place.to_le_bytes());
        message
    };
    for place in 1..=MESSAGES {
        assert_eq!(
            log.append(place, &message(place)).unwrap(),
            Appended::AtItsPlace
        );
    }
    log.follow(1, Box::new(|| {})).unwrap();
    for place in 1..=MESSAGES {
        assert!(come(&log, place).unwrap() == message(place), "{place}");
    }
}
