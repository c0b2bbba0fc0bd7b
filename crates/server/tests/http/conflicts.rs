//! Two machines that claim to be one host: shown, and not mixed.

use serde_json::{Value, json};

use crate::app::{ALL, App, Token};
use crate::fleet::{Host, digest, tcp};
use crate::support::rows;

fn app() -> (App, Token, Token) {
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    (App::start(&[&reader, &agent]), reader, agent)
}

fn assert_conflict(app: &App, agent: &Token, host: &Host, held: &Host) {
    let result = &app.post(agent, "reports", &[host.report()])[0];
    assert_eq!(
        (&result["status"], &result["host_id"]),
        (&json!("rejected"), &json!(host.id)),
        "{result}"
    );
    assert_eq!(result["error_code"], "PORTOLAN.0013");
    assert_eq!(result["reason"], "identity_conflict");
    let current = json!({
        "generation": held.generation, "sequence": held.sequence,
        "agent_id": held.agent_id, "digest": digest(&held.ports),
    });
    assert_eq!(result["current"], current);
}

fn flag(app: &App, reader: &Token) -> Value {
    let flag = app.native(reader, "/hosts").ok()["data_list"][0]["identity_conflict"].clone();
    assert_eq!(
        app.native(reader, "/hosts/h").ok()["identity_conflict"],
        flag
    );
    flag
}

/// Invariant 3: a pair stands for one set.
#[test]
fn an_equal_pair_with_another_set_is_a_conflict_and_changes_nothing() {
    let (app, reader, agent) = app();
    let host = Host::new("h", "0", vec![tcp("::", 22)]);
    app.report(&agent, &[&host]);
    assert_eq!(flag(&app, &reader), false);
    let other = Host {
        ports: vec![tcp("::", 23)],
        ..host.clone()
    };
    assert_conflict(&app, &agent, &other, &host);
    assert_conflict(&app, &agent, &other.of_agent("clone"), &host);
    assert_eq!(rows(&app.hss(&reader, "").ok()), [(22, "TCP", 1)]);
    assert_eq!(flag(&app, &reader), true);
    let metrics = String::from_utf8(app.get(&reader, "/metrics").body).unwrap();
    assert!(
        metrics.contains("portolan_reports_total{result=\"identity_conflict\"} 2\n"),
        "{metrics}"
    );
}

#[test]
fn the_flag_of_a_conflict_goes_out_after_three_intervals() {
    let (app, reader, agent) = app();
    let host = Host::new("h", "0", vec![tcp("::", 22)]);
    app.report(&agent, &[&host]);
    assert_conflict(
        &app,
        &agent,
        &Host {
            ports: vec![],
            ..host.clone()
        },
        &host,
    );
    app.clock.advance_s(89);
    assert_eq!(flag(&app, &reader), true);
    app.clock.advance_s(1);
    assert_eq!(flag(&app, &reader), false);
}

/// One agent that takes over from another is an agent that was installed anew; one that comes back
/// while the other still speaks is a clone.
#[test]
fn two_agents_that_alternate_within_three_intervals_conflict_and_later_ones_do_not() {
    let (app, reader, agent) = app();
    let a1 = Host::new("h", "0", vec![tcp("::", 1)]).of_agent("a");
    let b2 = a1.next(vec![tcp("::", 2)]).of_agent("b");
    let a3 = b2.next(vec![tcp("::", 3)]).of_agent("a");
    app.report(&agent, &[&a1]);
    app.report(&agent, &[&b2]);
    assert_eq!(flag(&app, &reader), false, "a take-over is no conflict");
    assert_conflict(&app, &agent, &a3, &b2);
    assert_eq!(rows(&app.hss(&reader, "").ok()), [(2, "TCP", 1)]);
    assert_eq!(flag(&app, &reader), true);
    // The one that is held goes on, and its voice counts anew.
    app.clock.advance_s(60);
    let b3 = b2.next(vec![tcp("::", 4)]);
    app.report(&agent, &[&b3]);
    let a4 = Host {
        sequence: 4,
        ..a3.clone()
    };
    app.clock.advance_s(90);
    assert_conflict(&app, &agent, &a4, &b3);
    let heartbeat = b3.heartbeat(&json!(digest(&b3.ports)));
    assert_eq!(
        app.post(&agent, "heartbeats", &[heartbeat])[0]["status"],
        "ok"
    );
    app.clock.advance_s(90);
    assert_conflict(&app, &agent, &a4, &b3);
    // After three intervals of silence nobody speaks against it.
    app.clock.advance_s(1);
    app.report(&agent, &[&a4]);
    assert_eq!(rows(&app.hss(&reader, "").ok()), [(3, "TCP", 1)]);
    assert_conflict(&app, &agent, &b3.next(vec![]).next(vec![]), &a4);
}

/// What an agent must know before it takes another one's place: a pair that does not move is no
/// silence, since heartbeats move none.
#[test]
fn an_older_report_is_told_whether_the_agent_of_the_newer_one_still_speaks() {
    let (app, reader, agent) = app();
    let old = Host::new("h", "0", vec![tcp("::", 1)]).of_agent("old");
    let held = old.next(vec![tcp("::", 2)]).of_agent("held");
    app.report(&agent, &[&held]);
    let told = |host: &Host| {
        let result = app.post(&agent, "reports", &[host.report()])[0].clone();
        assert_eq!(result["status"], "stale", "{result}");
        assert_eq!(result["current"]["agent_id"], "held");
        result["reason"].clone()
    };
    for _ in 0..4 {
        app.clock.advance_s(90);
        assert_eq!(told(&old), "identity_conflict");
        let heartbeat = held.heartbeat(&json!(digest(&held.ports)));
        app.post(&agent, "heartbeats", &[heartbeat]);
    }
    assert_eq!(flag(&app, &reader), true);
    let own = old.clone().of_agent("held");
    assert_eq!(told(&own), Value::Null, "its own past");
    app.clock.advance_s(91);
    assert_eq!(told(&old), Value::Null, "it has gone silent");
    assert_eq!(flag(&app, &reader), false);
    assert_eq!(rows(&app.hss(&reader, "").ok()), [(2, "TCP", 1)]);
}

#[test]
fn a_conflict_survives_a_restart_of_the_server() {
    let (mut app, _, agent) = app();
    let a1 = Host::new("h", "0", vec![tcp("::", 1)]).of_agent("a");
    let b2 = a1.next(vec![tcp("::", 2)]).of_agent("b");
    app.report(&agent, &[&a1]);
    app.report(&agent, &[&b2]);
    app.restart();
    assert_conflict(&app, &agent, &b2.next(vec![]).of_agent("a"), &b2);
}
