//! How long to leave the server alone after a failure.
//!
//! The delay doubles with each failure in a row and is drawn from its upper half, so that a fleet
//! whose server was away does not come back at one moment. `Retry-After` is a turn that the server
//! gives: the failures before it say nothing about it, or all who waited long would come at other
//! moments than it planned; only when it gives turns in a row does the delay grow. Holds: never before `Retry-After`. Limits: [`DELAY_MAX`], [`RETRY_AFTER_MAX`].

use std::time::Duration;

use portolan_wire::caps::RETRY_AFTER_S_MAX;

/// Longest delay that the agent chooses by itself.
pub(crate) const DELAY_MAX: Duration = Duration::from_secs(60);
/// Longest `Retry-After` that is obeyed.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(RETRY_AFTER_S_MAX as u64);
/// First delay where trying again is likely to help.
const FIRST_TRANSIENT: Duration = Duration::from_millis(500);
/// First delay where somebody has to change something before it can help.
const FIRST_LASTING: Duration = Duration::from_secs(10);

/// Whether a failure is likely to pass by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It passes: no connection, an overloaded server.
    Transient,
    /// It stays until a person or another agent does something: a wrong token, a rejected field.
    Lasting,
}

#[derive(Debug)]
pub(crate) struct Backoff {
    failures: u32,
    /// The last failure came with a `Retry-After`.
    was_told: bool,
    until: Duration,
    dice: fastrand::Rng,
}

impl Backoff {
    /// Nothing has failed yet; `seed` decides all draws.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            failures: 0,
            was_told: false,
            until: Duration::ZERO,
            dice: fastrand::Rng::with_seed(seed),
        }
    }

    /// The moment before which nothing may be sent.
    pub(crate) fn until(&self) -> Duration {
        self.until
    }

    /// The server did what it was asked.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
        self.until = Duration::ZERO;
    }

    /// Counts a failure and returns how long the server is left alone.
    pub(crate) fn fail(
        &mut self,
        now: Duration,
        failure: Failure,
        retry_after: Option<Duration>,
    ) -> Duration {
        let first = match failure {
            Failure::Transient => FIRST_TRANSIENT,
            Failure::Lasting => FIRST_LASTING,
        };
        if retry_after.is_some() && !self.was_told {
            self.failures = 0;
        }
        self.was_told = retry_after.is_some();
        let doubled = first
            .saturating_mul(2_u32.saturating_pow(self.failures))
            .min(DELAY_MAX);
        let delay = self.between(doubled / 2, doubled);
        let floor = retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
        let asked = self.between(floor, floor + floor / 5);
        self.failures = self.failures.saturating_add(1);
        let wait = delay.max(asked);
        self.until = now + wait;
        wait
    }

    /// A random duration from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: Duration, high: Duration) -> Duration {
        let spread = u64::try_from(high.saturating_sub(low).as_nanos()).unwrap_or(u64::MAX);
        low + Duration::from_nanos(self.dice.u64(0..=spread))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Duration = Duration::from_secs(1_000);

    #[test]
    fn the_first_failure_retries_fast_and_many_wait_a_minute_at_most() {
        let mut backoff = Backoff::new(1);
        assert!(backoff.fail(NOW, Failure::Transient, None) <= FIRST_TRANSIENT);
        for _ in 0..100 {
            backoff.fail(NOW, Failure::Transient, None);
        }
        let late = backoff.fail(NOW, Failure::Transient, None);
        assert!((DELAY_MAX / 2..=DELAY_MAX).contains(&late), "{late:?}");
        backoff.reset();
        assert_eq!(backoff.until(), Duration::ZERO);
        assert!(backoff.fail(NOW, Failure::Transient, None) <= FIRST_TRANSIENT);
    }

    #[test]
    fn a_lasting_failure_is_not_hammered() {
        assert!(Backoff::new(1).fail(NOW, Failure::Lasting, None) >= FIRST_LASTING / 2);
    }

    #[test]
    fn a_turn_that_the_server_gives_is_kept_however_long_it_was_away_and_not_hammered() {
        let asked = Some(Duration::from_secs(1));
        let mut backoff = Backoff::new(1);
        for _ in 0..100 {
            backoff.fail(NOW, Failure::Transient, None);
        }
        let first = backoff.fail(NOW, Failure::Transient, asked);
        assert!(first <= Duration::from_millis(1_200), "{first:?}");
        for _ in 0..100 {
            backoff.fail(NOW, Failure::Transient, asked);
        }
        assert!(backoff.fail(NOW, Failure::Transient, asked) >= DELAY_MAX / 2);
    }

    #[test]
    fn two_agents_draw_different_delays() {
        let draw = |seed| Backoff::new(seed).fail(NOW, Failure::Lasting, None);
        assert_ne!(draw(1), draw(2));
        assert_eq!(draw(1), draw(1), "and one seed always the same");
    }

    proptest! {
        #[test]
        fn retry_after_is_never_undercut_and_never_obeyed_beyond_its_limit(
            seed: u64, seconds in 0_u64..100_000, failures in 0_usize..20,
        ) {
            let mut backoff = Backoff::new(seed);
            for _ in 0..failures {
                backoff.fail(NOW, Failure::Transient, None);
            }
            let asked = Duration::from_secs(seconds);
            let wait = backoff.fail(NOW, Failure::Transient, Some(asked));
            prop_assert!(wait >= asked.min(RETRY_AFTER_MAX));
            prop_assert!(wait <= DELAY_MAX.max(RETRY_AFTER_MAX + RETRY_AFTER_MAX / 5));
            prop_assert_eq!(backoff.until(), NOW + wait);
        }
    }
}
