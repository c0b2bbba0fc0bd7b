//! Proofs that did not hold, by name and source address: who guesses waits, and nobody else does.
//!
//! Not by name alone: anybody could then lock anybody out. It makes no difference whether there is
//! such a name. Names are kept as hashes, since they come from outside and may be long.
//! Failures in a row count: a proof that holds forgets them, and so does time without one.
//! Limits: those of the [`Rules`].

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::places::address_of;

/// How many failures, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Failures in a row after which a pair is locked.
    pub(crate) locked_after: u32,
    /// For how long it is then, and after how long without another they are forgotten, in seconds.
    pub(crate) lock_s: u32,
    /// Most pairs that are kept.
    pub(crate) kept_max: usize,
    pub(crate) when_full: WhenFull,
}

/// What happens to the failure of a pair for which there is no room.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WhenFull {
    /// It is not counted: nobody opens what is locked by a flood of made-up names.
    NotCounted,
    /// The pair that has been quiet for longest is forgotten, so that every guesser is slowed down.
    ForgetsQuietest,
}

/// The failures of late.
#[derive(Debug)]
pub(crate) struct Failures {
    rules: Rules,
    /// Keeps anybody from choosing pairs that are one.
    hasher: RandomState,
    kept: Mutex<HashMap<Pair, Failed>>,
    /// How many are kept, so that where there is none nobody takes the lock.
    count: AtomicUsize,
}

/// A name and an address, as one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pair(u64);

#[derive(Clone, Copy, Debug)]
struct Failed {
    in_a_row: u32,
    /// When the last one was.
    last_s: u32,
}

impl Rules {
    /// Seconds until it is forgotten; 0 where it is. A clock that was set back forgets it as well.
    fn left_s(&self, failed: Failed, now_s: u32) -> u32 {
        let since = now_s.checked_sub(failed.last_s);
        since.map_or(0, |since| self.lock_s.saturating_sub(since))
    }
}

impl Failures {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            hasher: RandomState::new(),
            kept: Mutex::default(),
            count: AtomicUsize::new(0),
        }
    }

    /// A name, which may have parts, from an address.
    pub(crate) fn pair(&self, name: &[&str], address: IpAddr) -> Pair {
        Pair(self.hasher.hash_one((name, address_of(address))))
    }

    /// For how many seconds from `now_s`, in seconds since 1970, no proof of the pair is looked at;
    /// `None` where one is.
    pub(crate) fn locked_s(&self, pair: Pair, now_s: u32) -> Option<u32> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let failed = *self.lock().get(&pair)?;
        let left = self.rules.left_s(failed, now_s);
        (failed.in_a_row >= self.rules.locked_after && left > 0).then_some(left)
    }

    /// Counts one more; says `false` where there is no room to.
    pub(crate) fn add(&self, pair: Pair, now_s: u32) -> bool {
        let mut kept = self.lock();
        if !kept.contains_key(&pair) && !self.has_room(&mut kept, now_s) {
            return false;
        }
        let failed = kept.entry(pair).or_insert(Failed {
            in_a_row: 0,
            last_s: now_s,
        });
        if self.rules.left_s(*failed, now_s) == 0 {
            failed.in_a_row = 0;
        }
        *failed = Failed {
            in_a_row: failed.in_a_row.saturating_add(1),
            last_s: now_s,
        };
        self.count.store(kept.len(), Ordering::Relaxed);
        true
    }

    /// Forgets them: a proof holds.
    pub(crate) fn forget(&self, pair: Pair) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut kept = self.lock();
        kept.remove(&pair);
        self.count.store(kept.len(), Ordering::Relaxed);
    }

    /// Whether there is room for another pair, which is made as the rules allow.
    fn has_room(&self, kept: &mut HashMap<Pair, Failed>, now_s: u32) -> bool {
        if kept.len() < self.rules.kept_max {
            return true;
        }
        kept.retain(|_, failed| self.rules.left_s(*failed, now_s) > 0);
        if kept.len() < self.rules.kept_max {
            return true;
        }
        match self.rules.when_full {
            WhenFull::NotCounted => false,
            WhenFull::ForgetsQuietest => {
                let quietest = kept.iter().min_by_key(|(_, failed)| failed.last_s);
                if let Some(pair) = quietest.map(|(pair, _)| *pair) {
                    kept.remove(&pair);
                }
                true
            }
        }
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

    fn failures(when_full: WhenFull) -> Failures {
        Failures::new(Rules {
            locked_after: 5,
            lock_s: 300,
            kept_max: 100,
            when_full,
        })
    }

    #[test]
    fn so_many_in_a_row_lock_the_pair_for_its_time_and_nobody_else() {
        let failures = failures(WhenFull::NotCounted);
        let pair = failures.pair(&["default", "a"], HERE);
        for _ in 0..5 {
            assert_eq!(failures.locked_s(pair, 1_000), None);
            assert!(failures.add(pair, 1_000));
        }
        assert_eq!(failures.locked_s(pair, 1_000), Some(300));
        assert_eq!(failures.locked_s(pair, 1_299), Some(1));
        assert_eq!(failures.locked_s(pair, 1_300), None);
        assert_eq!(failures.locked_s(pair, 999), None, "set back");
        for other in [
            failures.pair(&["default", "b"], HERE),
            failures.pair(&["defaulta"], HERE),
            failures.pair(&["default", "a"], [10, 0, 0, 2].into()),
        ] {
            assert_eq!(failures.locked_s(other, 1_000), None);
        }
        // The next row begins with one.
        assert!(failures.add(pair, 1_300));
        assert_eq!(failures.locked_s(pair, 1_300), None);
    }

    #[test]
    fn one_that_holds_forgets_those_before_and_an_ipv6_neighbour_is_the_same_client() {
        let failures = failures(WhenFull::NotCounted);
        let at = |text: &str| failures.pair(&["a"], text.parse().unwrap());
        let pair = at("2001:db8::1");
        assert_eq!(pair, at("2001:db8::ffff:2"));
        assert_ne!(pair, at("2001:db8:0:1::1"));
        (0..4).for_each(|_| assert!(failures.add(pair, 1_000)));
        failures.forget(pair);
        assert_eq!(failures.count.load(Ordering::Relaxed), 0);
        (0..4).for_each(|_| assert!(failures.add(pair, 1_000)));
        assert_eq!(failures.locked_s(pair, 1_000), None);
    }

    #[test]
    fn made_up_names_fill_the_table_without_opening_what_is_locked() {
        let failures = failures(WhenFull::NotCounted);
        let pair = failures.pair(&["a"], HERE);
        (0..5).for_each(|_| assert!(failures.add(pair, 1_000)));
        let made_up = |number: usize| failures.pair(&[&number.to_string()], HERE);
        let kept = (0..1_000).filter(|number| failures.add(made_up(*number), 1_001));
        assert_eq!(kept.count(), 99);
        assert!(failures.locked_s(pair, 1_001).is_some());
        // Those that are over make room.
        assert!(failures.add(made_up(1_001), 1_301));
        assert_eq!(failures.count.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn or_take_no_more_room_and_leave_who_guessed_last() {
        let failures = failures(WhenFull::ForgetsQuietest);
        for number in 0..200 {
            let from = std::net::Ipv4Addr::from_bits(number);
            assert!(failures.add(failures.pair(&["a"], from.into()), 1_000 + number / 100));
        }
        let kept = failures.lock();
        assert_eq!(kept.len(), 100);
        assert!(kept.values().all(|failed| failed.last_s == 1_001));
    }
}
