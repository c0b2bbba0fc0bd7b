//! A set of host slots, in pieces that commits share with what readers hold.
//!
//! A slot is a host's small number within its project. One bitmap of 1,000,000 hosts is 128 KB, too
//! much to copy at a commit; here each piece covers 65,536 slots and is at most 8 KB.

use std::sync::Arc;

use roaring::RoaringBitmap;

pub(crate) const PIECE_BITS: u32 = 16;
/// The largest low part of a slot.
pub(crate) const LOW_MAX: u32 = (1 << PIECE_BITS) - 1;

/// The set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots {
    /// (slot >> 16, the low 16 bits of its slots), ascending, none empty.
    pieces: Vec<(u32, Arc<RoaringBitmap>)>,
}

impl Slots {
    pub(crate) fn insert(&mut self, slot: u32) {
        let high = slot >> PIECE_BITS;
        let at = self.pieces.partition_point(|(piece, _)| *piece < high);
        if self.pieces.get(at).is_none_or(|(piece, _)| *piece != high) {
            self.pieces.insert(at, (high, Arc::default()));
        }
        if let Some((_, bits)) = self.pieces.get_mut(at) {
            Arc::make_mut(bits).insert(low(slot));
        }
    }

    pub(crate) fn remove(&mut self, slot: u32) {
        let high = slot >> PIECE_BITS;
        let Ok(at) = self.pieces.binary_search_by_key(&high, |(piece, _)| *piece) else {
            return;
        };
        if let Some((_, bits)) = self.pieces.get_mut(at) {
            Arc::make_mut(bits).remove(low(slot));
            if bits.is_empty() {
                self.pieces.remove(at);
            }
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.pieces.iter().map(|(_, bits)| bits.len()).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The slots that are in both.
    pub(crate) fn common(&self, other: &Self) -> Self {
        let both = self.pieces.iter().filter_map(|(piece, bits)| {
            let at = other.pieces.binary_search_by_key(piece, |(p, _)| *p).ok()?;
            let (_, others) = other.pieces.get(at)?;
            let bits = &**bits & &**others;
            (!bits.is_empty()).then(|| (*piece, Arc::new(bits)))
        });
        Self {
            pieces: both.collect(),
        }
    }

    /// The numbers of the pieces, ascending: those that are not empty.
    pub(crate) fn highs(&self) -> impl Iterator<Item = u32> + '_ {
        self.pieces.iter().map(|(high, _)| *high)
    }

    /// One piece: the low bits of its slots.
    pub(crate) fn piece(&self, high: u32) -> Option<&RoaringBitmap> {
        let at = self.pieces.binary_search_by_key(&high, |(piece, _)| *piece);
        let at = at.ok()?;
        self.pieces.get(at).map(|(_, bits)| &**bits)
    }

    pub(crate) fn contains(&self, slot: u32) -> bool {
        self.piece(slot >> PIECE_BITS)
            .is_some_and(|bits| bits.contains(low(slot)))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.pieces
            .iter()
            .flat_map(|(high, bits)| bits.iter().map(move |low| high << PIECE_BITS | low))
    }
}

fn low(slot: u32) -> u32 {
    slot & LOW_MAX
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn slots_equal_a_set(steps in prop::collection::vec((any::<bool>(), prop_oneof![0u32..50, 65_500u32..65_600, any::<u32>()]), 0..300)) {
            let (mut slots, mut model) = (Slots::default(), BTreeSet::new());
            for (insert, slot) in steps {
                if insert { slots.insert(slot); model.insert(slot); } else { slots.remove(slot); model.remove(&slot); }
            }
            prop_assert_eq!(slots.len(), model.len() as u64);
            prop_assert_eq!(slots.is_empty(), model.is_empty());
            prop_assert!(slots.highs().eq(model.iter().map(|slot| slot >> 16).collect::<BTreeSet<_>>()));
            for slot in [0, 7, 49, 65_535, 65_536, u32::MAX] {
                prop_assert_eq!(slots.contains(slot), model.contains(&slot));
            }
            prop_assert!(slots.iter().eq(model));
        }

        #[test]
        fn what_is_common_is_in_both(
            one in prop::collection::btree_set(prop_oneof![0u32..50, 65_500u32..65_600], 0..100),
            other in prop::collection::btree_set(prop_oneof![0u32..50, 65_500u32..65_600], 0..100),
        ) {
            let slots = |set: &BTreeSet<u32>| {
                let mut slots = Slots::default();
                set.iter().for_each(|slot| slots.insert(*slot));
                slots
            };
            let common = slots(&one).common(&slots(&other));
            prop_assert!(common.iter().eq(one.intersection(&other).copied()));
            prop_assert_eq!(common.is_empty(), one.is_disjoint(&other));
        }
    }
}
