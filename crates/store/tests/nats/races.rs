//! Two servers that write at once.

use std::collections::BTreeMap;

use portolan_store::jetstream::{Appended, Log, LogError, NatsLog};

use super::Running;

/// Appends at every place it can until `last`, and tells where its own are.
fn write(log: &NatsLog, name: &str, last: u64) -> BTreeMap<u64, String> {
    let mut won = BTreeMap::new();
    loop {
        let place = log.ends().unwrap().last + 1;
        if place > last {
            return won;
        }
        let message = format!("{name} at {place}");
        match log.append(place, message.as_bytes()).unwrap() {
            Appended::AtItsPlace => assert_eq!(won.insert(place, message), None),
            Appended::NotLast => {}
        }
    }
}

#[test]
fn of_two_servers_exactly_one_wins_each_place() {
    const LAST: u64 = 60;
    let cluster = Running::of_three();
    let first = cluster.log_of(1, 1);
    let second = cluster.log();
    second.enter(1).unwrap();
    let (of_first, of_second) = std::thread::scope(|scope| {
        let other = scope.spawn(|| write(&second, "second", LAST));
        (write(&first, "first", LAST), other.join().unwrap())
    });
    let mut places: Vec<u64> = of_first.keys().chain(of_second.keys()).copied().collect();
    places.sort_unstable();
    assert_eq!(places, (1..=LAST).collect::<Vec<_>>());
    for (place, message) in of_first.into_iter().chain(of_second) {
        let found = second.message(place).unwrap().unwrap();
        assert_eq!(String::from_utf8(found).unwrap(), message);
    }
}

#[test]
fn of_two_servers_exactly_one_sets_a_name_first() {
    let cluster = Running::of_three();
    let (first, second) = (cluster.log(), cluster.log());
    for round in 0..20 {
        let name = format!("round.{round}");
        let won = std::thread::scope(|scope| {
            let other = scope.spawn(|| second.swap(&name, 0, b"second").unwrap());
            [
                first.swap(&name, 0, b"first").unwrap(),
                other.join().unwrap(),
            ]
        });
        let expected: &[u8] = match won {
            [true, false] => b"first",
            [false, true] => b"second",
            both => panic!("{both:?}"),
        };
        assert_eq!(first.get(&name).unwrap().unwrap().value, expected);
    }
}

#[test]
fn the_longest_message_and_value_come_back() {
    let cluster = Running::of_three();
    let log = cluster.log_of(1, 7);
    let longest: Vec<u8> = (0..log.bytes_max()).map(|at| (at % 251) as u8).collect();
    assert_eq!(log.append(7, &longest).unwrap(), Appended::AtItsPlace);
    assert_eq!(log.message(7).unwrap().as_ref(), Some(&longest));
    log.put("longest", &longest).unwrap();
    assert_eq!(log.get("longest").unwrap().unwrap().value, longest);
    log.follow(7, Box::new(|| {})).unwrap();
    assert_eq!(super::come(&log, 7).unwrap(), longest);
    let too_long = vec![0; log.bytes_max() + 1];
    assert!(matches!(
        log.append(8, &too_long),
        Err(LogError::Refused { .. })
    ));
}
