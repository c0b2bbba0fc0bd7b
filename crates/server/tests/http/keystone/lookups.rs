//! Looking at tokens, projects and domains: who may see what.

use serde_json::{Value, json};

use super::scene::*;
use crate::app::{ALL, App, Token};
use crate::client::Request;
use crate::fleet::Host;

#[test]
fn a_token_is_told_to_its_holder_and_to_who_administers_its_project() {
    let agents = Token::agent("p1", ALL);
    let narrow = Token::new("admin", "p1", &["0"]);
    let elsewhere = Token::new("admin", "p2", ALL);
    let app = App::start(&[&operator(), &admin(), &agents, &narrow, &elsewhere]);
    user(&app, "p1", "alice", "reader");
    user(&app, "p1", "bob", "reader");
    let body = by_password("alice", PASSWORD, project("p1"));
    let (told, token) = log_in(&app, &body);
    let other = alices(&app);
    for by in [&token, &other, &admin(), &operator()] {
        let answer = about(&app, "GET", by, &token.secret);
        assert_eq!(
            answer.header("x-subject-token"),
            Some(token.secret.as_str())
        );
        assert_eq!(answer.ok()["token"], told);
    }
    let bobs = log_in(&app, &by_password("bob", PASSWORD, project("p1"))).1;
    let unknown = about(&app, "GET", &bobs, &"x".repeat(64)).essence();
    assert_eq!(unknown.status, 404);
    for by in [&bobs, &agents, &narrow, &elsewhere] {
        for method in ["GET", "DELETE"] {
            let answer = about(&app, method, by, &token.secret);
            assert_eq!(answer.essence(), unknown, "{method} by {by:?}");
        }
    }
    assert!(works(&app, &token));
    assert_eq!(about(&app, "DELETE", &admin(), &token.secret).status, 204);
    assert!(!works(&app, &token) && works(&app, &other));
}

/// A token that an administrator made is told in the same form, and revoked elsewhere.
#[test]
fn an_administrators_token_is_told_and_not_revoked_here() {
    let reader = Token {
        expires_at: Some("2026-12-01T00:00:00Z".into()),
        ..Token::reader("p1", &["0"])
    };
    let app = App::start(&[&reader]);
    let told = about(&app, "GET", &reader, &reader.secret).ok();
    assert_eq!(told["token"]["project"]["id"], "p1");
    assert_eq!(told["token"]["expires_at"], "2026-12-01T00:00:00.000000Z");
    let refused = about(&app, "DELETE", &reader, &reader.secret);
    assert_eq!(refused.status, 409);
    assert!(works(&app, &reader));
}

fn names(answer: &Value) -> Vec<&str> {
    let list = answer["projects"].as_array().unwrap();
    list.iter()
        .map(|project| project["name"].as_str().unwrap())
        .collect()
}

#[test]
fn a_project_is_found_by_its_name_by_who_may_use_it() {
    let reporters = ["p1", "p2"].map(|project| Token::agent(project, ALL));
    let only_red = Token::reader("*", &["red"]);
    let app = App::start(&[
        &operator(),
        &admin(),
        &only_red,
        &reporters[0],
        &reporters[1],
    ]);
    for (reporter, (name, ep)) in reporters.iter().zip([("a", "0"), ("b", "red")]) {
        app.report(reporter, &[&Host::new(name, ep, Vec::new())]);
    }
    user(&app, "p1", "alice", "reader");
    let unscoped = log_in(&app, &by_password("alice", PASSWORD, None)).1;
    for token in [&admin(), &alices(&app), &unscoped] {
        for target in ["/v3/projects", "/v3/projects?name=p1", "/v3/auth/projects"] {
            assert_eq!(names(&app.get(token, target).ok()), ["p1"], "{target}");
        }
        for name in ["p2", "*", "none"] {
            let target = format!("/v3/projects?name={name}");
            assert!(names(&app.get(token, &target).ok()).is_empty(), "{name}");
        }
    }
    let whole = |query: &str| app.get(&operator(), &format!("/v3/projects{query}")).ok();
    assert_eq!(names(&whole("")), ["p1", "p2"]);
    assert_eq!(names(&whole("?name=p2")), ["p2"]);
    assert!(names(&whole("?name=p3")).is_empty());
    // Nor are projects told that only hosts of other enterprise projects make.
    assert_eq!(names(&app.get(&only_red, "/v3/projects").ok()), ["p2"]);
    let shown = app.get(&admin(), "/v3/projects?name=p1").ok();
    let expected = json!({
        "projects": [{
            "id": "p1", "name": "p1", "domain_id": "default", "parent_id": "default",
            "description": "", "enabled": true, "is_domain": false,
            "links": {"self": "http://portolan.test/v3/projects"},
        }],
        "links": {"self": "http://portolan.test/v3/projects", "next": null, "previous": null},
    });
    assert_eq!(shown, expected);
}

#[test]
fn the_version_document_leads_a_client_to_itself() {
    let app = App::start(&[]);
    let told = app.send(&Request::get("/v3")).ok();
    let version = &told["version"];
    assert_eq!(
        (&version["id"], &version["status"]),
        (&json!("v3.14"), &json!("stable"))
    );
    assert_eq!(version["links"][0]["href"], "http://portolan.test/v3");
}

#[test]
fn the_domain_of_a_user_is_told() {
    let app = App::start(&[&operator()]);
    user_with(&app, "p1", "bob", "reader", &json!({"domain": "acme"}));
    let users = json!({"name": "bob", "password": PASSWORD, "domain": {"id": "acme"}});
    let identity = json!({"methods": ["password"], "password": {"user": users}});
    let (_, token) = log_in(&app, &json!({"auth": {"identity": identity}}));
    let told = app.get(&token, "/v3/auth/domains").ok();
    assert_eq!(told["domains"][0]["id"], "acme");
    assert_eq!(told["domains"].as_array().unwrap().len(), 1);
}
