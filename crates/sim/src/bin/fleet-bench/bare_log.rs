//! The bare fsynced log that durable reports are compared with: many writers that wait, one thread
//! that writes what has come together and syncs it once.
//!
//! It does what no store can do without: each record is on the disk before its writer goes on.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::time::{Duration, Instant};

use anyhow::Context;

/// A record, and whom to tell that it is durable.
type Waiting = (Vec<u8>, SyncSender<()>);

/// Durable records a second that `writers` reach, each waiting for its own before the next.
pub(crate) fn rate(
    folder: &Path,
    writers: u32,
    record_bytes: usize,
    length: Duration,
) -> anyhow::Result<f64> {
    let file = tempfile::tempfile_in(folder).context("could not make a log")?;
    let (queue, taken) = mpsc::channel::<Waiting>();
    let end = Instant::now() + length;
    let started = Instant::now();
    let written = std::thread::scope(|scope| {
        for _ in 0..writers {
            let queue = queue.clone();
            scope.spawn(move || {
                let (durable, told) = mpsc::sync_channel(1);
                while Instant::now() < end {
                    let record = vec![7; record_bytes];
                    if queue.send((record, durable.clone())).is_err() || told.recv().is_err() {
                        return;
                    }
                }
            });
        }
        drop(queue);
        write(file, &taken)
    })?;
    Ok(written as f64 / started.elapsed().as_secs_f64())
}

/// Writes and syncs until no writer is left; how many records.
fn write(mut file: File, taken: &Receiver<Waiting>) -> anyhow::Result<u64> {
    let mut written = 0;
    while let Ok(first) = taken.recv() {
        let batch: Vec<Waiting> = std::iter::once(first).chain(taken.try_iter()).collect();
        let bytes: Vec<u8> = batch
            .iter()
            .flat_map(|(record, _)| record)
            .copied()
            .collect();
        file.write_all(&bytes)?;
        file.sync_data()?;
        written += batch.len() as u64;
        for (_, durable) in batch {
            // Its writer waits, or has ended; neither is a fault.
            let _told = durable.try_send(());
        }
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_is_written_before_its_writer_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::create(folder.path().join("log")).unwrap();
        let (queue, taken) = mpsc::channel();
        let (durable, told) = mpsc::sync_channel(8);
        for byte in 1..=3 {
            queue.send((vec![byte; 2], durable.clone())).unwrap();
        }
        drop(queue);
        assert_eq!(write(file, &taken).unwrap(), 3);
        assert_eq!(told.try_iter().count(), 3);
        let log = std::fs::read(folder.path().join("log")).unwrap();
        assert_eq!(log, [1, 1, 2, 2, 3, 3]);
    }
}
