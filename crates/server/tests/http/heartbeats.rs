//! Heartbeats: "nothing changed since that report".

use serde_json::{Value, json};

use crate::app::{ALL, App, Token};
use crate::fleet::{Host, digest, tcp};
use crate::support::eventually;

fn app() -> (App, Token, Token) {
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    (App::start(&[&reader, &agent]), reader, agent)
}

fn beat(app: &App, agent: &Token, heartbeat: Value) -> Value {
    app.post(agent, "heartbeats", &[heartbeat]).remove(0)
}

#[test]
fn a_heartbeat_is_ok_only_for_the_pair_and_the_digest_that_are_held() {
    let (app, _, agent) = app();
    let held = Host {
        heartbeat_interval_s: 45,
        sequence: 5,
        ..Host::new("h", "0", vec![tcp("::", 22)])
    };
    let digest = app.report(&agent, &[&held])[0]["digest"].clone();
    let of = |generation: u64, sequence, digest: &Value| {
        Host {
            generation,
            sequence,
            ..held.clone()
        }
        .heartbeat(digest)
    };
    let generation = held.generation;
    let other = json!("0".repeat(32));
    let needed = [
        (of(generation, 6, &digest), "newer_pair"),
        (of(generation + 1, 0, &digest), "newer_pair"),
        (of(generation, 4, &digest), "older_pair"),
        (of(generation - 1, 9, &digest), "older_pair"),
        (of(generation, 6, &other), "newer_pair"),
        (of(generation, 5, &other), "digest"),
    ];
    for (heartbeat, reason) in needed {
        let expected = json!({
            "index": 0, "host_id": "h", "status": "report_needed", "reason": reason, "next_heartbeat_s": 45,
        });
        assert_eq!(beat(&app, &agent, heartbeat), expected);
    }
    for (reason, count) in [
        ("unknown_host", 0),
        ("newer_pair", 3),
        ("older_pair", 2),
        ("digest", 1),
    ] {
        let name = format!("portolan_heartbeat_disagreements_total{{reason=\"{reason}\"}}");
        assert_eq!(app.metric(&name), count, "{name}");
    }
    let unknown = Host::new("nobody", "0", vec![]).heartbeat(&digest);
    let expected = json!({
        "index": 0, "host_id": "nobody", "status": "report_needed", "reason": "unknown_host", "next_heartbeat_s": 30,
    });
    assert_eq!(beat(&app, &agent, unknown), expected);
    let ok = json!({"index": 0, "host_id": "h", "status": "ok", "next_heartbeat_s": 45});
    assert_eq!(beat(&app, &agent, held.heartbeat(&digest)), ok);
}

#[test]
fn a_faulty_heartbeat_is_rejected_alone_and_results_come_in_the_order_sent() {
    let (app, _, agent) = app();
    let host = Host::new("h", "0", vec![]);
    let digest = app.report(&agent, &[&host])[0]["digest"].clone();
    let good = host.heartbeat(&digest);
    let with = |field: &str, value: Value| {
        let mut heartbeat = good.clone();
        heartbeat[field] = value;
        heartbeat
    };
    let upper = json!("ABCDEF".repeat(5) + "AB");
    let sent = [
        good.clone(),
        with("digest", upper.clone()),
        with("sequence", json!(-1)),
        with("host_id", json!("")),
        json!([]),
        good.clone(),
    ];
    let results = app.post(&agent, "heartbeats", &sent);
    assert_eq!(results[0]["status"], "ok");
    assert_eq!(results[5]["status"], "ok");
    let faults = [
        (1, "heartbeats[1].digest", json!("h")),
        (2, "heartbeats[2].sequence", json!("h")),
        (3, "heartbeats[3].host_id", Value::Null),
        (4, "heartbeats[4]", Value::Null),
    ];
    for (index, field, host_id) in faults {
        let result = &results[index];
        assert_eq!(
            (&result["status"], &result["error_code"]),
            (&json!("rejected"), &json!("PORTOLAN.0010"))
        );
        assert_eq!(
            (&result["field"], &result["host_id"]),
            (&json!(field), &host_id)
        );
        assert!(
            result["error_msg"].as_str().unwrap().starts_with(field),
            "{result}"
        );
        assert!(
            result.get("next_heartbeat_s").is_none() && result.get("reason").is_none(),
            "{result}"
        );
    }
}

/// Invariant 5: silence makes a host stale, and a heartbeat makes it fresh again; neither changes a
/// count.
#[test]
fn a_heartbeat_freshens_a_stale_host_and_one_that_is_not_ok_does_not() {
    let (app, reader, agent) = app();
    let host = Host::new("h", "0", vec![tcp("::", 22)]);
    let digest = app.report(&agent, &[&host])[0]["digest"].clone();
    let hosts = || {
        app.hss(&reader, "")
            .header("x-portolan-hosts")
            .unwrap()
            .to_owned()
    };
    let last_seen = || {
        app.native(&reader, "/hosts/h").ok()["last_seen"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    app.clock.advance_s(91);
    eventually("the host is stale", || hosts() == "fresh=0, stale=1");
    let newer = host.next(vec![]).heartbeat(&digest);
    assert_eq!(beat(&app, &agent, newer)["reason"], "newer_pair");
    assert_eq!(
        (hosts().as_str(), last_seen().as_str()),
        ("fresh=0, stale=1", "2026-11-24T02:13:00Z")
    );
    assert_eq!(beat(&app, &agent, host.heartbeat(&digest))["status"], "ok");
    assert_eq!(last_seen(), "2026-11-24T02:14:31Z");
    eventually("it counts as fresh", || hosts() == "fresh=1, stale=0");
    assert_eq!(app.hss(&reader, "").ok()["total_num"], 1);
}

/// Invariant 8: a host of an enterprise project that is not granted is as unknown as one that is not
/// there, and is not heard.
#[test]
fn a_heartbeat_for_a_host_of_another_enterprise_project_is_for_an_unknown_host() {
    let (whole, reader) = (Token::agent("p1", ALL), Token::reader("p1", ALL));
    let (only_a, other_project) = (Token::agent("p1", &["a"]), Token::agent("p2", ALL));
    let app = App::start(&[&whole, &reader, &only_a, &other_project]);
    let host = Host {
        heartbeat_interval_s: 77,
        ..Host::new("h", "b", vec![tcp("::", 22)])
    };
    let digest = app.report(&whole, &[&host])[0]["digest"].clone();
    app.clock.advance_s(10);
    for stranger in [&only_a, &other_project] {
        let foreign = beat(&app, stranger, host.heartbeat(&digest));
        let mut unknown = beat(
            &app,
            stranger,
            Host::new("k", "a", vec![]).heartbeat(&digest),
        );
        unknown["host_id"] = json!("h");
        assert_eq!(foreign, unknown);
        assert_eq!(foreign["reason"], "unknown_host");
    }
    assert_eq!(
        app.native(&reader, "/hosts/h").ok()["last_seen"],
        "2026-11-24T02:13:00Z"
    );
    assert_eq!(beat(&app, &whole, host.heartbeat(&digest))["status"], "ok");
}

#[test]
fn a_heartbeat_confirms_the_newest_report_and_no_earlier_one() {
    let (app, _, agent) = app();
    let first = Host::new("h", "0", vec![tcp("::", 22)]);
    let second = first.next(first.ports.clone());
    app.report(&agent, &[&first, &second]);
    let digest = json!(digest(&first.ports));
    assert_eq!(
        beat(&app, &agent, first.heartbeat(&digest))["reason"],
        "older_pair"
    );
    assert_eq!(
        beat(&app, &agent, second.heartbeat(&digest))["status"],
        "ok"
    );
}
