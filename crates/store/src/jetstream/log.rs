//! What the store needs of the cluster: one log whose end can be compared and set, and named values
//! beside it.
//!
//! A log and not a value a host: the number of a commit is the place of its message, so that all
//! servers have one order of everything, and who appends at a place has seen all before it.
//! [`nats`](super::nats) is the real one; the model of the tests obeys the same words.

use crate::store::Wake;

/// A replicated log with named values beside it, as one server sees it. Calls block.
pub trait Log: Send + Sync {
    /// Makes an empty log for `epoch`, whose first message has the number `first`.
    fn make(&self, epoch: u64, first: u64) -> Result<(), LogError>;

    /// Works on the log of `epoch` from now on.
    fn enter(&self, epoch: u64) -> Result<(), LogError>;

    /// Drops the log of `epoch`, if there is one.
    fn drop_log(&self, epoch: u64) -> Result<(), LogError>;

    /// Appends a message as number `sequence`, if the log ends right before it. `Ok` only once a
    /// majority has it synced, or where it was refused for its place. After
    /// [`LogError::Unanswered`] it may have been appended, or be appended later.
    fn append(&self, sequence: u64, message: &[u8]) -> Result<Appended, LogError>;

    /// The message of that number, as a majority has it; `None` where there is none, or no longer.
    fn message(&self, sequence: u64) -> Result<Option<Vec<u8>>, LogError>;

    /// Where the log begins and ends.
    fn ends(&self) -> Result<Ends, LogError>;

    /// From now on messages from `sequence` on come in by themselves, and `wake` is called when some
    /// may have. Called again, it begins anew there.
    fn follow(&self, sequence: u64, wake: Wake) -> Result<(), LogError>;

    /// The message of that number if it has come in. What is before it is asked for no more. An error
    /// where it was trimmed before it came in.
    fn arrived(&self, sequence: u64) -> Result<Option<Vec<u8>>, LogError>;

    /// Drops all messages before `sequence`.
    fn trim(&self, sequence: u64) -> Result<(), LogError>;

    /// Keeps a value under a name, whatever was there. A name is 1 to 200 bytes: words of
    /// `[a-z0-9-]`, with dots between them.
    fn put(&self, name: &str, value: &[u8]) -> Result<(), LogError>;

    /// The same, if the name's value still is the one of `revision`, 0 where it must have none; says
    /// whether it was so.
    fn swap(&self, name: &str, revision: u64, value: &[u8]) -> Result<bool, LogError>;

    /// The value of a name with its revision, as a majority has it.
    fn get(&self, name: &str) -> Result<Option<Named>, LogError>;

    /// All names that begin with the words of `prefix`, in any order.
    fn names(&self, prefix: &str) -> Result<Vec<String>, LogError>;

    /// Drops the name and all names that begin with its words.
    fn remove(&self, prefix: &str) -> Result<(), LogError>;

    /// Most bytes of a message and of a value.
    fn bytes_max(&self) -> usize;
}

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is in the log, at its place.
    AtItsPlace,
    /// Another message is there, or the log ends before it.
    NotLast,
}

/// Where a log begins and ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// The first number that is kept, or would be next where none is.
    pub first: u64,
    /// The last number; `first` - 1 where none is.
    pub last: u64,
    /// Bytes of the messages that are kept.
    pub bytes: u64,
}

/// A value beside the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Which version of it: no two of a name have the same.
    pub revision: u64,
    /// The value.
    pub value: Vec<u8>,
}

/// What the cluster could not be brought to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// It does not answer, or has no leader: trying again may help.
    #[error("{what}")]
    Unanswered {
        /// What was asked, and what became of it.
        what: String,
    },
    /// It refuses, and will again.
    #[error("{what}")]
    Refused {
        /// What was asked, and why not.
        what: String,
    },
}
