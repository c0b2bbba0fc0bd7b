//! Answers that are kept for a while: at most so many, the oldest goes first.
//!
//! Readers never lock. An answer counts from when it came; a clock that was set back ends it, as
//! nobody knows its age then.

use arc_swap::ArcSwap;
use imbl::{HashMap, OrdMap};
use portolan_wire::time::UnixMicros;

use crate::credentials::TokenHash;

#[derive(Clone)]
struct Table<T: Clone> {
    by_token: HashMap<TokenHash, (u64, UnixMicros, T)>,
    by_age: OrdMap<u64, TokenHash>,
    next: u64,
}

pub(super) struct Kept<T: Clone> {
    table: ArcSwap<Table<T>>,
    most: usize,
    micros: i64,
}

impl<T: Clone> Kept<T> {
    /// At most so many, each for so many seconds.
    pub(super) fn new(most: usize, seconds: i64) -> Self {
        let table = Table {
            by_token: HashMap::new(),
            by_age: OrdMap::new(),
            next: 0,
        };
        Self {
            table: ArcSwap::from_pointee(table),
            most,
            micros: seconds * 1_000_000,
        }
    }

    pub(super) fn get(&self, hash: &TokenHash, now: UnixMicros) -> Option<T> {
        let table = self.table.load();
        let (_, since, kept) = table.by_token.get(hash)?;
        self.holds(*since, now).then(|| kept.clone())
    }

    /// Keeps an answer of now; says whether one that still held had to go for it.
    pub(super) fn insert(&self, hash: TokenHash, kept: T, now: UnixMicros) -> bool {
        let mut pushed_out = false;
        self.table.rcu(|table| {
            let mut table = Table::clone(table);
            table.remove(&hash);
            pushed_out = false;
            while let Some((since, oldest)) = table.oldest() {
                let holds = self.holds(since, now);
                if holds && table.by_token.len() < self.most {
                    break;
                }
                pushed_out |= holds;
                table.remove(&oldest);
            }
            let place = table.next;
            table.next += 1;
            table.by_age.insert(place, hash);
            table.by_token.insert(hash, (place, now, kept.clone()));
            table
        });
        pushed_out
    }

    pub(super) fn remove(&self, hash: &TokenHash) {
        if self.table.load().by_token.contains_key(hash) {
            self.table.rcu(|table| {
                let mut table = Table::clone(table);
                table.remove(hash);
                table
            });
        }
    }

    pub(super) fn len(&self) -> usize {
        self.table.load().by_token.len()
    }

    fn holds(&self, since: UnixMicros, now: UnixMicros) -> bool {
        (0..self.micros).contains(&(now.0 - since.0))
    }
}

impl<T: Clone> Table<T> {
    fn oldest(&self) -> Option<(UnixMicros, TokenHash)> {
        let (_, hash) = self.by_age.get_min()?;
        let (_, since, _) = self.by_token.get(hash)?;
        Some((*since, *hash))
    }

    fn remove(&mut self, hash: &TokenHash) {
        if let Some((place, _, _)) = self.by_token.remove(hash) {
            self.by_age.remove(&place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: usize) -> TokenHash {
        TokenHash::of(&number.to_string())
    }

    #[test]
    fn an_answer_is_kept_for_its_time_and_not_when_the_clock_is_set_back() {
        let kept = Kept::new(10, 5);
        let at = |seconds: i64| UnixMicros::from_seconds(1_000 + seconds);
        kept.insert(hash(1), 'a', at(0));
        assert_eq!(kept.get(&hash(1), at(4)), Some('a'));
        for seconds in [5, -1, 1_000] {
            assert_eq!(kept.get(&hash(1), at(seconds)), None, "{seconds}");
        }
        assert_eq!(kept.get(&hash(2), at(0)), None);
        kept.insert(hash(1), 'b', at(4));
        assert_eq!((kept.get(&hash(1), at(8)), kept.len()), (Some('b'), 1));
        kept.remove(&hash(1));
        assert_eq!((kept.get(&hash(1), at(8)), kept.len()), (None, 0));
    }

    #[test]
    fn the_oldest_goes_first_and_what_has_ended_goes_unnoticed() {
        let kept = Kept::new(3, 5);
        let now = UnixMicros::from_seconds(1_000);
        for number in 0..3 {
            assert!(!kept.insert(hash(number), number, now));
        }
        assert!(kept.insert(hash(3), 3, now));
        let held: Vec<_> = (0..4).map(|n| kept.get(&hash(n), now)).collect();
        assert_eq!(held, [None, Some(1), Some(2), Some(3)]);
        let later = UnixMicros::from_seconds(1_006);
        assert!(!kept.insert(hash(4), 4, later));
        assert_eq!(kept.len(), 1);
    }
}
