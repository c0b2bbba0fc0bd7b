//! What may happen a thousand times a second is told at most once a minute, with how often it was not.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Shortest time between two tellings, in seconds.
const GAP_S: u32 = 60;

/// One such thing.
#[derive(Debug, Default)]
pub(crate) struct Seldom {
    /// The second from which it may be told again.
    due_s: AtomicU32,
    untold: AtomicU64,
}

impl Seldom {
    /// It happens at `now_s`, in seconds since 1970. Gives how often it was not told since it last
    /// was, or `None` where it is not to be told now either.
    pub(crate) fn happens(&self, now_s: u32) -> Option<u64> {
        let due_s = self.due_s.load(Ordering::Relaxed);
        // A clock that was set back must not silence it for as long.
        let is_due = now_s >= due_s || due_s - now_s > GAP_S;
        let next_s = now_s.saturating_add(GAP_S);
        let swap = |new| {
            self.due_s
                .compare_exchange(due_s, new, Ordering::Relaxed, Ordering::Relaxed)
        };
        // Of two at one moment one tells.
        if is_due && swap(next_s).is_ok() {
            return Some(self.untold.swap(0, Ordering::Relaxed));
        }
        self.untold.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_once_a_minute_with_the_number_of_those_that_were_not() {
        let seldom = Seldom::default();
        assert_eq!(seldom.happens(1_000), Some(0));
        for now_s in [1_000, 1_030, 1_059] {
            assert_eq!(seldom.happens(now_s), None, "{now_s}");
        }
        assert_eq!(seldom.happens(1_060), Some(3));
        assert_eq!(seldom.happens(1_061), None);
        assert_eq!(seldom.happens(900), Some(1), "the clock was set back");
        assert_eq!(seldom.happens(901), None);
    }
}
