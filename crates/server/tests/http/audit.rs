//! What the audit log holds, seen from outside.

use portolan_server::audit::verify;
use serde_json::{Value, json};

use crate::app::{ALL, App, Token};
use crate::client::Request;
use crate::fleet::{Host, tcp};
use crate::support::eventually;

fn entries(app: &App) -> Vec<Value> {
    let text = std::fs::read_to_string(app.data_dir().join("audit.log")).unwrap();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Action, target and outcome of the lines, in order.
fn told(app: &App) -> Vec<(String, String, String)> {
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
    let entries = entries(app).into_iter();
    entries
        .map(|entry| {
            (
                text(&entry, "action"),
                text(&entry, "target"),
                text(&entry, "outcome"),
            )
        })
        .collect()
}

#[test]
fn every_act_is_in_the_log_before_it_is_answered() {
    let (admin, agent) = (Token::new("admin", "p1", ALL), Token::agent("p1", ALL));
    let app = App::start(&[&admin, &agent]);
    app.report(&agent, &[&Host::new("h", "0", vec![tcp("::", 22)])]);
    let base = "/portolan/v1/projects/p1";
    let mut expected = Vec::new();
    for (kind, action) in [
        ("tokens", "token"),
        ("access-keys", "access-key"),
        ("users", "user"),
    ] {
        let body = json!({"role": "admin", "name": "n", "enterprise_projects": ["0"]});
        let mut body = body;
        if kind == "users" {
            body["password"] = json!("correct horse battery");
        }
        let target = format!("{base}/{kind}");
        let made = app
            .send(&Request::post(&target, body.to_string()).token(&admin))
            .json();
        let id = made["id"].as_str().unwrap();
        let of = |verb: &str, outcome: &str| {
            (
                format!("{action}.{verb}"),
                format!("p1/{action}/{id}"),
                outcome.to_owned(),
            )
        };
        expected.extend(["begun", "done"].map(|outcome| of("create", outcome)));
        assert_eq!(told(&app), expected);
        let target = format!("{base}/{kind}/{id}");
        for outcome in ["done", "PORTOLAN.0015"] {
            app.send(&Request::new("DELETE", &target).token(&admin));
            expected.extend(["begun", outcome].map(|outcome| of("revoke", outcome)));
            assert_eq!(told(&app), expected);
        }
    }
    app.send(&Request::new("DELETE", format!("{base}/hosts/h")).token(&admin));
    expected.extend(
        ["begun", "done"].map(|outcome| ("host.remove".into(), "p1/host/h".into(), outcome.into())),
    );
    assert_eq!(told(&app), expected);
    let entries = entries(&app);
    assert_eq!(entries[0]["source"], "127.0.0.1");
    assert_eq!(entries[0]["at"], "2026-11-24T02:13:00Z");
    let listed = app.native(&admin, "/tokens").ok();
    let ids: Vec<&Value> = listed["data_list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["id"])
        .collect();
    assert!(
        ids.contains(&&entries[0]["actor"]),
        "the actor is the id of the administrator's token"
    );
    assert!(
        entries[0]["detail"]
            .as_str()
            .unwrap()
            .contains("role admin")
    );
    assert_eq!(
        verify(&app.data_dir()).unwrap().entries,
        expected.len() as u64
    );
}

#[test]
fn every_refused_credential_is_in_the_log_without_its_secret() {
    let (reader, expired) = (
        Token::reader("p1", ALL),
        Token {
            expires_at: Some("2026-11-24T02:12:00Z".into()),
            ..Token::reader("p9", ALL)
        },
    );
    let mut app = App::start(&[&reader, &expired]);
    let secret = "a-secret-that-nobody-has-given-out-to-anybody";
    let stranger = Token {
        secret: secret.to_owned(),
        ..reader.clone()
    };
    app.hss(&stranger, "port=22");
    app.send(&Request::get("/v5/p1/asset/port/statistics"));
    app.hss(&expired, "");
    app.get(&reader, "/v5/p2/asset/port/statistics");
    app.send(&Request::post("/portolan/v1/projects/p1/reports", "{}").token(&reader));
    app.get(&reader, "/portolan/v1/backup");
    // Another error is no refused credential.
    app.hss(&reader, "limit=1");
    let outcomes = [
        "APIGW.0301",
        "APIGW.0301",
        "APIGW.0307",
        "APIGW.0306",
        "APIGW.0302",
        "APIGW.0306",
    ];
    eventually("the log has them all", || {
        entries(&app).len() >= outcomes.len()
    });
    let found = entries(&app);
    let actors: Vec<bool> = found
        .iter()
        .map(|entry| entry["actor"].is_string())
        .collect();
    assert_eq!(actors, [false, false, true, true, true, true]);
    for (entry, outcome) in found.iter().zip(outcomes) {
        assert_eq!(
            (&entry["action"], &entry["outcome"]),
            (&json!("credential.refused"), &json!(outcome))
        );
        assert_eq!(
            (&entry["source"], &entry["count"]),
            (&json!("127.0.0.1"), &json!(1))
        );
    }
    assert_eq!(found[0]["target"], "GET /v5/p1/asset/port/statistics");
    assert_eq!(found.len(), outcomes.len());
    app.stop();
    let text = std::fs::read_to_string(app.data_dir().join("audit.log")).unwrap();
    assert!(
        !text.contains(secret) && !text.contains(&reader.secret),
        "{text}"
    );
}

/// Invariant 7: an attacker cannot fill the disk, and every refusal is counted.
#[test]
fn a_storm_of_refused_credentials_makes_few_lines_that_count_them_all() {
    let mut app = App::start(&[]);
    let mut connection = app.connect();
    let storm = 500;
    for _ in 0..storm {
        connection.send(&Request::get("/v5/p1/asset/port/statistics"));
    }
    drop(connection);
    let metrics = String::from_utf8(app.send(&Request::get("/metrics")).body).unwrap();
    assert!(
        metrics.contains(&format!("portolan_credentials_refused_total {storm}\n")),
        "{metrics}"
    );
    app.stop();
    let found = entries(&app);
    assert_eq!(
        found.len(),
        61,
        "60 one by one, and one that counts the rest"
    );
    let counted: u64 = found
        .iter()
        .map(|entry| entry["count"].as_u64().unwrap())
        .sum();
    assert_eq!(counted, storm);
    assert_eq!(verify(&app.data_dir()).unwrap().entries, 61);
}

#[test]
fn the_chain_goes_on_over_a_restart_and_the_operators_own_acts_are_in_it() {
    let admin = Token::new("admin", "p1", ALL);
    let mut app = App::start(&[&admin]);
    let create = |app: &App| {
        let body = json!({"role": "reader"}).to_string();
        app.send(&Request::post("/portolan/v1/projects/p1/tokens", body).token(&admin))
    };
    assert_eq!(create(&app).status, 201);
    app.restart();
    assert_eq!(create(&app).status, 201);
    let found = entries(&app);
    assert_eq!(found[2]["previous"], found[1]["hash"]);
    assert_eq!(verify(&app.data_dir()).unwrap().entries, 4);
}

/// A backup holds every host and the hash of every secret: who took one is in the log.
#[test]
fn a_backup_is_in_the_log_before_its_first_byte_and_when_it_ends() {
    let (root, of_p1) = (
        Token::new("admin", "*", ALL),
        Token::new("admin", "p1", ALL),
    );
    let mut app = App::start(&[&root, &of_p1]);
    let get = |token: &Token| {
        let head = format!(
            "GET /portolan/v1/backup HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Auth-Token: {}\r\n\r\n",
            token.secret
        );
        let mut connection = app.connect();
        connection.write(head.as_bytes());
        connection.wait_for_end()
    };
    assert!(get(&root).starts_with(b"HTTP/1.1 200"));
    let line = |outcome: &str| ("backup".to_owned(), "*".to_owned(), outcome.to_owned());
    eventually("its end is told", || {
        told(&app) == [line("begun"), line("done")]
    });
    assert!(get(&of_p1).starts_with(b"HTTP/1.1 403"));
    eventually("who may not have one is told of, too", || {
        told(&app).len() == 3
    });
    let found = entries(&app);
    assert!(found[0]["actor"].is_string() && found[0]["actor"] == found[1]["actor"]);
    let detail = found[1]["detail"].as_str().unwrap();
    assert!(detail.starts_with("0 hosts, "), "{detail}");
    assert_eq!(found[2]["action"], "credential.refused");
    app.stop();
    assert_eq!(verify(&app.data_dir()).unwrap().entries, 3);
}
