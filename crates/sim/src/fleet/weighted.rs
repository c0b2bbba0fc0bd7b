//! Picks a place of a list by weights, in constant time (Walker's alias method, Vose 1991).
//!
//! A binary search over sums would cost 15 cache misses a pick, and a host needs about 50 picks.
//! Holds: only additions, divisions and square roots are used, which IEEE 754 fixes to the bit, so
//! the fleet is the same on every machine. (`powf` is not fixed, so no weight may come from it.)
//! Limit: weights are kept to 32 bits, an error below one in four thousand million.

use super::draws::{Draws, halves, scale};

/// The places of a list, each with its weight.
#[derive(Clone, Debug)]
pub(super) struct Weighted {
    columns: Vec<Column>,
}

#[derive(Clone, Copy, Debug)]
struct Column {
    /// Below this the column's own place is picked, else `other`.
    own_below: u32,
    other: u32,
}

impl Weighted {
    /// Places 0, 1, 2, … with these weights. Panics unless all are positive and there are some.
    pub(super) fn new(weights: &[f64]) -> Self {
        let total: f64 = weights.iter().sum();
        assert!(
            total > 0.0 && weights.iter().all(|w| *w > 0.0),
            "weights must be positive"
        );
        let count = weights.len();
        let mut share: Vec<f64> = weights.iter().map(|w| w * count as f64 / total).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..count).partition(|place| share.get(*place).is_some_and(|s| *s < 1.0));
        // A column that no round fills is its own place's alone.
        let alone = |place| Column {
            own_below: u32::MAX,
            other: to_place(place),
        };
        let mut columns: Vec<Column> = (0..count).map(alone).collect();
        // Each round fills one column: what a small place leaves free, a large one takes.
        while let (Some(low), Some(high)) = (small.pop(), large.pop()) {
            let kept = share.get(low).copied().unwrap_or(1.0);
            if let Some(column) = columns.get_mut(low) {
                *column = Column {
                    own_below: to_threshold(kept),
                    other: to_place(high),
                };
            }
            let Some(rest) = share.get_mut(high) else {
                continue;
            };
            *rest -= 1.0 - kept;
            if *rest < 1.0 {
                small.push(high)
            } else {
                large.push(high)
            }
        }
        Self { columns }
    }

    /// A place, picked by its weight.
    pub(super) fn pick(&self, draws: &mut Draws) -> usize {
        let [which, split] = halves(draws.next());
        let place = scale(which, to_place(self.columns.len()));
        match self.columns.get(place as usize) {
            Some(column) if split >= column.own_below => column.other as usize,
            _ => place as usize,
        }
    }
}

/// A share of 0 to 1 as that of 2^32; the cast of a float saturates.
fn to_threshold(share: f64) -> u32 {
    (share * 4_294_967_296.0) as u32
}

fn to_place(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::draws::Purpose;
    use super::*;

    #[test]
    fn places_come_as_often_as_their_weights_say() {
        let weights = [8.0, 4.0, 2.0, 1.0, 1.0];
        let weighted = Weighted::new(&weights);
        let mut draws = Draws::new(3, 0, Purpose::Facts, 0);
        let mut seen = [0_i32; 5];
        for _ in 0..16_000 {
            seen[weighted.pick(&mut draws)] += 1;
        }
        // Five standard deviations of the widest place are 320.
        for (count, expected) in seen.iter().zip([8_000, 4_000, 2_000, 1_000, 1_000]) {
            assert!((count - expected).abs() < 320, "{seen:?}");
        }
    }

    #[test]
    fn a_single_place_is_always_picked() {
        let weighted = Weighted::new(&[0.1]);
        let mut draws = Draws::new(3, 0, Purpose::Facts, 0);
        assert!((0..100).all(|_| weighted.pick(&mut draws) == 0));
    }

    #[test]
    #[should_panic(expected = "weights must be positive")]
    fn a_weight_of_nothing_is_refused() {
        Weighted::new(&[1.0, 0.0]);
    }
}
