//! A Keystone that cannot be asked grants nothing, and takes nothing away that it has granted.

use std::net::TcpListener;

use super::recorded::*;
use crate::app::{ALL, App, Token};
use crate::client::{Connection, Request};
use crate::support::eventually;

const UNAVAILABLE: (u16, &str) = (503, "APIGW.0613");

#[test]
fn a_keystone_that_is_down_is_told_as_such_and_only_what_is_kept_is_granted() {
    let (_keystone, app) = beside();
    assert_eq!(app.hss(&holder("alice"), "").status, 200);
    // A port that nobody listens on.
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let down = Recorded::start();
    let settings = portolan_server::credentials::ExternalKeystone {
        url: format!("http://{closed}"),
        ..down.settings(&["0"], &[])
    };
    let app = App::with_keystone(&[], settings);
    let answer = app.hss(&holder("alice"), "");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.code(), (UNAVAILABLE.0, UNAVAILABLE.1.into()));
    assert_eq!(
        app.metric("portolan_keystone_requests_total{result=\"failed\"}"),
        1
    );
}

#[test]
fn trouble_with_the_service_user_is_no_refusal_of_the_token() {
    let (keystone, app) = beside();
    let alice = holder("alice");
    let code = || app.hss(&alice, "").code();
    for (recording, token) in [
        ("service-log-in-refused", None),
        ("unknown", None),
        ("service-log-in", Some("not-allowed")),
        ("service-log-in", Some("service-token-ended")),
        ("service-log-in", Some("service-log-in-refused")),
    ] {
        keystone.says_to_log_ins(recording);
        if let Some(answer) = token {
            keystone.says(&alice.secret, answer);
        }
        let told = format!("{recording} {token:?}");
        assert_eq!(code(), (UNAVAILABLE.0, UNAVAILABLE.1.into()), "{told}");
    }
    // Nothing of that is kept.
    keystone.says(&alice.secret, "alice");
    assert_eq!(app.hss(&alice, "").status, 200);
}

#[test]
fn the_service_user_logs_in_again_when_its_token_is_no_longer_taken() {
    let (keystone, app) = beside();
    assert_eq!(app.hss(&holder("alice"), "").status, 200);
    keystone.forget_the_service_user();
    app.clock.advance_s(300);
    assert_eq!(app.hss(&holder("alice"), "").status, 200);
    assert_eq!(keystone.asked(), (3, 2), "refused, logged in, asked again");
    // And before its end.
    app.clock.advance_s(11 * 3_600 + 21 * 60);
    app.hss(&holder("bob"), "");
    assert_eq!(keystone.asked().1, 3);
}

/// Invariant 7: who waits for Keystone is bounded; beyond it the answer is that it cannot be asked.
#[test]
fn more_tokens_than_may_wait_for_keystone_are_told_to_come_again() {
    let (keystone, app) = beside();
    keystone.shut(true);
    let waiting: Vec<_> = (0..300)
        .map(|number| {
            let mut connection = Connection::open(app.address());
            let head = format!(
                "GET /v5/p1/asset/port/statistics HTTP/1.1\r\nHost: a\r\nX-Auth-Token: {number:064}\r\n\r\n"
            );
            connection.write(head.as_bytes());
            connection
        })
        .collect();
    let reached = "portolan_limits_reached_total{limit=\"keystone_waiting\"}";
    let beyond = || app.metric(reached);
    // One address has a quarter of the 256 places.
    eventually("those beyond the most are refused", || beyond() >= 236);
    keystone.shut(false);
    let of = |mut one: Connection| one.read("GET").status;
    let statuses: Vec<_> = waiting.into_iter().map(of).collect();
    let refused = statuses.iter().filter(|status| **status == 503).count();
    // A machine that takes longer than they wait refuses more.
    assert!(refused as u64 >= beyond(), "{statuses:?}");
    assert!(statuses.contains(&401), "{statuses:?}");
    assert!(keystone.asked().0 <= 64);
}

/// A token that nobody looks at is not asked about.
#[test]
fn a_log_in_does_not_depend_on_a_keystone_that_is_down() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let down = Recorded::start();
    let settings = portolan_server::credentials::ExternalKeystone {
        url: format!("http://{closed}"),
        ..down.settings(&["0"], &[])
    };
    let reader = Token::reader("p1", ALL);
    let app = App::with_keystone(&[&reader], settings);
    let body = serde_json::json!({"auth": {
        "identity": {"methods": ["token"], "token": {"id": reader.secret}},
        "scope": {"project": {"id": "p1"}},
    }});
    let request = Request::post("/v3/auth/tokens", body.to_string());
    let request = request
        .header("Content-Type", "application/json")
        .header("X-Auth-Token", &"gAAAAA".repeat(8));
    assert_eq!(app.send(&request).status, 201);
}
