//! Lists of open ports while hosts join and report.

use serde_json::{Value, json};

use crate::app::{ALL, App, Token};
use crate::fleet::{Host, tcp, udp};
use crate::listener_model::Question;
use crate::listeners::{DETAIL, PORTS, app, assert_lists, get, paged};
use crate::support::eventually;

#[test]
fn a_host_that_joins_comes_last_and_one_that_reports_stays_where_it_is() {
    let (app, reader, agent, mut hosts) = app(&[]);
    let question = Question {
        port: Some(22),
        ..Question::ALL
    };
    let first = get(
        &app,
        &reader,
        DETAIL,
        &format!("{}&limit=10", question.query()),
    );
    // Its id is before all others.
    hosts.push(Host::new(
        "0-new",
        "0",
        vec![tcp("0.0.0.0", 22), tcp("::", 22), tcp("::1", 22)],
    ));
    hosts[0] = hosts[0].next(hosts[0].ports.clone());
    app.report(&agent, &[hosts.last().unwrap(), &hosts[0]]);
    let expected = question.port_hosts(&hosts);
    let (total, rows) = paged(&app, &reader, DETAIL, &question.query(), 10);
    assert_eq!((total, &rows), (expected.len() as u64, &expected));
    assert_eq!(
        first["data_list"].as_array().unwrap()[..],
        rows[..first["data_list"].as_array().unwrap().len()]
    );
}

/// What a report changes is on the pages at once, in the middle of a host's listeners as well.
#[test]
fn listeners_that_open_and_close_are_counted_at_once_and_after_a_restart() {
    let (mut app, reader, agent, mut hosts) = app(&[]);
    let questions = [
        (Some(53), None),
        (Some(53), Some("UDP6")),
        (Some(22), None),
        (None, None),
    ]
    .map(|(port, kind)| Question {
        port,
        kind,
        ..Question::ALL
    });
    for round in 0..4 {
        for (place, host) in hosts.iter_mut().enumerate() {
            let mut ports = host.ports.clone();
            // Every third listener goes, and some come.
            let mut nth = 0;
            ports.retain(|_| {
                nth += 1;
                (nth + place + round) % 3 != 0
            });
            ports.push(tcp(&format!("10.9.{round}.{place}"), 53));
            ports.push(udp(&format!("fd01::{round}:{place}"), 53));
            *host = host.next(ports);
        }
        app.report(&agent, &hosts.iter().collect::<Vec<_>>());
        for question in &questions {
            assert_lists(&app, &reader, &hosts, question, &[200]);
        }
    }
    let recount = app.native(&reader, "/recount").ok();
    assert_eq!(recount["differences"], json!([]));
    app.restart();
    for question in &questions {
        // The order of hosts is another one now.
        let sorted = |mut rows: Vec<Value>| {
            rows.sort_by_key(Value::to_string);
            rows
        };
        let (total, rows) = paged(&app, &reader, PORTS, &question.query(), 100);
        let expected = question.host_ports(&hosts);
        assert_eq!(
            (total, sorted(rows)),
            (expected.len() as u64, sorted(expected))
        );
    }
    assert_eq!(
        app.native(&reader, "/recount").ok()["differences"],
        json!([])
    );
}

/// The view and the store may be of different reports: no page shows more than it says there is,
/// nor anything twice.
#[test]
fn pages_that_are_read_beside_reports_never_hold_more_than_they_count() {
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    let app = App::start(&[&reader, &agent]);
    let ports = |few: bool| {
        (0..if few { 2 } else { 9 })
            .map(|n| tcp(&format!("10.0.0.{n}"), 22))
            .collect()
    };
    let mut hosts: Vec<Host> = (0..10)
        .map(|n| Host::new(&format!("h{n}"), "0", ports(false)))
        .collect();
    app.report(&agent, &hosts.iter().collect::<Vec<_>>());
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for round in 0..150 {
                for host in &mut hosts {
                    *host = host.next(ports(round % 2 == 0));
                }
                app.report(&agent, &hosts.iter().collect::<Vec<_>>());
            }
        });
        let mut pages = 0;
        while !writing.is_finished() || pages == 0 {
            let page = get(&app, &reader, DETAIL, "port=22&limit=200");
            let total = page["total_num"].as_u64().unwrap();
            // All reports of a request are one commit.
            assert!(total == 20 || total == 90, "{total}");
            let mut rows: Vec<String> = page["data_list"]
                .as_array()
                .unwrap()
                .iter()
                .map(Value::to_string)
                .collect();
            assert!(rows.len() as u64 <= total);
            rows.sort_unstable();
            rows.dedup();
            assert_eq!(rows.len(), page["data_list"].as_array().unwrap().len());
            pages += 1;
        }
    });
    let (total, rows) = paged(&app, &reader, DETAIL, "port=22", 10);
    assert_eq!((total, rows.len()), (90, 90));
}

/// Invariant 7: what looks through all hosts waits for its turn, and that is counted.
#[test]
fn requests_that_look_through_all_hosts_are_few_at_a_time_and_those_that_wait_are_counted() {
    let (app, reader, _, hosts) = app(&[]);
    let waited = || app.metric("portolan_limits_reached_total{limit=\"store_scans\"}");
    assert_eq!(waited(), 0);
    let question = Question {
        host_name: Some("name-of-many"),
        ..Question::ALL
    };
    let expected = question.host_ports(&hosts).len();
    eventually("one of them waits", || {
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    let body = get(&app, &reader, PORTS, &question.query());
                    assert_eq!(body["total_num"], expected);
                });
            }
        });
        waited() > 0
    });
}
