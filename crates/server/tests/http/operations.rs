//! `/healthz`, `/readyz`, `/metrics`, and what a credential is told of itself.

use std::collections::BTreeMap;

use serde_json::json;

use crate::app::{ALL, App, Token};
use crate::client::Request;
use crate::fleet::{Host, tcp};
use crate::support::eventually;

/// The samples of `/metrics` by name and labels.
pub(crate) fn metrics(app: &App) -> BTreeMap<String, u64> {
    let answer = app.send(&Request::get("/metrics"));
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let text = String::from_utf8(answer.body).unwrap();
    let mut typed = Vec::new();
    let mut samples = BTreeMap::new();
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, kind) = family.split_once(' ').unwrap();
            assert!(["counter", "gauge"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(!typed.contains(&name), "{name} stands twice");
            typed.push(name);
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let family = name.split('{').next().unwrap();
            assert_eq!(typed.last(), Some(&family), "{line}");
            assert!(
                samples
                    .insert(name.to_owned(), value.parse().unwrap())
                    .is_none(),
                "{name} stands twice"
            );
        }
    }
    samples
}

#[test]
fn health_and_readiness_need_no_credential() {
    let app = App::start(&[]);
    assert_eq!(
        app.send(&Request::get("/healthz")).ok(),
        json!({"status": "ok"})
    );
    assert_eq!(
        app.send(&Request::get("/readyz?verbose=%31")).ok(),
        json!({"status": "ready"})
    );
}

/// Invariant 7: what is refused is counted.
#[test]
fn counters_move_with_what_they_count() {
    let (reader, agent, only_a) = (
        Token::reader("p1", ALL),
        Token::agent("p1", ALL),
        Token::agent("p1", &["a"]),
    );
    let app = App::start(&[&reader, &agent, &only_a]);
    let before = metrics(&app);
    let host = Host::new("h", "0", vec![tcp("::", 22)]);
    let digest = app.report(&agent, &[&host])[0]["digest"].clone();
    app.report(&agent, &[&host]);
    let older = Host {
        sequence: 0,
        ..host.clone()
    };
    let other = Host {
        ports: vec![],
        ..host.clone()
    };
    app.post(
        &agent,
        "reports",
        &[older.report(), other.report(), json!(1), json!(2)],
    );
    app.post(&only_a, "reports", &[host.report()]);
    let skewed = |host: &str, observed_at: &str| {
        let mut report = Host::new(host, "0", vec![]).report();
        report["observed_at"] = json!(observed_at);
        report
    };
    // A minute from the server's clock is none, a second more is, either way.
    app.post(
        &agent,
        "reports",
        &[
            skewed("a", "2026-11-24T02:11:59Z"),
            skewed("b", "2026-11-24T02:12:00Z"),
            skewed("c", "2026-11-24T02:14:00Z"),
            skewed("d", "2026-11-24T02:14:01Z"),
        ],
    );
    let beats = [host.heartbeat(&digest), older.heartbeat(&digest), json!({})];
    app.post(&agent, "heartbeats", &beats);
    app.hss(&reader, "limit=9");
    app.hss(&reader, "limit=9");
    app.native(&reader, "/hosts/nobody");
    let after = metrics(&app);
    let moved = |name: &str| after[name] - before.get(name).copied().unwrap_or(0);
    for (name, by) in [
        ("portolan_reports_total{result=\"accepted\"}", 5),
        ("portolan_reports_clock_skew_total", 2),
        ("portolan_reports_total{result=\"repeated\"}", 1),
        ("portolan_reports_total{result=\"stale\"}", 1),
        ("portolan_reports_total{result=\"identity_conflict\"}", 1),
        ("portolan_reports_total{result=\"not_granted\"}", 1),
        ("portolan_reports_total{result=\"rejected\"}", 2),
        ("portolan_heartbeats_total{status=\"ok\"}", 1),
        ("portolan_heartbeats_total{status=\"report_needed\"}", 1),
        ("portolan_heartbeats_total{status=\"rejected\"}", 1),
        (
            "portolan_heartbeat_disagreements_total{reason=\"older_pair\"}",
            1,
        ),
        (
            "portolan_heartbeat_disagreements_total{reason=\"digest\"}",
            0,
        ),
        ("portolan_commits_total", 2),
        ("portolan_commits_full_total", 0),
        ("portolan_commits_without_space_total", 0),
        ("portolan_hosts_retired_total{by=\"operator\"}", 0),
        ("portolan_hosts_retired_total{by=\"silence\"}", 0),
        ("portolan_records_changed_total", 0),
        ("portolan_identity_conflicts_total", 1),
        ("portolan_errors_total{error_code=\"HSS.0001\"}", 2),
        ("portolan_errors_total{error_code=\"PORTOLAN.0014\"}", 1),
        ("portolan_http_responses_total{class=\"4xx\"}", 3),
        // The six posts, and the page of metrics before.
        ("portolan_http_responses_total{class=\"2xx\"}", 7),
        ("portolan_http_connections_total", 10),
        ("portolan_recount_differences_total", 0),
    ] {
        assert_eq!(moved(name), by, "{name}");
    }
    // The committer answers first and counts what waits after that.
    eventually("nothing waits for the committer", || {
        metrics(&app)["portolan_commit_queue_bytes"] == 0
    });
    assert_eq!(
        (
            after["portolan_hosts{freshness=\"fresh\"}"],
            after["portolan_hosts{freshness=\"stale\"}"]
        ),
        (5, 0)
    );
    app.clock.advance_s(91);
    eventually("the host is stale", || {
        metrics(&app)["portolan_hosts{freshness=\"stale\"}"] == 5
    });
}

/// Invariant 7: every limit that a client can reach has a counter, which is there before it moves.
#[test]
fn every_limit_has_a_counter() {
    let app = App::start(&[]);
    let metrics = metrics(&app);
    let family = "portolan_limits_reached_total{limit=";
    let limits: Vec<_> = metrics
        .iter()
        .filter_map(|(name, count)| Some((name.strip_prefix(family)?, *count)))
        .collect();
    let names = [
        "answer_stall",
        "body_sent_bytes",
        "body_time",
        "body_unpacked_bytes",
        "calls_of_a_credential",
        "commit_queue",
        "connections",
        "connections_of_an_address",
        "exports",
        "exports_of_a_credential",
        "head_bytes",
        "head_time",
        "ignored_ports",
        "keystone_tokens",
        "keystone_waiting",
        "large_bodies",
        "large_bodies_of_a_credential",
        "login_failures",
        "password_checks",
        "sessions",
        "sessions_of_a_credential",
        "signature_failures",
        "signature_failures_kept",
        "store_reads",
        "store_scans",
        "streams",
        "streams_of_a_credential",
        "target_bytes",
        "tls_handshake_time",
    ];
    let expected = names.map(|name| (format!("\"{name}\"}}"), 0));
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, zero)| (name.as_str(), *zero))
        .collect();
    assert_eq!(limits, expected);
}

#[test]
fn the_gauge_of_connections_goes_down_again() {
    let app = App::start(&[]);
    let open = |app: &App| metrics(app)["portolan_http_connections"];
    let connections: Vec<_> = (0..5)
        .map(|_| {
            let mut connection = app.connect();
            assert_eq!(connection.send(&Request::get("/healthz")).status, 200);
            connection
        })
        .collect();
    eventually("five and the asking one are open", || open(&app) == 6);
    drop(connections);
    eventually("only the asking one is open", || open(&app) == 1);
}

/// Invariant 8: the page needs no credential, and tells nothing of whose hosts there are.
#[test]
fn the_metrics_name_no_project_host_or_enterprise_project() {
    let (reader, agent) = (
        Token::reader("project-of-one", ALL),
        Token::agent("project-of-one", ALL),
    );
    let app = App::start(&[&reader, &agent]);
    app.report(
        &agent,
        &[&Host::new(
            "host-of-one",
            "group-of-one",
            vec![tcp("::", 22)],
        )],
    );
    app.hss(&reader, "port=22");
    app.native(&reader, "/hosts/host-of-one");
    let text = String::from_utf8(app.send(&Request::get("/metrics")).body).unwrap();
    for secret in [
        "project-of-one",
        "host-of-one",
        "group-of-one",
        reader.secret.as_str(),
    ] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[test]
fn a_credential_is_told_what_it_is_for_and_of_no_other() {
    let (reader, agent) = (
        Token::reader("p1", ALL),
        Token::agent("p2", &["b", "a", "b"]),
    );
    let admin = Token {
        expires_at: Some("2027-01-01T00:00:00Z".into()),
        ..Token::new("admin", "*", ALL)
    };
    let app = App::start(&[&reader, &agent, &admin]);
    let told = |token: &Token| app.get(token, "/portolan/v1/credential").ok();
    let of = |project: &str, eps: &[&str], role: &str| json!({"project_id": project, "enterprise_projects": eps, "role": role, "expires_at": null});
    assert_eq!(told(&reader), of("p1", ALL, "reader"));
    assert_eq!(told(&agent), of("p2", &["a", "b"], "agent"));
    let mut expected = of("*", ALL, "admin");
    expected["expires_at"] = json!("2027-01-01T00:00:00Z");
    assert_eq!(told(&admin), expected);
    assert_eq!(
        app.send(&Request::get("/portolan/v1/credential")).code(),
        (401, "APIGW.0301".into())
    );
}

#[test]
fn an_administrator_reads_and_reports_in_its_project_and_the_servers_own_in_every_one() {
    let (of_p1, of_all) = (
        Token::new("admin", "p1", ALL),
        Token::new("admin", "*", ALL),
    );
    let app = App::start(&[&of_p1, &of_all]);
    app.report(&of_p1, &[&Host::new("h", "0", vec![tcp("::", 22)])]);
    let in_p2 = Token {
        project: "p2".into(),
        ..of_all.clone()
    };
    app.report(
        &in_p2,
        &[&Host::new("k", "0", vec![tcp("::", 23), tcp("::", 24)])],
    );
    let total = |token: &Token, project: &str| {
        let answer = app.get(token, &format!("/v5/{project}/asset/port/statistics"));
        if answer.status == 200 {
            Ok(answer.ok()["total_num"].as_u64().unwrap())
        } else {
            Err(answer.code())
        }
    };
    assert_eq!(
        (total(&of_p1, "p1"), total(&of_p1, "p2")),
        (Ok(1), Err((403, "APIGW.0306".into())))
    );
    assert_eq!(
        (
            total(&of_all, "p1"),
            total(&of_all, "p2"),
            total(&of_all, "p3")
        ),
        (Ok(1), Ok(2), Ok(0))
    );
}

/// In credentials `*` is every project, so that one of this name could not be told from all.
#[test]
fn the_star_is_no_project_of_its_own_for_anybody() {
    let roles = ["reader", "agent", "admin"];
    let tokens = roles.map(|role| Token::new(role, "*", ALL));
    let of_p1 = Token::new("admin", "p1", ALL);
    let app = App::start(&[&tokens[0], &tokens[1], &tokens[2], &of_p1]);
    let report = json!({"reports": [Host::new("h", "0", vec![tcp("::", 22)]).report()]});
    let native = "/portolan/v1/projects/*";
    let requests = [
        Request::get("/v5/*/asset/port/statistics"),
        Request::get("/v5/%2A/asset/port/statistics"),
        Request::get(format!("{native}/statistics")),
        Request::get(format!("{native}/hosts")),
        Request::get(format!("{native}/hosts/h")),
        Request::get(format!("{native}/ports/22/assets")),
        Request::get(format!("{native}/recount")),
        Request::post(format!("{native}/reports"), report.to_string()),
        Request::post(format!("{native}/heartbeats"), r#"{"heartbeats":[1]}"#),
        Request::new("DELETE", format!("{native}/hosts/h")),
    ];
    for token in tokens.iter().chain([&of_p1]) {
        for request in &requests {
            let answer = app.send(&request.clone().token(token));
            let expected = (403, "APIGW.0306".into(), "API access denied.".into());
            assert_eq!(answer.error(), expected, "{request:?}");
        }
    }
    // Where it is meant, it is every project.
    assert_eq!(app.get(&tokens[2], &format!("{native}/tokens")).status, 200);
    app.report(
        &Token {
            project: "p3".into(),
            ..tokens[1].clone()
        },
        &[&Host::new("h", "0", vec![tcp("::", 22)])],
    );
}
