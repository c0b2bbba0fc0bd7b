//! Signatures that did not hold, by access key and address, so that nobody tries one after the other.
//!
//! An access key is refused only from where the failures came, so nobody locks it for others; it
//! makes no difference whether it exists. A mistaken clock or a malformed header is no failure.
//! Failures in a row count: one that holds forgets them.
//! Limits: `caps::SIGNATURE_FAILURES_KEPT_MAX` pairs. While that many are kept, failures of others
//! are not counted but by `/metrics`: forgetting a kept one instead would let a flood of made-up
//! keys open what is locked, and what is guessed at has more than 200 random bits.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use portolan_wire::caps;

use crate::places::address_of;

/// All failures that are kept.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    /// Keeps anybody from choosing pairs that are one.
    hasher: RandomState,
    kept: Mutex<HashMap<Pair, Failed>>,
    /// How many are kept, so that where there is none nobody takes the lock.
    count: AtomicUsize,
}

/// An access key and an address, as one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pair(u64);

#[derive(Clone, Copy, Debug)]
struct Failed {
    times: u32,
    /// When the last one was.
    last_s: u32,
}

impl Failed {
    fn is_over(self, now_s: u32) -> bool {
        // A clock that was set back must not lock for longer.
        now_s.abs_diff(self.last_s) >= caps::SIGNATURE_LOCK_S
    }
}

impl Failures {
    pub(crate) fn pair(&self, ak: &str, address: IpAddr) -> Pair {
        Pair(self.hasher.hash_one((ak, address_of(address))))
    }

    /// Whether the access key is refused from the address at `now_s`, in seconds since 1970.
    pub(crate) fn are_too_many(&self, pair: Pair, now_s: u32) -> bool {
        if self.count.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let failed = self.lock().get(&pair).copied();
        failed.is_some_and(|failed| {
            failed.times > caps::SIGNATURE_FAILURES_MAX && !failed.is_over(now_s)
        })
    }

    /// Counts one more; says `false` where there is no room to.
    pub(crate) fn add(&self, pair: Pair, now_s: u32) -> bool {
        let mut kept = self.lock();
        if !kept.contains_key(&pair) && kept.len() >= caps::SIGNATURE_FAILURES_KEPT_MAX {
            kept.retain(|_, failed| !failed.is_over(now_s));
            if kept.len() >= caps::SIGNATURE_FAILURES_KEPT_MAX {
                return false;
            }
        }
        let failed = kept.entry(pair).or_insert(Failed {
            times: 0,
            last_s: now_s,
        });
        if failed.is_over(now_s) {
            failed.times = 0;
        }
        *failed = Failed {
            times: failed.times + 1,
            last_s: now_s,
        };
        self.count.store(kept.len(), Ordering::Relaxed);
        true
    }

    /// Forgets them: a signature holds.
    pub(crate) fn forget(&self, pair: Pair) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut kept = self.lock();
        kept.remove(&pair);
        self.count.store(kept.len(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Pair, Failed>> {
        // A map of numbers is never half-changed.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    #[test]
    fn the_sixth_in_a_row_locks_the_pair_for_five_minutes_and_no_other() {
        let failures = Failures::default();
        let pair = failures.pair("AK", HERE);
        let others = [
            failures.pair("BK", HERE),
            failures.pair("AK", [10, 0, 0, 2].into()),
        ];
        for time in 1..=6 {
            assert!(!failures.are_too_many(pair, 1_000), "{time}");
            assert!(failures.add(pair, 1_000));
        }
        assert!(failures.are_too_many(pair, 1_299));
        assert!(!failures.are_too_many(pair, 1_300));
        assert!(
            others
                .iter()
                .all(|other| !failures.are_too_many(*other, 1_000))
        );
        // The next row begins with one.
        failures.add(pair, 1_300);
        assert!(!failures.are_too_many(pair, 1_300));
    }

    #[test]
    fn one_that_holds_forgets_those_before_and_an_ipv6_neighbour_is_the_same_client() {
        let failures = Failures::default();
        let pair = failures.pair("AK", "2001:db8::1".parse().unwrap());
        assert_eq!(pair, failures.pair("AK", "2001:db8::2".parse().unwrap()));
        for _ in 0..5 {
            failures.add(pair, 1_000);
        }
        failures.forget(pair);
        assert_eq!(failures.count.load(Ordering::Relaxed), 0);
        for _ in 0..5 {
            failures.add(pair, 1_000);
        }
        assert!(!failures.are_too_many(pair, 1_000));
    }

    #[test]
    fn made_up_keys_fill_the_table_without_opening_what_is_locked() {
        let failures = Failures::default();
        let pair = failures.pair("AK", HERE);
        (0..6).for_each(|_| assert!(failures.add(pair, 1_000)));
        let made_up = |number: usize| failures.pair(&format!("AK{number}"), HERE);
        let kept = (0..10_000).filter(|number| failures.add(made_up(*number), 1_001));
        assert_eq!(kept.count(), caps::SIGNATURE_FAILURES_KEPT_MAX - 1);
        assert!(failures.are_too_many(pair, 1_001));
        // Those that are over make room.
        assert!(failures.add(made_up(10_001), 1_301));
        assert_eq!(failures.count.load(Ordering::Relaxed), 1);
    }
}
