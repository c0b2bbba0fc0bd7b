//! What the rows of the HSS statistics say, beyond the cases of the contract.

use portolan_server::Settings;
use serde_json::json;

use crate::app::{ALL, App, Token};
use crate::fleet::{Host, UUID, fleet, tcp, udp};
use crate::model::Question;
use crate::support::{column, rows, texts};

const PROJECT: &str = "p1";

/// A server that holds the fixture fleet.
fn with_fleet(tokens: &[&Token], settings: Settings) -> (App, Vec<Host>) {
    let agent = Token::agent(PROJECT, ALL);
    let app = App::with_settings(&[tokens, &[&agent]].concat(), settings);
    let hosts = fleet();
    app.report(&agent, &hosts.iter().collect::<Vec<_>>());
    (app, hosts)
}

#[test]
fn each_filter_gives_the_rows_of_the_model_and_so_do_all_pairs_of_them() {
    let reader = Token::reader(PROJECT, ALL);
    let (app, hosts) = with_fleet(&[&reader], Settings::default());
    type Change = fn(&mut Question);
    let parts: &[(&str, Change)] = &[
        ("port=22", |q| q.port = Some(22)),
        ("port=443", |q| q.port = Some(443)),
        ("type=TCP", |q| q.kind = Some("TCP".into())),
        ("type=TCP6", |q| q.kind = Some("TCP6".into())),
        ("type=UDP6", |q| q.kind = Some("UDP6".into())),
        ("enterprise_project_id=all_granted_eps", |q| {
            q.enterprise_project_id = "all_granted_eps".into();
        }),
        (
            "enterprise_project_id=3f1b2c4d-0000-4000-8000-1234567890ab",
            |q| {
                q.enterprise_project_id = UUID.into();
            },
        ),
        ("enterprise_project_id=nobody", |q| {
            q.enterprise_project_id = "nobody".into()
        }),
        ("limit=200", |q| q.limit = 200),
        ("offset=3", |q| q.offset = 3),
        ("offset=199", |q| q.offset = 199),
        ("category=container", |q| q.category = "container".into()),
        ("port_string=44", |q| q.port_string = Some("44".into())),
        ("port_string=x", |q| q.port_string = Some("x".into())),
        ("status=danger", |q| q.status = Some("danger".into())),
        ("status=unknow", |q| q.status = Some("unknown".into())),
        ("sort_dir=desc", |q| q.descending = true),
        ("sort_key=port", |_| {}),
    ];
    let name = |part: &str| part.split_once('=').unwrap().0.to_owned();
    for (place, (first, change)) in parts.iter().enumerate() {
        for (second, and_change) in &parts[place..] {
            if name(first) == name(second) && first != second {
                continue;
            }
            let mut question = Question::default();
            change(&mut question);
            and_change(&mut question);
            let query = if first == second {
                (*first).to_owned()
            } else {
                format!("{first}&{second}")
            };
            assert_eq!(
                app.hss(&reader, &query).ok(),
                question.answer(&hosts),
                "{query}"
            );
        }
    }
}

#[test]
fn the_fleet_counts_what_people_would_count() {
    let reader = Token::reader(PROJECT, ALL);
    let (app, _) = with_fleet(&[&reader], Settings::default());
    let answers = [
        // Both families, several addresses, several processes and twins count once a host; the
        // port of a host-network container counts as its host's.
        ("port=22", vec![(22, "TCP", 4)]),
        ("port=80", vec![(80, "TCP", 1)]),
        ("port=8080", vec![(8080, "TCP", 2), (8080, "UDP", 1)]),
        ("port=443", vec![(443, "TCP", 3)]),
        ("port=9100", vec![(9100, "TCP", 1)]),
        // IPv6 sockets only, told as such; a mapped address is none.
        ("port=22&type=TCP6", vec![(22, "TCP6", 2)]),
        ("port=123&type=UDP6", vec![(123, "UDP6", 2)]),
        ("port=443&type=TCP6", vec![]),
        // Containers: two of one host, one of a pod, and a namespace without one.
        (
            "port=443&category=container",
            vec![(443, "TCP", 4), (443, "UDP", 1)],
        ),
        (
            "port=443&category=container&type=TCP6",
            vec![(443, "TCP6", 1)],
        ),
        ("port=6379&category=container", vec![(6379, "TCP", 1)]),
        (
            "port=22&enterprise_project_id=all_granted_eps",
            vec![(22, "TCP", 6)],
        ),
    ];
    for (query, expected) in answers {
        let body = app.hss(&reader, query).ok();
        assert_eq!(rows(&body), expected, "{query}");
        assert_eq!(body["total_num"], expected.len(), "{query}");
    }
}

#[test]
fn descending_order_turns_the_ports_round_and_leaves_tcp_before_udp_on_every_page() {
    let reader = Token::reader(PROJECT, ALL);
    let (app, hosts) = with_fleet(&[&reader], Settings::default());
    let all = Question {
        descending: true,
        ..Question::default()
    }
    .rows(&hosts, |_| true);
    // Pages of 11 cut pairs of one port in two at either end.
    for offset in 0..all.len() + 2 {
        let body = app
            .hss(&reader, &format!("sort_dir=desc&limit=11&offset={offset}"))
            .ok();
        let expected: Vec<_> = all
            .iter()
            .skip(offset)
            .take(11)
            .map(|r| (u64::from(r.0), r.1))
            .collect();
        let given: Vec<_> = rows(&body)
            .into_iter()
            .map(|(port, kind, _)| (port, kind))
            .collect();
        assert_eq!(given, expected, "offset {offset}");
        assert_eq!(body["total_num"], all.len());
    }
}

#[test]
fn a_row_has_three_fields_and_a_status_where_the_request_or_the_setting_asks_for_it() {
    let reader = Token::reader(PROJECT, ALL);
    let fields = |app: &App, query: &str| {
        let body = app.hss(&reader, query).ok();
        let row = body["data_list"][0].as_object().unwrap();
        let mut names: Vec<&str> = row.keys().map(String::as_str).collect();
        names.sort_unstable();
        names.join(",")
    };
    let (plain, _) = with_fleet(&[&reader], Settings::default());
    assert_eq!(fields(&plain, "port=22"), "num,port,type");
    assert_eq!(
        fields(&plain, "port=22&status=normal"),
        "num,port,status,type"
    );
    let (told, _) = with_fleet(
        &[&reader],
        Settings {
            status_field: true,
            ..Settings::default()
        },
    );
    assert_eq!(fields(&told, "port=22"), "num,port,status,type");
    // The status selects rows and never changes how many assets they have.
    for (status, port) in [("danger", 23), ("normal", 22), ("unknown", 1)] {
        let with = told
            .hss(&reader, &format!("port={port}&status={status}"))
            .ok();
        assert_eq!(with, told.hss(&reader, &format!("port={port}")).ok());
        assert!(
            texts(&with, "status").iter().all(|given| given == &status),
            "{with}"
        );
        for other in ["danger", "normal", "unknown"]
            .into_iter()
            .filter(|other| *other != status)
        {
            let without = told
                .hss(&reader, &format!("port={port}&status={other}"))
                .ok();
            assert_eq!(without, json!({"total_num": 0, "data_list": []}));
        }
    }
}

/// Invariant 8: a credential for part of a project counts that part alone.
#[test]
fn the_union_of_a_partial_credential_adds_the_assets_and_counts_each_row_once() {
    let of = |grants: &[&str]| Token::reader(PROJECT, grants);
    let (both, only_x, reversed) = (of(&["0", "x"]), of(&["x"]), of(&[UUID, "0"]));
    let (app, hosts) = with_fleet(&[&both, &only_x, &reversed], Settings::default());
    for reader in [&both, &only_x, &reversed] {
        for part in [
            "",
            "&category=container",
            "&type=TCP6",
            "&sort_dir=desc",
            "&port_string=2",
        ] {
            let mut question = Question {
                enterprise_project_id: "all_granted_eps".into(),
                limit: 200,
                descending: part.contains("desc"),
                ..Question::default()
            };
            match part {
                "&category=container" => question.category = "container".into(),
                "&type=TCP6" => question.kind = Some("TCP6".into()),
                "&port_string=2" => question.port_string = Some("2".into()),
                _ => {}
            }
            let granted = |id: &str| reader.enterprise_projects.iter().any(|grant| grant == id);
            let expected = question.rows(&hosts, granted);
            let target = format!("enterprise_project_id=all_granted_eps&limit=200{part}");
            let body = app.hss(reader, &target).ok();
            let given: Vec<_> = rows(&body)
                .into_iter()
                .map(|(port, _, num)| (port, num))
                .collect();
            let page = expected
                .iter()
                .take(200)
                .map(|row| (u64::from(row.0), row.2 as u64));
            assert_eq!(
                given,
                page.collect::<Vec<_>>(),
                "{:?}{part}",
                reader.enterprise_projects
            );
            assert_eq!(body["total_num"], expected.len());
        }
    }
    let num = |reader: &Token| {
        app.hss(reader, "port=22&enterprise_project_id=all_granted_eps")
            .ok()
    };
    assert_eq!(
        rows(&num(&both)),
        [(22, "TCP", 5)],
        "4 of the default one and 1 of x"
    );
    assert_eq!(rows(&num(&only_x)), [(22, "TCP", 1)]);
}

#[test]
fn counts_above_ten_thousand_are_told_as_they_are() {
    let (reader, agent) = (Token::reader(PROJECT, ALL), Token::agent(PROJECT, ALL));
    let app = App::start(&[&reader, &agent]);
    let many = (1..=11_000).map(|port| tcp("0.0.0.0", port)).collect();
    let containers = (0..10_500)
        .map(|n| tcp("0.0.0.0", 80).netns(&format!("netns-{n}")))
        .collect();
    app.report(
        &agent,
        &[
            &Host::new("ports", "0", many),
            &Host::new("containers", "0", containers),
        ],
    );
    let last = app.hss(&reader, "offset=10990").ok();
    assert_eq!(last["total_num"], 11_000);
    assert_eq!(
        column(&last, "port"),
        (10_991..=11_000)
            .map(|port| json!(port))
            .collect::<Vec<_>>()
            .iter()
            .collect::<Vec<_>>()
    );
    assert_eq!(
        rows(&app.hss(&reader, "category=container").ok()),
        [(80, "TCP", 10_500)]
    );
}

#[test]
fn a_project_without_hosts_has_no_rows_and_says_so() {
    let reader = Token::reader(PROJECT, ALL);
    let app = App::start(&[&reader]);
    for query in [
        "",
        "port=22",
        "category=container&sort_dir=desc&enterprise_project_id=all_granted_eps",
    ] {
        let answer = app.hss(&reader, query);
        assert_eq!(
            answer.ok(),
            json!({"total_num": 0, "data_list": []}),
            "{query}"
        );
        assert_eq!(answer.header("x-portolan-hosts"), Some("fresh=0, stale=0"));
    }
}

#[test]
fn a_port_that_all_hosts_closed_is_no_row_any_more() {
    let (reader, agent) = (Token::reader(PROJECT, ALL), Token::agent(PROJECT, ALL));
    let app = App::start(&[&reader, &agent]);
    let (a, b) = (
        Host::new("a", "0", vec![tcp("::", 22), udp("::", 53)]),
        Host::new("b", "0", vec![tcp("::", 22)]),
    );
    app.report(&agent, &[&a, &b]);
    app.report(&agent, &[&a.next(vec![tcp("::", 22)])]);
    assert_eq!(rows(&app.hss(&reader, "").ok()), [(22, "TCP", 2)]);
    app.report(&agent, &[&a.next(vec![]).next(vec![]), &b.next(vec![])]);
    let body = app.hss(&reader, "").ok();
    assert_eq!(body, json!({"total_num": 0, "data_list": []}));
}
