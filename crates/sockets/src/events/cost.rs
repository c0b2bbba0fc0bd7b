//! What the programs cost the kernel. It is nobody's CPU time in particular: they run in whoever
//! listens, binds or connects.

use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

/// What one program has cost since it was attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramCost {
    /// Its name.
    pub name: &'static str,
    /// How often it ran.
    pub runs: u64,
    /// How long it ran: by the kernel's own mean of a run where it keeps one, else estimated.
    pub time: Duration,
}

/// What the programs have cost since they were attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelCost {
    /// Events that were written.
    pub events: u64,
    /// Events that the ring had no room for.
    pub lost: u64,
    /// Each program that runs by itself.
    pub programs: Vec<ProgramCost>,
    /// Whether the kernel measures (`kernel.bpf_stats_enabled`); else times are estimates from
    /// runs and events, by the measurements of docs/EVENTS.md.
    pub measured: bool,
}

impl KernelCost {
    /// The CPU time of all programs.
    #[must_use]
    pub fn time(&self) -> Duration {
        self.programs.iter().map(|program| program.time).sum()
    }
}

/// What a run that tells nothing costs, in nanoseconds; see docs/EVENTS.md.
const RUN_NS: u64 = 75;
/// What an event costs beside, with the path of its program.
const EVENT_NS: u64 = 2_000;

/// An estimate for a program that ran so often and told so many events.
pub(super) fn estimate(runs: u64, events: u64) -> Duration {
    Duration::from_nanos(
        runs.saturating_mul(RUN_NS)
            .saturating_add(events.saturating_mul(EVENT_NS)),
    )
}

/// What the kernel measured of a program: (nanoseconds, runs). None where it does not.
pub(super) fn measured(program: impl AsFd) -> Option<(u64, u64)> {
    let descriptor = program.as_fd().as_raw_fd();
    parse(&fs::read_to_string(format!("/proc/thread-self/fdinfo/{descriptor}")).ok()?)
}

fn parse(fdinfo: &str) -> Option<(u64, u64)> {
    let field = |name: &str| -> Option<u64> {
        let value = fdinfo.lines().find_map(|line| line.strip_prefix(name))?;
        value.trim().parse().ok()
    };
    let (time, runs) = (field("run_time_ns:")?, field("run_cnt:")?);
    (runs > 0).then_some((time, runs))
}

/// By the mean of the runs that were measured, which need not be all. Each is (nanoseconds, runs).
pub(super) fn extrapolate((time, measured): (u64, u64), runs: u64) -> Duration {
    let all = u128::from(time) * u128::from(runs) / u128::from(measured.max(1));
    Duration::from_nanos(u64::try_from(all).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_measured_is_read_and_spread_over_all_runs() {
        let fdinfo =
            "pos:\t0\nprog_type:\t26\nrun_time_ns:\t3000\nrun_cnt:\t30\nrecursion_misses:\t0\n";
        assert_eq!(parse(fdinfo), Some((3_000, 30)));
        assert_eq!(parse(&fdinfo.replace("30\n", "0\n")), None);
        assert_eq!(parse("pos:\t0\n"), None);
        assert_eq!(extrapolate((3_000, 30), 1_000), Duration::from_micros(100));
        assert_eq!(
            extrapolate((u64::MAX, 1), u64::MAX),
            Duration::from_nanos(u64::MAX)
        );
    }

    #[test]
    fn an_estimate_grows_with_runs_and_events() {
        assert_eq!(estimate(1_000, 0), Duration::from_micros(75));
        assert!(estimate(1_000, 1) > estimate(1_000, 0));
        assert_eq!(estimate(u64::MAX, u64::MAX), Duration::from_nanos(u64::MAX));
    }
}
