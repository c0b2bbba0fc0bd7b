//! Agents and the enterprise projects that they may speak for.

use serde_json::{Value, json};

use crate::app::{ALL, App, Token};
use crate::fleet::{Host, tcp};
use crate::support::rows;

/// Invariant 8: an agent learns nothing of a host that is in an enterprise project of others, not
/// even which report is held of it.
#[test]
fn an_agent_speaks_neither_for_nor_about_an_enterprise_project_that_is_not_granted() {
    let (reader, whole) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    let only_a = Token::agent("p1", &["a"]);
    let app = App::start(&[&reader, &whole, &only_a]);
    let held = Host {
        sequence: 5,
        ..Host::new("h", "b", vec![tcp("::", 22)])
    };
    app.report(&whole, &[&held]);
    let refused = |host: &Host| {
        let result = app.post(&only_a, "reports", &[host.report()]).remove(0);
        assert_eq!(
            (&result["status"], &result["error_code"]),
            (&json!("rejected"), &json!("PORTOLAN.0011")),
            "{result}"
        );
        assert_eq!(result["field"], "reports[0].host.enterprise_project_id");
        for secret in ["current", "digest", "next_heartbeat_s", "reason"] {
            assert_eq!(result.get(secret), None, "{result}");
        }
        result
    };
    // Another's host by its own name, and by taking it over, at an older, an equal and a newer pair.
    let mut told = Vec::new();
    for enterprise_project in ["a", "b"] {
        for sequence in [4, 5, 6] {
            let host = held.clone().in_enterprise_project(enterprise_project);
            told.push(refused(&Host {
                sequence,
                ports: vec![tcp("::", 1)],
                ..host
            }));
        }
    }
    // Its own report again, which would be accepted of anybody who may speak for it.
    told.push(refused(&held));
    // A host that is not there, in an enterprise project of others or in one that nobody has.
    for enterprise_project in ["b", "0", "nobody"] {
        let mut result = refused(&Host::new("new", enterprise_project, vec![]));
        result["host_id"] = json!("h");
        told.push(result);
    }
    assert!(told.iter().all(|result| result == &told[0]), "{told:?}");
    assert_eq!(
        rows(
            &app.hss(&reader, "enterprise_project_id=all_granted_eps")
                .ok()
        ),
        [(22, "TCP", 1)]
    );
    assert_eq!(app.native(&reader, "/hosts").ok()["total_num"], 1);
}

#[test]
fn a_rejected_report_leaves_its_neighbours_in_the_request_alone() {
    let (reader, only_a) = (Token::reader("p1", ALL), Token::agent("p1", &["a"]));
    let app = App::start(&[&reader, &only_a]);
    let of = |id: &str, ep: &str| Host::new(id, ep, vec![tcp("::", 22)]).report();
    let results = app.post(
        &only_a,
        "reports",
        &[of("x", "a"), of("y", "b"), of("z", "a")],
    );
    let statuses: Vec<&Value> = results.iter().map(|result| &result["status"]).collect();
    assert_eq!(statuses, ["accepted", "rejected", "accepted"]);
    assert_eq!(results[1]["field"], "reports[1].host.enterprise_project_id");
    assert_eq!(
        rows(
            &app.hss(&reader, "enterprise_project_id=all_granted_eps")
                .ok()
        ),
        [(22, "TCP", 2)]
    );
}

/// Invariant 4: a host is in exactly one enterprise project, and its counts go with it.
#[test]
fn a_host_moves_between_enterprise_projects_that_are_both_granted() {
    let reader = Token::reader("p1", ALL);
    let (both, only_a, only_b) = (
        Token::agent("p1", &["b", "a"]),
        Token::agent("p1", &["a"]),
        Token::agent("p1", &["b"]),
    );
    let app = App::start(&[&reader, &both, &only_a, &only_b]);
    let count = |ep: &str| {
        let answer = app.hss(&reader, &format!("enterprise_project_id={ep}"));
        (
            rows(&answer.ok()).first().map_or(0, |row| row.2),
            answer.header("x-portolan-hosts").unwrap().to_owned(),
        )
    };
    let (one, none) = (
        (1, "fresh=1, stale=0".to_owned()),
        (0, "fresh=0, stale=0".to_owned()),
    );
    let in_a = Host::new("h", "a", vec![tcp("::", 22)]);
    let in_b = in_a.next(in_a.ports.clone()).in_enterprise_project("b");
    app.report(&only_a, &[&in_a]);
    assert_eq!((count("a"), count("b")), (one.clone(), none.clone()));
    // Neither of the two that know one side only can move it; who may speak for both can.
    for one_sided in [&only_a, &only_b] {
        let result = &app.post(one_sided, "reports", &[in_b.report()])[0];
        assert_eq!(result["error_code"], "PORTOLAN.0011");
    }
    app.report(&both, &[&in_b]);
    assert_eq!(
        (count("a"), count("b"), count("all_granted_eps")),
        (none.clone(), one.clone(), one)
    );
    assert_eq!(
        app.native(&reader, "/hosts/h").ok()["enterprise_project_id"],
        "b"
    );
    assert_eq!(app.native(&reader, "/recount").ok()["equal"], true);
    // From now on it is a host of the other one.
    let back = in_b.next(vec![]).in_enterprise_project("a");
    assert_eq!(
        app.post(&only_a, "reports", &[back.report()])[0]["error_code"],
        "PORTOLAN.0011"
    );
    app.report(&only_b, &[&in_b.next(vec![])]);
    assert_eq!(count("b"), (0, "fresh=1, stale=0".to_owned()));
}
