//! The same calls on the model and on the real one.

use std::collections::BTreeMap;

use portolan_store::jetstream::{Log, LogError, Model, ModelLog, NatsLog};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{Running, eventually};

#[derive(Clone, Debug)]
enum Call {
    /// At the log's end plus that, less one: 1 is the right place.
    Append(u64, Vec<u8>),
    /// The message at the log's beginning plus that, less two.
    Message(u64),
    Ends,
    Trim(u64),
    Put(usize, Vec<u8>),
    Swap(usize, Revision, Vec<u8>),
    Get(usize),
    Names(usize),
    Remove(usize),
    /// The next message that is followed.
    Arrived,
    /// Follows anew, from the log's beginning plus that.
    Follow(u64),
}

#[derive(Clone, Copy, Debug)]
enum Revision {
    None,
    Current,
    Former,
}

/// Some names begin with others, as words and as letters.
const NAMES: [&str; 7] = ["a", "a.b", "a.b.1", "a.bc", "ab", "base.1-f.0", "part"];

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..40);
    let name = || 0..NAMES.len();
    let revision = prop_oneof![
        Just(Revision::None),
        Just(Revision::Current),
        Just(Revision::Former)
    ];
    let call = prop_oneof![
        6 => (prop_oneof![4 => Just(1_u64), 1 => 0..4_u64], bytes())
            .prop_map(|(place, message)| Call::Append(place, message)),
        2 => (0..8_u64).prop_map(Call::Message),
        1 => Just(Call::Ends),
        1 => (0..6_u64).prop_map(Call::Trim),
        3 => (name(), bytes()).prop_map(|(name, value)| Call::Put(name, value)),
        3 => (name(), revision, bytes()).prop_map(|(name, revision, value)| Call::Swap(name, revision, value)),
        2 => name().prop_map(Call::Get),
        1 => name().prop_map(Call::Names),
        1 => name().prop_map(Call::Remove),
        4 => Just(Call::Arrived),
        1 => (0..3_u64).prop_map(Call::Follow),
    ];
    proptest::collection::vec(call, 1..60)
}

/// One of the two, with what a caller remembers.
struct Caller<L> {
    log: L,
    /// The revisions of names that were seen, the newest last.
    seen: BTreeMap<usize, Vec<u64>>,
}

/// What a call answered, in a form that is equal where they agree.
type Told = Result<String, String>;

fn kind(error: LogError) -> String {
    match error {
        LogError::Unanswered { .. } => "unanswered".to_owned(),
        LogError::Refused { .. } => "refused".to_owned(),
    }
}

fn told<T: std::fmt::Debug>(answer: Result<T, LogError>) -> Told {
    answer.map(|answer| format!("{answer:?}")).map_err(kind)
}

impl<L: Log> Caller<L> {
    fn call(&mut self, call: &Call) -> Told {
        let ends = self.log.ends().map_err(kind)?;
        match call {
            Call::Append(place, message) => {
                let answer = told(self.log.append(ends.last + place, message));
                let then = told(self.log.ends())?;
                Ok(format!("{answer:?} {then}"))
            }
            Call::Message(place) => told(self.log.message((ends.first + place).saturating_sub(2))),
            // Bytes are counted with what each message costs, or without.
            Call::Ends => Ok(format!("{} {}", ends.first, ends.last)),
            Call::Trim(place) => told(self.log.trim(ends.first + place)),
            Call::Put(name, value) => told(self.log.put(NAMES[*name], value)),
            Call::Swap(name, which, value) => {
                let seen = self.seen.entry(*name).or_default();
                let now = self.log.get(NAMES[*name]).map_err(kind)?;
                let revision = match which {
                    Revision::None => 0,
                    Revision::Current => now.map_or(0, |named| named.revision),
                    Revision::Former => seen.first().copied().unwrap_or(0),
                };
                let answer = self.log.swap(NAMES[*name], revision, value);
                if let Some(named) = self.log.get(NAMES[*name]).map_err(kind)? {
                    seen.push(named.revision);
                }
                told(answer)
            }
            Call::Get(name) => {
                let named = self.log.get(NAMES[*name]).map_err(kind)?;
                Ok(format!("{:?}", named.map(|named| named.value)))
            }
            Call::Names(name) => {
                let mut names = self.log.names(NAMES[*name]).map_err(kind)?;
                names.sort();
                Ok(format!("{names:?}"))
            }
            Call::Remove(name) => told(self.log.remove(NAMES[*name])),
            Call::Arrived | Call::Follow(_) => Ok("apart".to_owned()),
        }
    }
}

/// Both, and where following stands.
struct Both {
    model: Caller<ModelLog>,
    real: Caller<NatsLog>,
    next: u64,
}

impl Both {
    fn begin(cluster: &Running, epoch: u64, first: u64) -> Self {
        let model = Model::new().server();
        let real = cluster.log();
        real.prepare().unwrap();
        for log in [&model as &dyn Log, &real] {
            log.make(epoch, first).unwrap();
            log.enter(epoch).unwrap();
        }
        for name in NAMES {
            real.remove(name).unwrap();
        }
        let seen = BTreeMap::new();
        let mut both = Self {
            model: Caller {
                log: model,
                seen: seen.clone(),
            },
            real: Caller { log: real, seen },
            next: 0,
        };
        both.follow(first);
        both
    }

    fn follow(&mut self, next: u64) {
        for log in [&self.model.log as &dyn Log, &self.real.log] {
            log.follow(next, Box::new(|| {})).unwrap();
        }
        self.model.log.arrive(u64::MAX);
        self.next = next;
    }

    fn arrived(&mut self) -> Result<(), TestCaseError> {
        match self.model.log.arrived(self.next) {
            Ok(None) => prop_assert_eq!(self.real.log.arrived(self.next).map_err(kind), Ok(None)),
            Ok(Some(message)) => {
                let next = self.next;
                let came = eventually("what the model has", || {
                    self.real.log.arrived(next).transpose()
                });
                prop_assert_eq!(came.map_err(kind), Ok(message));
                self.next += 1;
            }
            // The real one may have had it before it was trimmed.
            Err(_) => {
                let first = self.model.log.ends().unwrap().first;
                self.follow(first);
            }
        }
        Ok(())
    }

    fn call(&mut self, call: &Call) -> Result<(), TestCaseError> {
        match call {
            Call::Arrived => self.arrived(),
            Call::Follow(place) => {
                let first = self.model.log.ends().unwrap().first;
                self.follow(first + place);
                Ok(())
            }
            call => {
                let (model, real) = (self.model.call(call), self.real.call(call));
                prop_assert_eq!(without_bytes(model), without_bytes(real), "{:?}", call);
                Ok(())
            }
        }
    }
}

/// How many bytes a message counts is each one's own.
fn without_bytes(told: Told) -> Told {
    told.map(|told| match told.split_once(", bytes: ") {
        Some((before, _)) => before.to_owned(),
        None => told,
    })
}

#[test]
fn the_real_log_answers_as_its_model() {
    let cluster = Running::of_three();
    let epochs = std::cell::Cell::new(0);
    let config = Config {
        cases: 16,
        max_shrink_iters: 32,
        failure_persistence: None,
        ..Config::default()
    };
    let first = prop_oneof![Just(1_u64), 2..1_000_u64];
    let ran = TestRunner::new(config).run(&(first, calls()), |(first, calls)| {
        let epoch = epochs.get() + 1;
        epochs.set(epoch);
        let mut both = Both::begin(&cluster, epoch, first);
        calls.iter().try_for_each(|call| both.call(call))?;
        both.real.log.drop_log(epoch).unwrap();
        Ok(())
    });
    ran.unwrap();
}
