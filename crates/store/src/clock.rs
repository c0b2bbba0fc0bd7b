//! The wall clock, as something that can be given: the one place that reads the system's.

use std::time::SystemTime;

use portolan_wire::time::UnixMicros;

/// Says what time it is.
pub trait Clock: Send + Sync {
    /// The moment of the call. May stand still or step back: nothing is ordered by it alone.
    fn now(&self) -> UnixMicros;

    /// The same in whole seconds since 1970, as freshness counts.
    fn now_s(&self) -> u32 {
        u32::try_from(self.now().seconds()).unwrap_or(0)
    }
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> UnixMicros {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        UnixMicros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}
