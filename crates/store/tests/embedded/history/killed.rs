//! A process that begins and drops days all the time, killed again and again.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use portolan_store::embedded::verify;
use portolan_store::{Checkpoint, CheckpointAt, HistoryOrder, Store};

use super::{batch, opened, read};
use crate::model::{history_value, long};

/// Set for the child process alone: the folder whose store it fills.
const FOLDER: &str = "PORTOLAN_TEST_DAYS_FOLDER";
const TOLD: &str = "told ";
const COMMITS_A_DAY: u64 = 3;
const DAYS_KEPT: u32 = 2;

fn day(commit: u64) -> u32 {
    10 + u32::try_from(commit / COMMITS_A_DAY).unwrap()
}

/// The child: commits without end, telling each commit that was acknowledged.
#[test]
fn child_changes_days_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let store = opened(Path::new(&folder));
    let first = store.history_span().unwrap().last + 1;
    std::thread::scope(|scope| {
        // Drops go on beside the commits, as they do in a server.
        let (dropping, drops) = std::sync::mpsc::channel();
        let store = &store;
        scope.spawn(move || {
            for day in drops {
                store.drop_history_before(day).unwrap();
            }
        });
        for commit in first.. {
            let day = day(commit);
            store.commit(&batch(commit, day)).unwrap();
            let line = format!("\n{TOLD}{commit}\n");
            std::io::stdout().write_all(line.as_bytes()).unwrap();
            let at = CheckpointAt {
                day,
                commit,
                ..CheckpointAt::default()
            };
            let part = |n: u8| (vec![n], commit.to_be_bytes().to_vec());
            let parts = (0..10).map(part).collect();
            store.save_checkpoint(&Checkpoint { at, parts }).unwrap();
            dropping.send(day - DAYS_KEPT).unwrap();
        }
    });
}

/// Runs the child until it told so many commits, and kills it. Returns the last one told.
fn run(folder: &Path, commits: usize) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "history::killed::child_changes_days_until_killed",
            "--nocapture",
        ])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told = lines.filter_map(|line| line.unwrap().strip_prefix(TOLD)?.parse().ok());
    let enough = told.by_ref().take(commits).last();
    child.kill().unwrap();
    // What it told before it was dead.
    let last = told.last().or(enough);
    child.wait().unwrap();
    last.unwrap()
}

#[test]
fn killed_while_days_come_and_go_it_keeps_all_that_was_acknowledged_of_the_days_left() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..if long() { 60 } else { 8 } {
        let told = run(folder.path(), 5 + round * 7 % 23);
        let walked = verify(folder.path()).unwrap();
        let store = opened(folder.path());
        let span = store.history_span().unwrap();
        assert!((told..=told + 1).contains(&span.last), "{told}, {span:?}");
        let first = span.days[0].first;
        let expected: Vec<_> = (first..=span.last)
            .map(|commit| (commit, history_value(commit)))
            .collect();
        let order = HistoryOrder::Ascending;
        assert_eq!(read(&store, 0..=u64::MAX, order).unwrap(), expected);
        assert_eq!(walked.history, expected.len() as u64);
        assert!(
            first.is_multiple_of(COMMITS_A_DAY) || first == 1,
            "{span:?}"
        );
        for at in store.checkpoints().unwrap() {
            let mut parts = 0;
            let mut each = |_: &[u8], bytes: &[u8]| {
                parts += 1;
                assert_eq!(bytes, at.commit.to_be_bytes());
                Ok(())
            };
            store.checkpoint_parts(at.day, b"", &mut each).unwrap();
            assert_eq!(parts, 10, "{at:?}");
        }
    }
}
