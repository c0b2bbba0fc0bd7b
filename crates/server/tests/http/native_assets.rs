//! `GET …/ports/{port}/assets`: the hosts that have a port open.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::app::{ALL, App, Token};
use crate::fleet::{Host, fleet, tcp, udp};
use crate::support::{rows, texts};

fn app(tokens: &[&Token]) -> (App, Token, Token) {
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    (
        App::start(&[tokens, &[&reader, &agent]].concat()),
        reader,
        agent,
    )
}

#[test]
fn the_assets_of_a_port_are_those_that_the_statistics_count() {
    let (app, reader, agent) = app(&[]);
    app.report(&agent, &fleet().iter().collect::<Vec<_>>());
    for port in [22, 53, 443, 8080, 6379, 30_150, 7] {
        for query in [
            "category=host",
            "category=container",
            "type=UDP",
            "type=TCP&category=container",
        ] {
            let assets = app
                .native(&reader, &format!("/ports/{port}/assets?{query}&limit=200"))
                .ok();
            let query = format!("port={port}&enterprise_project_id=all_granted_eps&{query}");
            let mut nums = BTreeMap::<&str, u64>::new();
            for row in assets["data_list"].as_array().unwrap() {
                *nums.entry(row["type"].as_str().unwrap()).or_default() +=
                    row["num"].as_u64().unwrap();
            }
            let counted = app.hss(&reader, &query).ok();
            let counted: BTreeMap<&str, u64> = rows(&counted)
                .into_iter()
                .map(|(_, kind, num)| (kind, num))
                .collect();
            assert_eq!(nums, counted, "{query}");
        }
    }
}

#[test]
fn a_row_names_the_host_the_type_and_how_many_of_its_assets_have_the_port() {
    let (app, reader, agent) = app(&[]);
    app.report(&agent, &fleet().iter().collect::<Vec<_>>());
    let row = |host_id: &str, kind: &str, ep: &str, num: u64, exposures: &[&str]| json!({"host_id": host_id, "type": kind, "enterprise_project_id": ep, "num": num, "exposures": exposures});
    let uuid = crate::fleet::UUID;
    let body = app
        .native(&reader, "/ports/443/assets?category=container")
        .ok();
    let expected = [
        row("d-containers", "TCP", "0", 4, &["private"]),
        row("d-containers", "UDP", "0", 1, &["private"]),
        row("g-uuid", "TCP", uuid, 4, &["private"]),
        row("g-uuid", "UDP", uuid, 1, &["private"]),
        row("h-x", "TCP", "x", 1, &["private"]),
    ];
    assert_eq!(
        body,
        json!({
            "hosts": {"fresh": 8, "stale": 0, "never": 0},
            "total_num": 5, "data_list": expected, "next_cursor": null,
        })
    );
    let body = app
        .native(&reader, "/ports/8080/assets?enterprise_project_id=0")
        .ok();
    let expected = [
        row("a-dual", "TCP", "0", 1, &["any"]),
        row("c-v6", "TCP", "0", 1, &["loopback"]),
        row("c-v6", "UDP", "0", 1, &["loopback"]),
    ];
    assert_eq!(body["data_list"], json!(expected));
    let none = json!({"hosts": {"fresh": 8, "stale": 0, "never": 0}, "total_num": 0, "data_list": [], "next_cursor": null});
    assert_eq!(app.native(&reader, "/ports/7/assets").ok(), none);
}

#[test]
fn types_of_ipv6_give_the_hosts_with_such_sockets_and_are_told_as_asked() {
    let (app, reader, agent) = app(&[]);
    app.report(&agent, &fleet().iter().collect::<Vec<_>>());
    for (port, query, expected) in [
        (
            22,
            "type=TCP6",
            vec!["a-dual TCP6 1", "c-v6 TCP6 1", "h-x TCP6 1"],
        ),
        (443, "type=TCP6", vec![]),
        (
            443,
            "type=TCP6&category=container",
            vec!["d-containers TCP6 1", "g-uuid TCP6 1"],
        ),
        (123, "type=UDP6", vec!["a-dual UDP6 1", "c-v6 UDP6 1"]),
    ] {
        let (mut given, mut cursor) = (Vec::new(), String::new());
        loop {
            let target = format!("/ports/{port}/assets?limit=1&{query}{cursor}");
            let body = app.native(&reader, &target).ok();
            assert_eq!(body["total_num"], expected.len(), "{query}");
            let named = body["data_list"].as_array().unwrap().iter();
            given.extend(named.map(|row| {
                let text = |name: &str| row[name].as_str().unwrap().to_owned();
                format!("{} {} {}", text("host_id"), text("type"), row["num"])
            }));
            let Some(next) = body["next_cursor"].as_str() else {
                break;
            };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(given, expected, "{port} {query}");
    }
}

/// Invariant 8: only assets of enterprise projects that are granted.
#[test]
fn a_partial_credential_sees_its_own_assets_only() {
    let (part, foreign) = (Token::reader("p1", &["x", "y"]), Token::reader("p2", ALL));
    let (app, reader, agent) = app(&[&part, &foreign]);
    app.report(&agent, &fleet().iter().collect::<Vec<_>>());
    let ids = |token: &Token, query: &str| {
        let body = app.native(token, &format!("/ports/22/assets?{query}")).ok();
        let ids = texts(&body, "host_id").join(" ");
        assert_eq!(body["total_num"], ids.split_whitespace().count());
        ids
    };
    assert_eq!(ids(&reader, ""), "a-dual b-v4 c-v6 d-containers g-uuid h-x");
    assert_eq!(ids(&part, ""), "h-x");
    assert_eq!(ids(&part, "enterprise_project_id=all_granted_eps"), "h-x");
    assert_eq!(ids(&part, "enterprise_project_id=y"), "");
    assert_eq!(ids(&foreign, ""), "");
    assert_eq!(
        app.native(&part, "/ports/22/assets?enterprise_project_id=0")
            .code(),
        (400, "HSS.0013".into())
    );
}

#[test]
fn pages_of_assets_skip_none_whatever_the_ids_of_the_hosts() {
    let (app, reader, agent) = app(&[]);
    // Ids that begin with another id, followed by characters on either side of what a cursor may
    // put between its parts.
    let mut ids = [
        "web", "web-1", "web.1", "web1", "web:1", "web-1.a", "a", "web_", "WEB", "TCP", "web-",
    ]
    .map(str::to_owned);
    ids.sort();
    let hosts: Vec<Host> = ids
        .iter()
        .map(|id| Host::new(id, "0", vec![tcp("::", 53), udp("::", 53)]))
        .collect();
    app.report(&agent, &hosts.iter().collect::<Vec<_>>());
    let expected: Vec<String> = ids
        .iter()
        .flat_map(|id| [format!("{id} TCP"), format!("{id} UDP")])
        .collect();
    for limit in [1, 2, 3, 5, 21, 22, 23] {
        let (mut given, mut cursor) = (Vec::new(), String::new());
        for _ in 0..30 {
            let body = app
                .native(&reader, &format!("/ports/53/assets?limit={limit}{cursor}"))
                .ok();
            assert_eq!(body["total_num"], 22);
            let named = body["data_list"].as_array().unwrap().iter();
            given.extend(named.map(|row| {
                format!(
                    "{} {}",
                    row["host_id"].as_str().unwrap(),
                    row["type"].as_str().unwrap()
                )
            }));
            let Some(next) = body["next_cursor"].as_str() else {
                break;
            };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(given, expected, "limit {limit}");
    }
}

#[test]
fn assets_that_stay_are_returned_exactly_once_while_others_come_and_go() {
    let (app, reader, agent) = app(&[]);
    let open = || vec![tcp("::", 22)];
    let staying: Vec<Host> = (0..30)
        .map(|n| Host::new(&format!("m{n:02}"), "0", open()))
        .collect();
    app.report(&agent, &staying.iter().collect::<Vec<_>>());
    let (mut seen, mut cursor, mut came) = (
        BTreeMap::<String, u32>::new(),
        String::new(),
        Vec::<Host>::new(),
    );
    for round in 0..100 {
        let body = app
            .native(&reader, &format!("/ports/22/assets?limit=4{cursor}"))
            .ok();
        let ids = texts(&body, "host_id");
        ids.iter()
            .for_each(|id| *seen.entry((*id).to_owned()).or_default() += 1);
        let Some(next) = body["next_cursor"].as_str() else {
            break;
        };
        // Some that came close the port again, the last row of the page among them.
        let closing: Vec<Host> = came.iter().map(|host| host.next(vec![])).collect();
        let last = *ids.last().unwrap();
        came = [
            format!("a{round}"),
            format!("{last}-"),
            format!("{last}."),
            format!("{last}0"),
        ]
        .map(|id| Host::new(&id, "0", open()))
        .to_vec();
        app.report(&agent, &came.iter().chain(&closing).collect::<Vec<_>>());
        cursor = format!("&cursor={next}");
    }
    for host in &staying {
        assert_eq!(seen.get(&host.id), Some(&1), "{}", host.id);
    }
    assert!(seen.values().all(|&times| times == 1), "{seen:?}");
}

/// A port of more than 4,096 hosts is paged in another way than one of few.
#[test]
fn pages_of_a_port_that_thousands_of_hosts_have_skip_none() {
    let part = Token::reader("p1", &["even"]);
    let (app, reader, agent) = app(&[&part]);
    let hosts: Vec<Host> = (0..9_000)
        .map(|n| {
            let ep = if n % 2 == 0 { "even" } else { "odd" };
            // Reported in another order than that of the ids.
            Host::new(
                &format!("h{:04}", n * 7_919 % 9_000),
                ep,
                vec![tcp("::", 22)],
            )
        })
        .collect();
    for some in hosts.chunks(1_000) {
        app.report(&agent, &some.iter().collect::<Vec<_>>());
    }
    for token in [&reader, &part] {
        let mut expected: Vec<&str> = hosts
            .iter()
            .filter(|host| token.enterprise_projects == ALL || host.enterprise_project == "even")
            .map(|host| &*host.id)
            .collect();
        expected.sort_unstable();
        let (mut given, mut cursor) = (Vec::new(), String::new());
        loop {
            let body = app
                .native(token, &format!("/ports/22/assets?limit=200{cursor}"))
                .ok();
            assert_eq!(body["total_num"], expected.len());
            given.extend(texts(&body, "host_id").into_iter().map(str::to_owned));
            let Some(next) = body["next_cursor"].as_str() else {
                break;
            };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(given, expected);
    }
}

#[test]
fn faults_of_the_port_and_the_filters_are_told() {
    let (app, reader, _) = app(&[]);
    for (target, text) in [
        ("/ports/0/assets", "port must be 1 to 65535, got 0"),
        ("/ports/65536/assets", "port must be 1 to 65535, got 65536"),
        ("/ports/%2022/assets", "port must be 1 to 65535, got  22"),
        ("/ports/ssh/assets", "port must be 1 to 65535, got ssh"),
        (
            "/ports/22/assets?type=ssh",
            "type must be TCP, UDP, TCP6 or UDP6, got ssh",
        ),
        (
            "/ports/22/assets?category=pod",
            "category must be host or container, got pod",
        ),
        ("/ports/22/assets?limit=0", "limit must be 1 to 200, got 0"),
        (
            "/ports/22/assets?cursor=web",
            "cursor must be a next_cursor of this call, got web",
        ),
        (
            "/ports/22/assets?cursor=web/tcp",
            "cursor must be a next_cursor of this call, got web/tcp",
        ),
    ] {
        let expected = (400, "HSS.0001".into(), format!("Invalid parameter. {text}"));
        assert_eq!(app.native(&reader, target).error(), expected);
    }
    // What was given is told, but not at any length.
    let long = app
        .native(&reader, &format!("/ports/{}/assets", "9".repeat(5_000)))
        .error()
        .2;
    assert!(
        long.chars().count() < 200,
        "{} characters",
        long.chars().count()
    );
    let body: Value = app.native(&reader, "/ports/22/assets").ok();
    assert_eq!(body["total_num"], 0);
}
