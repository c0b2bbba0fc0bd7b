//! What is wrong with a request is told in Keystone's form, there and only there.

use serde_json::{Value, json};

use super::scene::*;
use crate::app::App;
use crate::client::Request;

#[test]
fn a_body_that_is_none_is_told_by_its_place_and_without_its_words() {
    let app = App::start(&[]);
    let identity = |identity: Value| json!({"auth": {"identity": identity}}).to_string();
    for (body, part) in [
        ("".to_owned(), "not JSON"),
        ("{\"auth\": hidden}".to_owned(), "line 1, column 10"),
        ("[]".to_owned(), "A field is invalid."),
        ("{}".to_owned(), "A field is invalid."),
        (
            identity(json!({"methods": ["password"]})),
            "identity.password is missing",
        ),
        (
            identity(json!({"methods": ["token"]})),
            "identity.token is missing",
        ),
        (identity(json!({"methods": []})), "identity.methods must be"),
        (
            identity(json!({"methods": ["totp"]})),
            "identity.methods must be",
        ),
        (
            identity(json!({"methods": ["password", "totp"]})),
            "no two together",
        ),
        (
            identity(
                json!({"methods": ["password"], "password": {"user": {"password": "hidden"}}}),
            ),
            "user must have an id or a name",
        ),
        (
            identity(
                json!({"methods": ["password"], "password": {"user": {"name": "hidden", "password": "hidden"}}}),
            ),
            "user.domain must have",
        ),
        (
            identity(
                json!({"methods": ["password"], "password": {"user": {"password": ["hidden"]}}}),
            ),
            "column",
        ),
    ] {
        let answer = app.send(&Request::post("/v3/auth/tokens", body.clone()));
        let (status, message) = answer.keystones_error();
        assert_eq!(status, 400, "{body}: {message}");
        assert!(message.contains(part), "{body}: {message}");
        assert!(!message.contains("hidden"), "{message}");
    }
}

#[test]
fn a_body_that_is_long_packed_or_of_another_type_is_refused() {
    let app = App::start(&[]);
    let post = |body: Vec<u8>| Request::post("/v3/auth/tokens", body);
    let long = vec![b' '; (64 << 10) + 1];
    assert_eq!(app.send(&post(long.clone())).status, 413);
    let chunked = Request::new("POST", "/v3/auth/tokens").chunked([long]);
    assert_eq!(app.send(&chunked).status, 413);
    let packed = post(b"{}".to_vec()).header("Content-Encoding", "gzip");
    assert_eq!(app.send(&packed).status, 415);
    let text = post(b"{}".to_vec()).header("Content-Type", "text/plain");
    assert_eq!(app.send(&text).status, 415);
    let reached = app.metric("portolan_limits_reached_total{limit=\"body_sent_bytes\"}");
    assert_eq!(reached, 2);
}

/// The checks of every answer hold the form; here are the statuses.
#[test]
fn every_fault_under_v3_has_keystones_form_and_none_elsewhere() {
    let app = App::start(&[&operator()]);
    for (request, status) in [
        (Request::get("/v3/nowhere"), 404),
        (Request::get("/v3/auth/tokens/"), 404),
        (Request::new("PUT", "/v3/auth/tokens"), 404),
        (Request::get("/v3?a=%ZZ"), 400),
        (Request::get(format!("/v3/{}", "x".repeat(9_000))), 414),
        (Request::get("/v3/projects"), 401),
        (Request::get("/v3/auth/tokens"), 401),
        (Request::get("/v3/auth/tokens").token(&operator()), 400),
        (
            Request::get("/v3/projects?name=a&name=b").token(&operator()),
            400,
        ),
    ] {
        assert_eq!(app.send(&request).keystones_error().0, status);
    }
    for target in ["/v33", "/v3x/auth", "/v5/p1/asset/port/statistics"] {
        assert!(
            app.send(&Request::get(target))
                .json()
                .get("error")
                .is_none()
        );
    }
}
