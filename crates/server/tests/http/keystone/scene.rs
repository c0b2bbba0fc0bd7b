//! A server with an administrator and users, and requests for log-ins.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::app::{ALL, App, Token};
use crate::client::Request;

pub(super) const PASSWORD: &str = "correct horse battery";
pub(super) const REFUSED: &str = "The request you have made requires authentication.";

/// An administrator of every project.
pub(super) fn operator() -> Token {
    Token::new("admin", "*", ALL)
}

/// An administrator of `p1`.
pub(super) fn admin() -> Token {
    Token::new("admin", "p1", ALL)
}

/// Makes a user in a project; gives the id.
pub(super) fn user(app: &App, project: &str, name: &str, role: &str) -> String {
    user_with(app, project, name, role, &json!({}))
}

/// The same with more fields.
pub(super) fn user_with(app: &App, project: &str, name: &str, role: &str, more: &Value) -> String {
    let mut body = json!({"name": name, "role": role, "password": PASSWORD});
    for (field, value) in more.as_object().unwrap() {
        body[field] = value.clone();
    }
    let target = format!("/portolan/v1/projects/{project}/users");
    let made = app.send(&Request::post(target, body.to_string()).token(&operator()));
    assert_eq!(
        made.status,
        201,
        "{:?}",
        String::from_utf8_lossy(&made.body)
    );
    made.json()["id"].as_str().unwrap().to_owned()
}

/// The body of a log-in by password.
pub(super) fn by_password(name: &str, password: &str, scope: Option<Value>) -> Value {
    let user = json!({"name": name, "password": password, "domain": {"name": "default"}});
    with_scope(
        json!({"methods": ["password"], "password": {"user": user}}),
        scope,
    )
}

/// The body of a log-in by token.
pub(super) fn by_token(token: &str, scope: Option<Value>) -> Value {
    with_scope(json!({"methods": ["token"], "token": {"id": token}}), scope)
}

fn with_scope(identity: Value, scope: Option<Value>) -> Value {
    let mut auth = json!({ "identity": identity });
    if let Some(scope) = scope {
        auth["scope"] = scope;
    }
    json!({ "auth": auth })
}

pub(super) fn project(id: &str) -> Option<Value> {
    Some(json!({"project": {"id": id}}))
}

pub(super) fn post(app: &App, body: &Value) -> Answer {
    app.send(
        &Request::post("/v3/auth/tokens", body.to_string())
            .header("Content-Type", "application/json"),
    )
}

/// A log-in that succeeds: what it tells, and its token.
pub(super) fn log_in(app: &App, body: &Value) -> (Value, Token) {
    let answer = post(app, body);
    let told = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!(answer.status, 201, "{told}");
    let secret = answer.header("x-subject-token").unwrap().to_owned();
    (answer.json()["token"].clone(), holder(&secret))
}

/// Who holds a token, which is for `p1` if for any.
pub(super) fn holder(secret: &str) -> Token {
    Token {
        secret: secret.to_owned(),
        ..Token::reader("p1", &["0"])
    }
}

/// Alice's token for `p1`.
pub(super) fn alices(app: &App) -> Token {
    log_in(app, &by_password("alice", PASSWORD, project("p1"))).1
}

/// A request about a token, by the holder of another.
pub(super) fn about(app: &App, method: &str, by: &Token, subject: &str) -> Answer {
    let request = Request::new(method, "/v3/auth/tokens").token(by);
    app.send(&request.header("X-Subject-Token", subject))
}

/// Whether a token is good for its project's statistics.
pub(super) fn works(app: &App, token: &Token) -> bool {
    app.get(token, "/v5/p1/asset/port/statistics").status == 200
}
