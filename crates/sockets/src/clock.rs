//! The clocks: when processes started on the wall clock, and what a thread has cost.

use std::time::Duration;

use portolan_wire::time::UnixMicros;
use rustix::time::{ClockId, Timespec, clock_gettime};

const MICROS_PER_SECOND: i64 = 1_000_000;
/// How far the computed boot may move before the wall clock counts as set anew: below it the
/// difference is the gap between two readings, and start times must not tremble.
const STEP_MICROS: u64 = 500_000;

/// When the machine booted, by the wall clock as it is set now.
#[derive(Debug)]
pub(crate) struct BootClock {
    boot: i64,
    ticks_per_second: u64,
}

impl BootClock {
    pub(crate) fn new() -> Self {
        let ticks_per_second = rustix::param::clock_ticks_per_second().max(1);
        Self {
            boot: boot_now(),
            ticks_per_second,
        }
    }

    /// Follows a wall clock that was set, as many are shortly after boot.
    pub(crate) fn refresh(&mut self) {
        self.follow(boot_now());
    }

    fn follow(&mut self, boot: i64) {
        if boot.abs_diff(self.boot) >= STEP_MICROS {
            self.boot = boot;
        }
    }

    /// The moment that many clock ticks after boot, to the precision of a tick (10 ms).
    pub(crate) fn moment(&self, ticks: u64) -> UnixMicros {
        let micros = u128::from(ticks) * 1_000_000 / u128::from(self.ticks_per_second);
        let tick = MICROS_PER_SECOND / i64::try_from(self.ticks_per_second).unwrap_or(1).max(1);
        let moment = self
            .boot
            .saturating_add(i64::try_from(micros).unwrap_or(i64::MAX));
        UnixMicros(moment - moment.rem_euclid(tick.max(1)))
    }
}

fn boot_now() -> i64 {
    micros(clock_gettime(ClockId::Realtime)) - micros(clock_gettime(ClockId::Boottime))
}

fn micros(time: Timespec) -> i64 {
    time.tv_sec
        .saturating_mul(MICROS_PER_SECOND)
        .saturating_add(time.tv_nsec / 1_000)
}

/// The CPU time of the calling thread since its start.
pub(crate) fn thread_cpu() -> Duration {
    let micros = micros(clock_gettime(ClockId::ThreadCPUTime));
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_ticks_after_boot_and_survives_only_a_clock_that_was_set() {
        let mut clock = BootClock {
            boot: 1_764_000_000_003_000,
            ticks_per_second: 100,
        };
        assert_eq!(clock.moment(250), UnixMicros(1_764_000_002_500_000));
        clock.follow(1_764_000_000_104_000);
        assert_eq!(clock.moment(250), UnixMicros(1_764_000_002_500_000));
        clock.follow(1_764_000_003_003_000);
        assert_eq!(clock.moment(250), UnixMicros(1_764_000_005_500_000));
        let _no_overflow = clock.moment(u64::MAX);
    }
}
