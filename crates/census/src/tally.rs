//! A small whole number for each host, as sets of slots: one set for each bit.
//!
//! The sum of the numbers of any set of hosts, those up to a slot for example, is then a sum of
//! lengths of sets, each weighted by its bit; a number of a million hosts takes a bit of each host
//! for each bit of the number. The one negative number is -1, which has a set of its own.

use crate::slots::Slots;

/// The numbers; a host that is in no set has 0.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// By ascending bit, none empty.
    bits: Vec<(u32, Slots)>,
}

/// The bit that stands for -1.
const MINUS_ONE: u32 = 31;

impl Tally {
    /// Changes the number of a host.
    pub(crate) fn change(&mut self, slot: u32, from: i32, to: i32) {
        let (was, is) = (mask(from), mask(to));
        for bit in (0..32).filter(|bit| (was ^ is) >> bit & 1 == 1) {
            if is >> bit & 1 == 1 {
                self.insert(bit, slot);
            } else {
                self.remove(bit, slot);
            }
        }
    }

    /// The sets, and how much each host in one adds.
    pub(crate) fn weighted(&self) -> impl Iterator<Item = (i64, &Slots)> {
        self.bits.iter().map(|(bit, slots)| match *bit {
            MINUS_ONE => (-1, slots),
            bit => (1 << bit, slots),
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bits.is_empty()
    }

    fn insert(&mut self, bit: u32, slot: u32) {
        let at = self.bits.partition_point(|(b, _)| *b < bit);
        if self.bits.get(at).is_none_or(|(b, _)| *b != bit) {
            // Most tallies have one bit: no room for more is taken in advance.
            self.bits.reserve_exact(1);
            self.bits.insert(at, (bit, Slots::default()));
        }
        if let Some((_, slots)) = self.bits.get_mut(at) {
            slots.insert(slot);
        }
    }

    fn remove(&mut self, bit: u32, slot: u32) {
        let Ok(at) = self.bits.binary_search_by_key(&bit, |(b, _)| *b) else {
            return;
        };
        if let Some((_, slots)) = self.bits.get_mut(at) {
            slots.remove(slot);
            if slots.is_empty() {
                self.bits.remove(at);
            }
        }
    }
}

fn mask(number: i32) -> u32 {
    debug_assert!(number >= -1, "-1 is the one negative number");
    u32::try_from(number).unwrap_or(1 << MINUS_ONE)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_tally_equals_a_map(steps in prop::collection::vec((prop_oneof![0u32..20, 65_530u32..65_540], prop_oneof![Just(-1), 0..4, 0..20_000]), 0..200)) {
            let (mut tally, mut model) = (Tally::default(), BTreeMap::<u32, i32>::new());
            for (slot, number) in steps {
                tally.change(slot, model.insert(slot, number).unwrap_or(0), number);
            }
            let mut numbers = BTreeMap::<u32, i64>::new();
            for (weight, slots) in tally.weighted() {
                slots.iter().for_each(|slot| *numbers.entry(slot).or_default() += weight);
            }
            model.retain(|_, number| *number != 0);
            prop_assert_eq!(tally.is_empty(), model.is_empty());
            prop_assert!(numbers.into_iter().eq(model.into_iter().map(|(slot, number)| (slot, i64::from(number)))));
        }
    }
}
