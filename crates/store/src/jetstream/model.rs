//! A model of the cluster's log for tests: the same words in memory, with the faults of a network.
//!
//! It stands beside the real one and is checked against it on the same calls.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use super::log::{Appended, Ends, Log, LogError, Named};
use crate::store::Wake;

/// A cluster, of which each server has a [`ModelLog`].
#[derive(Default)]
pub struct Model {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    logs: BTreeMap<u64, Messages>,
    named: BTreeMap<String, Named>,
    revision: u64,
    /// Appends that were sent and have not reached the log.
    delayed: VecDeque<(u64, u64, Vec<u8>)>,
}

#[derive(Clone)]
struct Messages {
    first: u64,
    messages: VecDeque<Vec<u8>>,
}

impl Messages {
    fn ends(&self) -> Ends {
        Ends {
            first: self.first,
            last: self.first + self.messages.len() as u64 - 1,
            bytes: self.messages.iter().map(|m| m.len() as u64).sum(),
        }
    }

    fn append(&mut self, sequence: u64, message: Vec<u8>) -> Appended {
        if sequence != self.ends().last + 1 {
            return Appended::NotLast;
        }
        self.messages.push_back(message);
        Appended::AtItsPlace
    }

    fn get(&self, sequence: u64) -> Option<&Vec<u8>> {
        let place = sequence.checked_sub(self.first)?;
        self.messages.get(usize::try_from(place).ok()?)
    }
}

/// What befalls the next call of a server that writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is lost on the way there.
    Lost,
    /// It is done, and the answer is lost.
    AnswerLost,
    /// It is not answered, and reaches the log some time later, or never.
    Delayed,
}

/// The log as one server sees it.
pub struct ModelLog {
    model: Arc<Model>,
    view: Mutex<View>,
}

#[derive(Default)]
struct View {
    epoch: u64,
    /// What comes next.
    faults: VecDeque<Fault>,
    /// Nothing is answered.
    is_cut_off: bool,
    /// Messages up to here have come in.
    arrived: u64,
    bytes_max: Option<usize>,
}

impl Model {
    /// A cluster that holds nothing.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A server's end of it.
    pub fn server(self: &Arc<Self>) -> ModelLog {
        ModelLog {
            model: Arc::clone(self),
            view: Mutex::default(),
        }
    }

    /// Lets the oldest append that was delayed reach the log; says whether there was one.
    pub fn deliver_delayed(&self) -> bool {
        let mut inner = self.inner.lock();
        let Some((epoch, sequence, message)) = inner.delayed.pop_front() else {
            return false;
        };
        if let Some(log) = inner.logs.get_mut(&epoch) {
            log.append(sequence, message);
        }
        true
    }

    /// Drops the oldest append that was delayed.
    pub fn drop_delayed(&self) {
        self.inner.lock().delayed.pop_front();
    }

    /// Cuts the log of `epoch` behind `last`, as a cluster that did not sync may after a power loss.
    pub fn lose_after(&self, epoch: u64, last: u64) {
        let mut inner = self.inner.lock();
        if let Some(log) = inner.logs.get_mut(&epoch) {
            let kept = (last + 1).saturating_sub(log.first);
            log.messages.truncate(usize::try_from(kept).unwrap_or(0));
        }
    }

    /// Changes the message of that number, as a damaged disk may.
    pub fn damage(&self, epoch: u64, sequence: u64, change: impl FnOnce(&mut Vec<u8>)) {
        let mut inner = self.inner.lock();
        let log = inner.logs.get_mut(&epoch);
        let place = |log: &Messages| usize::try_from(sequence - log.first).ok();
        if let Some(message) = log.and_then(|log| {
            let place = place(log)?;
            log.messages.get_mut(place)
        }) {
            change(message);
        }
    }
}

impl ModelLog {
    /// What befalls the next writing calls.
    pub fn fault(&self, fault: Fault) {
        self.view.lock().faults.push_back(fault);
    }

    /// Cuts the server off, or no longer.
    pub fn cut_off(&self, is_cut_off: bool) {
        self.view.lock().is_cut_off = is_cut_off;
    }

    /// Lets messages up to `sequence` come in.
    pub fn arrive(&self, sequence: u64) {
        let mut view = self.view.lock();
        view.arrived = view.arrived.max(sequence);
    }

    /// Takes no longer messages than this.
    pub fn limit_bytes(&self, bytes: usize) {
        self.view.lock().bytes_max = Some(bytes);
    }

    fn reach(&self) -> Result<u64, LogError> {
        let view = self.view.lock();
        if view.is_cut_off {
            return Err(unanswered("it is cut off"));
        }
        Ok(view.epoch)
    }

    fn next_fault(&self) -> Option<Fault> {
        self.view.lock().faults.pop_front()
    }

    fn in_log<T>(&self, act: impl FnOnce(&mut Messages) -> T) -> Result<T, LogError> {
        let epoch = self.reach()?;
        let mut inner = self.model.inner.lock();
        let log = inner.logs.get_mut(&epoch);
        log.map(act).ok_or_else(|| LogError::Refused {
            what: "there is no such log".to_owned(),
        })
    }
}

fn unanswered(what: &str) -> LogError {
    LogError::Unanswered {
        what: what.to_owned(),
    }
}

impl Log for ModelLog {
    fn make(&self, epoch: u64, first: u64) -> Result<(), LogError> {
        self.reach()?;
        let messages = VecDeque::new();
        let log = Messages { first, messages };
        self.model.inner.lock().logs.insert(epoch, log);
        Ok(())
    }

    fn enter(&self, epoch: u64) -> Result<(), LogError> {
        self.reach()?;
        self.view.lock().epoch = epoch;
        Ok(())
    }

    fn drop_log(&self, epoch: u64) -> Result<(), LogError> {
        self.reach()?;
        self.model.inner.lock().logs.remove(&epoch);
        Ok(())
    }

    fn append(&self, sequence: u64, message: &[u8]) -> Result<Appended, LogError> {
        let epoch = self.reach()?;
        match self.next_fault() {
            None => self.in_log(|log| log.append(sequence, message.to_vec())),
            Some(Fault::Lost) => Err(unanswered("the message is lost")),
            Some(Fault::AnswerLost) => {
                self.in_log(|log| log.append(sequence, message.to_vec()))?;
                Err(unanswered("the answer is lost"))
            }
            Some(Fault::Delayed) => {
                let mut inner = self.model.inner.lock();
                inner.delayed.push_back((epoch, sequence, message.to_vec()));
                Err(unanswered("it takes long"))
            }
        }
    }

    fn message(&self, sequence: u64) -> Result<Option<Vec<u8>>, LogError> {
        self.in_log(|log| log.get(sequence).cloned())
    }

    fn ends(&self) -> Result<Ends, LogError> {
        self.in_log(|log| log.ends())
    }

    fn follow(&self, sequence: u64, _wake: Wake) -> Result<(), LogError> {
        self.reach()?;
        self.view.lock().arrived = sequence.saturating_sub(1);
        Ok(())
    }

    fn arrived(&self, sequence: u64) -> Result<Option<Vec<u8>>, LogError> {
        if sequence > self.view.lock().arrived {
            return Ok(None);
        }
        let epoch = self.view.lock().epoch;
        let inner = self.model.inner.lock();
        let Some(log) = inner.logs.get(&epoch) else {
            return Ok(None);
        };
        if sequence < log.first {
            let what = format!("the log begins at {}", log.first);
            return Err(LogError::Refused { what });
        }
        Ok(log.get(sequence).cloned())
    }

    fn trim(&self, sequence: u64) -> Result<(), LogError> {
        self.in_log(|log| {
            while log.first < sequence && log.messages.pop_front().is_some() {
                log.first += 1;
            }
        })
    }

    fn put(&self, name: &str, value: &[u8]) -> Result<(), LogError> {
        self.reach()?;
        self.model.inner.lock().put(name, value);
        Ok(())
    }

    fn swap(&self, name: &str, revision: u64, value: &[u8]) -> Result<bool, LogError> {
        self.reach()?;
        let mut inner = self.model.inner.lock();
        if inner.named.get(name).map_or(0, |named| named.revision) != revision {
            return Ok(false);
        }
        inner.put(name, value);
        Ok(true)
    }

    fn get(&self, name: &str) -> Result<Option<Named>, LogError> {
        self.reach()?;
        Ok(self.model.inner.lock().named.get(name).cloned())
    }

    fn names(&self, prefix: &str) -> Result<Vec<String>, LogError> {
        self.reach()?;
        let inner = self.model.inner.lock();
        let named = inner.named.keys();
        Ok(named.filter(|n| begins_with(n, prefix)).cloned().collect())
    }

    fn remove(&self, prefix: &str) -> Result<(), LogError> {
        self.reach()?;
        let mut inner = self.model.inner.lock();
        inner.named.retain(|name, _| !begins_with(name, prefix));
        Ok(())
    }

    fn bytes_max(&self) -> usize {
        self.view.lock().bytes_max.unwrap_or(4 << 20)
    }
}

impl Inner {
    fn put(&mut self, name: &str, value: &[u8]) {
        self.revision += 1;
        let named = Named {
            revision: self.revision,
            value: value.to_vec(),
        };
        self.named.insert(name.to_owned(), named);
    }
}

fn begins_with(name: &str, prefix: &str) -> bool {
    let rest = name.strip_prefix(prefix);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
