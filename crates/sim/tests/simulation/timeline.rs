//! Simulated time: what comes when, and nothing else moves the clock.
//!
//! Holds: time never goes back; of two events of one moment the one that was planned first comes
//! first, so that a run depends on nothing but its seed.

use std::collections::BTreeMap;

use portolan_wire::time::UnixMicros;

/// True time: microseconds since the world's beginning. No clock in the world shows it.
pub(crate) type Micros = u64;

pub(crate) const MILLISECOND: Micros = 1_000;
pub(crate) const SECOND: Micros = 1_000_000;

/// The moment of the beginning, as a right clock shows it: 2026-01-01T00:00:00Z.
const BEGINNING_S: i64 = 1_767_225_600;

/// The moment `now`, by a clock that is wrong by `offset_s` seconds.
pub(crate) fn wall(now: Micros, offset_s: i64) -> UnixMicros {
    let since = i64::try_from(now).unwrap_or(i64::MAX);
    UnixMicros::from_seconds(BEGINNING_S + offset_s).plus_micros(since)
}

/// What is still to come.
pub(crate) struct Timeline<E> {
    now: Micros,
    planned: u64,
    events: BTreeMap<(Micros, u64), E>,
}

impl<E> Timeline<E> {
    pub(crate) fn new() -> Self {
        Self {
            now: 0,
            planned: 0,
            events: BTreeMap::new(),
        }
    }

    pub(crate) fn now(&self) -> Micros {
        self.now
    }

    /// Plans an event for `delay` from now.
    pub(crate) fn after(&mut self, delay: Micros, event: E) {
        self.planned += 1;
        self.events.insert((self.now + delay, self.planned), event);
    }

    /// Goes on to the next event.
    pub(crate) fn advance(&mut self) -> Option<E> {
        let ((at, _), event) = self.events.pop_first()?;
        self.now = at;
        Some(event)
    }
}
