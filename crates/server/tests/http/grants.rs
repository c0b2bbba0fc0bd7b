//! Grants that are made over HTTP, in use: what each role may then, and until when.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::app::{ALL, App, Token};
use crate::client::Request;
use crate::fleet::{Host, digest, tcp};
use crate::support::rows;

/// A token that the administrator makes.
fn make(app: &App, admin: &Token, wish: &Value) -> (Token, String) {
    let request = Request::post("/portolan/v1/projects/p1/tokens", wish.to_string());
    let answer = app.send(&request.token(admin));
    assert_eq!(answer.status, 201, "{wish}");
    let made = answer.json();
    let token = Token {
        secret: made["secret"].as_str().unwrap().to_owned(),
        ..Token::reader("p1", ALL)
    };
    (token, made["id"].as_str().unwrap().to_owned())
}

fn report(app: &App, token: &Token, project: &str, hosts: &[&Host]) -> Answer {
    let reports: Vec<_> = hosts.iter().map(|host| host.report()).collect();
    let body = json!({ "reports": reports }).to_string();
    let target = format!("/portolan/v1/projects/{project}/reports");
    app.send(&Request::post(target, body).token(token))
}

fn beat(app: &App, token: &Token, host: &Host) -> Answer {
    let heartbeat = host.heartbeat(&json!(digest(&host.ports)));
    let body = json!({"heartbeats": [heartbeat]}).to_string();
    app.send(&Request::post("/portolan/v1/projects/p1/heartbeats", body).token(token))
}

#[test]
fn an_agents_token_speaks_for_its_enterprise_projects_and_does_nothing_else() {
    let (admin, reader) = (Token::new("admin", "p1", ALL), Token::reader("p1", ALL));
    let mut app = App::start(&[&admin, &reader]);
    let wish = json!({"role": "agent", "enterprise_projects": ["a", "b"], "name": "hosts"});
    let (agent, id) = make(&app, &admin, &wish);
    let [in_a, in_b, in_c] =
        ["a", "b", "c"].map(|eps| Host::new(&format!("h-{eps}"), eps, vec![tcp("::", 22)]));
    let check = |app: &App| {
        let answer = report(app, &agent, "p1", &[&in_a, &in_b, &in_c]).ok();
        let result = |place: usize, field: &str| answer["results"][place][field].clone();
        let statuses = [0, 1, 2].map(|place| result(place, "status"));
        assert_eq!(statuses, ["accepted", "accepted", "rejected"]);
        assert_eq!(result(2, "error_code"), "PORTOLAN.0011");
        assert_eq!(beat(app, &agent, &in_a).ok()["results"][0]["status"], "ok");
        let unknown = beat(app, &agent, &in_c).ok();
        assert_eq!(unknown["results"][0]["reason"], "unknown_host");
        let all = app.hss(&reader, "enterprise_project_id=all_granted_eps");
        assert_eq!(rows(&all.ok()), [(22, "TCP", 2)]);
        // Nothing else: no read, no act, no other project.
        let native = "/portolan/v1/projects/p1";
        for request in [
            Request::get("/v5/p1/asset/port/statistics"),
            Request::get(format!("{native}/hosts")),
            Request::get(format!("{native}/recount")),
            Request::get(format!("{native}/tokens")),
            Request::post(format!("{native}/tokens"), r#"{"role":"agent"}"#),
            Request::new("DELETE", format!("{native}/hosts/h-a")),
            Request::new("DELETE", format!("{native}/tokens/{id}")),
        ] {
            let refused = app.send(&request.clone().token(&agent));
            assert_eq!(refused.code(), (403, "APIGW.0302".into()), "{request:?}");
        }
        let elsewhere = report(app, &agent, "p2", &[&in_a]);
        assert_eq!(elsewhere.code(), (403, "APIGW.0306".into()));
    };
    check(&app);
    app.restart();
    check(&app);
    // A host that is where the token does not reach is not taken over.
    let whole = make(&app, &admin, &json!({"role": "agent"})).0;
    assert_eq!(
        report(&app, &whole, "p1", &[&in_c]).ok()["results"][0]["status"],
        "accepted"
    );
    let moved = Host {
        enterprise_project: "a".into(),
        ..in_c.next(vec![])
    };
    let refused = report(&app, &agent, "p1", &[&moved]).ok();
    assert_eq!(refused["results"][0]["error_code"], "PORTOLAN.0011");
    let revoke = Request::new("DELETE", format!("/portolan/v1/projects/p1/tokens/{id}"));
    assert_eq!(app.send(&revoke.token(&admin)).status, 204);
    assert_eq!(
        report(&app, &agent, "p1", &[&in_a]).code(),
        (401, "APIGW.0301".into())
    );
    assert_eq!(beat(&app, &agent, &in_a).code(), (401, "APIGW.0301".into()));
}

/// On connections that are open, too: every request is asked for its credential.
#[test]
fn every_role_ends_at_the_moment_that_was_set_while_the_server_runs() {
    let admin = Token::new("admin", "p1", ALL);
    let app = App::start(&[&admin]);
    let until = |role: &str| json!({"role": role, "expires_at": "2026-11-24T02:14:00Z"});
    let [reader, agent, second] =
        ["reader", "agent", "admin"].map(|role| make(&app, &admin, &until(role)).0);
    let host = Host::new("h", "0", vec![tcp("::", 22)]);
    let body = json!({"reports": [host.report()]}).to_string();
    let requests = [
        Request::get("/v5/p1/asset/port/statistics").token(&reader),
        Request::post("/portolan/v1/projects/p1/reports", body).token(&agent),
        Request::get("/portolan/v1/projects/p1/tokens").token(&second),
    ];
    let mut connections = requests.each_ref().map(|_| app.connect());
    app.clock.advance_s(59);
    for (connection, request) in connections.iter_mut().zip(&requests) {
        assert_eq!(connection.send(request).status, 200, "{request:?}");
    }
    app.clock.advance_s(1);
    for (connection, request) in connections.iter_mut().zip(&requests) {
        let ended = connection.send(request);
        assert_eq!(ended.code(), (401, "APIGW.0307".into()), "{request:?}");
    }
    // What the agent reported stays.
    assert_eq!(rows(&app.hss(&admin, "").ok()), [(22, "TCP", 1)]);
}
