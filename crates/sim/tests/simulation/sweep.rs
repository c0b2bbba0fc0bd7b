//! Many worlds, on all cores; and what is printed when one of them breaks.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::broken::{Broken, Rule};
use crate::disk::Interruption;
use crate::odds::Fault;
use crate::world::{self, Ended, Figures};

/// The seeds of the test command.
const SEEDS: Range<u64> = 0..1_000;
/// Lines of a trace that are printed when a seed of many breaks.
const LINES_SHOWN: usize = 60;
/// Broken seeds that are printed.
const BROKEN_SHOWN: usize = 3;

/// One world. A panic of the program is a broken world as well.
pub(crate) fn live(seed: u64) -> Ended {
    catch_unwind(AssertUnwindSafe(|| world::live(seed))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Ended {
            hash: 0,
            lines: Vec::new(),
            figures: Figures::default(),
            broken: Some(Broken::new(
                Rule::Works,
                format!("panic: {}", text.unwrap_or_default()),
            )),
        }
    })
}

/// The seed of `SIM_SEED`.
pub(crate) fn seed_to_replay() -> Option<u64> {
    std::env::var("SIM_SEED")
        .ok()
        .map(|seed| seed.parse().expect("SIM_SEED is a number"))
}

/// The seeds of `SIM_SEEDS`, such as `1000..20000`, or those of the test command.
pub(crate) fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("SIM_SEEDS") else {
        return SEEDS;
    };
    let (from, to) = text.split_once("..").expect("SIM_SEEDS is FROM..TO");
    from.parse().expect("FROM is a number")..to.parse().expect("TO is a number")
}

/// Lives one world and prints its whole trace.
pub(crate) fn replay(seed: u64) {
    let ended = live(seed);
    for line in &ended.lines {
        println!("{line}");
    }
    println!("trace {:016x}\n{:#?}", ended.hash, ended.figures);
    if let Some(broken) = ended.broken {
        panic!("seed {seed}: {broken}");
    }
}

/// Lives the worlds of all seeds.
pub(crate) fn all(seeds: Range<u64>) -> Happened {
    let next = AtomicU64::new(seeds.start);
    let happened = Mutex::new(Happened::default());
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let ended = live(seed);
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

/// What happened in many worlds.
#[derive(Default)]
pub(crate) struct Happened {
    sums: Figures,
    broken: BTreeMap<u64, (Broken, Vec<String>)>,
}

impl Happened {
    fn add(&mut self, seed: u64, ended: Ended) {
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
                "replay: SIM_SEED={seed} cargo test -p portolan-sim --test simulation -- --nocapture"
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

    /// A simulation in which something never happens proves nothing about it.
    pub(crate) fn assert_everything_happened(&self) {
        let sums = &self.sums;
        assert_all(&Fault::ALL, &sums.faults);
        assert_all(&Interruption::ALL, &sums.interruptions);
        let decisions = [
            "accepted",
            "repeated",
            "stale",
            "in conflict",
            "not granted",
            "refused",
        ];
        assert_all(&decisions, &sums.decisions);
        assert_all(&["ok", "report needed"], &sums.heartbeats);
        let others = [
            sums.torn,
            sums.applied_untold,
            sums.duplicates,
            sums.refused_writes,
            sums.returned,
            sums.forgotten,
            sums.moments_compared,
        ];
        assert!(others.iter().all(|count| *count > 0), "{sums:#?}");
        assert!(
            sums.stale_seconds > 0 && sums.clones_flagged > 0,
            "{sums:#?}"
        );
    }
}

fn assert_all<K: Ord + Debug>(all: &[K], counts: &BTreeMap<K, u64>) {
    for kind in all {
        assert!(
            counts.get(kind).is_some_and(|count| *count > 0),
            "{kind:?} never happened"
        );
    }
}

impl Figures {
    fn add(&mut self, other: &Self) {
        sum(&mut self.faults, &other.faults);
        sum(&mut self.interruptions, &other.interruptions);
        sum(&mut self.decisions, &other.decisions);
        sum(&mut self.heartbeats, &other.heartbeats);
        self.acknowledgements += other.acknowledgements;
        self.torn += other.torn;
        self.applied_untold += other.applied_untold;
        self.duplicates += other.duplicates;
        self.refused_writes += other.refused_writes;
        self.stale_seconds += other.stale_seconds;
        self.clones_flagged += other.clones_flagged;
        self.clones_told_to_agents_only += other.clones_told_to_agents_only;
        self.helped += other.helped;
        self.removed += other.removed;
        self.returned += other.returned;
        self.forgotten += other.forgotten;
        self.moments_compared += other.moments_compared;
        self.healed_after = self.healed_after.max(other.healed_after);
    }
}

fn sum<K: Ord + Copy>(all: &mut BTreeMap<K, u64>, some: &BTreeMap<K, u64>) {
    for (kind, count) in some {
        *all.entry(*kind).or_default() += count;
    }
}
