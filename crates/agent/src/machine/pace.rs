//! How often to look: once a second while that is cheap, more slowly on a host where it is not.
//!
//! A budget of CPU fills up with time and each look draws on it, so that a rare expensive look (the
//! first one, or one after many new processes) does not slow down the cheap ones that follow, which
//! a plain "cost of the last look" rule would do. Holds: over any span of time, looking costs at
//! most the budget's share of it plus [`ALLOWANCE`] plus one look, unless even one look in
//! [`SLOWEST`] costs more. Limits: [`FASTEST`] to [`SLOWEST`].

use std::time::Duration;

/// Share of one core that looking may cost: one part in this many, so 0.5 %.
const BUDGET_DIVISOR: u32 = 200;
/// CPU that may be saved up and then spent at once.
const ALLOWANCE: Duration = Duration::from_secs(1);
/// Shortest time between two looks under `auto`.
pub(crate) const FASTEST: Duration = Duration::from_secs(1);
/// Longest time between two looks under `auto`: a change must not hide longer.
pub(crate) const SLOWEST: Duration = Duration::from_secs(30);

/// Longest time between two looks everywhere while events tell what happens: what they do not show,
/// or an error in what they do, must not stay longer.
pub const WATCHED_LOOK_GAP: Duration = Duration::from_secs(30);
/// Shortest and longest time between two looks of an agent that has cost too much.
const SLOW: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(60));
/// How long events are gathered before a look: a service opens several ports at once.
pub(crate) const GATHER: Duration = Duration::from_millis(5);

/// What else decides how often to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tempo {
    /// Events tell what happens, so looks of their own accord may be rare.
    pub is_watched: bool,
    /// The agent has cost too much, so all looks must be rare.
    pub is_slow: bool,
}

/// How often to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanInterval {
    /// Every second while that stays under 0.5 % of a core, at least every 30 s.
    Auto,
    /// Always that long after the last look.
    Fixed(Duration),
}

#[derive(Debug)]
pub(crate) struct Pace {
    interval: ScanInterval,
    /// CPU still allowed and CPU overdrawn; one of them is zero.
    saved: Duration,
    overdrawn: Duration,
    at: Duration,
    failures: u32,
    tempo: Tempo,
}

impl Pace {
    pub(crate) fn new(interval: ScanInterval) -> Self {
        Self {
            interval,
            saved: ALLOWANCE,
            overdrawn: Duration::ZERO,
            at: Duration::ZERO,
            failures: 0,
            tempo: Tempo::default(),
        }
    }

    pub(crate) fn set_tempo(&mut self, tempo: Tempo) {
        self.tempo = tempo;
    }

    /// How long to wait after a look that ended at `now` and cost `cpu`.
    pub(crate) fn after_look(&mut self, now: Duration, cpu: Duration) -> Duration {
        self.failures = 0;
        self.earn(now);
        self.spend(cpu);
        match self.interval {
            ScanInterval::Fixed(interval) if self.tempo.is_slow => interval.max(SLOW.0),
            ScanInterval::Fixed(interval) => interval,
            ScanInterval::Auto => {
                let (shortest, longest) = match self.tempo {
                    Tempo { is_slow: true, .. } => SLOW,
                    Tempo {
                        is_watched: true, ..
                    } => (WATCHED_LOOK_GAP, WATCHED_LOOK_GAP),
                    Tempo { .. } => (FASTEST, SLOWEST),
                };
                self.owed().clamp(shortest, longest)
            }
        }
    }

    /// When something that happened may be looked at, at the earliest, once there was a look: at once
    /// while looking is cheap, else when the budget allows for it.
    pub(crate) fn after_event(&self) -> Duration {
        let shortest = if self.tempo.is_slow {
            SLOW.0
        } else {
            Duration::ZERO
        };
        self.at + self.owed().clamp(shortest, SLOW.1)
    }

    /// How long it takes to earn what is overdrawn.
    fn owed(&self) -> Duration {
        self.overdrawn.saturating_mul(BUDGET_DIVISOR)
    }

    /// How long to wait after a look that failed.
    pub(crate) fn after_failure(&mut self) -> Duration {
        let doubled = FASTEST
            .saturating_mul(2_u32.saturating_pow(self.failures))
            .min(SLOWEST);
        self.failures = self.failures.saturating_add(1);
        match self.interval {
            ScanInterval::Fixed(interval) => interval.max(doubled),
            ScanInterval::Auto => doubled,
        }
    }

    fn earn(&mut self, now: Duration) {
        let earned = now.saturating_sub(self.at) / BUDGET_DIVISOR;
        self.at = now;
        let left = earned.saturating_sub(self.overdrawn);
        self.overdrawn = self.overdrawn.saturating_sub(earned);
        self.saved = (self.saved + left).min(ALLOWANCE);
    }

    fn spend(&mut self, cpu: Duration) {
        let beyond = cpu.saturating_sub(self.saved);
        self.saved = self.saved.saturating_sub(cpu);
        // What the slowest pace earns is all that can be owed; more would never be paid back.
        self.overdrawn = (self.overdrawn + beyond).min(SLOWEST / BUDGET_DIVISOR);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// The intervals of a host where each look costs `cpu`, over `span`.
    fn intervals(cpu: Duration, span: Duration) -> Vec<Duration> {
        let mut pace = Pace::new(ScanInterval::Auto);
        let mut now = Duration::ZERO;
        let mut waits = Vec::new();
        while now < span {
            let wait = pace.after_look(now, cpu);
            waits.push(wait);
            now += wait;
        }
        waits
    }

    #[test]
    fn a_cheap_look_is_taken_every_second_for_ever() {
        assert!(
            intervals(ms(5), Duration::from_secs(3_600))
                .iter()
                .all(|wait| *wait == FASTEST)
        );
    }

    #[test]
    fn a_look_of_16_ms_slows_down_to_one_in_3_2_s_and_one_of_a_second_to_30_s() {
        let dear = intervals(ms(16), Duration::from_secs(3_600));
        assert_eq!(dear.first(), Some(&FASTEST), "the allowance comes first");
        assert_eq!(dear.last(), Some(&ms(3_200)));
        assert_eq!(
            intervals(ms(1_000), Duration::from_secs(3_600)).last(),
            Some(&SLOWEST)
        );
    }

    #[test]
    fn one_expensive_look_does_not_slow_down_the_cheap_ones_after_it() {
        let mut pace = Pace::new(ScanInterval::Auto);
        assert_eq!(pace.after_look(ms(500), ms(800)), FASTEST);
        assert_eq!(pace.after_look(ms(1_500), ms(1)), FASTEST);
    }

    #[test]
    fn no_more_than_the_allowance_is_saved_up() {
        let mut pace = Pace::new(ScanInterval::Auto);
        let mut now = Duration::ZERO;
        for _ in 0..3_600 {
            now += pace.after_look(now, ms(1));
        }
        let mut fast = 0;
        loop {
            let wait = pace.after_look(now, ms(100));
            if wait > FASTEST {
                break;
            }
            now += wait;
            fast += 1;
        }
        assert_eq!(
            fast, 10,
            "a second of CPU, and 5 ms more for each second of it"
        );
    }

    #[test]
    fn a_fixed_interval_is_kept_whatever_it_costs() {
        let mut pace = Pace::new(ScanInterval::Fixed(ms(500)));
        assert_eq!(pace.after_look(ms(1), Duration::from_secs(5)), ms(500));
        assert_eq!(
            pace.after_failure(),
            FASTEST,
            "but a failing look is not repeated at once"
        );
    }

    #[test]
    fn failing_looks_come_more_and_more_slowly_until_one_succeeds() {
        let mut pace = Pace::new(ScanInterval::Auto);
        let waits: Vec<_> = (0..7).map(|_| pace.after_failure().as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        pace.after_look(ms(1), ms(1));
        assert_eq!(pace.after_failure(), FASTEST);
    }

    proptest! {
        #[test]
        fn looking_stays_in_the_budget(costs in prop::collection::vec(0_u64..150, 1..500)) {
            let mut pace = Pace::new(ScanInterval::Auto);
            let (mut now, mut spent) = (Duration::ZERO, Duration::ZERO);
            for cost in costs {
                spent += ms(cost);
                let wait = pace.after_look(now, ms(cost));
                prop_assert!((FASTEST..=SLOWEST).contains(&wait));
                prop_assert!(spent <= ALLOWANCE + now / BUDGET_DIVISOR + ms(150), "{spent:?} at {now:?}");
                now += wait;
            }
        }
    }
}
