//! The model of a cluster's log as servers see it whose network works: what one appends comes in at
//! all.

use std::sync::{Arc, Mutex};

use portolan_store::Wake;
use portolan_store::jetstream::{Appended, Ends, Log, LogError, Model, ModelLog, Named};

/// A cluster, for several servers.
pub(crate) struct Live {
    model: Arc<Model>,
    wakes: Arc<Mutex<Vec<Arc<Wake>>>>,
}

/// One server's end of it.
pub(crate) struct LiveLog {
    pub(crate) log: ModelLog,
    wakes: Arc<Mutex<Vec<Arc<Wake>>>>,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self {
            model: Model::new(),
            wakes: Arc::default(),
        }
    }

    pub(crate) fn server(&self) -> Arc<LiveLog> {
        Arc::new(LiveLog {
            log: self.model.server(),
            wakes: Arc::clone(&self.wakes),
        })
    }
}

impl Log for LiveLog {
    fn make(&self, epoch: u64, first: u64) -> Result<(), LogError> {
        self.log.make(epoch, first)
    }

    fn enter(&self, epoch: u64) -> Result<(), LogError> {
        self.log.enter(epoch)
    }

    fn drop_log(&self, epoch: u64) -> Result<(), LogError> {
        self.log.drop_log(epoch)
    }

    fn append(&self, sequence: u64, message: &[u8]) -> Result<Appended, LogError> {
        let appended = self.log.append(sequence, message);
        let wakes = self.wakes.lock().unwrap().clone();
        wakes.iter().for_each(|wake| wake());
        appended
    }

    fn message(&self, sequence: u64) -> Result<Option<Vec<u8>>, LogError> {
        self.log.message(sequence)
    }

    fn ends(&self) -> Result<Ends, LogError> {
        self.log.ends()
    }

    fn follow(&self, sequence: u64, wake: Wake) -> Result<(), LogError> {
        self.log.follow(sequence, Box::new(|| {}))?;
        self.log.arrive(u64::MAX);
        self.wakes.lock().unwrap().push(Arc::new(wake));
        Ok(())
    }

    fn arrived(&self, sequence: u64) -> Result<Option<Vec<u8>>, LogError> {
        self.log.arrived(sequence)
    }

    fn trim(&self, sequence: u64) -> Result<(), LogError> {
        self.log.trim(sequence)
    }

    fn put(&self, name: &str, value: &[u8]) -> Result<(), LogError> {
        self.log.put(name, value)
    }

    fn swap(&self, name: &str, revision: u64, value: &[u8]) -> Result<bool, LogError> {
        self.log.swap(name, revision, value)
    }

    fn get(&self, name: &str) -> Result<Option<Named>, LogError> {
        self.log.get(name)
    }

    fn names(&self, prefix: &str) -> Result<Vec<String>, LogError> {
        self.log.names(prefix)
    }

    fn remove(&self, prefix: &str) -> Result<(), LogError> {
        self.log.remove(prefix)
    }

    fn bytes_max(&self) -> usize {
        self.log.bytes_max()
    }
}
