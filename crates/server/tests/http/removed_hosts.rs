//! Hosts that an operator removes.

use serde_json::json;

use crate::app::{ALL, App, Token};
use crate::client::Request;
use crate::fleet::{Host, tcp};
use crate::support::rows;

fn admin() -> Token {
    Token::new("admin", "p1", ALL)
}

/// Invariant 5: a host that an operator removed leaves the counts; a later report brings it back.
#[test]
fn a_removed_host_leaves_the_counts_and_comes_back_with_a_report() {
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    let only_a = Token::new("admin", "p1", &["a"]);
    let foreign = Token::new("admin", "p2", ALL);
    let mut app = App::start(&[&admin(), &reader, &agent, &only_a, &foreign]);
    let (h, g) = (
        Host::new("h", "0", vec![tcp("::", 22)]),
        Host::new("g", "0", vec![tcp("::", 22)]),
    );
    app.report(&agent, &[&h, &g]);
    let remove = |app: &App, by: &Token, project: &str, id: &str| {
        let target = format!("/portolan/v1/projects/{project}/hosts/{id}");
        app.send(&Request::new("DELETE", target).token(by))
    };
    for by in [&reader, &agent] {
        assert_eq!(
            remove(&app, by, "p1", "h").code(),
            (403, "APIGW.0302".into())
        );
    }
    assert_eq!(
        remove(&app, &foreign, "p1", "h").code(),
        (403, "APIGW.0306".into())
    );
    // Of another enterprise project, of another project, and of nobody: the same words.
    let answers = [
        remove(&app, &only_a, "p1", "h").essence(),
        remove(&app, &foreign, "p2", "h").essence(),
        remove(&app, &admin(), "p1", "nobody").essence(),
    ];
    assert!(
        answers.iter().all(|answer| answer == &answers[0]),
        "{answers:?}"
    );
    assert_eq!(answers[0].status, 404);
    assert_eq!(rows(&app.hss(&reader, "").ok()), [(22, "TCP", 2)]);
    assert_eq!(remove(&app, &admin(), "p1", "h").status, 204);
    let without = |app: &App| {
        let answer = app.hss(&reader, "");
        assert_eq!(answer.header("x-portolan-hosts"), Some("fresh=1, stale=0"));
        assert_eq!(rows(&answer.ok()), [(22, "TCP", 1)]);
        assert_eq!(
            app.native(&reader, "/hosts/h").code(),
            (404, "PORTOLAN.0014".into())
        );
        assert_eq!(app.native(&reader, "/recount").ok()["equal"], true);
    };
    without(&app);
    without(&app.crashed_copy());
    app.restart();
    without(&app);
    assert_eq!(
        remove(&app, &admin(), "p1", "h").code(),
        (404, "PORTOLAN.0014".into())
    );
    // Its agent is told to report, whatever it said last.
    let beat = h.heartbeat(&json!("0".repeat(32)));
    assert_eq!(
        app.post(&agent, "heartbeats", &[beat])[0]["reason"],
        "unknown_host"
    );
    app.report(&agent, &[&h]);
    assert_eq!(rows(&app.hss(&reader, "").ok()), [(22, "TCP", 2)]);
}
