//! `GET …/statistics`: the native form of the counts, paged by a cursor.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::app::{ALL, App, Token};
use crate::fleet::{Host, OpenPort, fleet, tcp, udp};
use crate::model::{Question, status};
use crate::support::rows;

fn tokens() -> (Token, Token) {
    (Token::reader("p1", ALL), Token::agent("p1", ALL))
}

#[test]
fn the_body_has_the_fields_that_scripts_rely_on() {
    let (reader, agent) = tokens();
    let app = App::start(&[&reader, &agent]);
    let empty = json!({
        "as_of": "2026-11-24T02:12:59.999999Z", "hosts": {"fresh": 0, "stale": 0, "never": 0},
        "total_num": 0, "data_list": [], "next_cursor": null,
    });
    assert_eq!(app.native(&reader, "/statistics").ok(), empty);
    app.report(
        &agent,
        &[&Host::new("h", "0", vec![tcp("::", 22), udp("::", 9)])],
    );
    let expected = json!({
        "as_of": "2026-11-24T02:12:59.999999Z", "hosts": {"fresh": 1, "stale": 0, "never": 0}, "total_num": 2,
        "data_list": [
            {"port": 9, "type": "UDP", "num": 1},
            {"port": 22, "type": "TCP", "num": 1},
        ],
        "next_cursor": null,
    });
    assert_eq!(app.native(&reader, "/statistics").ok(), expected);
}

#[test]
fn rows_carry_their_status_where_it_is_asked_for() {
    let (reader, agent) = tokens();
    let app = App::start(&[&reader, &agent]);
    app.report(&agent, &[&Host::new("h", "0", vec![tcp("::", 22)])]);
    for (query, told) in [
        ("", None),
        ("status_field=false", None),
        ("status_field=true", Some("normal")),
        ("status=normal", Some("normal")),
        ("status=normal&status_field=false", None),
    ] {
        let answer = app.native(&reader, &format!("/statistics?{query}")).ok();
        let row = answer["data_list"][0].as_object().unwrap();
        assert_eq!(row.get("status").and_then(Value::as_str), told, "{query}");
    }
    let bad = app.native(&reader, "/statistics?status_field=1").error();
    assert_eq!(
        bad.2,
        "Invalid parameter. status_field must be true or false, got 1"
    );
}

#[test]
fn every_filter_of_the_hss_statistics_means_the_same_here() {
    let (reader, agent) = tokens();
    let app = App::start(&[&reader, &agent]);
    app.report(&agent, &fleet().iter().collect::<Vec<_>>());
    for query in [
        "",
        "port=443&category=container",
        "type=TCP6&limit=200",
        "type=UDP",
        "port_string=80",
        "status=danger",
        "sort_dir=desc&limit=20&offset=7",
        "enterprise_project_id=x",
        "enterprise_project_id=all_granted_eps&limit=200&offset=200",
    ] {
        let (native, hss) = (
            app.native(&reader, &format!("/statistics?status_field=true&{query}"))
                .ok(),
            app.hss(&reader, query).ok(),
        );
        assert_eq!(rows(&native), rows(&hss), "{query}");
        assert_eq!(native["total_num"], hss["total_num"], "{query}");
        for row in native["data_list"].as_array().unwrap() {
            let kind = row["type"].as_str().unwrap().trim_end_matches('6');
            let port = u16::try_from(row["port"].as_u64().unwrap()).unwrap();
            assert_eq!(row["status"], status(port, kind), "{row}");
        }
    }
    // A fault in the enterprise project is told in its place, too.
    let long = format!("enterprise_project_id={}&port=0", "e".repeat(129));
    for faulty in [
        "limit=9",
        "port=0",
        "type=tcp",
        "sort_dir=up",
        "offset=-1",
        &long,
    ] {
        let native = app
            .native(&reader, &format!("/statistics?{faulty}"))
            .error();
        assert_eq!(native, app.hss(&reader, faulty).error());
    }
}

/// All pages from the first on, with `between` called after each.
fn pages(app: &App, reader: &Token, query: &str, mut between: impl FnMut(&Value)) -> Vec<Value> {
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = app
            .native(reader, &format!("/statistics?{query}{cursor}"))
            .ok();
        between(&page);
        let next = page["next_cursor"]
            .as_str()
            .map(|next| format!("&cursor={next}"));
        pages.push(page);
        assert!(pages.len() < 200, "the pages do not end");
        let Some(next) = next else { return pages };
        cursor = next;
    }
}

#[test]
fn pages_by_cursor_are_the_whole_list_in_order() {
    let (reader, agent) = tokens();
    let app = App::start(&[&reader, &agent]);
    let hosts = fleet();
    app.report(&agent, &hosts.iter().collect::<Vec<_>>());
    for (query, question) in [
        ("limit=10", Question::default()),
        (
            "limit=11&sort_dir=desc",
            Question {
                descending: true,
                ..Question::default()
            },
        ),
        (
            "limit=17&port_string=3",
            Question {
                port_string: Some("3".into()),
                ..Question::default()
            },
        ),
        (
            "limit=13&type=UDP&sort_dir=desc",
            Question {
                kind: Some("UDP".into()),
                descending: true,
                ..Question::default()
            },
        ),
    ] {
        let expected: Vec<_> = question.rows(&hosts, |_| true);
        let pages = pages(&app, &reader, query, |_| {});
        let given: Vec<_> = pages.iter().flat_map(rows).collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|row| (u64::from(row.0), row.1, row.2 as u64))
            .collect();
        assert_eq!(given, expected, "{query}");
        assert!(
            pages.iter().all(|page| page["total_num"] == expected.len()),
            "{query}"
        );
    }
}

/// A cursor pages by key: rows come and go before, at and behind it, and every row that is there
/// throughout is returned exactly once.
#[test]
fn rows_that_stay_are_returned_exactly_once_while_others_come_and_go() {
    let (reader, agent) = tokens();
    for dir in ["asc", "desc"] {
        let app = App::start(&[&reader, &agent]);
        let staying: Vec<OpenPort> = (0..60)
            .flat_map(|n| [tcp("::", 1_000 + 10 * n), udp("::", 1_000 + 10 * n)])
            .collect();
        let mut flapping = Host {
            sequence: 0,
            ..Host::new("flapping", "0", vec![])
        };
        app.report(&agent, &[&Host::new("staying", "0", staying.clone())]);
        let mut seen = BTreeMap::<(u64, String), u32>::new();
        let mut round = 0;
        pages(&app, &reader, &format!("limit=10&sort_dir={dir}"), |page| {
            for (port, kind, _) in rows(page) {
                *seen.entry((port, kind.to_owned())).or_default() += 1;
            }
            // The neighbours of the row at which the next page begins, and the ends of the list. The
            // flapping rows of the round before, that row among them, are gone.
            round += 1;
            let edge = u16::try_from(rows(page).last().unwrap().0).unwrap();
            let ports = [
                edge - 1,
                edge,
                edge + 1,
                1 + round,
                60_000 + round,
                1_005 + 10 * round,
            ];
            flapping = flapping.next(ports.iter().map(|&port| tcp("::", port)).collect());
            app.report(&agent, &[&flapping]);
        });
        assert!(round > 12, "{dir}: {round} pages");
        for port in &staying {
            let times = seen.get(&(u64::from(port.port), port.transport.to_owned()));
            assert_eq!(times, Some(&1), "{dir}: {} {}", port.port, port.transport);
        }
        assert!(
            seen.values().all(|&times| times == 1),
            "{dir}: a key comes once: {seen:?}"
        );
    }
}

#[test]
fn a_cursor_whose_row_is_gone_goes_on_behind_its_place() {
    let (reader, agent) = tokens();
    let app = App::start(&[&reader, &agent]);
    let host = Host::new("h", "0", (1..=30).map(|port| tcp("::", port)).collect());
    app.report(&agent, &[&host]);
    let cursor = |query: &str| {
        app.native(&reader, &format!("/statistics?{query}")).ok()["next_cursor"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (up, down) = (cursor("limit=10"), cursor("limit=10&sort_dir=desc"));
    app.report(
        &agent,
        &[&host.next(
            (1..=30)
                .filter(|port| port % 10 != 0 && *port != 21)
                .map(|port| tcp("::", port))
                .collect(),
        )],
    );
    let first = |query: &str| rows(&app.native(&reader, &format!("/statistics?{query}")).ok())[0].0;
    assert_eq!(first(&format!("limit=10&cursor={up}")), 11);
    assert_eq!(first(&format!("limit=10&sort_dir=desc&cursor={down}")), 19);
}

#[test]
fn a_cursor_that_is_none_is_a_faulty_parameter() {
    let (reader, _) = tokens();
    let app = App::start(&[&reader]);
    for bad in [
        "",
        "x",
        "22",
        "22-tcp",
        "0-TCP",
        "65536-TCP",
        "22-TCP-",
        "-22-TCP",
        "022-TCP",
    ] {
        let (status, code, text) = app
            .native(&reader, &format!("/statistics?cursor={bad}"))
            .error();
        assert_eq!((status, code.as_str()), (400, "HSS.0001"), "{bad:?}");
        assert!(
            text.starts_with("Invalid parameter. cursor must be a next_cursor of this call, got "),
            "{text}"
        );
    }
    let twice = app.native(&reader, "/statistics?cursor=22-TCP&cursor=22-TCP");
    assert_eq!(
        twice.error().2,
        "Invalid parameter. cursor must be given once, got it twice"
    );
}
