//! (generation, sequence): the only order of a host's reports.

use portolan_wire::caps::PAIR_MAX;

/// The place of a report in the order of its host's reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// Rises at each start of the agent.
    pub generation: u64,
    /// Rises with each report within a generation.
    pub sequence: u64,
}

impl Pair {
    /// Before the first report of `generation`.
    pub const fn start_of(generation: u64) -> Self {
        Self {
            generation,
            sequence: 0,
        }
    }

    /// The next one. A sequence at its limit goes on in the next generation.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.sequence < PAIR_MAX {
            Self {
                generation: self.generation,
                sequence: self.sequence + 1,
            }
        } else {
            Self {
                generation: self.generation.saturating_add(1),
                sequence: 0,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_pair_is_newer_and_never_beyond_the_limit() {
        let pair = Pair::start_of(7);
        assert_eq!(
            pair.next(),
            Pair {
                generation: 7,
                sequence: 1
            }
        );
        let last = Pair {
            generation: 7,
            sequence: PAIR_MAX,
        };
        assert_eq!(
            last.next(),
            Pair {
                generation: 8,
                sequence: 0
            }
        );
        assert!(last.next() > last);
    }
}
