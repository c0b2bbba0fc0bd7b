//! A server's way to the cluster's log, on which calls and answers are lost and late.

use std::sync::{Arc, Mutex};

use portolan_store::Wake;
use portolan_store::jetstream::{Appended, Ends, Fault, Log, LogError, Model, ModelLog, Named};

use crate::dice::Die;

/// How often, of a thousand calls, each goes wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weather {
    pub(super) lost: u64,
    pub(super) answer_lost: u64,
    /// Only appends: they reach the log later, or never.
    pub(super) delayed: u64,
    pub(super) read_lost: u64,
}

/// The log as a server reaches it.
pub(super) struct Wire {
    model: Arc<Model>,
    log: ModelLog,
    bytes_max: usize,
    chance: Mutex<(Die, Weather)>,
}

impl Wire {
    pub(super) fn new(model: &Arc<Model>, bytes_max: usize, weather: Weather, die: Die) -> Self {
        Self {
            model: Arc::clone(model),
            log: model.server(),
            bytes_max,
            chance: Mutex::new((die, weather)),
        }
    }

    pub(super) fn set_weather(&self, weather: Weather) {
        self.chance.lock().unwrap().1 = weather;
    }

    pub(super) fn cut_off(&self, is_cut_off: bool) {
        self.log.cut_off(is_cut_off);
    }

    /// Messages up to there have come in.
    pub(super) fn arrive(&self, sequence: u64) {
        self.log.arrive(sequence);
    }

    fn draw(&self, is_append: bool) -> Option<Fault> {
        let (die, weather) = &mut *self.chance.lock().unwrap();
        if die.chance(weather.lost) {
            Some(Fault::Lost)
        } else if die.chance(weather.answer_lost) {
            Some(Fault::AnswerLost)
        } else if is_append && die.chance(weather.delayed) {
            Some(Fault::Delayed)
        } else {
            None
        }
    }

    fn writes<T>(&self, call: impl FnOnce() -> Result<T, LogError>) -> Result<T, LogError> {
        match self.draw(false) {
            None => call(),
            Some(Fault::AnswerLost) => call().and_then(|_| unanswered("the answer is lost")),
            Some(_) => unanswered("the call is lost"),
        }
    }

    fn reads<T>(&self, call: impl FnOnce() -> Result<T, LogError>) -> Result<T, LogError> {
        let (die, weather) = &mut *self.chance.lock().unwrap();
        if die.chance(weather.read_lost) {
            return unanswered("the answer to a read is lost");
        }
        call()
    }

    /// A late append may come between two calls of a server.
    fn late_ones_come(&self) {
        let (die, weather) = &mut *self.chance.lock().unwrap();
        if weather.delayed > 0 && die.chance(150) {
            self.model.deliver_delayed();
        }
    }
}

fn unanswered<T>(what: &str) -> Result<T, LogError> {
    Err(LogError::Unanswered {
        what: what.to_owned(),
    })
}

impl Log for Wire {
    fn make(&self, epoch: u64, first: u64) -> Result<(), LogError> {
        self.writes(|| self.log.make(epoch, first))
    }

    fn enter(&self, epoch: u64) -> Result<(), LogError> {
        self.log.enter(epoch)
    }

    fn drop_log(&self, epoch: u64) -> Result<(), LogError> {
        self.writes(|| self.log.drop_log(epoch))
    }

    fn append(&self, sequence: u64, message: &[u8]) -> Result<Appended, LogError> {
        assert!(message.len() <= self.bytes_max, "a message is too long");
        // What the model does to a call, it does to one that reaches it.
        self.log.ends()?;
        self.late_ones_come();
        if let Some(fault) = self.draw(true) {
            self.log.fault(fault);
        }
        self.log.append(sequence, message)
    }

    fn message(&self, sequence: u64) -> Result<Option<Vec<u8>>, LogError> {
        self.late_ones_come();
        self.reads(|| self.log.message(sequence))
    }

    fn ends(&self) -> Result<Ends, LogError> {
        self.reads(|| self.log.ends())
    }

    fn follow(&self, sequence: u64, wake: Wake) -> Result<(), LogError> {
        self.log.follow(sequence, wake)
    }

    fn arrived(&self, sequence: u64) -> Result<Option<Vec<u8>>, LogError> {
        self.log.arrived(sequence)
    }

    fn trim(&self, sequence: u64) -> Result<(), LogError> {
        self.writes(|| self.log.trim(sequence))
    }

    fn put(&self, name: &str, value: &[u8]) -> Result<(), LogError> {
        assert!(value.len() <= self.bytes_max, "a value is too long");
        self.writes(|| self.log.put(name, value))
    }

    fn swap(&self, name: &str, revision: u64, value: &[u8]) -> Result<bool, LogError> {
        self.writes(|| self.log.swap(name, revision, value))
    }

    fn get(&self, name: &str) -> Result<Option<Named>, LogError> {
        self.reads(|| self.log.get(name))
    }

    fn names(&self, prefix: &str) -> Result<Vec<String>, LogError> {
        self.reads(|| self.log.names(prefix))
    }

    fn remove(&self, prefix: &str) -> Result<(), LogError> {
        self.writes(|| self.log.remove(prefix))
    }

    fn bytes_max(&self) -> usize {
        self.bytes_max
    }
}
