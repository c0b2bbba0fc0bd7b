//! A server killed while it writes: nothing that it acknowledged is lost, and it starts again.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use portolan_store::Store;
use portolan_wire::ids::HostKey;

use crate::model::{Model, key, names, start};

/// Set for the child process alone: the folder whose store it fills.
const FOLDER: &str = "PORTOLAN_TEST_KILL_FOLDER";
const ACKNOWLEDGED: &str = "acknowledged ";
const HOSTS: u64 = 300;

/// What commit number `commit` changes; nothing else decides it, so that a model can follow.
fn changes(commit: u64) -> Vec<(HostKey, Option<Vec<u8>>)> {
    let mut state = commit.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let writes = 1 + next(40);
    (0..writes)
        .map(|_| {
            let host = key(&format!("h{}", next(HOSTS)));
            let byte = next(256) as u8;
            // Several times the 8 KiB that the journal writes at once.
            let value = (next(5) > 0).then(|| vec![byte; 500 + next(2000) as usize]);
            (host, value)
        })
        .collect()
}

/// The child: commits without end, telling each commit that was acknowledged.
#[test]
fn child_commits_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let (store, mut model) = start(Path::new(&folder)).unwrap();
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{ACKNOWLEDGED}{}", model.commit).unwrap();
    loop {
        let next = model.commit + 1;
        store.commit(&model.batch(&changes(next))).unwrap();
        writeln!(out, "{ACKNOWLEDGED}{next}").unwrap();
    }
}

fn start_child(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child_commits_until_killed", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Kills a child after it told `commits` commits, and says which it told last.
fn kill_after(folder: &Path, commits: usize) -> u64 {
    let mut child = start_child(folder);
    let told = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let mut told = told.filter_map(|line| line.strip_prefix(ACKNOWLEDGED)?.parse::<u64>().ok());
    let mut last = told.by_ref().take(commits).last();
    // The child is in the middle of whatever it does now.
    child.kill().unwrap();
    // What it told before it died counts too.
    last = told.last().or(last);
    child.wait().unwrap();
    last.expect("the child never committed")
}

#[test]
fn ten_kills_at_any_moment_lose_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = Model::default();
    for round in 0..10_usize {
        let acknowledged = kill_after(folder.path(), 1 + (round * 37) % 90);
        let (store, found) = start(folder.path()).unwrap();
        assert!(
            found.commit >= acknowledged,
            "{} < {acknowledged}",
            found.commit
        );
        // At most the one commit that was durable and not told yet.
        assert!(
            found.commit <= acknowledged + 1,
            "{} > {acknowledged} + 1",
            found.commit
        );
        while model.commit < found.commit {
            let next = model.commit + 1;
            model.batch(&changes(next));
        }
        assert_eq!(found, model, "round {round}");
        assert_eq!(
            names(folder.path()),
            ["commit.mark", "fjall", "lock", "store.json"]
        );
        // Every other child begins on a store that was closed cleanly.
        if round % 2 == 0 {
            store.close().unwrap();
        }
    }
    assert!(
        model.commit > 100,
        "only {} commits in ten rounds",
        model.commit
    );
}
