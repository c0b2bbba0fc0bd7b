//! Since when each port of a set is open: runs of equal moments, in the order of the set.
//!
//! Most ports of a host are open since its first report or since a restart, so that a few runs say it
//! all. Holds: neighbours differ, so that equal moments have equal runs.

use portolan_wire::time::UnixMicros;
use serde::{Deserialize, Serialize};

use super::SnapshotError;

/// Moments (microseconds since 1970) and how many ports in a row have them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Runs(Vec<(i64, u32)>);

impl Runs {
    /// The same moment for `len` ports.
    pub(crate) fn all_at(at: i64, len: u32) -> Self {
        Self(if len == 0 {
            Vec::new()
        } else {
            vec![(at, len)]
        })
    }

    pub(crate) fn of(moments: impl IntoIterator<Item = i64>) -> Self {
        let mut runs = Self::default();
        moments.into_iter().for_each(|at| runs.push(at));
        runs
    }

    fn push(&mut self, at: i64) {
        match self.0.last_mut() {
            Some((last, len)) if *last == at && *len < u32::MAX => *len += 1,
            _ => self.0.push((at, 1)),
        }
    }

    /// The moment of each of `len` ports.
    ///
    /// # Errors
    /// They are of another number of ports.
    pub(crate) fn moments(&self, len: usize) -> Result<Vec<UnixMicros>, SnapshotError> {
        let told = self.0.iter().map(|&(_, run)| u64::from(run)).sum::<u64>();
        if told != len as u64 {
            return Err(SnapshotError::FirstSeen { told, ports: len });
        }
        let mut moments = Vec::with_capacity(len);
        for &(at, run) in &self.0 {
            moments.extend(std::iter::repeat_n(UnixMicros(at), run as usize));
        }
        Ok(moments)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_tell_each_moment_and_no_other_number_of_them(
            moments in prop::collection::vec(0_i64..4, 0..20),
        ) {
            let runs = Runs::of(moments.iter().copied());
            let expected: Vec<_> = moments.iter().map(|&at| UnixMicros(at)).collect();
            prop_assert_eq!(runs.moments(moments.len()).unwrap(), expected);
            prop_assert!(runs.moments(moments.len() + 1).is_err());
            prop_assert!(runs.0.windows(2).all(|pair| pair[0].0 != pair[1].0));
        }
    }
}
