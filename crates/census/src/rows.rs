//! One sorted list of rows, in chunks that commits share with what readers hold.
//!
//! A flat copy of 88,860 rows a commit would cost 0.7 MB each time; here a commit copies the chunks
//! it touches (2 KB each) and the list of chunks. Each chunk's counts by class (transport and
//! status) stand in that list, so a filter by them finds its nth row without looking into chunks.
//! Holds: keys rise strictly; no row counts 0; class counts are those of the rows.
//! Limits: 131,072 rows (65,536 ports, two transports); chunks of at most 512 rows.

use std::sync::Arc;

use crate::knowledge;
use crate::number::RowKey;

const CHUNK_ROWS_MAX: usize = 512;

/// A row: on how many assets (port, transport) is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) key: RowKey,
    pub(crate) num: u32,
}

/// A set of row classes: which transports and which statuses match. Bit = transport * 3 + status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Classes(pub(crate) u8);

impl Classes {
    pub(crate) const COUNT: usize = 6;
    pub(crate) const EVERY: Self = Self(0b11_1111);

    pub(crate) fn holds(self, class: usize) -> bool {
        self.0 >> class & 1 == 1
    }

    fn sum(self, counts: &[u32; Self::COUNT]) -> usize {
        // Without a branch: a page far down asks this of every chunk before it.
        let one = |class: usize, count: u32| count * u32::from(self.0 >> class & 1);
        let counts = counts.iter().enumerate();
        counts.map(|(class, &count)| one(class, count)).sum::<u32>() as usize
    }
}

#[derive(Clone, Debug)]
struct Chunk {
    last: RowKey,
    counts: [u32; Classes::COUNT],
    rows: Arc<Vec<Row>>,
}

/// The list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    chunks: Vec<Chunk>,
    /// Rows before each chunk: without a filter the nth row is found by bisection.
    starts: Vec<u32>,
    counts: [u32; Classes::COUNT],
}

/// What became of a row when its count changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowChange {
    Appeared,
    Vanished,
    Counted,
}

impl Rows {
    /// The list of rows that are given in ascending order.
    pub(crate) fn of_sorted(rows: Vec<Row>) -> Self {
        let chunks: Vec<Chunk> = rows
            .chunks(CHUNK_ROWS_MAX / 2)
            .map(|rows| Chunk::of_rows(rows.to_vec()))
            .collect();
        let mut counts = [0; Classes::COUNT];
        for chunk in &chunks {
            for (sum, count) in counts.iter_mut().zip(chunk.counts) {
                *sum += count;
            }
        }
        let mut rows = Self {
            chunks,
            starts: Vec::new(),
            counts,
        };
        rows.count_from(0);
        rows
    }

    /// Makes the starts right from that chunk on.
    fn count_from(&mut self, at: usize) {
        let before = at.checked_sub(1);
        let before = before.and_then(|b| self.starts.get(b).zip(self.chunks.get(b)));
        let mut start = before.map_or(0, |(start, chunk)| start + chunk.len());
        self.starts.truncate(at);
        for chunk in self.chunks.iter().skip(at) {
            self.starts.push(start);
            start += chunk.len();
        }
    }

    /// Changes the count of a row by `by`; the row appears with the first asset and vanishes with
    /// the last.
    pub(crate) fn add(&mut self, key: RowKey, by: i32) -> RowChange {
        let at = self.chunk_of(key);
        let Some(chunk) = self.chunks.get_mut(at) else {
            self.chunks.push(Chunk::of_rows(Vec::new()));
            return self.add(key, by);
        };
        let rows = Arc::make_mut(&mut chunk.rows);
        let place = rows.binary_search_by_key(&key, |row| row.key);
        let change = match place {
            Ok(place) => match rows.get_mut(place) {
                Some(row) => {
                    row.num = row.num.saturating_add_signed(by);
                    if row.num == 0 {
                        rows.remove(place);
                        RowChange::Vanished
                    } else {
                        RowChange::Counted
                    }
                }
                None => RowChange::Counted,
            },
            Err(place) => {
                debug_assert!(by > 0, "a row that is not there cannot shrink");
                rows.insert(
                    place,
                    Row {
                        key,
                        num: by.unsigned_abs(),
                    },
                );
                RowChange::Appeared
            }
        };
        if change != RowChange::Counted {
            self.row_count_changed(at, key, change);
        }
        change
    }

    fn row_count_changed(&mut self, at: usize, key: RowKey, change: RowChange) {
        let class = knowledge::class(key);
        let by = if change == RowChange::Appeared { 1 } else { -1 };
        let Some(chunk) = self.chunks.get_mut(at) else {
            return;
        };
        for counts in [&mut chunk.counts, &mut self.counts] {
            if let Some(count) = counts.get_mut(class) {
                *count = count.saturating_add_signed(by);
            }
        }
        match chunk.rows.last().map(|row| row.key) {
            None => {
                self.chunks.remove(at);
            }
            Some(last) => {
                chunk.last = last;
                if chunk.rows.len() > CHUNK_ROWS_MAX {
                    let upper = Arc::make_mut(&mut chunk.rows).split_off(CHUNK_ROWS_MAX / 2);
                    let lower = std::mem::take(Arc::make_mut(&mut chunk.rows));
                    *chunk = Chunk::of_rows(lower);
                    self.chunks.insert(at + 1, Chunk::of_rows(upper));
                }
            }
        }
        self.count_from(at);
    }

    /// The chunk that holds `key`, or would: the first whose last key is not below it, else the
    /// last one.
    fn chunk_of(&self, key: RowKey) -> usize {
        let at = self.chunks.partition_point(|chunk| chunk.last < key);
        at.min(self.chunks.len().saturating_sub(1))
    }

    /// The count of one row; 0 where there is none.
    pub(crate) fn num(&self, key: RowKey) -> u32 {
        let rows = self.chunks.get(self.chunk_of(key)).map(|chunk| &chunk.rows);
        let row = rows.and_then(|rows| {
            rows.binary_search_by_key(&key, |row| row.key)
                .ok()
                .and_then(|at| rows.get(at))
        });
        row.map_or(0, |row| row.num)
    }

    /// How many rows match.
    pub(crate) fn len(&self, classes: Classes) -> usize {
        classes.sum(&self.counts)
    }

    /// How many matching rows come before `key`.
    pub(crate) fn rank(&self, classes: Classes, key: RowKey) -> usize {
        let at = self.chunks.partition_point(|chunk| chunk.last < key);
        let within = self.chunks.get(at).map_or(0, |chunk| {
            chunk
                .matching(classes)
                .take_while(|row| row.key < key)
                .count()
        });
        if classes == Classes::EVERY {
            let before = self.starts.get(at).map(|start| *start as usize);
            return before.unwrap_or_else(|| self.len(classes)) + within;
        }
        let whole = self
            .chunks
            .iter()
            .take(at)
            .map(|chunk| classes.sum(&chunk.counts));
        whole.sum::<usize>() + within
    }

    /// `count` matching rows from the `start`th on, in ascending order.
    pub(crate) fn range(&self, classes: Classes, start: usize, count: usize) -> Vec<Row> {
        let (first, mut skip) = self.first_chunk(classes, start);
        let mut chunks = self.chunks.iter().skip(first);
        let mut found = Vec::with_capacity(count.min(256));
        for chunk in chunks.by_ref() {
            let matching = classes.sum(&chunk.counts);
            if skip >= matching {
                skip -= matching;
                continue;
            }
            let wanted = count - found.len();
            if classes == Classes::EVERY {
                let from = chunk.rows.get(skip..).unwrap_or_default();
                found.extend(from.iter().take(wanted));
            } else {
                found.extend(chunk.matching(classes).skip(skip).take(wanted));
            }
            skip = 0;
            if found.len() == count {
                break;
            }
        }
        found
    }

    /// A chunk at or before the one with the `nth` matching row, and which of those from it on that
    /// is.
    fn first_chunk(&self, classes: Classes, nth: usize) -> (usize, usize) {
        if classes != Classes::EVERY {
            return (0, nth);
        }
        let at = self.starts.partition_point(|start| *start as usize <= nth);
        let at = at.saturating_sub(1);
        let start = self.starts.get(at).map_or(0, |start| *start as usize);
        (at, nth - start)
    }

    /// All rows, in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Row> + '_ {
        self.chunks
            .iter()
            .flat_map(|chunk| chunk.rows.iter().copied())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }
}

impl Chunk {
    fn of_rows(rows: Vec<Row>) -> Self {
        let mut counts = [0; Classes::COUNT];
        for row in &rows {
            if let Some(count) = counts.get_mut(knowledge::class(row.key)) {
                *count += 1;
            }
        }
        let last = rows.last().map_or(RowKey(0), |row| row.key);
        Self {
            last,
            counts,
            rows: Arc::new(rows),
        }
    }

    fn len(&self) -> u32 {
        self.counts.iter().sum()
    }

    fn matching(&self, classes: Classes) -> impl Iterator<Item = Row> + '_ {
        let every = classes == Classes::EVERY;
        self.rows
            .iter()
            .copied()
            .filter(move |row| every || classes.holds(knowledge::class(row.key)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a map: every count, every range of every filter, and shared clones that stay.
        #[test]
        fn rows_equal_a_map(steps in prop::collection::vec((0u32..3_000, 1i32..3, any::<bool>()), 1..2_500), classes in prop_oneof![Just(0b11_1111u8), 1u8..64]) {
            let classes = Classes(classes);
            let mut rows = Rows::default();
            let mut model = BTreeMap::<u32, u32>::new();
            let mut kept = None;
            for (step, (key, by, up)) in steps.into_iter().enumerate() {
                let held = model.get(&key).copied().unwrap_or(0);
                let by = if up || held == 0 { by } else { -by.min(held.try_into().unwrap()) };
                let num = held.saturating_add_signed(by);
                let change = rows.add(RowKey(key), by);
                match num { 0 => { model.remove(&key); } _ => { model.insert(key, num); } }
                let expected = match (held, num) { (0, _) => RowChange::Appeared, (_, 0) => RowChange::Vanished, _ => RowChange::Counted };
                prop_assert_eq!(change, expected);
                if step == 700 { kept = Some((rows.clone(), model.clone())); }
            }
            for (rows, model) in kept.into_iter().chain([(rows, model)]) {
                let all: Vec<_> = model.iter().map(|(&key, &num)| Row { key: RowKey(key), num }).collect();
                prop_assert_eq!(rows.iter().collect::<Vec<_>>(), all.clone());
                let made_at_once = Rows::of_sorted(all.clone());
                prop_assert!(made_at_once.iter().eq(rows.iter()));
                prop_assert_eq!(made_at_once.counts, rows.counts);
                for rows in [&made_at_once, &rows] {
                    let starts = rows.chunks.iter().scan(0, |sum, chunk| { let start = *sum; *sum += u32::try_from(chunk.rows.len()).unwrap(); Some(start) });
                    prop_assert!(starts.eq(rows.starts.iter().copied()));
                }
                let matching: Vec<_> = all.into_iter().filter(|row| classes.holds(knowledge::class(row.key))).collect();
                prop_assert_eq!(rows.len(classes), matching.len());
                for start in [0, 1, 255, 256, 511, matching.len() / 2, matching.len(), matching.len() + 9] {
                    let page: Vec<_> = matching.iter().copied().skip(start).take(20).collect();
                    prop_assert_eq!(rows.range(classes, start, 20), page);
                }
                for key in [0, 1, 700, 1_500, 2_999, 4_000] {
                    let before = matching.iter().filter(|row| row.key < RowKey(key)).count();
                    prop_assert_eq!(rows.rank(classes, RowKey(key)), before);
                    prop_assert_eq!(rows.num(RowKey(key)), model.get(&key).copied().unwrap_or(0));
                }
            }
        }
    }
}
