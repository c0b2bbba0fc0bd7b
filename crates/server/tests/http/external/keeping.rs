//! How long Keystone is believed, and how often it is asked.

use super::recorded::*;
use crate::app::App;
use crate::client::Connection;
use crate::client::Request;
use crate::support::eventually;

const REFUSED: (u16, &str) = (401, "APIGW.0301");

fn code(app: &App, name: &str) -> (u16, String) {
    app.hss(&holder(name), "").code()
}

#[test]
fn a_revocation_there_is_seen_within_five_minutes() {
    let (keystone, app) = beside();
    let alice = holder("alice");
    for _ in 0..10 {
        assert_eq!(app.hss(&alice, "").status, 200);
    }
    assert_eq!(keystone.asked(), (1, 1), "its answer is kept");
    keystone.says(&alice.secret, "revoked");
    app.clock.advance_s(299);
    assert_eq!(app.hss(&alice, "").status, 200);
    app.clock.advance_s(1);
    assert_eq!(code(&app, "alice"), (REFUSED.0, REFUSED.1.into()));
    assert_eq!(keystone.asked(), (2, 1));
}

#[test]
fn a_token_is_not_believed_beyond_its_own_end() {
    let (keystone, app) = beside();
    // 13:36, with the minute in which it was recorded.
    app.clock.advance_s(11 * 3_600 + 20 * 60);
    while app.hss(&holder("alice"), "").status == 200 {
        app.clock.advance_s(1);
        assert!(keystone.asked().0 < 20, "it never ends");
    }
    let ended = code(&app, "alice");
    assert_eq!(
        ended,
        (401, "APIGW.0307".into()),
        "kept, and ended by its own time"
    );
}

#[test]
fn a_refusal_is_kept_for_seconds_only() {
    let (keystone, app) = beside();
    let token = "t".repeat(64);
    let ask =
        || app.send(&Request::get("/v5/p1/asset/port/statistics").header("X-Auth-Token", &token));
    for _ in 0..10 {
        assert_eq!(ask().code(), (REFUSED.0, REFUSED.1.into()));
    }
    assert_eq!(keystone.asked(), (1, 1));
    app.clock.advance_s(5);
    keystone.says(&token, "alice");
    assert_eq!(
        ask().code(),
        (403, "APIGW.0306".into()),
        "good, and of another project"
    );
    assert_eq!(
        app.metric("portolan_keystone_requests_total{result=\"valid\"}"),
        1
    );
    assert_eq!(
        app.metric("portolan_keystone_requests_total{result=\"refused\"}"),
        1
    );
    assert_eq!(
        app.metric("portolan_keystone_tokens{result=\"refused\"}"),
        0
    );
}

/// However many requests come with a token, one asks.
#[test]
fn many_requests_with_one_token_ask_once() {
    let (keystone, app) = beside();
    keystone.shut(true);
    let target = format!("/v5/{}/asset/port/statistics", project_of("alice"));
    let (address, token) = (app.address(), token_of("alice"));
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let request = Request::get(&target).header("X-Auth-Token", &token);
            std::thread::spawn(move || Connection::open(address).send(&request).status)
        })
        .collect();
    eventually("all have come and one has asked", || {
        let open = app.metric("portolan_http_connections");
        open > clients.len() as u64 && keystone.asked().0 == 1
    });
    keystone.shut(false);
    let statuses: Vec<_> = clients
        .into_iter()
        .map(|client| client.join().unwrap())
        .collect();
    assert_eq!(statuses, vec![200; 20]);
    assert_eq!(keystone.asked(), (1, 1));
}
