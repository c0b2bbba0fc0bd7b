//! A cluster that lost or altered what it acknowledged: each server notices, and none goes on.

use std::sync::Arc;

use portolan_store::jetstream::{Log, Model, reseed};
use portolan_store::{Store, StoreError};
use portolan_wire::time::UnixMicros;

use crate::server::{Server, host_key, report, run};

fn refused<T>(result: Result<T, StoreError>) -> String {
    match result {
        Err(error @ StoreError::AnotherLog { .. }) => {
            assert!(error.is_fatal());
            error.to_string()
        }
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("it goes on"),
    }
}

/// Two servers that hold three reports of one host.
fn two() -> (Arc<Model>, Server, Server) {
    let model = Model::new();
    let mut first = Server::new(&model, 0);
    let mut second = Server::new(&model, 0);
    for sequence in 1..=3 {
        first.report(report("a", sequence, &[22])).unwrap();
    }
    second.catch_up();
    (model, first, second)
}

#[test]
fn a_log_that_ends_before_what_a_server_holds_is_refused() {
    let (model, mut first, second) = two();
    model.lose_after(first.running.store.epoch(), 2);
    let what = refused(first.report(report("a", 4, &[22])));
    assert!(what.contains("ends at commit 2"), "{what}");
    let (folder, clock, log) = second.stop();
    let what = refused(run(&log, folder.path(), &clock));
    assert!(what.contains("portolan reseed"), "{what}");
}

#[test]
fn commits_that_were_made_in_place_of_lost_ones_are_refused_and_a_reseed_brings_back_the_lost() {
    let (model, first, second) = two();
    let epoch = first.running.store.epoch();
    let (kept, clock, log) = first.stop();
    model.lose_after(epoch, 2);
    // One that begins anew does not know what was lost.
    let mut other = Server::new(&model, 0);
    other.report(report("b", 1, &[23])).unwrap();
    let what = refused(run(&log, kept.path(), &clock));
    assert!(what.contains("commit 3"), "{what}");
    let (folder, ..) = second.stop();
    drop(folder);

    let shared = Arc::clone(&log) as Arc<dyn Log>;
    reseed(&shared, kept.path(), UnixMicros(1), false).unwrap();
    let running = run(&log, kept.path(), &clock).unwrap();
    let state = running.published.state.load_full();
    assert_eq!(state.host(&host_key("a")).unwrap().facts.pair.sequence, 3);
}

#[test]
fn an_altered_message_is_refused_or_says_the_same() {
    let (model, mut first, second) = two();
    let epoch = first.running.store.epoch();
    first.report(report("a", 4, &[22, 23])).unwrap();
    let message = first.log.message(4).unwrap().unwrap();
    let (mut same, mut all) = (0, 0);
    for place in (0..message.len()).step_by(7) {
        all += 1;
        model.damage(epoch, 4, |message| message[place] ^= 0x40);
        let folder = crate::server::folder();
        if let Ok(running) = run(&second.log, folder.path(), &second.clock) {
            // Who wrote it, in which try, is no part of the commit.
            let state = running.published.state.load_full();
            let held = &state.host(&host_key("a")).unwrap().facts;
            assert_eq!(
                (held.pair.sequence, held.open_ports),
                (4, 2),
                "byte {place}"
            );
            same += 1;
        }
        model.damage(epoch, 4, |message| message[place] ^= 0x40);
    }
    assert!(same < all / 4, "{same} of {all} bytes");
}
