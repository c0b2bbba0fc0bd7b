//! The wall clock, and what this process costs. The only place of the crate that asks for either.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portolan_wire::report::Agent;
use portolan_wire::time::UnixMicros;
use rustix::time::{ClockId, clock_gettime};

use crate::budget::{Meter, Usage};

/// Now, by the wall clock. It may jump; nothing is ordered by it.
#[expect(clippy::disallowed_methods, reason = "this is the agent's clock")]
pub(crate) fn wall_clock() -> UnixMicros {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMicros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Now, in whole seconds since 1970, by the wall clock.
pub(crate) fn unix_seconds() -> u64 {
    u64::try_from(wall_clock().seconds()).unwrap_or(0)
}

/// CPU that the calling thread has used, user and system.
pub(crate) fn thread_cpu() -> Duration {
    duration(clock_gettime(ClockId::ThreadCPUTime))
}

/// Who reports, and what it has cost until now.
pub(crate) fn agent(mode: &str, usage: Usage, ephemeral_udp: Option<u64>) -> Agent {
    Agent {
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        mode: Some(mode.to_owned()),
        cpu_ms: u64::try_from(usage.cpu.as_millis()).ok(),
        rss_bytes: usage.memory_bytes,
        ephemeral_udp,
    }
}

/// Measures this process. In `portolan demo` that is the server as well.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProcessMeter;

impl Meter for ProcessMeter {
    fn usage(&mut self, kernel: Duration) -> Usage {
        Usage {
            cpu: duration(clock_gettime(ClockId::ProcessCPUTime)) + kernel,
            memory_bytes: resident_bytes(),
        }
    }
}

fn duration(time: rustix::time::Timespec) -> Duration {
    Duration::try_from(time).unwrap_or_default()
}

/// The second field of /proc/self/statm counts resident pages (proc_pid_statm(5)).
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(u64::try_from(rustix::param::page_size()).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_costs_memory_and_time() {
        let usage = ProcessMeter.usage(Duration::ZERO);
        let beside = ProcessMeter.usage(Duration::from_secs(3_600));
        assert!(
            beside.cpu - usage.cpu >= Duration::from_secs(3_600),
            "{beside:?}"
        );
        let agent = agent("poll", usage, None);
        assert!(agent.rss_bytes.unwrap() > 100_000, "{agent:?}");
        assert!(agent.cpu_ms.is_some());
        assert_eq!(agent.mode.as_deref(), Some("poll"));
        let before = thread_cpu();
        let mut sum = 0_u64;
        while thread_cpu() == before {
            sum = std::hint::black_box(sum + 1);
        }
    }
}
