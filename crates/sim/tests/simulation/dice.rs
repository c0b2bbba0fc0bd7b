//! The world's chance, from its seed.
//!
//! Each concern has a sequence of its own, so that one more lost message does not change which
//! ports a host opens: a trace before and after a small change of the code stays comparable.

use std::ops::RangeInclusive;

use fastrand::Rng;

/// The sequences of one world.
pub(crate) struct Dice {
    /// What hosts do.
    pub(crate) hosts: Die,
    /// What becomes of messages.
    pub(crate) network: Die,
    /// Which fault comes next, and to whom.
    pub(crate) faults: Die,
    /// What a crash leaves on the disk.
    pub(crate) disk: Die,
    /// How long things take on the server, and what is checked when.
    pub(crate) server: Die,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        let mut root = Rng::with_seed(seed);
        let mut die = || Die(root.fork());
        Self {
            hosts: die(),
            network: die(),
            faults: die(),
            disk: die(),
            server: die(),
        }
    }
}

/// One sequence.
pub(crate) struct Die(Rng);

impl Die {
    /// Another sequence.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.0.fork())
    }

    pub(crate) fn seed(&mut self) -> u64 {
        self.0.u64(..)
    }

    pub(crate) fn from(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.0.u64(range)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0.usize(0..bound.max(1))
    }

    pub(crate) fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// True `per_mille` times in a thousand.
    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.0.u64(0..1_000) < per_mille
    }

    /// The place of one of `weights`, each as likely as it weighs; `None` where all weigh nothing.
    pub(crate) fn weighted(&mut self, weights: &[u64]) -> Option<usize> {
        let total = weights.iter().sum();
        let mut at = if total == 0 {
            return None;
        } else {
            self.0.u64(0..total)
        };
        weights.iter().position(|&weight| {
            let here = at < weight;
            at = at.saturating_sub(weight);
            here
        })
    }
}
