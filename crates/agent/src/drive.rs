//! The loop around the machine: two threads, one that looks and decides, one that sends.
//!
//! Sending has a thread of its own, so that a server that takes its time neither delays a look nor
//! an end. Holds: at most one message is under way, so both channels have one place. A stop ends the
//! loop within one look; a request under way is left to its timeout and its answer to nobody.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use portolan_sockets::ScanError;

use crate::causes::with_causes;
use crate::collect::Collect;
use crate::machine::{Action, GATHER, Machine};
use crate::snapshot::Snapshot;
use crate::stop::Stop;
use crate::transport::{Message, Outcome, Transport};
use crate::trouble::Trouble;

/// The thread that sends is gone, or never was.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// It could not be started.
    #[error("cannot start a thread: {0}")]
    Start(#[source] io::Error),
    /// It ended by a fault of its own.
    #[error("the thread that sends has ended")]
    SenderGone,
}

/// Runs `machine` until `stop`. `keep_generation` is called when the generation has changed.
///
/// # Errors
/// Where the sending thread cannot be started or has died.
pub fn drive(
    mut machine: Machine,
    mut collector: impl Collect,
    transport: impl Transport + 'static,
    mut keep_generation: impl FnMut(u64),
    stop: &Stop,
) -> Result<(), DriveError> {
    let origin = Instant::now();
    let sender = Sender::start(transport, stop.clone())?;
    let mut looks = Looks::default();
    while !stop.is_stopped() {
        if let Some(outcome) = sender.outcome()? {
            let before = machine.generation();
            machine.answered(origin.elapsed(), outcome);
            if machine.generation() != before {
                keep_generation(machine.generation());
            }
        }
        machine.set_tempo(collector.upkeep(origin.elapsed()));
        let happened = collector.happened();
        machine.came_and_went(happened.transients, 0);
        if let Some(wait) = happened.look_in {
            machine.touched(origin.elapsed() + wait);
        }
        match machine.next(origin.elapsed()) {
            Action::Look => match looks.tell(collector.look()) {
                Some((snapshot, cpu)) => machine.looked(origin.elapsed(), snapshot, cpu),
                None => machine.look_failed(origin.elapsed()),
            },
            Action::Send(message) => sender.send(message)?,
            Action::Wait(wait) => {
                if stop.wait(wait, collector.events()) {
                    // What belongs together comes within a few milliseconds.
                    thread::sleep(GATHER);
                }
            }
        }
    }
    Ok(())
}

/// Tells failing looks once, not every second.
#[derive(Default)]
struct Looks {
    trouble: Trouble,
}

impl Looks {
    fn tell(
        &mut self,
        look: Result<(Snapshot, Duration), ScanError>,
    ) -> Option<(Snapshot, Duration)> {
        match look {
            Ok(seen) => {
                if let Some(failures) = self.trouble.over() {
                    tracing::info!(failures, "the open ports of this host can be seen again");
                }
                Some(seen)
            }
            Err(error) => {
                let text = with_causes(&error);
                if self.trouble.is_news(&text) {
                    tracing::error!(error = %text, "the open ports of this host cannot be seen");
                }
                None
            }
        }
    }
}

/// The thread that sends.
struct Sender {
    messages: SyncSender<Message>,
    outcomes: Receiver<Outcome>,
}

impl Sender {
    fn start(mut transport: impl Transport + 'static, stop: Stop) -> Result<Self, DriveError> {
        let (messages, to_send) = sync_channel::<Message>(1);
        let (answered, outcomes) = sync_channel(1);
        // It ends when the loop drops its end of a channel.
        let _detached = thread::Builder::new()
            .name("portolan-send".to_owned())
            .spawn(move || {
                while let Ok(message) = to_send.recv() {
                    if answered.send(transport.send(message)).is_err() {
                        break;
                    }
                    stop.wake();
                }
            })
            .map_err(DriveError::Start)?;
        Ok(Self { messages, outcomes })
    }

    /// Never blocks: the machine hands out the next message only after the outcome of the last.
    fn send(&self, message: Message) -> Result<(), DriveError> {
        self.messages
            .send(message)
            .map_err(|_| DriveError::SenderGone)
    }

    fn outcome(&self) -> Result<Option<Outcome>, DriveError> {
        match self.outcomes.try_recv() {
            Ok(outcome) => Ok(Some(outcome)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(DriveError::SenderGone),
        }
    }
}
