//! How many namespaces a scan may look into within some CPU time, told by what the last looks cost.
//!
//! A look into a namespace costs mostly what the kernel takes to walk its tables, 0.14 ms on one
//! host and more on another with larger tables, so it is measured and not assumed.
//! Limits: an estimate; the first scan looks into everything and owes nothing to it.

use std::time::Duration;

/// How much of an estimate a new measurement replaces: one part in this many.
const PARTS: u32 = 4;

/// What scans cost lately.
#[derive(Debug, Default)]
pub(super) struct Share {
    /// All but the looks into other namespaces.
    rest: Option<Duration>,
    /// One look into another namespace.
    other: Option<Duration>,
}

impl Share {
    /// Notes a scan that looked into that many other namespaces. What it took to seek owners tells
    /// nothing of the next one, so of scans that sought any only the looks count.
    pub(super) fn note(&mut self, others: u32, of_others: Duration, rest: Duration, sought: bool) {
        if let Some(each) = of_others.checked_div(others) {
            mix(&mut self.other, each);
        }
        if !sought {
            mix(&mut self.rest, rest);
        }
    }

    /// How many other namespaces `cpu` is enough for; at least one, so that each has its turn.
    pub(super) fn others_max(&self, cpu: Duration) -> usize {
        let left = cpu.saturating_sub(self.rest.unwrap_or_default());
        let each = self.other.unwrap_or_default().as_nanos().max(1);
        usize::try_from(left.as_nanos() / each)
            .unwrap_or(usize::MAX)
            .max(1)
    }
}

fn mix(estimate: &mut Option<Duration>, measured: Duration) {
    *estimate = Some(match *estimate {
        None => measured,
        Some(known) => (known * (PARTS - 1) + measured) / PARTS,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn as_many_others_as_fit_beside_the_rest_and_never_none() {
        let mut share = Share::default();
        share.note(50, 10 * MS, 90 * MS, true);
        share.note(0, Duration::ZERO, 2 * MS, false);
        assert_eq!(share.others_max(5 * MS), 15, "3 ms at 0.2 ms each");
        assert_eq!(share.others_max(2 * MS), 1);
        assert_eq!(share.others_max(Duration::ZERO), 1);
    }

    #[test]
    fn an_estimate_follows_what_looks_cost_slowly() {
        let mut share = Share::default();
        share.note(10, 10 * MS, Duration::ZERO, false);
        assert_eq!(share.others_max(12 * MS), 12);
        share.note(1, 5 * MS, Duration::ZERO, false);
        assert_eq!(share.others_max(12 * MS), 6, "(3 * 1 ms + 5 ms) / 4");
    }
}
