//! Routes and methods, and what stands around an answer whatever it is about.

use crate::answer::Answer;
use crate::app::{ALL, App, Token};
use crate::client::Request;

/// Every route of the server, with the methods that it has.
const ROUTES: &[(&str, &str)] = &[
    ("GET", "/v5/p1/asset/port/statistics"),
    ("GET", "/v5/p1/asset/common-port-info"),
    ("POST", "/v5/p1/asset/batch-modify-port-status"),
    ("POST", "/portolan/v1/projects/p1/reports"),
    ("POST", "/portolan/v1/projects/p1/heartbeats"),
    ("GET", "/portolan/v1/projects/p1/statistics"),
    ("GET", "/portolan/v1/projects/p1/hosts"),
    ("GET,DELETE", "/portolan/v1/projects/p1/hosts/h"),
    ("GET", "/portolan/v1/projects/p1/ports/22/assets"),
    ("GET", "/portolan/v1/projects/p1/recount"),
    ("GET,POST", "/portolan/v1/projects/p1/tokens"),
    ("DELETE", "/portolan/v1/projects/p1/tokens/t"),
    ("GET,POST", "/portolan/v1/projects/p1/access-keys"),
    ("DELETE", "/portolan/v1/projects/p1/access-keys/k"),
    ("GET,POST", "/portolan/v1/projects/p1/users"),
    ("DELETE", "/portolan/v1/projects/p1/users/u"),
    ("GET", "/portolan/v1/credential"),
    ("GET", "/portolan/v1/backup"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
];

const NO_API: &str = "The API does not exist or has not been published in the environment.";

fn assert_no_api(answer: &Answer, context: &str) {
    assert_eq!(
        answer.error(),
        (404, "APIGW.0101".into(), NO_API.into()),
        "{context}"
    );
}

#[test]
fn a_wrong_method_is_404_and_told_the_right_one() {
    let reader = Token::reader("p1", ALL);
    let app = App::start(&[&reader]);
    for (right, route) in ROUTES {
        for method in [
            "GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW",
        ] {
            if right.split(',').any(|right| right == method) {
                continue;
            }
            let answer = app.send(&Request::new(method, route).token(&reader));
            assert_no_api(&answer, &format!("{method} {route}"));
            assert_eq!(answer.header("allow"), Some(*right), "{method} {route}");
        }
    }
}

#[test]
fn head_is_a_wrong_method_on_every_route() {
    let reader = Token::reader("p1", ALL);
    let app = App::start(&[&reader]);
    for (right, route) in ROUTES {
        // The answer has the head of the error and, as HTTP wants it, no body: the next answer on
        // the connection follows at once.
        let mut connection = app.connect();
        let answer = connection.send(&Request::new("HEAD", route).token(&reader));
        assert_eq!(answer.status, 404, "{route}");
        assert_eq!(answer.header("allow"), Some(*right), "{route}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/json"),
            "{route}"
        );
        assert_eq!(
            connection.send(&Request::get("/healthz")).status,
            200,
            "{route}"
        );
    }
    assert_eq!(
        app.send(&Request::new("HEAD", "/nothing")).header("allow"),
        None
    );
}

#[test]
fn a_path_that_is_almost_a_route_is_none() {
    let reader = Token::reader("p1", ALL);
    let app = App::start(&[&reader]);
    for path in [
        "/",
        "//",
        "*",
        "/v5",
        "/v5/p1",
        "/v5/p1/asset/port/statistics/",
        "/v5/p1/asset/port/statistics//",
        "//v5/p1/asset/port/statistics",
        "/v5//asset/port/statistics",
        "/v5/p1//asset/port/statistics",
        "/v5/p1/asset//port/statistics",
        "/v5/p1/asset/port%2Fstatistics",
        "/v5%2Fp1/asset/port/statistics",
        "/v5/p1/asset/port/statistic%73",
        "/V5/p1/asset/port/statistics",
        "/v5/p1/../p1/asset/port/statistics",
        "/portolan/v1/projects/p1",
        "/portolan/v1/projects/p1/",
        "/portolan/v1/projects//hosts",
        "/portolan/v1/projects/p1/hosts/",
        "/portolan/v1/projects/p1/hosts/h/",
        "/portolan/v1/projects/p1/tokens/",
        "/portolan/v1/projects/p1/tokens/t/",
        "/portolan/v1/projects/p1/users//",
        "/portolan/v1/backup/",
        "/portolan/v1/projects/p1/ports//assets",
        "/healthz/",
        "/metrics/",
    ] {
        let answer = app.get(&reader, path);
        assert_no_api(&answer, path);
        assert_eq!(answer.header("allow"), None, "{path}");
    }
}

#[test]
fn an_escaped_slash_belongs_to_the_id_and_not_to_the_path() {
    let reader = Token::reader("a/b", ALL);
    let app = App::start(&[&reader]);
    for path in [
        "/v5/a%2Fb/asset/port/statistics",
        "/portolan/v1/projects/a%2fb/hosts",
    ] {
        assert_eq!(app.get(&reader, path).status, 200, "{path}");
        assert_no_api(
            &app.get(&reader, &path.replace("%2F", "/").replace("%2f", "/")),
            path,
        );
    }
    let host = app.get(&reader, "/portolan/v1/projects/a%2Fb/hosts/x%2Fy");
    assert_eq!(host.code(), (404, "PORTOLAN.0014".into()));
}

#[test]
fn a_target_in_absolute_form_is_its_path() {
    let reader = Token::reader("p1", ALL);
    let app = App::start(&[&reader]);
    assert_eq!(
        app.get(
            &reader,
            "http://portolan.test/v5/p1/asset/port/statistics?limit=10"
        )
        .status,
        200
    );
    assert_no_api(&app.get(&reader, "http://portolan.test"), "no path");
    assert_no_api(
        &app.send(&Request::new("CONNECT", "portolan.test:443").token(&reader)),
        "CONNECT",
    );
}

#[test]
fn a_request_id_of_the_client_is_not_taken_over() {
    let reader = Token::reader("p1", ALL);
    let app = App::start(&[&reader]);
    let sent = "0123456789abcdef0123456789abcdef";
    for target in [
        "/v5/p1/asset/port/statistics",
        "/nothing",
        "/v5/p1/asset/port/statistics?x=%",
        "/healthz",
    ] {
        // That it is another one, of 32 hex digits and never seen before, is checked of each answer.
        let answer = app.send(
            &Request::get(target)
                .token(&reader)
                .header("X-Request-Id", sent),
        );
        assert!(
            answer.header("x-request-id").is_some_and(|id| id != sent),
            "{target}"
        );
    }
}

#[test]
fn a_connection_goes_on_after_errors_and_after_bodies_that_nobody_reads() {
    let reader = Token::reader("p1", ALL);
    let app = App::start(&[&reader]);
    let target = "/v5/p1/asset/port/statistics";
    let mut connection = app.connect();
    for _ in 0..3 {
        assert_eq!(connection.send(&Request::get("/nothing")).status, 404);
        // Clients of earlier years put a body on a GET.
        assert_eq!(
            connection
                .send(&Request::get(target).token(&reader).body("{}"))
                .status,
            200
        );
        let refused = Request::post("/portolan/v1/projects/p1/reports", "{}");
        assert_eq!(connection.send(&refused).status, 401);
    }
}

#[test]
fn errors_of_the_native_api_have_the_same_shape_and_order() {
    let (reader, agent) = (Token::reader("p1", &["a"]), Token::agent("p1", &["a"]));
    let app = App::start(&[&reader, &agent]);
    for rest in [
        "statistics",
        "hosts",
        "hosts/h",
        "ports/22/assets",
        "recount",
    ] {
        let of = |project: &str| format!("/portolan/v1/projects/{project}/{rest}");
        let code = |request: &Request| app.send(request).code();
        assert_eq!(
            code(&Request::get(of("p1") + "?limit=%F")),
            (400, "APIGW.0201".into()),
            "{rest}"
        );
        assert_eq!(
            code(&Request::get(of("p1"))),
            (401, "APIGW.0301".into()),
            "{rest}"
        );
        let long = Request::get(of(&"p".repeat(257))).token(&reader);
        assert_eq!(code(&long), (400, "HSS.0001".into()), "{rest}");
        assert_eq!(
            code(&Request::get(of("p2")).token(&agent)),
            (403, "APIGW.0306".into()),
            "{rest}"
        );
        assert_eq!(
            code(&Request::get(of("p1")).token(&agent)),
            (403, "APIGW.0302".into()),
            "{rest}"
        );
    }
    for rest in ["statistics", "hosts", "ports/22/assets"] {
        for query in ["limit=0&enterprise_project_id=b", "enterprise_project_id=0"] {
            let answer = app.native(&reader, &format!("/{rest}?{query}"));
            assert_eq!(answer.code(), (400, "HSS.0013".into()), "{rest}?{query}");
        }
        let answer = app.native(
            &reader,
            &format!("/{rest}?limit=201&enterprise_project_id=a"),
        );
        assert_eq!(answer.code(), (400, "HSS.0001".into()), "{rest}");
    }
    for rest in ["reports", "heartbeats"] {
        let of =
            |project: &str| Request::post(format!("/portolan/v1/projects/{project}/{rest}"), "{}");
        assert_eq!(
            app.send(&of("p1")).code(),
            (401, "APIGW.0301".into()),
            "{rest}"
        );
        assert_eq!(
            app.send(&of("p2").token(&reader)).code(),
            (403, "APIGW.0306".into()),
            "{rest}"
        );
        assert_eq!(
            app.send(&of("p1").token(&reader)).code(),
            (403, "APIGW.0302".into()),
            "{rest}"
        );
        assert_eq!(
            app.send(&of("p1").token(&agent)).code(),
            (400, "PORTOLAN.0002".into()),
            "{rest}"
        );
    }
}
