//! Freshness: when it begins, when it ends, and that the counts are those of the hosts.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::BTreeMap;
use std::sync::Arc;

use portolan_census::{
    Agents, Cells, Commit, Freshness, HostCommit, HostFacts, Ignored, Liveness, Pair, Retired,
    Selection, Silent, State,
};
use portolan_wire::caps;
use portolan_wire::digest::Digest;
use portolan_wire::ids::HostKey;
use portolan_wire::time::UnixMicros;
use proptest::prelude::*;

fn put(state: &mut State, id: &str, enterprise_project: &str, interval_s: u32) {
    let facts = HostFacts {
        id: id.into(),
        enterprise_project: enterprise_project.into(),
        pair: Pair::default(),
        at: UnixMicros(0),
        digest: Digest::default(),
        record_hash: 0,
        agents: Agents::default(),
        heartbeat_interval_s: interval_s,
        open_ports: 0,
        cells: Cells::default(),
        history_at: 0,
        retired_at: None,
    };
    state.apply(Commit::Put(HostCommit {
        project: "p".into(),
        facts,
        ignored: Ignored::default(),
    }));
}

fn key(id: &str) -> HostKey {
    HostKey {
        project: "p".into(),
        host: id.into(),
    }
}

fn heard(state: &mut State, liveness: &Liveness, id: &str, heard_s: u32, now_s: u32) {
    liveness.heard(&"p".into(), state.host(&key(id)).unwrap(), heard_s, now_s);
    settle(state, liveness);
}

fn retire(state: &mut State, liveness: &Liveness, id: &str) {
    let host = Arc::clone(state.host(&key(id)).unwrap());
    liveness.forget(&host);
    let (project, facts) = ("p".into(), host.facts.clone());
    state.apply(Commit::Retire(Retired { project, facts }));
}

fn roll(state: &mut State, liveness: &Liveness, now_s: u32) -> Vec<Silent> {
    let silent = liveness.roll(now_s);
    settle(state, liveness);
    silent
}

/// Takes into the census who has become fresh or stale, a few at a time.
fn settle(state: &mut State, liveness: &Liveness) {
    while liveness.changed() > 0 {
        state.apply(Commit::Fresh(liveness.take_changed(2)));
    }
}

fn counts(state: &State, scope: &[&str]) -> (u64, u64) {
    let selection = Selection::of(scope.iter().map(|id| (*id).into()));
    state.project("p").unwrap().fresh_and_stale(&selection)
}

#[test]
fn a_host_is_fresh_for_three_of_its_intervals_and_not_a_second_longer() {
    let (mut state, liveness) = (State::default(), Liveness::new(0));
    put(&mut state, "a", "0", 10);
    heard(&mut state, &liveness, "a", 100, 100);
    roll(&mut state, &liveness, 130);
    assert_eq!(counts(&state, &["0"]), (1, 0));
    roll(&mut state, &liveness, 131);
    assert_eq!(
        counts(&state, &["0"]),
        (0, 1),
        "silence makes stale, and nothing is closed"
    );
    heard(&mut state, &liveness, "a", 200, 200);
    assert_eq!(counts(&state, &["0"]), (1, 0));
}

#[test]
fn a_host_that_shortens_its_interval_is_stale_three_of_the_new_ones_later() {
    let (mut state, liveness) = (State::default(), Liveness::new(0));
    put(&mut state, "a", "0", 1_000);
    heard(&mut state, &liveness, "a", 100, 100);
    put(&mut state, "a", "0", 10);
    heard(&mut state, &liveness, "a", 200, 200);
    roll(&mut state, &liveness, 230);
    assert_eq!(counts(&state, &["0"]), (1, 0));
    roll(&mut state, &liveness, 231);
    assert_eq!(counts(&state, &["0"]), (0, 1));
    // The entry of the long interval, which is still in the wheel, changes nothing.
    heard(&mut state, &liveness, "a", 3_095, 3_095);
    roll(&mut state, &liveness, 3_101);
    assert_eq!(counts(&state, &["0"]), (1, 0));
    roll(&mut state, &liveness, 3_126);
    assert_eq!(counts(&state, &["0"]), (0, 1));
}

#[test]
fn after_a_restart_a_host_is_fresh_until_three_intervals_after_the_start() {
    let (mut state, liveness) = (State::default(), Liveness::new(1_000));
    put(&mut state, "a", "0", 10);
    heard(&mut state, &liveness, "a", 5, 1_000);
    roll(&mut state, &liveness, 1_030);
    assert_eq!(counts(&state, &["0"]), (1, 0));
    let (freshness, last_seen_s) = state.project("p").unwrap().host("a").unwrap().freshness();
    assert_eq!(
        (freshness, last_seen_s),
        (Freshness::Fresh, 5),
        "when it was heard is told as it was"
    );
    roll(&mut state, &liveness, 1_031);
    assert_eq!(counts(&state, &["0"]), (0, 1));
}

/// A heartbeat is answered from a view that may be a commit behind.
#[test]
fn a_heartbeat_from_an_old_view_counts_no_removed_host_and_moves_none_back() {
    let (mut state, liveness) = (State::default(), Liveness::new(0));
    put(&mut state, "anchor", "0", 1_000);
    put(&mut state, "a", "0", 1_000);
    heard(&mut state, &liveness, "anchor", 0, 0);
    heard(&mut state, &liveness, "a", 0, 0);
    let old = state.project("p").unwrap().host("a").unwrap().clone();
    put(&mut state, "a", "x", 1_000);
    heard(&mut state, &liveness, "a", 1, 1);
    liveness.touched(&old, 2);
    settle(&mut state, &liveness);
    assert_eq!(
        (counts(&state, &["0"]), counts(&state, &["x"])),
        ((1, 0), (1, 0))
    );
    assert_eq!(
        old.freshness(),
        (Freshness::Fresh, 2),
        "it was heard all the same"
    );
    retire(&mut state, &liveness, "a");
    liveness.touched(&old, 3);
    roll(&mut state, &liveness, 5_000);
    assert_eq!(counts(&state, &["0", "x"]), (0, 1), "the anchor's");
}

/// A census of hosts that were heard at second 0, and a wheel that retires after 1,000 seconds.
fn silent_since_0(hosts: usize) -> (State, Liveness) {
    let mut state = State::default();
    let liveness = Liveness::new(0).retiring_after(Some(1_000));
    for host in 0..hosts {
        put(&mut state, &host.to_string(), "0", 10);
        heard(&mut state, &liveness, &host.to_string(), 0, 0);
    }
    (state, liveness)
}

/// When hosts are told as silent, of all seconds up to `until_s`; what [`roll`] of one second less
/// than a minute skips is looked at, too.
fn told_silent(state: &mut State, liveness: &Liveness, seconds: std::ops::Range<u32>) -> Vec<u32> {
    let told = |now_s: u32| {
        let silent = roll(state, liveness, now_s);
        silent.into_iter().map(move |_| now_s)
    };
    seconds.flat_map(told).collect()
}

#[test]
fn a_host_is_told_as_silent_when_it_is_to_be_retired_and_again_until_it_is() {
    let (mut state, liveness) = silent_since_0(1);
    let told = told_silent(&mut state, &liveness, 0..1_130);
    assert_eq!(told, [1_001, 1_061, 1_121]);
    heard(&mut state, &liveness, "0", 1_130, 1_130);
    let told = told_silent(&mut state, &liveness, 1_131..2_140);
    assert_eq!(told, [2_131], "it was heard meanwhile");
    liveness.forget(state.host(&key("0")).unwrap());
    let told = told_silent(&mut state, &liveness, 2_140..3_000);
    assert_eq!(told, [0; 0], "it is retired");
}

#[test]
fn nobody_is_told_as_silent_where_none_is_to_be_retired() {
    let (mut state, liveness) = (State::default(), Liveness::new(0));
    put(&mut state, "0", "0", 10);
    heard(&mut state, &liveness, "0", 0, 0);
    assert_eq!(told_silent(&mut state, &liveness, 0..5_000), [0; 0]);
    assert_eq!(roll(&mut state, &liveness, u32::MAX), []);
}

/// A server that was down, or stopped, or whose clock was set, heard nobody meanwhile.
#[test]
fn a_host_is_waited_for_three_of_its_intervals_once_it_can_be_heard_again() {
    let mut state = State::default();
    let liveness = Liveness::new(5_000).retiring_after(Some(1_000));
    put(&mut state, "0", "0", 100);
    heard(&mut state, &liveness, "0", 0, 5_000);
    let told = told_silent(&mut state, &liveness, 5_000..5_310);
    assert_eq!(told, [5_302], "after a restart: it is stale at 5,301");
    heard(&mut state, &liveness, "0", 5_310, 5_310);
    let told = told_silent(&mut state, &liveness, 5_310..5_312);
    assert_eq!(told, [0; 0]);
    let told = told_silent(&mut state, &liveness, 9_000..9_310);
    assert_eq!(told, [9_301], "after it was stopped for an hour");
}

#[test]
fn no_more_hosts_are_told_in_a_second_than_can_be_retired() {
    let most = caps::SILENT_RETIRED_MAX;
    let (mut state, liveness) = silent_since_0(2 * most + 1);
    let mut told = told_silent(&mut state, &liveness, 0..1_010);
    let last = told.split_off(2 * most);
    assert_eq!(told, [vec![1_001; most], vec![1_002; most]].concat());
    assert_eq!(last, [1_003]);
}

proptest! {
    /// Hearing, moving, removing and time, in any order, against when each host was heard.
    #[test]
    fn the_counts_are_those_of_the_hosts(steps in prop::collection::vec((0u32..4, 0usize..3, 0usize..3, 0u32..20), 1..80)) {
        let (mut state, liveness) = (State::default(), Liveness::new(0));
        put(&mut state, "anchor", "0", 1);
        heard(&mut state, &liveness, "anchor", 0, 0);
        let mut model = BTreeMap::<&str, (&str, u32)>::new();
        let mut now_s = 10;
        for (action, host, scope, by) in steps {
            let (id, scope) = (["a", "b", "c"][host], ["0", "x", "y"][scope]);
            match action {
                0 => { put(&mut state, id, scope, 5); heard(&mut state, &liveness, id, now_s, now_s); model.insert(id, (scope, now_s)); }
                1 => if let Some(entry) = model.get_mut(id) { heard(&mut state, &liveness, id, now_s, now_s); entry.1 = now_s; },
                2 => if model.remove(id).is_some() {
                    retire(&mut state, &liveness, id);
                },
                _ => now_s += by,
            }
            roll(&mut state, &liveness, now_s);
            for scope in ["0", "x", "y"] {
                let of = |fresh: bool| {
                    let anchor = scope == "0" && fresh == (now_s <= 3);
                    let hosts = model.values().filter(|(at, heard_s)| *at == scope && (now_s - heard_s <= 15) == fresh);
                    hosts.count() as u64 + u64::from(anchor)
                };
                prop_assert_eq!(counts(&state, &[scope]), (of(true), of(false)));
            }
        }
    }
}
