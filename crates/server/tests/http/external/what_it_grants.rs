//! Roles and enterprise projects of a token that Keystone made.

use super::recorded::*;
use crate::app::{ALL, App, Token};
use crate::client::Request;
use crate::fleet::Host;

#[test]
fn a_token_of_keystones_reads_its_project_with_the_role_and_the_groups_that_were_mapped() {
    let (_keystone, app) = beside();
    let alice = holder("alice");
    assert_eq!(app.hss(&alice, "").status, 200);
    let own = app.get(&alice, "/portolan/v1/credential").ok();
    let expected = serde_json::json!({
        "project_id": alice.project, "enterprise_projects": ["0"], "role": "reader",
        "expires_at": "2026-11-24T13:36:29Z",
    });
    let end = own["expires_at"].as_str().unwrap().to_owned();
    assert!(end.starts_with("2026-11-24T13:3"), "as recorded: {end}");
    let mut told = own;
    told["expires_at"] = expected["expires_at"].clone();
    assert_eq!(told, expected);
    // What is not mapped, it may not.
    let other = app.hss(&alice, "enterprise_project_id=ops");
    assert_eq!(other.code(), (400, "HSS.0013".into()));
    let elsewhere = app.get(&alice, "/v5/p1/asset/port/statistics");
    assert_eq!(elsewhere.code(), (403, "APIGW.0306".into()));
    let target = format!("/portolan/v1/projects/{}/tokens", alice.project);
    assert_eq!(app.get(&alice, &target).code(), (403, "APIGW.0302".into()));
    // Clients find their project by its id.
    let found = app.get(&alice, "/v3/projects").ok();
    assert_eq!(found["projects"][0]["id"], alice.project.as_str());
}

#[test]
fn a_token_whose_role_or_project_is_not_mapped_is_known_and_may_nothing() {
    let (keystone, app) = beside();
    for name in ["bob", "unscoped", "admin"] {
        let token = holder(name);
        let refused = app.hss(&token, "");
        assert_eq!(refused.code(), (403, "APIGW.0306".into()), "{name}");
        let projects = app.get(&token, "/v3/projects").ok();
        assert_eq!(projects["projects"], serde_json::json!([]), "{name}");
        let project = match name {
            "admin" => project_of("admin"),
            _ => continue,
        };
        let own = app.get(&token, &format!("/v5/{project}/asset/port/statistics"));
        assert_eq!(own.code(), (403, "APIGW.0306".into()));
    }
    assert_eq!(keystone.asked(), (3, 1), "the service user logs in once");
}

#[test]
fn every_other_project_can_be_mapped_and_admin_wins_over_lesser_roles() {
    let keystone = Recorded::start();
    let app = App::with_keystone(&[], keystone.settings(&["0"], ALL));
    let admin = Token {
        project: project_of("admin"),
        ..holder("admin")
    };
    let own = app.get(&admin, "/portolan/v1/credential").ok();
    assert_eq!(
        (&own["role"], &own["enterprise_projects"][0]),
        (&"admin".into(), &"all_granted_eps".into())
    );
    let host = Host::new("a", "ops", Vec::new());
    app.report(&admin, &[&host]);
    // Its acts are told in the audit log by the user's id.
    let target = format!("/portolan/v1/projects/{}/hosts/a", admin.project);
    let gone = app.send(&Request::new("DELETE", target).token(&admin));
    assert_eq!(gone.status, 204);
    let log = std::fs::read_to_string(app.data_dir().join("audit.log")).unwrap();
    assert!(log.contains("\"actor\":\"keystone:"), "{log}");
    assert!(!log.contains(&admin.secret));
}

/// A credential of the server's own is never taken to Keystone.
#[test]
fn what_is_known_here_is_not_asked_there() {
    let keystone = Recorded::start();
    let reader = Token::reader("p1", &["0"]);
    let app = App::with_keystone(&[&reader], keystone.settings(&["0"], &[]));
    assert_eq!(app.hss(&reader, "").status, 200);
    for request in [
        Request::get("/metrics").header("X-Auth-Token", &token_of("alice")),
        Request::get("/healthz").header("X-Auth-Token", &token_of("alice")),
        Request::get("/nowhere").header("X-Auth-Token", &token_of("alice")),
        Request::get("/v5/p1/asset/port/statistics").header("X-Auth-Token", "short"),
        Request::get("/v5/p1/asset/port/statistics").header("X-Auth-Token", &"\u{e9}".repeat(40)),
        Request::get("/v5/p1/asset/port/statistics"),
    ] {
        app.send(&request);
    }
    assert_eq!(keystone.asked(), (0, 0));
}
