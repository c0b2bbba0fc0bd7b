//! Wrong passwords: what they learn, what they cost, whom they hold up.

use std::net::IpAddr;

use serde_json::json;

use super::scene::*;
use crate::answer::Answer;
use crate::app::App;
use crate::client::{Connection, Request};

const CHECKS: &str = "portolan_password_checks_total";
const LOCKED_AFTER: usize = 5;

fn from(app: &App, address: [u8; 4], name: &str, password: &str) -> Answer {
    let body = by_password(name, password, project("p1")).to_string();
    let mut connection = Connection::open_from(IpAddr::from(address), app.address());
    connection.send(&Request::post("/v3/auth/tokens", body))
}

#[test]
fn whatever_does_not_hold_is_refused_in_the_same_words() {
    let app = App::start(&[&operator()]);
    let id = user(&app, "p1", "alice", "reader");
    user_with(
        &app,
        "p1",
        "late",
        "reader",
        &json!({"expires_at": "2026-11-24T02:14:00Z"}),
    );
    app.clock.advance_s(61);
    let wrong = post(&app, &by_password("alice", "wrong", project("p1"))).essence();
    for body in [
        by_password("nobody", PASSWORD, project("p1")),
        by_password("late", PASSWORD, project("p1")),
        by_password("alice", PASSWORD, project("p2")),
        by_password("alice", PASSWORD, project("*")),
        by_password("alice", PASSWORD, project("")),
        by_password("alice", "", project("p1")),
        by_token("no-such-token-no-such-token-no-such", project("p1")),
        by_token("", None),
        by_token(
            &operator().secret,
            Some(json!({"project": {"id": "x".repeat(257)}})),
        ),
        json!({"auth": {"identity": {"methods": ["password"], "password": {"user": {
            "id": "nobody", "password": PASSWORD}}}}}),
        json!({"auth": {"identity": {"methods": ["password"], "password": {"user": {
            "id": id, "password": "wrong"}}}}}),
    ] {
        let before = app.metric(CHECKS);
        assert_eq!(post(&app, &body).essence(), wrong, "{body}");
        // The same work, whether or not there is such a user: the time tells nothing.
        let by_password = body["auth"]["identity"]["password"].is_object();
        assert_eq!(
            app.metric(CHECKS) - before,
            u64::from(by_password),
            "{body}"
        );
    }
    assert_eq!((wrong.status, wrong.body.contains(REFUSED)), (401, true));
}

/// A guesser waits, and by that locks nobody out who is somewhere else.
#[test]
fn guessing_locks_the_user_for_the_guessers_address_alone() {
    let app = App::start(&[&operator()]);
    user(&app, "p1", "alice", "reader");
    let (guesser, alice) = ([127, 0, 0, 2], [127, 0, 0, 3]);
    for _ in 0..LOCKED_AFTER {
        assert_eq!(from(&app, guesser, "alice", "wrong").status, 401);
    }
    let before = app.metric(CHECKS);
    let locked = from(&app, guesser, "alice", PASSWORD);
    assert_eq!(app.metric(CHECKS), before, "nothing is looked at");
    assert_eq!(
        (locked.status, locked.header("retry-after")),
        (429, Some("300"))
    );
    assert_eq!(from(&app, alice, "alice", PASSWORD).status, 201);
    assert_eq!(from(&app, guesser, "bob", "wrong").status, 401);
    // Who is nobody is locked like somebody.
    for _ in 1..LOCKED_AFTER {
        assert_eq!(from(&app, guesser, "bob", "wrong").status, 401);
    }
    assert_eq!(from(&app, guesser, "bob", "wrong").status, 429);
    assert_eq!(
        app.metric("portolan_limits_reached_total{limit=\"login_failures\"}"),
        2
    );
    app.clock.advance_s(299);
    assert_eq!(from(&app, guesser, "alice", PASSWORD).status, 429);
    app.clock.advance_s(1);
    assert_eq!(from(&app, guesser, "alice", PASSWORD).status, 201);
}

#[test]
fn a_right_password_forgives_the_wrong_ones_before_it() {
    let app = App::start(&[&operator()]);
    user(&app, "p1", "alice", "reader");
    for _ in 0..3 {
        for _ in 1..LOCKED_AFTER {
            assert_eq!(post(&app, &by_password("alice", "wrong", None)).status, 401);
        }
        alices(&app);
    }
}

#[test]
fn refused_and_made_log_ins_are_in_the_audit_log_and_no_password_is() {
    let mut app = App::start(&[&operator()]);
    let id = user(&app, "p1", "alice", "reader");
    post(&app, &by_password("alice", "wrong password", project("p1")));
    post(
        &app,
        &by_password("nobody", "wrong password", project("p1")),
    );
    let token = alices(&app);
    app.stop();
    let log = std::fs::read_to_string(app.data_dir().join("audit.log")).unwrap();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |action: &str| -> Vec<_> {
        let named = lines.iter().filter(|line| line["action"] == action);
        named
            .map(|line| (line["actor"].clone(), line["target"].clone()))
            .collect()
    };
    let target = json!("POST /v3/auth/tokens");
    assert_eq!(
        of("credential.refused"),
        [(json!(id), target.clone()), (json!(null), target)]
    );
    let made = of("user.log-in");
    assert_eq!((made.len(), &made[0].0), (1, &json!(id)));
    for secret in ["wrong password", PASSWORD, &token.secret] {
        assert!(!log.contains(secret));
    }
    app.serve();
}
