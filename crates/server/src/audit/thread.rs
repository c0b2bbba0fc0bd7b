//! The thread that writes the log, and its handle: no request's task waits for a disk.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use portolan_wire::caps;
use portolan_wire::time::UnixMicros;
use tokio::sync::oneshot;

use crate::audit::log::Log;
use crate::audit::refusals::Refusals;
use crate::audit::{Act, AuditError};

enum Message {
    /// An act, and whom to tell whether it is on disk.
    Act(Act, oneshot::Sender<bool>),
    /// An act that is about to begin, and whom to tell whether that is on disk.
    Begin(Act, oneshot::Sender<bool>),
    /// Lines that nobody waits for.
    Notes(Vec<Act>),
}

/// The log as the rest of the server sees it.
pub(crate) struct Audit {
    sender: SyncSender<Message>,
    refusals: Mutex<Refusals>,
    refused: AtomicU64,
    errors: Arc<AtomicU64>,
}

/// The thread; it ends once every handle is gone, after all that waits.
pub(crate) struct AuditThread(JoinHandle<()>);

impl AuditThread {
    pub(crate) fn join(self) {
        if self.0.join().is_err() {
            tracing::error!("the thread that writes the audit log has panicked");
        }
    }
}

impl Audit {
    /// Opens the log of a data folder and starts its thread.
    pub(crate) fn start(folder: &Path, now: UnixMicros) -> Result<(Self, AuditThread), AuditError> {
        let log = Log::open(folder, now)?;
        let (sender, messages) = sync_channel(caps::AUDIT_QUEUE_MAX);
        let errors = Arc::new(AtomicU64::new(0));
        let mut writer = Writer {
            log,
            owed: Vec::new(),
            sync_failed: false,
            failures: 0,
            errors: Arc::clone(&errors),
        };
        let thread = std::thread::Builder::new()
            .name("audit".into())
            .spawn(move || writer.run(&messages))
            .map_err(|source| AuditError::File {
                what: "start the thread of",
                path: folder.to_owned(),
                source,
            })?;
        let audit = Self {
            sender,
            refusals: Mutex::default(),
            refused: AtomicU64::new(0),
            errors,
        };
        Ok((audit, AuditThread(thread)))
    }

    /// Writes that an act is about to begin; says whether it may: whether that is on disk, and all
    /// acts before it.
    pub(crate) async fn begin(&self, act: Act) -> bool {
        let (tell, told) = oneshot::channel();
        self.send(Message::Begin(act, tell)) && told.await.unwrap_or(false)
    }

    /// Writes what was done; says whether it is on disk. If not, it comes before the next act.
    pub(crate) async fn write(&self, act: Act) -> bool {
        let (tell, told) = oneshot::channel();
        self.send(Message::Act(act, tell)) && told.await.unwrap_or(false)
    }

    /// Writes what nobody waits for.
    pub(crate) fn note(&self, act: Act) {
        if !self.send(Message::Notes(vec![act])) {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes in a refused credential.
    pub(crate) fn refused(&self, act: Act) {
        self.refused.fetch_add(act.count, Ordering::Relaxed);
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let acts = refusals.add(act);
        self.send_notes(&mut refusals, acts);
    }

    /// Writes what was counted in a minute that is over; called each second.
    pub(crate) fn roll(&self, now: UnixMicros) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let acts = refusals.roll(now);
        self.send_notes(&mut refusals, acts);
    }

    /// Writes what was counted so far; called at the end.
    pub(crate) fn flush(&self, now: UnixMicros) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let acts = refusals.take(now);
        self.send_notes(&mut refusals, acts);
    }

    /// Refused credentials since the start.
    pub(crate) fn refused_total(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Writes that failed since the start.
    pub(crate) fn errors_total(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    fn send_notes(&self, refusals: &mut Refusals, acts: Vec<Act>) {
        if acts.is_empty() {
            return;
        }
        if let Err(TrySendError::Full(Message::Notes(acts))) =
            self.sender.try_send(Message::Notes(acts))
        {
            // The disk is behind: they are told with the next minute's.
            acts.into_iter().for_each(|act| refusals.count_only(act));
        }
    }

    fn send(&self, message: Message) -> bool {
        self.sender.try_send(message).is_ok()
    }
}

struct Writer {
    log: Log,
    /// Acts that are done and not on disk: they come first.
    owed: Vec<Act>,
    /// A disk that failed a sync once cannot be trusted by trying again.
    sync_failed: bool,
    /// Writes that failed in a row: told when that begins and when it is over.
    failures: u64,
    errors: Arc<AtomicU64>,
}

impl Writer {
    fn run(&mut self, messages: &Receiver<Message>) {
        for message in messages {
            match message {
                Message::Act(act, tell) => {
                    self.owed.push(act);
                    let _gone = tell.send(self.settle());
                }
                Message::Begin(act, tell) => {
                    let _gone = tell.send(self.settle() && self.put(&act));
                }
                Message::Notes(acts) => {
                    let written = acts.iter().try_for_each(|act| self.log.append(act));
                    self.told(written);
                }
            }
        }
        self.settle();
        let synced = self.log.sync();
        self.told(synced);
    }

    /// Puts on disk what is owed; says whether nothing is any more.
    fn settle(&mut self) -> bool {
        if self.owed.is_empty() || self.sync_failed {
            return !self.sync_failed;
        }
        let mut written = 0;
        let log = &mut self.log;
        let appended = self.owed.iter().try_for_each(|act| {
            log.append(act)?;
            written += 1;
            Ok(())
        });
        // What was appended stays so: written again it would stand there twice.
        self.owed.drain(..written);
        let synced = self.log.sync();
        self.sync_failed = synced.is_err();
        self.told(appended.and(synced))
    }

    /// Puts a line on disk, or leaves nothing of it.
    fn put(&mut self, act: &Act) -> bool {
        if let Err(error) = self.log.append(act) {
            return self.told(Err(error));
        }
        let synced = self.log.sync();
        self.sync_failed = synced.is_err();
        self.told(synced)
    }

    fn told(&mut self, done: io::Result<()>) -> bool {
        match &done {
            Ok(()) => {
                let failures = std::mem::take(&mut self.failures);
                if failures > 0 {
                    tracing::info!(failures, "the audit log can be written again");
                }
            }
            Err(error) => {
                self.errors.fetch_add(1, Ordering::Relaxed);
                self.failures += 1;
                if self.failures == 1 {
                    tracing::error!(
                        %error,
                        "the audit log cannot be written; until it can, no credential is made or \
                         revoked and no host removed"
                    );
                }
            }
        }
        done.is_ok()
    }
}
