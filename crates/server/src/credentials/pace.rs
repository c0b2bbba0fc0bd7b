//! How often a credential may call: so many times a second, each call by itself.
//!
//! The generic cell rate algorithm, one number for each credential and call: the moment at which all
//! that was allowed will have been paid for. A second's worth may come at once. The numbers stand in
//! the credentials themselves, so there is no table to fill, and a call costs one atomic exchange.

use std::num::NonZeroU32;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};

use portolan_wire::time::UnixMicros;

use crate::credentials::Api;

const SECOND: i64 = 1_000_000;

/// What a credential has called. Made by its first call that counts: the token of an enrolled host
/// mostly makes none, and there are many of them.
#[derive(Debug, Default)]
pub(crate) struct Pace(OnceLock<Box<[AtomicI64; Api::COUNT]>>);

impl Pace {
    /// Whether the call may be made at `now`, where `a_second` of its kind may be; then it counts.
    pub(crate) fn allows(&self, api: Api, now: UnixMicros, a_second: NonZeroU32) -> bool {
        let calls = self
            .0
            .get_or_init(|| Box::new([const { AtomicI64::new(0) }; Api::COUNT]));
        let Some(paid) = calls.get(api as usize) else {
            return true;
        };
        let each = SECOND / i64::from(a_second.get());
        let next = |paid: i64| {
            // What was counted before the clock was set back lasts a second at most.
            let from = paid.clamp(now.0, now.0 + SECOND);
            (from + each <= now.0 + SECOND).then_some(from + each)
        };
        paid.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMicros = UnixMicros(1_764_000_000_000_000);

    fn allowed(pace: &Pace, api: Api, now: UnixMicros, asked: u32) -> usize {
        let a_second = NonZeroU32::new(200).unwrap();
        let calls = (0..asked).filter(|_| pace.allows(api, now, a_second));
        calls.count()
    }

    #[test]
    fn a_second_s_worth_comes_at_once_and_then_as_it_is_earned() {
        let pace = Pace::default();
        assert_eq!(allowed(&pace, Api::Hosts, NOW, 1_000), 200);
        assert_eq!(allowed(&pace, Api::Hosts, NOW.plus_micros(4_999), 10), 0);
        assert_eq!(allowed(&pace, Api::Hosts, NOW.plus_micros(5_000), 10), 1);
        assert_eq!(
            allowed(&pace, Api::Hosts, NOW.plus_micros(500_000), 500),
            99
        );
        assert_eq!(
            allowed(&pace, Api::Hosts, NOW.plus_micros(9 * SECOND), 500),
            200
        );
    }

    #[test]
    fn each_call_is_counted_by_itself_and_a_clock_set_back_costs_a_second() {
        let pace = Pace::default();
        assert_eq!(allowed(&pace, Api::Hosts, NOW, 500), 200);
        assert_eq!(allowed(&pace, Api::Recount, NOW, 500), 200);
        let before = NOW.plus_micros(-3_600 * SECOND);
        assert_eq!(allowed(&pace, Api::Hosts, before, 500), 0);
        assert_eq!(
            allowed(&pace, Api::Hosts, before.plus_micros(SECOND), 500),
            0
        );
    }

    #[test]
    fn one_a_second_and_a_million_a_second_are_paces_as_well() {
        let of = |a_second, asked: u32| {
            let (pace, a_second) = (Pace::default(), NonZeroU32::new(a_second).unwrap());
            (0..asked)
                .filter(|_| pace.allows(Api::Hosts, NOW, a_second))
                .count()
        };
        assert_eq!(of(1, 3), 1);
        assert_eq!(of(1_000_000, 1_000_002), 1_000_000);
    }
}
