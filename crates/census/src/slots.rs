//! A set of host slots, in pieces that commits share with what readers hold.
//!
//! A slot is a host's small number within its project. One bitmap of 1,000,000 hosts is 128 KB, too
//! much to copy at a commit; here each piece covers 65,536 slots and is at most 8 KB. Most sets are
//! those of ports that few hosts have: a piece of its own for each of their slots would cost some
//! 200 bytes, so a small set is a list.

use std::borrow::Cow;
use std::sync::Arc;

use roaring::{MultiOps, RoaringBitmap};

pub(crate) const PIECE_BITS: u32 = 16;
/// The largest low part of a slot.
pub(crate) const LOW_MAX: u32 = (1 << PIECE_BITS) - 1;
/// Most slots of a list; it becomes one again at half of that.
const FEW_MAX: usize = 64;

/// The set.
#[derive(Clone, Debug)]
pub(crate) enum Slots {
    /// All slots, ascending.
    Few(Vec<u32>),
    /// (slot >> 16, the low 16 bits of its slots), ascending, none empty.
    Many(Vec<(u32, Arc<RoaringBitmap>)>),
}

impl Default for Slots {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Slots {
    pub(crate) fn insert(&mut self, slot: u32) {
        match self {
            Self::Few(slots) => {
                let Err(at) = slots.binary_search(&slot) else {
                    return;
                };
                if slots.len() < FEW_MAX {
                    // Little room in advance: there are many such lists.
                    if slots.len() == slots.capacity() {
                        slots.reserve_exact(slots.len() / 4 + 1);
                    }
                    slots.insert(at, slot);
                    return;
                }
                let mut many = Self::Many(Vec::new());
                slots.iter().for_each(|slot| many.insert(*slot));
                many.insert(slot);
                *self = many;
            }
            Self::Many(pieces) => {
                let high = slot >> PIECE_BITS;
                let at = pieces.partition_point(|(piece, _)| *piece < high);
                if pieces.get(at).is_none_or(|(piece, _)| *piece != high) {
                    pieces.insert(at, (high, Arc::default()));
                }
                if let Some((_, bits)) = pieces.get_mut(at) {
                    Arc::make_mut(bits).insert(low(slot));
                }
            }
        }
    }

    pub(crate) fn remove(&mut self, slot: u32) {
        match self {
            Self::Few(slots) => {
                if let Ok(at) = slots.binary_search(&slot) {
                    slots.remove(at);
                }
                return;
            }
            Self::Many(pieces) => {
                let high = slot >> PIECE_BITS;
                let Ok(at) = pieces.binary_search_by_key(&high, |(piece, _)| *piece) else {
                    return;
                };
                if let Some((_, bits)) = pieces.get_mut(at) {
                    Arc::make_mut(bits).remove(low(slot));
                    if bits.is_empty() {
                        pieces.remove(at);
                    }
                }
            }
        }
        if self.len() <= FEW_MAX as u64 / 2 {
            *self = Self::Few(self.iter().collect());
        }
    }

    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Few(slots) => slots.len() as u64,
            Self::Many(pieces) => pieces.iter().map(|(_, bits)| bits.len()).sum(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Few(slots) => slots.is_empty(),
            Self::Many(pieces) => pieces.is_empty(),
        }
    }

    /// The slots that are in both.
    pub(crate) fn common(&self, other: &Self) -> Self {
        let both = self.highs().filter_map(|high| {
            let bits = &*self.piece(high)? & &*other.piece(high)?;
            (!bits.is_empty()).then(|| (high, Arc::new(bits)))
        });
        Self::Many(both.collect())
    }

    /// The numbers of the pieces, ascending: those that are not empty.
    pub(crate) fn highs(&self) -> impl Iterator<Item = u32> + '_ {
        let (few, many) = self.parts();
        let of_few = few.chunk_by(|a, b| a >> PIECE_BITS == b >> PIECE_BITS);
        let of_few = of_few.filter_map(|chunk| chunk.first().map(|slot| slot >> PIECE_BITS));
        of_few.chain(many.iter().map(|(high, _)| *high))
    }

    /// One piece: the low bits of its slots.
    pub(crate) fn piece(&self, high: u32) -> Option<Cow<'_, RoaringBitmap>> {
        match self {
            Self::Few(slots) => {
                let slots = few_of_piece(slots, high);
                let piece = || slots.iter().map(|slot| low(*slot)).collect();
                (!slots.is_empty()).then(|| Cow::Owned(piece()))
            }
            Self::Many(pieces) => {
                let at = pieces.binary_search_by_key(&high, |(piece, _)| *piece);
                let (_, bits) = pieces.get(at.ok()?)?;
                Some(Cow::Borrowed(bits))
            }
        }
    }

    /// One piece of the union of several sets.
    pub(crate) fn union_piece(sets: &[&Self], high: u32) -> RoaringBitmap {
        let pieces = sets.iter().filter_map(|set| match set {
            Self::Few(_) => None,
            Self::Many(_) => set.piece(high),
        });
        let mut union = pieces
            .collect::<Vec<_>>()
            .iter()
            .map(|piece| &**piece)
            .union();
        for set in sets {
            let (few, _) = set.parts();
            union.extend(few_of_piece(few, high).iter().map(|slot| low(*slot)));
        }
        union
    }

    pub(crate) fn contains(&self, slot: u32) -> bool {
        match self {
            Self::Few(slots) => slots.binary_search(&slot).is_ok(),
            Self::Many(_) => self
                .piece(slot >> PIECE_BITS)
                .is_some_and(|bits| bits.contains(low(slot))),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let (few, many) = self.parts();
        let of_many = many
            .iter()
            .flat_map(|(high, bits)| bits.iter().map(move |low| high << PIECE_BITS | low));
        few.iter().copied().chain(of_many)
    }

    /// The list and the pieces, of which one is empty.
    fn parts(&self) -> (&[u32], &[(u32, Arc<RoaringBitmap>)]) {
        match self {
            Self::Few(slots) => (slots, &[]),
            Self::Many(pieces) => (&[], pieces),
        }
    }
}

/// Those of a list that are in one piece.
fn few_of_piece(slots: &[u32], high: u32) -> &[u32] {
    let from = slots.partition_point(|slot| slot >> PIECE_BITS < high);
    let to = slots.partition_point(|slot| slot >> PIECE_BITS <= high);
    slots.get(from..to).unwrap_or_default()
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
                prop_assert_eq!(slots.len(), model.len() as u64);
            }
            prop_assert_eq!(slots.len(), model.len() as u64);
            prop_assert_eq!(slots.is_empty(), model.is_empty());
            prop_assert!(slots.highs().eq(model.iter().map(|slot| slot >> 16).collect::<BTreeSet<_>>()));
            for slot in [0, 7, 49, 65_535, 65_536, u32::MAX] {
                prop_assert_eq!(slots.contains(slot), model.contains(&slot));
            }
            for high in [0, 1, 2, 65_535] {
                let of_piece = |slots: &[&Slots]| -> Vec<u32> { Slots::union_piece(slots, high).iter().collect() };
                let expected: Vec<u32> = model.iter().filter(|slot| **slot >> 16 == high).map(|slot| slot & 0xffff).collect();
                prop_assert_eq!(slots.piece(high).map_or(Vec::new(), |piece| piece.iter().collect()), expected.clone());
                let mut other = Slots::default();
                expected.first().iter().for_each(|low| other.insert(high << 16 | *low));
                prop_assert_eq!(of_piece(&[&slots, &other]), expected);
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
    /// A set that grows and shrinks over the border between its two forms.
    #[test]
    fn a_set_changes_its_form_both_ways_and_keeps_its_slots() {
        let (mut slots, mut model) = (Slots::default(), BTreeSet::new());
        for round in 0..3 {
            for slot in (0..500).map(|n| n * 9_973 % 200_000) {
                slots.insert(slot);
                model.insert(slot);
            }
            assert!(matches!(slots, Slots::Many(_)));
            for slot in (0..480 + round).map(|n| n * 9_973 % 200_000) {
                slots.remove(slot);
                model.remove(&slot);
            }
            assert!(matches!(slots, Slots::Few(_)));
            assert!(slots.iter().eq(model.iter().copied()));
        }
    }
}
