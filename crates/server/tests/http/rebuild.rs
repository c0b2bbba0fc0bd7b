//! A server that starts on a folder answers as the one that wrote it.

use crate::answer::Essence;
use crate::app::{ALL, App, Token};
use crate::fleet::{Host, digest, fleet, tcp};

const READS: &[&str] = &[
    "/v5/p1/asset/port/statistics?limit=200",
    "/v5/p1/asset/port/statistics?category=container&enterprise_project_id=all_granted_eps",
    "/v5/p1/asset/port/statistics?type=TCP6&sort_dir=desc&limit=50",
    "/v5/p1/asset/port/statistics?status=danger&enterprise_project_id=x",
    "/portolan/v1/projects/p1/statistics?limit=200",
    "/portolan/v1/projects/p1/hosts?limit=3",
    "/portolan/v1/projects/p1/hosts?limit=200",
    "/portolan/v1/projects/p1/hosts/a-dual",
    "/portolan/v1/projects/p1/hosts/d-containers",
    "/portolan/v1/projects/p1/hosts/e-bulk",
    "/portolan/v1/projects/p1/hosts/nobody",
    "/portolan/v1/projects/p1/ports/443/assets?category=container",
    "/portolan/v1/projects/p1/recount",
    "/portolan/v1/credential",
];

fn answers(app: &App, reader: &Token) -> Vec<Essence> {
    READS
        .iter()
        .map(|target| app.get(reader, target).essence())
        .collect()
}

fn app() -> (App, Token, Token) {
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    let app = App::start(&[&reader, &agent]);
    let hosts = fleet();
    app.report(&agent, &hosts.iter().collect::<Vec<_>>());
    // Some move, some change, one is heard later than it was reported.
    app.clock.advance_s(5);
    let moved = hosts[1]
        .next(vec![tcp("::", 22), tcp("::", 7)])
        .in_enterprise_project("x");
    app.report(
        &agent,
        &[
            &moved,
            &hosts[2].next(vec![]),
            &hosts[0].next(hosts[0].ports.clone()),
        ],
    );
    app.clock.advance_s(7);
    let heard = hosts[3].heartbeat(&digest(&hosts[3].ports).into());
    assert_eq!(app.post(&agent, "heartbeats", &[heard])[0]["status"], "ok");
    (app, reader, agent)
}

/// Invariant 2: the census equals a replay of the store. The clock stands, so that even the moment of
/// an answer and the freshness of the hosts are the same.
#[test]
fn after_a_restart_every_answer_is_the_same_byte_for_byte() {
    let (mut app, reader, _) = app();
    let before = answers(&app, &reader);
    assert!(before.iter().all(|answer| answer.body.len() > 25));
    app.restart();
    assert_eq!(answers(&app, &reader), before);
    app.restart();
    assert_eq!(answers(&app, &reader), before);
}

/// Invariants 1 and 2: the same holds for the folder as a crash leaves it; only when hosts were last
/// heard may be older, as heartbeats are not synced one by one.
#[test]
fn after_a_crash_every_answer_about_ports_is_the_same_byte_for_byte() {
    let (app, reader, _) = app();
    let about_ports = |app: &App| -> Vec<_> {
        let all = READS.iter().zip(answers(app, &reader));
        all.filter(|(target, _)| !target.contains("/hosts"))
            .map(|(_, answer)| answer)
            .collect()
    };
    let crashed = app.crashed_copy();
    assert_eq!(about_ports(&crashed), about_ports(&app));
    for host in fleet() {
        let page = |app: &App| app.native(&reader, &format!("/hosts/{}", host.id)).ok();
        let (mut after, before) = (page(&crashed), page(&app));
        assert!(after["last_seen"].as_str() <= before["last_seen"].as_str());
        after["last_seen"] = before["last_seen"].clone();
        assert_eq!(after, before);
    }
}

#[test]
fn when_a_host_was_last_seen_outlives_a_restart_and_a_restart_is_no_sign_of_life() {
    let (mut app, reader, _) = app();
    let last_seen = |app: &App, id: &str| {
        app.native(&reader, &format!("/hosts/{id}")).ok()["last_seen"].clone()
    };
    app.clock.advance_s(1_000);
    app.restart();
    assert_eq!(
        last_seen(&app, "d-containers"),
        "2026-11-24T02:13:12Z",
        "its heartbeat"
    );
    assert_eq!(
        last_seen(&app, "a-dual"),
        "2026-11-24T02:13:05Z",
        "its second report"
    );
    assert_eq!(
        last_seen(&app, "e-bulk"),
        "2026-11-24T02:13:00Z",
        "its first report"
    );
    // Nobody could be heard while the server was down: all are fresh until three intervals later.
    assert_eq!(
        app.hss(&reader, "enterprise_project_id=all_granted_eps")
            .header("x-portolan-hosts"),
        Some("fresh=8, stale=0")
    );
}

/// Invariant 3: a pair that was held before the restart is held after it.
#[test]
fn after_a_restart_reports_and_heartbeats_are_decided_as_before() {
    let (mut app, _, agent) = app();
    app.restart();
    let hosts = fleet();
    let a = hosts[0].next(hosts[0].ports.clone());
    assert_eq!(
        app.post(
            &agent,
            "heartbeats",
            &[a.heartbeat(&digest(&a.ports).into())]
        )[0]["status"],
        "ok"
    );
    assert_eq!(
        app.post(&agent, "reports", &[hosts[0].report()])[0]["status"],
        "stale"
    );
    app.report(&agent, &[&a, &a.next(vec![])]);
    let new = Host::new("new", "0", vec![]);
    app.report(&agent, &[&new]);
}
