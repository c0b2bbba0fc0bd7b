//! What a log-in answers, and what its token is for.

use serde_json::{Value, json};

use super::scene::*;
use crate::app::{App, Token};
use crate::client::Request;

#[test]
fn a_log_in_answers_as_keystone_does_and_its_token_is_one_like_others() {
    let app = App::start(&[&operator()]);
    let id = user(&app, "p1", "alice", "reader");
    app.clock.advance_s(1);
    let (told, token) = log_in(&app, &by_password("alice", PASSWORD, project("p1")));
    let endpoints = |kind: &str, url: &str| -> Vec<Value> {
        let of = |interface| {
            json!({
                "id": format!("{kind}-{interface}"), "interface": interface,
                "region": "portolan", "region_id": "portolan", "url": url,
            })
        };
        ["public", "internal", "admin"].map(of).to_vec()
    };
    let expected = json!({
        "methods": ["password"],
        "user": {
            "id": id, "name": "alice", "domain": {"id": "default", "name": "default"},
            "password_expires_at": null,
        },
        "audit_ids": told["audit_ids"],
        "issued_at": "2026-11-24T02:13:01.000000Z",
        "expires_at": "2026-11-25T02:13:01.000000Z",
        "project": {
            "id": "p1", "name": "p1", "domain": {"id": "default", "name": "default"},
        },
        "is_domain": false,
        "roles": [{"id": "reader", "name": "reader"}],
        "catalog": [
            {
                "id": "identity", "type": "identity", "name": "keystone",
                "endpoints": endpoints("identity", "http://portolan.test/v3"),
            },
            {
                "id": "hss", "type": "hss", "name": "hss",
                "endpoints": endpoints("hss", "http://portolan.test/v5/p1"),
            },
        ],
    });
    assert_eq!(told, expected);
    assert!((32..=4096).contains(&token.secret.len()));
    assert!(works(&app, &token));
    let own = app.get(&token, "/portolan/v1/credential").ok();
    assert_eq!(
        (&own["project_id"], &own["role"], &own["expires_at"]),
        (
            &json!("p1"),
            &json!("reader"),
            &json!("2026-11-25T02:13:01Z")
        )
    );
    // What its user may not.
    let elsewhere = app.get(&token, "/v5/p2/asset/port/statistics");
    assert_eq!(elsewhere.code(), (403, "APIGW.0306".into()));
    let act = Request::post("/portolan/v1/projects/p1/tokens", r#"{"role":"reader"}"#);
    assert_eq!(
        app.send(&act.token(&token)).code(),
        (403, "APIGW.0302".into())
    );
    // It is no credential that an administrator made.
    let listed = app.get(&operator(), "/portolan/v1/projects/p1/tokens").ok();
    assert_eq!(listed["total_num"], 0);
}

#[test]
fn a_user_is_named_in_every_way_that_clients_know() {
    let app = App::start(&[&operator()]);
    let id = user(&app, "p1", "alice", "reader");
    user_with(&app, "p1", "bob", "reader", &json!({"domain": "acme"}));
    for (user, scope) in [
        (json!({"id": id}), json!({"project": {"id": "p1"}})),
        (
            json!({"name": "alice", "domain": {"id": "default"}}),
            json!({"project": {"name": "p1", "domain": {"id": "default"}}}),
        ),
        (
            json!({"name": "alice", "domain": {"name": "Default"}}),
            json!({"project": {"name": "p1", "domain": {"name": "Default"}}, "domain": {"name": "x"}}),
        ),
        (
            json!({"name": "bob", "domain": {"name": "acme"}}),
            json!({"project": {"name": "p1"}}),
        ),
    ] {
        let mut named = user.clone();
        named["password"] = json!(PASSWORD);
        let identity = json!({"methods": ["password"], "password": {"user": named}});
        let (told, token) = log_in(
            &app,
            &json!({"auth": {"identity": identity, "scope": scope}}),
        );
        assert_eq!(told["project"]["id"], "p1", "{user}");
        assert!(works(&app, &token), "{user}");
    }
}

#[test]
fn users_of_one_name_in_two_projects_are_told_apart_by_the_scope() {
    let app = App::start(&[&operator()]);
    let first = user(&app, "p1", "alice", "reader");
    user(&app, "p2", "alice", "agent");
    let (told, _) = log_in(&app, &by_password("alice", PASSWORD, project("p1")));
    assert_eq!(told["user"]["id"], first.as_str());
    let (told, _) = log_in(&app, &by_password("alice", PASSWORD, project("p2")));
    assert_eq!(told["roles"][0]["name"], "agent");
    let unclear = post(&app, &by_password("alice", PASSWORD, None));
    assert_eq!(unclear.keystones_error(), (401, REFUSED.into()));
}

/// It is there to be exchanged: what the user has, it has not.
#[test]
fn a_token_for_no_project_or_a_domain_reads_nothing_and_can_be_exchanged() {
    let app = App::start(&[&operator()]);
    user(&app, "p1", "alice", "admin");
    for scope in [
        None,
        Some(json!("unscoped")),
        Some(json!({"domain": {"id": "default"}})),
    ] {
        let (told, token) = log_in(&app, &by_password("alice", PASSWORD, scope.clone()));
        assert_eq!(told.get("project"), None, "{scope:?}");
        let is_of_domain = scope.is_some_and(|scope| scope.is_object());
        assert_eq!(told["domain"]["id"] == "default", is_of_domain);
        assert_eq!(told.get("catalog").is_some(), is_of_domain);
        for target in [
            "/v5/p1/asset/port/statistics",
            "/portolan/v1/projects/p1/hosts",
        ] {
            assert_eq!(app.get(&token, target).code(), (403, "APIGW.0306".into()));
        }
        let backup = app.get(&token, "/portolan/v1/backup");
        assert_eq!(backup.code().0, 403);
        let (told, scoped) = log_in(&app, &by_token(&token.secret, project("p1")));
        assert_eq!(told["methods"], json!(["password", "token"]));
        assert!(works(&app, &scoped));
    }
    let foreign = Some(json!({"domain": {"id": "acme"}}));
    let refused = post(&app, &by_password("alice", PASSWORD, foreign));
    assert_eq!(refused.keystones_error(), (401, REFUSED.into()));
}

#[test]
fn a_token_for_a_token_ends_when_the_first_does_and_grants_no_more() {
    let app = App::start(&[&operator()]);
    user(&app, "p1", "alice", "reader");
    let first = alices(&app);
    app.clock.advance_s(3_600);
    let (told, second) = log_in(&app, &by_token(&first.secret, project("p1")));
    assert_eq!(told["expires_at"], "2026-11-25T02:13:00.000000Z");
    assert_eq!(told["issued_at"], "2026-11-24T03:13:00.000000Z");
    let beyond = post(&app, &by_token(&first.secret, project("p2")));
    assert_eq!(beyond.keystones_error(), (401, REFUSED.into()));
    app.clock.advance_s(86_400 - 3_601);
    assert!(works(&app, &first) && works(&app, &second));
    app.clock.advance_s(1);
    for token in [&first, &second] {
        let ended = app.get(token, "/v5/p1/asset/port/statistics");
        assert_eq!(ended.code(), (401, "APIGW.0307".into()));
    }
    let again = post(&app, &by_token(&first.secret, project("p1")));
    assert_eq!(again.keystones_error(), (401, REFUSED.into()));
}

#[test]
fn a_token_ends_no_later_than_its_user() {
    let app = App::start(&[&operator()]);
    user_with(
        &app,
        "p1",
        "alice",
        "reader",
        &json!({"expires_at": "2026-11-24T03:00:00Z"}),
    );
    let (told, token) = log_in(&app, &by_password("alice", PASSWORD, project("p1")));
    assert_eq!(told["expires_at"], "2026-11-24T03:00:00.000000Z");
    assert_eq!(
        told["user"]["password_expires_at"],
        "2026-11-24T03:00:00.000000Z"
    );
    app.clock.advance_s(47 * 60);
    assert!(!works(&app, &token));
    let late = post(&app, &by_password("alice", PASSWORD, project("p1")));
    assert_eq!(late.keystones_error(), (401, REFUSED.into()));
}

/// A token that an administrator made can be exchanged as well; what comes of it ends with it.
#[test]
fn an_administrators_token_can_be_exchanged() {
    let reader = Token::reader("p1", &["0"]);
    let app = App::start(&[&operator(), &reader]);
    let (told, token) = log_in(&app, &by_token(&reader.secret, project("p1")));
    assert_eq!(told["methods"], json!(["token"]));
    assert_eq!(told["roles"][0]["name"], "reader");
    assert!(works(&app, &token));
}

#[test]
fn the_catalog_is_left_out_when_asked_and_tells_the_address_that_the_client_used() {
    let app = App::start(&[&operator()]);
    user(&app, "p1", "alice", "reader");
    let body = by_password("alice", PASSWORD, project("p1")).to_string();
    for query in ["?nocatalog", "?nocatalog=1", "?nocatalog="] {
        let answer = app.send(&Request::post(
            format!("/v3/auth/tokens{query}"),
            body.clone(),
        ));
        assert_eq!(answer.status, 201, "{query}");
        assert_eq!(answer.json()["token"].get("catalog"), None, "{query}");
    }
    let proxied = Request::post("/v3/auth/tokens", body).header("X-Forwarded-Proto", "https");
    let told = app.send(&proxied).json();
    let url = &told["token"]["catalog"][1]["endpoints"][0]["url"];
    assert_eq!(url, "https://portolan.test/v5/p1");
}

#[test]
fn a_user_for_every_project_logs_in_for_any_one() {
    let app = App::start(&[&operator()]);
    user(&app, "*", "root", "admin");
    let (told, token) = log_in(&app, &by_password("root", PASSWORD, project("p1")));
    assert_eq!(told["project"]["id"], "p1");
    assert!(works(&app, &token));
    let elsewhere = app.get(&token, "/v5/p2/asset/port/statistics");
    assert_eq!(elsewhere.code(), (403, "APIGW.0306".into()));
    assert_eq!(app.get(&token, "/portolan/v1/backup").code().0, 403);
}
