//! Reports in: what becomes of each, in which order, and what an answer promises.

use serde_json::{Value, json};

use crate::app::{ALL, App, Token};
use crate::client::Request;
use crate::fleet::{Host, digest, fleet, tcp, udp};
use crate::support::rows;

const TARGET: &str = "/portolan/v1/projects/p1/reports";

fn tokens() -> (Token, Token) {
    (Token::reader("p1", ALL), Token::agent("p1", ALL))
}

/// Invariant 1: what is acknowledged is durable, and visible at once. The folder is copied as it is
/// after the answer, as a crash would leave it, and served again.
#[test]
fn one_faulty_report_is_rejected_alone_and_its_neighbours_are_durable_and_visible() {
    let (reader, agent) = tokens();
    let app = App::start(&[&reader, &agent]);
    let good = |id: &str, port: u16| Host::new(id, "0", vec![tcp("0.0.0.0", port)]).report();
    let with = |pointer: &str, value: Value| {
        let mut report = good("faulty", 9);
        *report.pointer_mut(pointer).unwrap() = value;
        report
    };
    let too_many: Vec<Value> = (0..20_001)
        .map(|n| json!({"type": "TCP", "laddr": "::", "port": n % 65_535 + 1}))
        .collect();
    let mut without_pair = good("faulty", 9);
    without_pair.as_object_mut().unwrap().remove("sequence");
    let reports = [
        good("first", 22),
        with("/open_ports/0/port", json!(70_000)),
        good("second", 22),
        with("/generation", json!("1")),
        json!(7),
        with("/open_ports", json!(too_many)),
        without_pair,
        with("/host/host_id", json!("a/b")),
        with("/host/enterprise_project_id", json!("all_granted_eps")),
        good("third", 22),
    ];
    let results = app.post(&agent, "reports", &reports);
    for (index, host) in [(0, "first"), (2, "second"), (9, "third")] {
        let expected = json!({
            "index": index, "host_id": host, "status": "accepted",
            "digest": digest(&[tcp("0.0.0.0", 22)]), "next_heartbeat_s": 30,
        });
        assert_eq!(results[index], expected);
    }
    let faults = [
        (
            1,
            "PORTOLAN.0010",
            "reports[1].open_ports[0].port",
            "must be 1 to 65535, got 70000",
        ),
        (
            3,
            "PORTOLAN.0010",
            "reports[3].generation",
            "must be 0 to 9007199254740991, got \"1\"",
        ),
        (4, "PORTOLAN.0010", "reports[4]", "must be an object, got 7"),
        (
            5,
            "PORTOLAN.0012",
            "reports[5].open_ports",
            "must have at most 20000 entries, got 20001",
        ),
        (6, "PORTOLAN.0010", "reports[6].sequence", "is required"),
    ];
    for (index, code, field, text) in faults {
        let result = &results[index];
        assert_eq!(
            (&result["status"], &result["error_code"]),
            (&json!("rejected"), &json!(code))
        );
        assert_eq!(
            (&result["field"], &result["error_msg"]),
            (&json!(field), &json!(format!("{field} {text}")))
        );
        let host_id = if index == 4 {
            Value::Null
        } else {
            json!("faulty")
        };
        assert_eq!(result["host_id"], host_id, "{result}");
    }
    for (index, field) in [
        (7, "reports[7].host.host_id"),
        (8, "reports[8].host.enterprise_project_id"),
    ] {
        assert_eq!(
            (&results[index]["error_code"], &results[index]["field"]),
            (&json!("PORTOLAN.0010"), &json!(field))
        );
    }
    let crashed = app.crashed_copy();
    for app in [&app, &crashed] {
        assert_eq!(rows(&app.hss(&reader, "").ok()), [(22, "TCP", 3)]);
        assert_eq!(
            app.native(&reader, "/hosts/second").ok()["digest"],
            digest(&[tcp("0.0.0.0", 22)])
        );
        assert_eq!(app.native(&reader, "/hosts/faulty").status, 404);
    }
}

#[test]
fn a_request_has_one_to_a_thousand_items() {
    let (reader, agent) = tokens();
    let app = App::start(&[&reader, &agent]);
    let of = |list: &str, count: usize| {
        let items: Vec<Value> = (0..count)
            .map(|n| match list {
                "reports" => Host::new(&format!("h{n}"), "0", vec![tcp("::", 22)]).report(),
                _ => Host::new(&format!("h{n}"), "0", vec![])
                    .heartbeat(&json!(digest(&[tcp("::", 22)]))),
            })
            .collect();
        let body = serde_json::to_vec(&json!({ list: items })).unwrap();
        app.send(&Request::post(format!("/portolan/v1/projects/p1/{list}"), body).token(&agent))
    };
    for list in ["reports", "heartbeats"] {
        for (count, status) in [(0, 400), (1, 200), (1_000, 200), (1_001, 400)] {
            let answer = of(list, count);
            assert_eq!(answer.status, status, "{count} {list}");
            if status == 400 {
                let text = format!(
                    "The number of items is not allowed. {list} must have 1 to 1000 entries, got {count}"
                );
                assert_eq!(answer.error(), (400, "PORTOLAN.0002".into(), text));
            } else {
                let results = answer.ok()["results"].as_array().unwrap().clone();
                let word = if list == "reports" { "accepted" } else { "ok" };
                assert_eq!(results.len(), count);
                assert!(
                    results.iter().all(|result| result["status"] == word),
                    "{list}"
                );
            }
        }
    }
    assert_eq!(rows(&app.hss(&reader, "").ok()), [(22, "TCP", 1_000)]);
}

#[test]
fn a_body_without_a_usable_list_is_told_what_it_lacks() {
    let (_, agent) = tokens();
    let app = App::start(&[&agent]);
    let bodies = [
        (
            "{}",
            "PORTOLAN.0002",
            "The number of items is not allowed. reports is required",
        ),
        (
            "[]",
            "PORTOLAN.0002",
            "The number of items is not allowed. the body must be an object with the list reports, got []",
        ),
        (
            "{\"reports\":{}}",
            "PORTOLAN.0002",
            "The number of items is not allowed. reports must be an array, got {}",
        ),
        (
            "{\"heartbeats\":[{}]}",
            "PORTOLAN.0002",
            "The number of items is not allowed. reports is required",
        ),
        (
            "",
            "PORTOLAN.0001",
            "The body is not JSON. EOF while parsing a value at line 1 column 0",
        ),
        (
            "{\"reports\":[\n  {\"host\":nul}]}",
            "PORTOLAN.0001",
            "The body is not JSON. expected ident at line 2 column 14",
        ),
        (
            "{\"reports\":[1]}x",
            "PORTOLAN.0001",
            "The body is not JSON. trailing characters at line 1 column 16",
        ),
    ];
    for (body, code, text) in bodies {
        let answer = app.send(&Request::post(TARGET, body).token(&agent));
        assert_eq!(answer.error(), (400, code.into(), text.into()), "{body:?}");
    }
    let deep = format!("{{\"reports\":[{}1{}]}}", "[".repeat(15), "]".repeat(15));
    let (_, code, text) = app.send(&Request::post(TARGET, deep).token(&agent)).error();
    assert_eq!(code, "PORTOLAN.0001");
    assert!(
        text.contains("deeper than 16 levels") && text.contains("line 1 column 27"),
        "{text}"
    );
}

#[test]
fn the_digest_of_the_answer_is_that_of_the_canonical_set() {
    let (reader, agent) = tokens();
    let app = App::start(&[&reader, &agent]);
    for host in fleet() {
        let result = &app.report(&agent, &[&host])[0];
        assert_eq!(result["digest"], digest(&host.ports), "{}", host.id);
        assert_eq!(
            app.native(&reader, &format!("/hosts/{}", host.id)).ok()["digest"],
            result["digest"]
        );
    }
    // The other order, a mapped address and a twin of a higher pid make the same set.
    let sshd = |laddr: &str, pid| tcp(laddr, 22).program(pid, if pid == 1 { "/a" } else { "/b" });
    let host = Host::new("same", "0", vec![sshd("10.0.0.1", 1), udp("::", 53)]);
    let again = host.next(vec![
        udp("0:0::0", 53),
        sshd("::ffff:10.0.0.1", 2),
        sshd("10.0.0.1", 1),
    ]);
    assert_eq!(
        app.report(&agent, &[&host])[0]["digest"],
        app.report(&agent, &[&again])[0]["digest"]
    );
}

/// Invariant 3: a report that comes twice changes nothing, and an older one never wins.
#[test]
fn a_repeated_report_is_accepted_and_an_older_one_is_stale_and_neither_changes_anything() {
    let (reader, agent) = tokens();
    let app = App::start(&[&reader, &agent]);
    let first = Host::new("h", "0", vec![tcp("::", 22)]);
    let second = first.next(vec![tcp("::", 80), tcp("::", 443)]);
    app.report(&agent, &[&first]);
    let accepted = app.report(&agent, &[&second]);
    let look = || {
        let page = |rest: &str| String::from_utf8(app.native(&reader, rest).body).unwrap();
        (page("/hosts/h"), page("/statistics"), page("/hosts"))
    };
    let before = look();
    assert_eq!(
        app.report(&agent, &[&second]),
        accepted,
        "a retry is answered as the report was"
    );
    let older_generation = Host {
        generation: second.generation - 1,
        sequence: 9,
        ..second.clone()
    };
    let current = json!({
        "generation": second.generation, "sequence": 2, "agent_id": "agent-of-h", "digest": digest(&second.ports),
    });
    for older in [&first, &first.next(vec![]), &older_generation] {
        let older = Host {
            sequence: older.sequence.min(9),
            ..older.clone()
        };
        let older = if older.generation == second.generation {
            Host {
                sequence: 1,
                ..older
            }
        } else {
            older
        };
        let results = app.post(&agent, "reports", &[older.report()]);
        assert_eq!(
            results,
            [json!({"index": 0, "host_id": "h", "status": "stale", "current": current})]
        );
    }
    assert_eq!(look(), before);
    // A newer generation is newer at any sequence.
    let restarted = Host {
        generation: second.generation + 1,
        sequence: 0,
        ..second.next(vec![udp("::", 53)])
    };
    app.report(&agent, &[&restarted]);
    assert_eq!(rows(&app.hss(&reader, "").ok()), [(53, "UDP", 1)]);
}

#[test]
fn successive_reports_of_one_host_in_one_request_are_decided_one_after_the_other() {
    let (reader, agent) = tokens();
    let app = App::start(&[&reader, &agent]);
    let first = Host::new("h", "0", vec![tcp("::", 1)]);
    let second = first.next(vec![tcp("::", 2)]);
    let third = second.next(vec![tcp("::", 3)]);
    let sent = [
        first.report(),
        third.report(),
        second.report(),
        third.report(),
    ];
    let statuses: Vec<Value> = app
        .post(&agent, "reports", &sent)
        .iter()
        .map(|result| result["status"].clone())
        .collect();
    assert_eq!(statuses, ["accepted", "accepted", "stale", "accepted"]);
    assert_eq!(rows(&app.hss(&reader, "").ok()), [(3, "TCP", 1)]);
}

#[test]
fn a_generation_may_be_a_day_ahead_of_the_server_and_no_more() {
    let (_, agent) = tokens();
    let app = App::start(&[&agent]);
    // 2026-11-24T02:13:00Z and 24 hours.
    let latest = 1_795_486_380 + 86_400;
    let of = |id: &str, generation| Host {
        generation,
        ..Host::new(id, "0", vec![])
    };
    app.report(&agent, &[&of("at-the-limit", latest)]);
    let result = &app.post(&agent, "reports", &[of("beyond", latest + 1).report()])[0];
    assert_eq!(
        (&result["error_code"], &result["field"]),
        (&json!("PORTOLAN.0010"), &json!("reports[0].generation"))
    );
    app.clock.advance_s(1);
    app.report(&agent, &[&of("beyond", latest + 1)]);
}

#[test]
fn a_host_is_told_its_own_interval_and_30_seconds_where_it_names_none() {
    let (_, agent) = tokens();
    let app = App::start(&[&agent]);
    let slow = Host {
        heartbeat_interval_s: 86_400,
        ..Host::new("slow", "0", vec![])
    };
    let mut silent = Host::new("silent", "0", vec![]).report();
    silent
        .as_object_mut()
        .unwrap()
        .remove("heartbeat_interval_s");
    let results = app.post(&agent, "reports", &[slow.report(), silent]);
    assert_eq!(
        (
            &results[0]["next_heartbeat_s"],
            &results[1]["next_heartbeat_s"]
        ),
        (&json!(86_400), &json!(30))
    );
}

#[test]
fn fields_that_the_server_does_not_know_are_ignored_at_every_level() {
    let (reader, agent) = tokens();
    let app = App::start(&[&reader, &agent]);
    let mut report = Host::new("h", "0", vec![tcp("::", 22)]).report();
    for place in ["", "/host", "/coverage", "/open_ports/0"] {
        let object = report.pointer_mut(place).unwrap().as_object_mut().unwrap();
        object.insert(
            "of_a_later_version".into(),
            json!({"deep": [1, {"er": null}]}),
        );
    }
    assert_eq!(
        app.post(&agent, "reports", &[report])[0]["status"],
        "accepted"
    );
    assert_eq!(rows(&app.hss(&reader, "").ok()), [(22, "TCP", 1)]);
}
