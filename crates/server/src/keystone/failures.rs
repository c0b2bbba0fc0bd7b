//! Wrong passwords, counted by user and source address: who guesses waits, and nobody else does.
//!
//! Not by user alone: anybody could then lock anybody out. Names are kept as hashes, since they come
//! from outside and may be long. Limits: `caps::LOGIN_FAILURES_MAX` in a row, then
//! `caps::LOGIN_LOCKED_S`; `caps::LOGIN_FAILURES_TRACKED_MAX` pairs.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use portolan_wire::caps;
use sha2::{Digest as _, Sha256};

use crate::places::address_of;

/// A user, as somebody named it, and an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Who([u8; 32], IpAddr);

impl Who {
    pub(super) fn new(named: &[&str], from: IpAddr) -> Self {
        let mut hash = Sha256::new();
        for part in named {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into(), address_of(from))
    }
}

#[derive(Clone, Copy, Debug)]
struct Count {
    in_a_row: u32,
    last_s: u32,
}

impl Count {
    /// Seconds until it is forgotten; 0 where it is. A clock that was set back forgets it as well.
    fn left_s(self, now_s: u32) -> u32 {
        let since = now_s.checked_sub(self.last_s);
        since.map_or(0, |since| caps::LOGIN_LOCKED_S.saturating_sub(since))
    }
}

/// The wrong passwords of late.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<HashMap<Who, Count>>);

impl Failures {
    /// For how many seconds no password is looked at; `None` where one is.
    pub(super) fn locked_s(&self, who: &Who, now_s: u32) -> Option<u32> {
        let count = *self.table().get(who)?;
        let left = count.left_s(now_s);
        (count.in_a_row >= caps::LOGIN_FAILURES_MAX && left > 0).then_some(left)
    }

    pub(super) fn failed(&self, who: Who, now_s: u32) {
        let mut table = self.table();
        if !table.contains_key(&who) && table.len() >= caps::LOGIN_FAILURES_TRACKED_MAX {
            make_room(&mut table, now_s);
        }
        let count = table.entry(who).or_insert(Count {
            in_a_row: 0,
            last_s: now_s,
        });
        if count.left_s(now_s) == 0 {
            count.in_a_row = 0;
        }
        count.in_a_row = count.in_a_row.saturating_add(1);
        count.last_s = now_s;
    }

    pub(super) fn succeeded(&self, who: &Who) {
        self.table().remove(who);
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Who, Count>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets go what is forgotten, else the pair that has been quiet for longest.
fn make_room(table: &mut HashMap<Who, Count>, now_s: u32) {
    table.retain(|_, count| count.left_s(now_s) > 0);
    if table.len() >= caps::LOGIN_FAILURES_TRACKED_MAX {
        let quiet = table.iter().min_by_key(|(_, count)| count.last_s);
        if let Some(who) = quiet.map(|(who, _)| *who) {
            table.remove(&who);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(name: &str, last: u8) -> Who {
        Who::new(&["default", name], [10, 0, 0, last].into())
    }

    #[test]
    fn guessing_locks_the_pair_for_its_time_and_nobody_else() {
        let failures = Failures::default();
        for _ in 0..caps::LOGIN_FAILURES_MAX {
            assert_eq!(failures.locked_s(&who("a", 1), 1_000), None);
            failures.failed(who("a", 1), 1_000);
        }
        assert_eq!(failures.locked_s(&who("a", 1), 1_000), Some(300));
        assert_eq!(failures.locked_s(&who("a", 1), 1_299), Some(1));
        assert_eq!(failures.locked_s(&who("a", 1), 1_300), None);
        assert_eq!(failures.locked_s(&who("a", 1), 999), None, "set back");
        for other in [who("a", 2), who("b", 1)] {
            assert_eq!(failures.locked_s(&other, 1_000), None);
        }
        failures.succeeded(&who("a", 1));
        assert_eq!(failures.locked_s(&who("a", 1), 1_000), None);
    }

    #[test]
    fn many_addresses_take_no_more_room_and_leave_who_guessed_last() {
        let failures = Failures::default();
        for number in 0..caps::LOGIN_FAILURES_TRACKED_MAX as u32 + 100 {
            let from = std::net::Ipv4Addr::from_bits(number);
            failures.failed(Who::new(&["a"], from.into()), 1_000 + number / 100);
        }
        let table = failures.table();
        assert_eq!(table.len(), caps::LOGIN_FAILURES_TRACKED_MAX);
        assert!(table.values().all(|count| count.last_s > 1_000));
    }

    #[test]
    fn all_addresses_of_a_64_bit_prefix_are_one() {
        let at = |text: &str| Who::new(&["a"], text.parse().unwrap());
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:1"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
    }
}
