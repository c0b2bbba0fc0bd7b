//! Moments of the kernel's clock as moments of the wall clock, and sockets that passed as transients.

use std::time::Duration;

use portolan_sockets::Namespace;
use portolan_wire::caps::PATH_CHARS_MAX;
use portolan_wire::report::Transient;
use portolan_wire::time::UnixMicros;
use rustix::time::{ClockId, clock_gettime};

use super::between::Passed;
use crate::meter::wall_clock;

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moments {
    wall: UnixMicros,
    boot: Duration,
}

impl Moments {
    pub(crate) fn now() -> Self {
        let boot = clock_gettime(ClockId::Boottime);
        Self {
            wall: wall_clock(),
            boot: Duration::try_from(boot).unwrap_or_default(),
        }
    }

    /// Now, as events count.
    pub(crate) fn boot_ns(self) -> u64 {
        u64::try_from(self.boot.as_nanos()).unwrap_or(u64::MAX)
    }

    /// What the wall clock, as it is set now, showed so many nanoseconds of `CLOCK_BOOTTIME` after
    /// the boot.
    fn at(self, boot_ns: u64) -> UnixMicros {
        let ago = self.boot.saturating_sub(Duration::from_nanos(boot_ns));
        let ago = i64::try_from(ago.as_micros()).unwrap_or(i64::MAX);
        UnixMicros(self.wall.0.saturating_sub(ago))
    }

    /// A socket that came and went, for a report.
    pub(crate) fn transient(self, passed: Passed, namespace: Namespace) -> Transient {
        let Passed { opened, closed } = passed;
        Transient {
            transport: opened.transport,
            laddr: opened.laddr.to_canonical(),
            // A listen without a bind has its port only afterwards.
            port: if opened.port == 0 {
                closed.port
            } else {
                opened.port
            },
            netns: namespace.name,
            pid: (opened.pid != 0).then_some(opened.pid),
            path: opened.path.filter(|path| is_tellable(path)),
            container_id: namespace.container_id,
            container_name: None,
            opened_at: Some(self.at(opened.at_ns)),
            closed_at: Some(self.at(closed.at_ns)),
        }
    }
}

/// Whether a report may carry it: whoever names a file decides what is in its name.
pub(super) fn is_tellable(path: &str) -> bool {
    path.chars().count() <= PATH_CHARS_MAX && !path.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_of_the_kernel_is_one_of_the_wall_clock() {
        let moments = Moments {
            wall: UnixMicros::from_seconds(1_000),
            boot: Duration::from_secs(50),
        };
        assert_eq!(moments.at(50_000_000_000), UnixMicros::from_seconds(1_000));
        assert_eq!(moments.at(47_500_000_000), UnixMicros(997_500_000));
        assert_eq!(
            moments.at(60_000_000_000),
            UnixMicros::from_seconds(1_000),
            "never ahead"
        );
    }

    #[test]
    fn a_path_that_no_report_may_carry_is_left_out() {
        assert!(is_tellable(&"ä".repeat(PATH_CHARS_MAX)));
        assert!(!is_tellable(&"ä".repeat(PATH_CHARS_MAX + 1)));
        assert!(!is_tellable("/a\0b"));
    }
}
