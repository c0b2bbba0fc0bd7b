//! Many worlds, on all cores; and what is printed when one of them breaks.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::broken::{Broken, Rule};

/// Lines of a trace that are printed when a seed of many breaks.
const LINES_SHOWN: usize = 60;
/// Broken seeds that are printed.
const BROKEN_SHOWN: usize = 3;

/// What happened in a world, in numbers.
pub(crate) trait Figures: Clone + Debug + Default + Send {
    /// Adds those of another world.
    fn add(&mut self, other: &Self);

    /// That nothing is missing in those of many worlds: a simulation in which something never happens
    /// proves nothing about it.
    fn assert_everything_happened(&self);
}

/// The end of a world.
pub(crate) struct Ended<F> {
    pub(crate) hash: u64,
    pub(crate) lines: Vec<String>,
    pub(crate) figures: F,
    pub(crate) broken: Option<Broken>,
}

/// Worlds of one kind.
pub(crate) struct Worlds<F> {
    /// Lives one to its end.
    pub(crate) live: fn(u64) -> Ended<F>,
    /// The variable with the seed that is to be replayed.
    pub(crate) seed: &'static str,
    /// The variable with the seeds to live, such as `1000..20000`.
    pub(crate) seeds: &'static str,
    /// The seeds of the test command.
    pub(crate) few: Range<u64>,
}

impl<F: Figures> Worlds<F> {
    /// First that a failure can be replayed, and then the worlds that are asked for.
    pub(crate) fn sweep(&self) {
        self.the_same_seed_gives_the_same_trace();
        if let Ok(seed) = std::env::var(self.seed) {
            self.replay(seed.parse().expect("the seed is a number"));
            return;
        }
        let seeds = self.seeds();
        let happened = self.all(seeds.clone());
        if seeds.end - seeds.start >= self.few.end - self.few.start {
            happened.sums.assert_everything_happened();
        }
    }

    /// First of all: a failure that cannot be replayed cannot be understood.
    fn the_same_seed_gives_the_same_trace(&self) {
        for seed in [1, 2, 3] {
            let (one, other) = (self.live(seed), self.live(seed));
            let parted = one
                .lines
                .iter()
                .zip(&other.lines)
                .position(|(one, other)| one != other);
            if let Some(line) = parted {
                panic!(
                    "seed {seed} parts at line {line}:\n{}\n{}",
                    one.lines[line], other.lines[line]
                );
            }
            assert_eq!(one.hash, other.hash, "seed {seed}: one trace is longer");
            assert!(
                one.broken.is_some() || one.lines.len() > 100,
                "seed {seed}: hardly anything happened"
            );
        }
        assert_ne!(
            self.live(1).hash,
            self.live(2).hash,
            "every seed is the same world"
        );
    }

    /// One world. A panic of the program is a broken world as well.
    fn live(&self, seed: u64) -> Ended<F> {
        catch_unwind(AssertUnwindSafe(|| (self.live)(seed))).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Ended {
                hash: 0,
                lines: Vec::new(),
                figures: F::default(),
                broken: Some(Broken::new(
                    Rule::Works,
                    format!("panic: {}", text.unwrap_or_default()),
                )),
            }
        })
    }

    /// The seeds that are asked for, or those of the test command.
    fn seeds(&self) -> Range<u64> {
        let Ok(text) = std::env::var(self.seeds) else {
            return self.few.clone();
        };
        let (from, to) = text.split_once("..").expect("seeds are FROM..TO");
        from.parse().expect("FROM is a number")..to.parse().expect("TO is a number")
    }

    /// Lives one world and prints its whole trace.
    fn replay(&self, seed: u64) {
        let ended = self.live(seed);
        for line in &ended.lines {
            println!("{line}");
        }
        println!("trace {:016x}\n{:#?}", ended.hash, ended.figures);
        if let Some(broken) = ended.broken {
            panic!("seed {seed}: {broken}");
        }
    }

    /// Lives the worlds of all seeds.
    fn all(&self, seeds: Range<u64>) -> Happened<F> {
        let next = AtomicU64::new(seeds.start);
        let happened = Mutex::new(Happened {
            replay: self.seed,
            sums: F::default(),
            broken: BTreeMap::new(),
        });
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        std::thread::scope(|scope| {
            for _ in 0..cores {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= seeds.end {
                            return;
                        }
                        let ended = self.live(seed);
                        happened.lock().unwrap().add(seed, ended);
                    }
                });
            }
        });
        let happened = happened.into_inner().unwrap();
        happened.assert_nothing_broke(&seeds);
        println!("{} worlds: {:#?}", seeds.end - seeds.start, happened.sums);
        happened
    }
}

/// What happened in many worlds.
struct Happened<F> {
    /// The variable with the seed that is to be replayed.
    replay: &'static str,
    sums: F,
    broken: BTreeMap<u64, (Broken, Vec<String>)>,
}

impl<F: Figures> Happened<F> {
    fn add(&mut self, seed: u64, ended: Ended<F>) {
        self.sums.add(&ended.figures);
        if let Some(broken) = ended.broken {
            self.broken.insert(seed, (broken, ended.lines));
        }
    }

    fn assert_nothing_broke(&self, seeds: &Range<u64>) {
        if self.broken.is_empty() {
            return;
        }
        let mut by_rule = BTreeMap::<String, Vec<u64>>::new();
        for (seed, (broken, _)) in &self.broken {
            by_rule
                .entry(format!("{:?}", broken.rule))
                .or_default()
                .push(*seed);
        }
        for (seed, (broken, lines)) in self.broken.iter().take(BROKEN_SHOWN) {
            println!("\nseed {seed}, the last lines of its trace:");
            for line in lines.iter().skip(lines.len().saturating_sub(LINES_SHOWN)) {
                println!("{line}");
            }
            println!("{broken}");
            println!(
                "replay: {}={seed} cargo test -p portolan-sim --test simulation -- --nocapture",
                self.replay
            );
        }
        for (rule, seeds) in &by_rule {
            let some = &seeds[..seeds.len().min(20)];
            println!("{rule}: {} seeds, such as {some:?}", seeds.len());
        }
        panic!(
            "{} of {} worlds broke",
            self.broken.len(),
            seeds.end - seeds.start
        );
    }
}

/// That each of `all` was counted.
pub(crate) fn assert_all<K: Ord + Debug>(all: &[K], counts: &BTreeMap<K, u64>) {
    for kind in all {
        assert!(
            counts.get(kind).is_some_and(|count| *count > 0),
            "{kind:?} never happened"
        );
    }
}

/// Adds counts by kind.
pub(crate) fn sum<K: Ord + Copy>(all: &mut BTreeMap<K, u64>, some: &BTreeMap<K, u64>) {
    for (kind, count) in some {
        *all.entry(*kind).or_default() += count;
    }
}
