//! `GET …/recount`: every count equals a recount from the sets, whatever came before.

use serde_json::json;

use crate::app::{ALL, App, Token};
use crate::fleet::{Host, OpenPort, fleet, tcp, udp};
use crate::model::Question;
use crate::support::Numbers;

/// A set of a few ports out of few, so that sets of different hosts and reports overlap.
fn some_ports(numbers: &mut Numbers) -> Vec<OpenPort> {
    (0..numbers.below(12))
        .map(|_| {
            let port = u16::try_from(20 + numbers.below(6)).unwrap();
            let laddr = ["0.0.0.0", "::", "10.0.0.1", "::ffff:10.0.0.1"][numbers.below(4) as usize];
            let open = if numbers.below(2) == 0 {
                tcp(laddr, port)
            } else {
                udp(laddr, port)
            };
            match numbers.below(5) {
                0 => open.netns("n1"),
                1 => open.netns("n2").container("c"),
                2 => open.netns("n3").container("c"),
                3 => open.container("c"),
                _ => open,
            }
        })
        .collect()
}

/// Invariant 4: every count equals a recount, after any series of reports, of moves between
/// enterprise projects and of restarts; and what is counted equals the model.
#[test]
fn counts_equal_a_recount_and_the_model_after_any_series_of_reports() {
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    let part = Token::reader("p1", &["x", "y"]);
    let mut app = App::start(&[&reader, &agent, &part]);
    let mut numbers = Numbers(7);
    let mut hosts: Vec<Host> = (0..8)
        .map(|n| Host {
            sequence: 0,
            ..Host::new(&format!("h{n}"), "0", vec![])
        })
        .collect();
    let mut reported = Vec::new();
    for round in 0..25 {
        let mut sent = Vec::new();
        for _ in 0..=numbers.below(6) {
            let place = numbers.below(8) as usize;
            let ep = ["0", "x", "y"][numbers.below(3) as usize];
            hosts[place] = hosts[place]
                .next(some_ports(&mut numbers))
                .in_enterprise_project(ep);
            sent.push(hosts[place].clone());
            if !reported.contains(&place) {
                reported.push(place);
            }
        }
        app.report(&agent, &sent.iter().collect::<Vec<_>>());
        if round % 8 == 7 {
            app.restart();
        }
        for reader in [&reader, &part] {
            let recount = app.native(reader, "/recount").ok();
            assert_eq!(
                (&recount["equal"], &recount["differences"]),
                (&json!(true), &json!([])),
                "round {round}"
            );
        }
        for (category, ep) in [
            ("host", "0"),
            ("container", "0"),
            ("host", "all_granted_eps"),
            ("container", "x"),
        ] {
            let question = Question {
                category: category.into(),
                enterprise_project_id: ep.into(),
                limit: 200,
                ..Question::default()
            };
            let query = format!("category={category}&enterprise_project_id={ep}&limit=200");
            let expected = question.answer(reported.iter().map(|&place| &hosts[place]));
            assert_eq!(
                app.hss(&reader, &query).ok(),
                expected,
                "round {round}: {query}"
            );
        }
    }
    assert!(reported.len() > 6, "the series reaches most hosts");
}

#[test]
fn a_recount_checks_every_row_of_what_the_credential_may_read() {
    let (reader, agent, part) = (
        Token::reader("p1", ALL),
        Token::agent("p1", ALL),
        Token::reader("p1", &["x"]),
    );
    let empty = Token::reader("p2", ALL);
    let app = App::start(&[&reader, &agent, &part, &empty]);
    app.report(&agent, &fleet().iter().collect::<Vec<_>>());
    let checked = |reader: &Token| {
        let body = app.native(reader, "/recount").ok();
        assert_eq!(body["equal"], true);
        let mut names: Vec<&String> = body.as_object().unwrap().keys().collect();
        names.sort();
        assert_eq!(names, ["counts_checked", "differences", "equal"]);
        body["counts_checked"].as_u64().unwrap()
    };
    let rows = app
        .hss(&reader, "enterprise_project_id=all_granted_eps")
        .ok()["total_num"]
        .as_u64()
        .unwrap();
    assert!(
        checked(&reader) > 2 * rows,
        "the rows of the project and of its enterprise projects"
    );
    // Two rows of hosts, one of containers, one of IPv6, each of the three by its exposure, all of them
    // once more for the fresh hosts only, and the host itself.
    assert_eq!(checked(&part), 15);
    assert_eq!(checked(&empty), 0);
}
