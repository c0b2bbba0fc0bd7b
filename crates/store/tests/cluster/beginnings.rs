//! How servers begin: on an empty cluster, of a base, of the store of a single server.

use std::sync::Arc;

use portolan_store::embedded::{EmbeddedOptions, EmbeddedStore};
use portolan_store::jetstream::{Log, Model, reseed};
use portolan_store::{Batch, Clock, Store, StoreError, Write, record_hash};
use portolan_wire::time::UnixMicros;

use crate::server::{HandClock, PROJECT, Server, host_key, report, run};

fn sequence(server: &Server, host: &str) -> Option<u64> {
    let state = server.state();
    Some(state.host(&host_key(host))?.facts.pair.sequence)
}

#[test]
fn servers_that_begin_share_one_log() {
    let model = Model::new();
    let mut first = Server::new(&model, 0);
    let mut second = Server::new(&model, 0);
    assert_eq!(first.running.store.epoch(), second.running.store.epoch());
    first.report(report("a", 1, &[22])).unwrap();
    second.report(report("b", 1, &[23])).unwrap();
    first.catch_up();
    for server in [&first, &second] {
        assert_eq!(server.state().commit(), 2);
        assert_eq!(sequence(server, "a"), Some(1));
        assert_eq!(sequence(server, "b"), Some(1));
    }
}

#[test]
fn a_server_without_a_checkpoint_begins_of_the_newest_base() {
    let model = Model::new();
    let mut server = Server::new(&model, 0);
    for sequence in 1..=3 {
        server.report(report("a", sequence, &[22])).unwrap();
        server.running.store.make_base().unwrap();
    }
    server.report(report("b", 1, &[23])).unwrap();
    let log = Arc::clone(&server.log);
    assert_eq!(log.ends().unwrap().first, 3, "behind the older base");
    // It has never seen the first two.
    let other = Server::new(&model, 0);
    assert_eq!(sequence(&other, "a"), Some(3));
    assert_eq!(sequence(&other, "b"), Some(1));
    let spans = [&other, &server].map(|server| server.running.store.history_span().unwrap());
    let [theirs, ours] = spans.map(|span| (span.from, span.after, span.last));
    assert_eq!(theirs, ours);
    // Nothing of the base before the last two is left.
    let kept = log.names("base").unwrap();
    let bases: std::collections::BTreeSet<_> = kept
        .iter()
        .filter_map(|name| name.split('.').nth(1))
        .collect();
    assert_eq!(bases.len(), 2, "{kept:?}");
}

#[test]
fn a_base_that_the_cluster_does_not_take_is_tried_again_and_leaves_nothing() {
    let model = Model::new();
    let mut server = Server::new(&model, 0);
    server.report(report("a", 1, &[22])).unwrap();
    // So that it has several pieces.
    server.log.limit_bytes(100);
    server.log.cut_off(true);
    let error = server.running.store.make_base().unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    server.log.cut_off(false);
    assert_eq!(server.log.names("base").unwrap(), Vec::<String>::new());
    assert!(server.running.store.make_base().unwrap().is_some());
}

#[test]
fn a_server_that_the_log_was_trimmed_under_begins_anew() {
    let model = Model::new();
    let mut server = Server::new(&model, 0);
    let mut behind = Server::new(&model, 0);
    server.report(report("a", 1, &[22])).unwrap();
    behind.catch_up();
    for sequence in 2..=4 {
        server.report(report("a", sequence, &[22])).unwrap();
        server.running.store.make_base().unwrap();
    }
    assert!(server.log.ends().unwrap().first > 2);
    behind.log.arrive(u64::MAX);
    let error = behind.running.committer.follow().unwrap_err();
    assert!(error.to_string().contains("the log begins at"), "{error}");
    let behind = behind.restart(false);
    assert_eq!(sequence(&behind, "a"), Some(4));
}

#[test]
fn a_commit_that_is_longer_than_a_message_is_kept_in_parts() {
    let model = Model::new();
    let mut server = Server::new(&model, 0);
    let mut other = Server::new(&model, 0);
    server.log.limit_bytes(700);
    let ports: Vec<u16> = (1..500).map(|n| n * 131 % 60_000 + 1).collect();
    let mut sorted = ports;
    sorted.sort_unstable();
    sorted.dedup();
    server.report(report("a", 1, &sorted)).unwrap();
    assert!(server.log.names("part").unwrap().len() > 1);
    other.catch_up();
    let state = other.state();
    let held = &state.host(&host_key("a")).unwrap().facts;
    assert_eq!(held.open_ports as usize, sorted.len());
    // They go with their message.
    for sequence in 2..=4 {
        server.report(report("a", sequence, &[22])).unwrap();
        server.running.store.make_base().unwrap();
    }
    assert_eq!(server.log.names("part").unwrap(), Vec::<String>::new());
}

/// A folder with the store of a single server, which holds one host.
fn single(folder: &std::path::Path) {
    let options = EmbeddedOptions {
        free_bytes_min: 0,
        ..EmbeddedOptions::default()
    };
    let store = EmbeddedStore::open(folder, options).unwrap();
    store.load(&mut |_| Ok(())).unwrap();
    let model = Model::new();
    let mut server = Server::new(&model, 0);
    server.report(report("old", 7, &[22])).unwrap();
    let key = host_key("old");
    let value = server.running.store.host(&key).unwrap().unwrap();
    let batch = Batch {
        commit: 1,
        at: server.clock.now(),
        hosts: vec![Write {
            hash: record_hash(&key, &value),
            key,
            value: Some(value),
            replaces: None,
        }],
        ..Batch::default()
    };
    store.commit(&batch).unwrap();
    store.close().unwrap();
}

#[test]
fn a_cluster_is_made_of_the_store_of_a_single_server() {
    let folder = crate::server::folder();
    single(folder.path());
    let model = Model::new();
    let log = Arc::new(model.server());
    let clock = Arc::new(HandClock::at_begin());
    let Err(error) = run(&log, folder.path(), &clock) else {
        panic!("it is taken for a checkpoint");
    };
    let StoreError::AnotherLog { what } = error else {
        panic!("{error}");
    };
    assert!(what.contains("portolan reseed"), "{what}");

    let shared = Arc::clone(&log) as Arc<dyn Log>;
    let made = reseed(&shared, folder.path(), UnixMicros(1), false).unwrap();
    assert_eq!((made.commit, made.hosts), (1, 1));
    let running = run(&log, folder.path(), &clock).unwrap();
    assert_eq!(running.store.epoch(), made.epoch.id);
    let mut other = Server::new(&model, 0);
    assert_eq!(sequence(&other, "old"), Some(7));
    other.report(report("new", 1, &[23])).unwrap();
    assert_eq!(other.state().commit(), 2, "numbers go on");
    assert_eq!(
        other
            .state()
            .project(PROJECT)
            .unwrap()
            .hosts_after(None)
            .count(),
        2
    );
}

#[test]
fn a_reseed_ends_the_log_of_before_and_asks_before_it_loses_anything() {
    let model = Model::new();
    let mut first = Server::new(&model, 0);
    let mut second = Server::new(&model, 0);
    first.report(report("a", 1, &[22])).unwrap();
    second.catch_up();
    let (folder, clock, log) = second.stop();
    first.report(report("a", 2, &[22])).unwrap();
    let shared = Arc::clone(&log) as Arc<dyn Log>;
    let error = reseed(&shared, folder.path(), UnixMicros(1), false).unwrap_err();
    assert!(error.to_string().contains("--even-if-older"), "{error}");
    let made = reseed(&shared, folder.path(), UnixMicros(1), true).unwrap();
    assert_eq!(made.commit, 1);
    let error = first.report(report("a", 3, &[22])).unwrap_err();
    assert!(error.is_fatal(), "{error:?}");
    // It follows the new log with its next start.
    let mut first = first.restart(false);
    assert_eq!(sequence(&first, "a"), Some(1));
    first.report(report("a", 4, &[22])).unwrap();
    let second = run(&log, folder.path(), &clock).unwrap();
    let held = second.published.state.load_full();
    assert_eq!(held.host(&host_key("a")).unwrap().facts.pair.sequence, 4);
}
