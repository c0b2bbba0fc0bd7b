//! How often a credential may call, where that is configured.

use std::num::NonZeroU32;

use portolan_server::{Limits, Settings};
use serde_json::json;

use crate::app::{ALL, App, Token};
use crate::client::Request;
use crate::fleet::{Host, tcp};
use crate::signer::AccessKey;

const STATISTICS: &str = "/v5/p1/asset/port/statistics";

/// A server that takes three calls a second.
fn start(toml: &str) -> App {
    let settings = Settings {
        calls_a_second: NonZeroU32::new(3),
        ..Settings::default()
    };
    App::of_file(toml, settings, Limits::default())
}

#[test]
fn a_credential_that_calls_too_often_is_told_when_to_come_again_and_others_are_not() {
    let (reader, other) = (Token::reader("p1", ALL), Token::reader("p1", &["0", "a"]));
    let key = AccessKey::new("AK");
    let app = start(&(Token::file(&[&reader, &other]) + &key.entry("reader", "p1", "")));
    let get = |token: &Token, target: &str| app.get(token, target);
    let signed = || app.send(&key.sign(&app, Request::get(STATISTICS))).status;
    for _ in 0..3 {
        assert_eq!(get(&reader, STATISTICS).status, 200);
        assert_eq!(signed(), 200);
    }
    assert_eq!(signed(), 429);
    let answer = get(&reader, STATISTICS);
    let told = "The throttling threshold has been reached. policy user over ratelimit,limit:3,time:1 second";
    assert_eq!(answer.error(), (429, "APIGW.0308".into(), told.into()));
    assert_eq!(answer.header("retry-after"), Some("1"));
    // Each call and each credential counts by itself.
    assert_eq!(get(&reader, "/portolan/v1/projects/p1/hosts").status, 200);
    assert_eq!(get(&other, STATISTICS).status, 200);
    let counter = r#"portolan_limits_reached_total{limit="calls_of_a_credential"}"#;
    assert_eq!(app.metric(counter), 2);
    app.clock.advance_s(1);
    assert_eq!(get(&reader, STATISTICS).status, 200);
    // Who has no credential learns nothing of how often others call.
    let stranger = Token {
        secret: "s".repeat(40),
        ..reader
    };
    assert_eq!(
        (0..9).map(|_| get(&stranger, STATISTICS).status).max(),
        Some(401)
    );
}

/// Who logs in again has no more calls, and logging in is a call itself.
#[test]
fn log_ins_count_with_the_credential_that_they_came_from() {
    let reader = Token::reader("p1", ALL);
    let app = start(&Token::file(&[&reader]));
    let body = json!({"auth": {
        "identity": {"methods": ["token"], "token": {"id": reader.secret}},
        "scope": {"project": {"id": "p1"}},
    }});
    let log_in = || {
        let request = Request::post("/v3/auth/tokens", body.to_string());
        app.send(&request.header("Content-Type", "application/json"))
    };
    let tokens: Vec<Token> = (0..3)
        .map(|_| Token {
            secret: log_in().header("x-subject-token").unwrap().to_owned(),
            ..reader.clone()
        })
        .collect();
    assert_eq!(log_in().status, 429);
    let statuses: Vec<u16> = tokens
        .iter()
        .cycle()
        .take(4)
        .map(|token| app.get(token, STATISTICS).status)
        .collect();
    assert_eq!(statuses, [200, 200, 200, 429]);
    assert_eq!(app.get(&reader, STATISTICS).status, 429);
}

#[test]
fn what_agents_send_is_not_throttled() {
    let (agent, reader) = (Token::agent("p1", ALL), Token::reader("p1", ALL));
    let app = start(&Token::file(&[&agent, &reader]));
    for number in 0..9 {
        app.report(
            &agent,
            &[&Host::new(&format!("h{number}"), "0", vec![tcp("::", 22)])],
        );
        let heartbeat = Host::new("h0", "0", vec![]).heartbeat(&"0".repeat(32).into());
        assert_eq!(app.post(&agent, "heartbeats", &[heartbeat]).len(), 1);
    }
    assert_eq!(app.hss(&reader, "").ok()["total_num"], 1);
}
