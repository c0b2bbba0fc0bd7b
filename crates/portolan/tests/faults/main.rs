//! Three servers on a real cluster of three NATS nodes, under faults: what was recorded while they
//! lasted is checked afterwards.
//!
//! `FAULTS=20` makes that many instead of the short selection, `FAULT_SEED=n` chooses and replays
//! them: a failing run prints both.
#![cfg(test)]

mod client;
mod cluster;
mod fleet;
mod held;
mod schedule;

use crate::cluster::Cluster;
use crate::fleet::Fleet;
use crate::schedule::Schedule;

#[test]
fn what_is_acknowledged_survives_faults_and_all_servers_tell_the_same() {
    let schedule = Schedule::from_environment();
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(folder.path());
    let fleet = Fleet::start(cluster.urls());
    fleet.wait_for_more();
    for fault in schedule.faults() {
        eprintln!("{schedule}: {fault:?}");
        cluster.suffer(fault);
        // Nothing is settled before the next: only that reports are taken again.
        fleet.wait_for_more();
    }
    let recorded = fleet.stop();
    cluster.wait_until_level(recorded.keys());
    held::check(&cluster.urls(), &recorded);
}
