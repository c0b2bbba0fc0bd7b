//! From where open ports can be reached: `exposure` of the native reads, and `GET …/exposures`.

use serde_json::{Value, json};

use crate::app::{ALL, App, Token};
use crate::fleet::{Host, fleet, tcp, udp};
use crate::model::{EXPOSURES, Question, exposure};
use crate::support::{Numbers, rows, texts};

fn tokens() -> (Token, Token) {
    (Token::reader("p1", ALL), Token::agent("p1", ALL))
}

/// The fixture fleet, and a host with every exposure, in one row and in many.
fn hosts() -> Vec<Host> {
    let ports = vec![
        tcp("127.0.0.1", 22),
        tcp("169.254.7.7", 22),
        tcp("203.0.113.7", 22),
        tcp("fe80::7", 17_001),
        udp("100.64.7.7", 17_002),
        tcp("2001:db8::7", 17_002),
        tcp("::", 443).netns("n1"),
        tcp("0.0.0.0", 443)
            .netns("n2")
            .published(&["127.0.0.1", "100.64.7.7"]),
        tcp("10.88.0.2", 443).netns("n3").published(&["0.0.0.0"]),
        tcp("127.0.0.1", 443).netns("n3"),
        tcp("127.0.0.1", 6379).netns("n3"),
    ];
    let every = Host::new("i-every", "0", ports);
    fleet().into_iter().chain([every]).collect()
}

/// All rows of a list that pages by cursor, and that its total is told on each page.
fn all_pages(app: &App, token: &Token, target: &str) -> Vec<Value> {
    let (mut given, mut cursor) = (Vec::new(), String::new());
    loop {
        let body = app
            .native(token, &format!("{target}&limit=10{cursor}"))
            .ok();
        given.extend(body["data_list"].as_array().unwrap().clone());
        let Some(next) = body["next_cursor"].as_str() else {
            assert_eq!(body["total_num"], given.len(), "{target}");
            return given;
        };
        cursor = format!("&cursor={next}");
    }
}

#[test]
fn each_exposure_counts_the_assets_with_such_a_socket() {
    let (reader, agent) = tokens();
    let part = Token::reader("p1", &["x", "0"]);
    let app = App::start(&[&reader, &agent, &part]);
    let hosts = hosts();
    app.report(&agent, &hosts.iter().collect::<Vec<_>>());
    let mut seen = 0;
    for name in EXPOSURES {
        for (category, ep) in [
            ("host", "0"),
            ("host", "all_granted_eps"),
            ("container", "0"),
            ("container", "all_granted_eps"),
        ] {
            for (kind, port, status) in [
                (None, None, None),
                (Some("TCP"), None, None),
                (Some("UDP"), None, Some("unknown")),
                (None, Some(443), None),
                (None, Some(22), Some("normal")),
                (Some("TCP"), None, Some("danger")),
            ] {
                let question = Question {
                    port,
                    kind: kind.map(str::to_owned),
                    enterprise_project_id: ep.into(),
                    category: category.into(),
                    status: status.map(str::to_owned),
                    exposure: Some(name.into()),
                    ..Question::default()
                };
                let mut query =
                    format!("exposure={name}&category={category}&enterprise_project_id={ep}");
                let pairs = [
                    ("type", kind.map(str::to_owned)),
                    ("port", port.map(|port| port.to_string())),
                    ("status", status.map(str::to_owned)),
                ];
                for (name, value) in pairs {
                    query.extend(value.map(|value| format!("&{name}={value}")));
                }
                for (token, granted) in [(&reader, ALL), (&part, &["x", "0"] as &[&str])] {
                    let grants = |id: &str| granted == ALL || granted.contains(&id);
                    let expected: Vec<_> = question
                        .rows(&hosts, grants)
                        .into_iter()
                        .map(|(port, kind, num)| (u64::from(port), kind, num as u64))
                        .collect();
                    let list = all_pages(&app, token, &format!("/statistics?{query}"));
                    let body = json!({ "data_list": list });
                    assert_eq!(rows(&body), expected, "{query} {granted:?}");
                    seen += usize::from(!expected.is_empty());
                }
            }
        }
    }
    assert!(seen > 60, "{seen} of 288 lists have rows");
}

#[test]
fn exposures_tell_how_much_there_is_of_each() {
    let (reader, agent) = tokens();
    let part = Token::reader("p1", &["x", "0"]);
    let app = App::start(&[&reader, &agent, &part]);
    let none = |name: &&str| json!({"exposure": name, "row_num": 0, "open_num": 0});
    let empty = app.native(&reader, "/exposures").ok();
    assert_eq!(
        empty,
        json!({
            "as_of": "2026-11-24T02:12:59.999999Z", "hosts": {"fresh": 0, "stale": 0, "never": 0},
            "total_num": 6, "data_list": EXPOSURES.iter().map(none).collect::<Vec<_>>(),
        })
    );
    let hosts = hosts();
    app.report(&agent, &hosts.iter().collect::<Vec<_>>());
    for (query, kind, port, category, ep) in [
        ("", None, None, "host", "0"),
        ("category=container", None, None, "container", "0"),
        ("type=UDP", Some("UDP"), None, "host", "0"),
        ("port=22", None, Some(22), "host", "0"),
        (
            "type=TCP&port=443&category=container&enterprise_project_id=all_granted_eps",
            Some("TCP"),
            Some(443),
            "container",
            "all_granted_eps",
        ),
        ("enterprise_project_id=x", None, None, "host", "x"),
    ] {
        for token in [&reader, &part] {
            let granted = |id: &str| token.enterprise_projects == ALL || ["x", "0"].contains(&id);
            let expected = EXPOSURES.map(|name| {
                let question = Question {
                    port,
                    kind: kind.map(str::to_owned),
                    enterprise_project_id: ep.into(),
                    category: category.into(),
                    exposure: Some(name.into()),
                    ..Question::default()
                };
                let rows = question.rows(&hosts, granted);
                let open: usize = rows.iter().map(|(_, _, num)| num).sum();
                json!({"exposure": name, "row_num": rows.len(), "open_num": open})
            });
            let told = app.native(token, &format!("/exposures?{query}")).ok();
            assert_eq!(told["data_list"], json!(expected), "{query}");
        }
    }
    let told = app
        .native(&reader, "/exposures?enterprise_project_id=x")
        .ok();
    assert_eq!(told["hosts"], json!({"fresh": 1, "stale": 0, "never": 0}));
}

#[test]
fn the_assets_of_an_exposure_are_those_with_such_a_socket() {
    let (reader, agent) = tokens();
    let app = App::start(&[&reader, &agent]);
    let hosts = hosts();
    app.report(&agent, &hosts.iter().collect::<Vec<_>>());
    for name in EXPOSURES {
        for category in ["host", "container"] {
            for port in [22, 443, 6379, 17_002, 30_150, 8080] {
                let mut expected = Vec::new();
                for host in &hosts {
                    let question = |exposure: Option<&str>| Question {
                        port: Some(port),
                        category: category.into(),
                        enterprise_project_id: host.enterprise_project.clone(),
                        exposure: exposure.map(str::to_owned),
                        ..Question::default()
                    };
                    for (_, kind, num) in question(Some(name)).rows([host], |_| true) {
                        let has = |name: &&str| {
                            let rows = question(Some(name)).rows([host], |_| true);
                            rows.iter().any(|(_, other, _)| *other == kind)
                        };
                        let exposures: Vec<&str> = EXPOSURES.into_iter().filter(has).collect();
                        expected.push(json!({
                            "host_id": host.id, "type": kind, "num": num, "exposures": exposures,
                            "enterprise_project_id": host.enterprise_project,
                        }));
                    }
                }
                expected.sort_by_key(|row| (row["host_id"].to_string(), row["type"].to_string()));
                let target = format!("/ports/{port}/assets?exposure={name}&category={category}");
                let given = all_pages(&app, &reader, &target);
                assert_eq!(given, expected, "{target}");
                // One at a time: the cursor names a row, whatever the exposure.
                let one = app.native(&reader, &format!("{target}&limit=1")).ok();
                assert_eq!(one["total_num"], expected.len(), "{target}");
                assert_eq!(
                    one["data_list"].as_array().unwrap().first(),
                    expected.first()
                );
            }
        }
    }
}

/// A port that thousands of hosts have is found in another way than one of few.
#[test]
fn the_few_of_an_exposure_are_found_among_thousands() {
    let (reader, agent) = tokens();
    let app = App::start(&[&reader, &agent]);
    let of = |n: usize| {
        let address = match n % 500 {
            7 => "203.0.113.7",
            _ => "0.0.0.0",
        };
        let ports = vec![
            tcp(address, 22),
            tcp(address, 22).netns("n").published(&[address]),
        ];
        Host::new(&format!("h{n:04}"), "0", ports)
    };
    let hosts: Vec<Host> = (0..5_000).map(of).collect();
    for some in hosts.chunks(1_000) {
        app.report(&agent, &some.iter().collect::<Vec<_>>());
    }
    for category in ["host", "container"] {
        for (name, share) in [("public", 10), ("any", 4_990)] {
            let target = format!("/ports/22/assets?exposure={name}&category={category}&limit=200");
            let body = app.native(&reader, &target).ok();
            assert_eq!(body["total_num"], share, "{target}");
            let expected = hosts.iter().filter(|host| exposure(&host.ports[0]) == name);
            let expected: Vec<&str> = expected.map(|host| &*host.id).take(200).collect();
            assert_eq!(texts(&body, "host_id"), expected, "{target}");
        }
    }
}

#[test]
fn a_host_tells_the_exposure_of_each_port() {
    let (reader, agent) = tokens();
    let app = App::start(&[&reader, &agent]);
    let hosts = hosts();
    app.report(&agent, &hosts.iter().collect::<Vec<_>>());
    for host in &hosts {
        let page = app.native(&reader, &format!("/hosts/{}", host.id)).ok();
        let list = page["data_list"].as_array().unwrap();
        for port in &host.ports {
            let canonical: std::net::IpAddr = port.laddr.parse().unwrap();
            let is_it = |told: &&Value| {
                told["laddr"] == canonical.to_canonical().to_string()
                    && told["port"] == port.port
                    && told["type"] == port.transport
                    && told["netns"] == json!(port.netns)
            };
            let told = list.iter().find(is_it).unwrap();
            assert_eq!(told["exposure"], exposure(port), "{told}");
        }
    }
}

/// What counts cannot tell is refused, by name, and never guessed.
#[test]
fn an_exposure_of_one_address_family_is_refused() {
    let (reader, _) = tokens();
    let app = App::start(&[&reader]);
    for target in ["/statistics", "/ports/22/assets"] {
        let told = app
            .native(&reader, &format!("{target}?type=TCP6&exposure=any"))
            .error();
        let text = "Invalid parameter. exposure=any and type=TCP6 cannot be given together: exposures are not counted by address family";
        assert_eq!(told, (400, "HSS.0001".into(), text.into()), "{target}");
        let bad = app
            .native(&reader, &format!("{target}?exposure=Any"))
            .error();
        assert_eq!(
            bad.2,
            "Invalid parameter. exposure must be loopback, link-local, private, cgnat, public or any, got Any"
        );
    }
    for (query, text) in [
        ("type=UDP6", "type must be TCP or UDP, got UDP6"),
        ("port=0", "port must be 1 to 65535, got 0"),
        (
            "category=pod",
            "category must be host or container, got pod",
        ),
    ] {
        let (status, code, told) = app.native(&reader, &format!("/exposures?{query}")).error();
        assert_eq!((status, code.as_str()), (400, "HSS.0001"));
        assert_eq!(told, format!("Invalid parameter. {text}"));
    }
}

/// Invariant 4, and that danger which all assets of one exposure ignore is normal there.
#[test]
fn what_is_ignored_is_counted_by_exposure_and_all_equals_a_recount() {
    let admin = Token::new("admin", "p1", ALL);
    let mut app = App::start(&[&admin]);
    let open = |address: &str| vec![tcp(address, 6379), tcp("127.0.0.1", 6379)];
    let hosts = [
        Host::new("a", "0", open("0.0.0.0")),
        Host::new("b", "0", open("203.0.113.7")),
        Host::new("c", "x", vec![tcp("203.0.113.7", 6379)]),
    ];
    app.report(&admin, &hosts.iter().collect::<Vec<_>>());
    let item = json!({"host_id": "a", "port": 6379, "port_type": "TCP"});
    let body = json!({"operate_type": "ignore", "data_list": [item]}).to_string();
    let target = "/v5/p1/asset/batch-modify-port-status";
    app.send(&crate::client::Request::post(target, body).token(&admin))
        .ok();
    for (query, status, num) in [
        ("exposure=any", "normal", 1),
        ("exposure=loopback", "danger", 2),
        ("exposure=public", "danger", 1),
        (
            "exposure=public&enterprise_project_id=all_granted_eps",
            "danger",
            2,
        ),
    ] {
        let target = format!("/statistics?{query}&status_field=true");
        let row = app.native(&admin, &target).ok()["data_list"][0].clone();
        assert_eq!(
            (&row["status"], &row["num"]),
            (&json!(status), &json!(num)),
            "{query}"
        );
        let other = if status == "danger" {
            "normal"
        } else {
            "danger"
        };
        for (asked, total) in [(status, 1), (other, 0)] {
            let body = app
                .native(&admin, &format!("/statistics?{query}&status={asked}"))
                .ok();
            assert_eq!(body["total_num"], total, "{query} {asked}");
        }
    }
    let mut numbers = Numbers(11);
    let addresses = [
        "0.0.0.0",
        "::",
        "::1",
        "203.0.113.7",
        "100.64.7.7",
        "fe80::7",
    ];
    for round in 0..12 {
        let host = &hosts[numbers.below(3) as usize];
        let ports = (0..numbers.below(8)).map(|_| {
            let open = tcp(addresses[numbers.below(6) as usize], 6379);
            if numbers.below(3) == 0 {
                open.netns("n")
            } else {
                open
            }
        });
        let host = Host {
            sequence: 2 + round,
            ports: ports.collect(),
            ..host.clone()
        };
        app.report(&admin, &[&host]);
        if round == 6 {
            app.restart();
        }
        assert_eq!(app.native(&admin, "/recount").ok()["equal"], true);
    }
}
