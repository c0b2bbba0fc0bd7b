//! Counting over weighted sets of hosts: how much the hosts of a selection add up to, and which of
//! them holds the nth.
//!
//! Holds: the cost is that of a few lengths, intersections and ranks of sets in pieces of 65,536
//! slots, whichever place is asked for; no host is looked at but those of the page.

use std::borrow::Cow;
use std::collections::BTreeSet;

use roaring::RoaringBitmap;

use crate::slots::{LOW_MAX, PIECE_BITS, Slots};

/// Sets of hosts, each with what a host in it adds. No host adds up to less than 0.
pub(crate) struct Weighted<'a> {
    sets: Vec<(i64, &'a Slots)>,
    /// Only hosts that are in one of these count; `None`: all.
    within: Option<Vec<&'a Slots>>,
}

/// A host by its slot, and which of what it adds up to a range holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) slot: u32,
    pub(crate) skip: usize,
    pub(crate) take: usize,
}

/// One piece of the sets, within what counts.
struct Piece<'a>(Vec<(i64, Cow<'a, RoaringBitmap>)>);

impl<'a> Weighted<'a> {
    pub(crate) fn new(
        sets: impl IntoIterator<Item = (i64, &'a Slots)>,
        within: Option<Vec<&'a Slots>>,
    ) -> Self {
        Self {
            sets: sets.into_iter().collect(),
            within,
        }
    }

    /// What all hosts add up to.
    pub(crate) fn total(&self) -> u64 {
        let highs = self.highs().into_iter();
        let sums = highs.map(|high| self.sum(high, self.mask(high).as_deref()));
        u64::try_from(sums.sum::<i64>()).unwrap_or(0)
    }

    /// What all hosts add up to, and who holds the `count` from the `start`th on, by ascending slot.
    pub(crate) fn range(&self, start: usize, count: usize) -> (u64, Vec<Share>) {
        let end = to_i64(start.saturating_add(count));
        let mut shares = Vec::new();
        let mut before = 0;
        let mut at = to_i64(start);
        for high in self.highs() {
            let mask = self.mask(high);
            let here = self.sum(high, mask.as_deref());
            if at < end && at < before + here {
                let piece = self.piece(high, mask.as_deref());
                let to = end.min(before + here);
                piece.share(high, at - before, to - before, &mut shares);
                at = to;
            }
            before += here;
        }
        (u64::try_from(before).unwrap_or(0), shares)
    }

    /// The hosts that are in any set, and what each adds up to, by ascending slot.
    pub(crate) fn into_hosts(self) -> impl Iterator<Item = (u32, u64)> + use<'a> {
        self.highs().into_iter().flat_map(move |high| {
            let piece = self.piece(high, self.mask(high).as_deref());
            let any = piece.any();
            any.into_iter().filter_map(move |low| {
                let adds = u64::try_from(piece.at(low)).ok()?;
                (adds > 0).then_some((high << PIECE_BITS | low, adds))
            })
        })
    }

    /// The numbers of the pieces that any set has.
    fn highs(&self) -> BTreeSet<u32> {
        let sets = self.sets.iter();
        sets.flat_map(|(_, slots)| slots.highs()).collect()
    }

    /// Which slots of a piece count; `None`: all.
    fn mask(&self, high: u32) -> Option<Cow<'a, RoaringBitmap>> {
        let within = self.within.as_ref()?;
        Some(match within.as_slice() {
            [one] => one.piece(high).unwrap_or_default(),
            several => Cow::Owned(Slots::union_piece(several, high)),
        })
    }

    fn sum(&self, high: u32, mask: Option<&RoaringBitmap>) -> i64 {
        let pieces = self.sets.iter().filter_map(|(weight, slots)| {
            let piece = slots.piece(high)?;
            let hosts = mask.map_or_else(|| piece.len(), |mask| piece.intersection_len(mask));
            Some(weight * i64::try_from(hosts).unwrap_or(i64::MAX))
        });
        pieces.sum()
    }

    fn piece(&self, high: u32, mask: Option<&RoaringBitmap>) -> Piece<'a> {
        let pieces = self.sets.iter().filter_map(|(weight, slots)| {
            let piece = slots.piece(high)?;
            let Some(mask) = mask else {
                return Some((*weight, piece));
            };
            Some((*weight, Cow::Owned(&*piece & mask)))
        });
        Piece(pieces.collect())
    }
}

impl Piece<'_> {
    /// Who holds `from..to` of what the piece's hosts add up to.
    fn share(&self, high: u32, mut from: i64, to: i64, shares: &mut Vec<Share>) {
        let mut low = self.holder(from);
        while from < to {
            let Some(this) = low.and_then(|low| self.next(low)) else {
                return;
            };
            let end = self.up_to(this);
            let begin = end - self.at(this);
            let last = end.min(to);
            if last > from {
                shares.push(Share {
                    slot: high << PIECE_BITS | this,
                    skip: to_usize(from - begin),
                    take: to_usize(last - from),
                });
                from = last;
            }
            low = this.checked_add(1).filter(|low| *low <= LOW_MAX);
        }
    }

    /// The lowest slot up to which the hosts add up to more than `nth`.
    fn holder(&self, nth: i64) -> Option<u32> {
        let (mut from, mut to) = (0, LOW_MAX + 1);
        while from < to {
            let middle = from + (to - from) / 2;
            if self.up_to(middle) > nth {
                to = middle;
            } else {
                from = middle + 1;
            }
        }
        (from <= LOW_MAX).then_some(from)
    }

    /// The first slot from `low` on that is in any set.
    fn next(&self, low: u32) -> Option<u32> {
        let sets = self.0.iter();
        sets.filter_map(|(_, set)| set.range(low..).next()).min()
    }

    fn any(&self) -> RoaringBitmap {
        let mut any = RoaringBitmap::new();
        for (_, set) in &self.0 {
            any |= &**set;
        }
        any
    }

    fn up_to(&self, low: u32) -> i64 {
        let sets = self.0.iter();
        sets.map(|(weight, set)| weight * i64::try_from(set.rank(low)).unwrap_or(i64::MAX))
            .sum()
    }

    fn at(&self, low: u32) -> i64 {
        let sets = self.0.iter().filter(|(_, set)| set.contains(low));
        sets.map(|(weight, _)| weight).sum()
    }
}

fn to_i64(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn to_usize(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::tally::Tally;

    /// Slots at the edges of pieces, and some that are near each other.
    fn slot() -> impl Strategy<Value = u32> {
        prop_oneof![
            0u32..130,
            65_425u32..65_545,
            131_000u32..131_072,
            196_600u32..196_615
        ]
    }

    proptest! {
        #[test]
        fn a_range_equals_that_of_all_in_a_row(numbers in prop::collection::btree_map(slot(), prop_oneof![5 => 1i32..5, 1 => 5i32..3_000], 0..250), scopes in prop::option::of(prop::collection::vec(prop::collection::vec(slot(), 0..150), 0..4)), starts in prop::collection::vec(0usize..30_000, 4)) {
            let mut tally = Tally::default();
            numbers.iter().for_each(|(&slot, &number)| tally.change(slot, 0, number));
            let scopes: Option<Vec<Slots>> = scopes.map(|scopes| scopes.into_iter().map(|scope| {
                let mut slots = Slots::default();
                scope.into_iter().for_each(|slot| slots.insert(slot));
                slots
            }).collect());
            let within = scopes.as_ref().map(|scopes| scopes.iter().collect::<Vec<_>>());
            let counted: BTreeMap<u32, i32> = numbers.into_iter().filter(|(slot, _)| within.as_ref().is_none_or(|within| within.iter().any(|slots| slots.contains(*slot)))).collect();
            let row: Vec<u32> = counted.iter().flat_map(|(&slot, &number)| std::iter::repeat_n(slot, usize::try_from(number).unwrap())).collect();
            let weighted = Weighted::new(tally.weighted(), within);
            prop_assert_eq!(weighted.total(), row.len() as u64);
            let hosts = Weighted { sets: weighted.sets.clone(), within: weighted.within.clone() }.into_hosts();
            prop_assert!(hosts.eq(counted.iter().map(|(&slot, &number)| (slot, u64::from(number.unsigned_abs())))));
            for start in starts.into_iter().chain([0, row.len() / 2, row.len().saturating_sub(1), row.len(), row.len() + 7]) {
                for count in [0, 1, 10, 200, 5_000] {
                    let (total, shares) = weighted.range(start, count);
                    prop_assert_eq!(total, row.len() as u64);
                    let expected: Vec<u32> = row.iter().skip(start).take(count).copied().collect();
                    let got: Vec<u32> = shares.iter().flat_map(|share| std::iter::repeat_n(share.slot, share.take)).collect();
                    prop_assert_eq!(got, expected);
                    for (place, share) in shares.iter().enumerate() {
                        let begin = row.iter().position(|slot| *slot == share.slot).unwrap();
                        prop_assert_eq!(share.skip, if place == 0 { start - begin } else { 0 });
                        prop_assert!(share.take > 0);
                    }
                }
            }
        }
    }
}
