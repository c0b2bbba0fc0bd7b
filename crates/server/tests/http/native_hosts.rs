//! `GET …/hosts` and `GET …/hosts/{host_id}`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::app::{ALL, App, Token};
use crate::fleet::{Host, digest, tcp, udp};
use crate::support::texts;

fn tokens() -> (Token, Token) {
    (Token::reader("p1", ALL), Token::agent("p1", ALL))
}

#[test]
fn a_row_of_the_list_has_the_fields_that_scripts_rely_on() {
    let (reader, agent) = tokens();
    let app = App::start(&[&reader, &agent]);
    assert_eq!(
        app.native(&reader, "/hosts").ok(),
        json!({
            "hosts": {"fresh": 0, "stale": 0, "never": 0},
            "total_num": 0, "data_list": [], "next_cursor": null,
        })
    );
    let mut report = Host::new(
        "h",
        "x",
        vec![tcp("::", 22), tcp("0.0.0.0", 22), tcp("::", 22)],
    )
    .report();
    report["agent"] =
        json!({"version": "0.1.0", "mode": "poll", "cpu_ms": 12, "rss_bytes": 6_291_456});
    report["coverage"] = json!({"privileged": false, "namespaces_skipped": 3});
    assert_eq!(
        app.post(&agent, "reports", &[report])[0]["status"],
        "accepted"
    );
    app.report(
        &agent,
        &[&Host {
            agent_id: None,
            ..Host::new("bare", "0", vec![])
        }],
    );
    let expected = json!({
        "hosts": {"fresh": 2, "stale": 0, "never": 0},
        "total_num": 2,
        "data_list": [
            {
                "host_id": "bare", "host_name": "name-of-bare", "host_ip": "10.0.3.17", "enterprise_project_id": "0",
                "last_seen": "2026-11-24T02:13:00Z", "freshness": "fresh", "retired_at": null, "identity_conflict": false,
                "open_ports": 0, "coverage": {
                    "privileged": true, "namespaces": 4, "namespaces_skipped": null,
                    "sockets_unattributed": null, "events_lost": null,
                },
                "agent": null,
            },
            {
                "host_id": "h", "host_name": "name-of-h", "host_ip": "10.0.3.17", "enterprise_project_id": "x",
                "last_seen": "2026-11-24T02:13:00Z", "freshness": "fresh", "retired_at": null, "identity_conflict": false,
                // Invariant 6: what the agent could not see is said.
                "open_ports": 2, "coverage": {
                    "privileged": false, "namespaces": null, "namespaces_skipped": 3,
                    "sockets_unattributed": null, "events_lost": null,
                },
                "agent": {"version": "0.1.0", "mode": "poll", "cpu_ms": 12, "rss_bytes": 6_291_456},
            },
        ],
        "next_cursor": null,
    });
    assert_eq!(app.native(&reader, "/hosts").ok(), expected);
}

#[test]
fn the_page_of_a_host_shows_its_newest_report_in_canonical_form() {
    let (reader, agent) = tokens();
    let app = App::start(&[&reader, &agent]);
    let ports = vec![
        tcp("::ffff:10.0.0.1", 80).program(2, "/b"),
        tcp("10.0.0.1", 80).program(1, "/a"),
        udp("0:0:0::0", 53),
        tcp("0.0.0.0", 443).netns("n").container("c"),
    ];
    let host = Host {
        sequence: 7,
        ..Host::new("h", "0", ports.clone())
    };
    let mut report = host.report();
    report["host"]["host_ips"] = json!(["10.0.3.17", "fd00::17"]);
    report["host"]["os_name"] = json!("Debian 12");
    report["open_ports"][3]["published"] = json!([{"addr": "0.0.0.0", "port": 8443}]);
    report["open_ports"][3]["container_name"] = json!("web");
    app.post(&agent, "reports", &[report]);
    app.clock.advance_s(5);
    let page = app.native(&reader, "/hosts/h").ok();
    let row = |own: Value| {
        let mut row = json!({
            "netns": null, "v6only": null, "pid": null, "path": null, "user": null, "unit": null, "ifname": null,
            "cmdline": null, "started_at": null, "deleted": null, "container_id": null, "container_name": null,
            "container_image": null, "pod_name": null, "pod_namespace": null, "published": [],
            "first_seen": "2026-11-24T02:13:00Z",
        });
        let own = own.as_object().unwrap().clone();
        row.as_object_mut().unwrap().extend(own);
        row
    };
    let list = json!([
        row(json!({
            "category": "host", "type": "TCP", "laddr": "10.0.0.1", "port": 80, "exposure": "private", "pid": 1, "path": "/a",
        })),
        row(
            json!({"category": "host", "type": "UDP", "laddr": "::", "port": 53, "exposure": "any"})
        ),
        row(json!({
            "category": "container", "type": "TCP", "laddr": "0.0.0.0", "port": 443, "exposure": "any", "netns": "n", "container_id": "c",
            "container_name": "web", "published": [{"addr": "0.0.0.0", "port": 8443}],
        })),
    ]);
    assert_eq!(page["data_list"], list);
    for (field, value) in [
        ("host_id", json!("h")),
        ("host_ips", json!(["10.0.3.17", "fd00::17"])),
        ("os_name", json!("Debian 12")),
        ("os_type", Value::Null),
        ("agent_id", json!("agent-of-h")),
        ("generation", json!(1_764_000_000)),
        ("sequence", json!(7)),
        ("observed_at", json!("2026-11-24T02:12:59Z")),
        ("committed_at", json!("2026-11-24T02:13:00Z")),
        ("last_seen", json!("2026-11-24T02:13:00Z")),
        ("open_ports", json!(3)),
    ] {
        assert_eq!(page[field], value, "{field}");
    }
    // A name of a container is in the digest; the helper knows ports without one.
    assert_ne!(page["digest"], digest(&ports));
}

/// One rule for all answers: who reads one need not know which fields a host could have had.
#[test]
fn a_host_of_which_least_is_known_has_every_field_that_one_has_of_which_all_is() {
    let (reader, agent) = tokens();
    let app = App::start(&[&reader, &agent]);
    let names = |report: &Value| {
        app.post(&agent, "reports", std::slice::from_ref(report));
        let id = report["host"]["host_id"].as_str().unwrap();
        let page = app.native(&reader, &format!("/hosts/{id}")).ok();
        let of = |value: &Value| {
            let fields = value.as_object().unwrap();
            fields.keys().cloned().collect::<Vec<_>>()
        };
        [of(&page), of(&page["coverage"]), of(&page["data_list"][0])]
    };
    let report = |id: &str| Host::new(id, "0", vec![tcp("::", 22)]).report();
    let mut least = report("least");
    least["host"] = json!({"host_id": "least"});
    least["coverage"] = json!({"privileged": false});
    let mut all = report("all");
    for name in ["os_type", "os_name", "kernel_version"] {
        all["host"][name] = json!(name);
    }
    all["host"]["host_ips"] = json!(["10.0.3.17"]);
    all["agent"] = json!({"version": "0.1.0"});
    for name in [
        "namespaces",
        "namespaces_skipped",
        "sockets_unattributed",
        "events_lost",
    ] {
        all["coverage"][name] = json!(1);
    }
    let port = &mut all["open_ports"][0];
    for name in [
        "netns",
        "path",
        "user",
        "unit",
        "ifname",
        "cmdline",
        "container_id",
        "container_name",
        "container_image",
        "pod_name",
        "pod_namespace",
    ] {
        port[name] = json!("x");
    }
    for (name, value) in [
        ("v6only", json!(true)),
        ("deleted", json!(true)),
        ("pid", json!(1)),
        ("started_at", json!("2026-11-24T02:12:00Z")),
        ("published", json!([{"addr": "0.0.0.0", "port": 1}])),
    ] {
        port[name] = value;
    }
    assert_eq!(names(&least), names(&all));
    let page = app.native(&reader, "/hosts/least").ok();
    for name in ["host_name", "host_ip", "os_type", "agent_id", "agent"] {
        assert_eq!(page[name], Value::Null, "{name}");
    }
    assert_eq!(page["host_ips"], json!([]));
    let told = &app.native(&reader, "/hosts/all").ok()["data_list"][0];
    assert!(
        told.as_object()
            .unwrap()
            .values()
            .all(|value| !value.is_null()),
        "{told}"
    );
}

/// Invariant 8: a host of another enterprise project, of another project, and none at all are told
/// alike.
#[test]
fn a_host_that_is_not_there_and_one_that_is_not_granted_are_told_alike() {
    let (part, elsewhere) = (Token::reader("p1", &["a"]), Token::reader("p2", ALL));
    let (reader, agent) = tokens();
    let app = App::start(&[&part, &elsewhere, &reader, &agent]);
    app.report(
        &agent,
        &[
            &Host::new("foreign", "b", vec![tcp("::", 22)]),
            &Host::new("own", "a", vec![]),
        ],
    );
    let not_there = (
        404,
        "PORTOLAN.0014".to_owned(),
        "There is no such host.".to_owned(),
    );
    for id in ["foreign", "nobody", "%E4%B8%AD", "a%2Fb", "own%20"] {
        assert_eq!(
            app.native(&part, &format!("/hosts/{id}")).error(),
            not_there,
            "{id}"
        );
        assert_eq!(
            app.native(&elsewhere, &format!("/hosts/{id}")).error(),
            not_there,
            "{id}"
        );
    }
    assert_eq!(app.native(&part, "/hosts/own").status, 200);
    assert_eq!(app.native(&part, "/hosts/ow%6E").status, 200);
    assert_eq!(app.native(&reader, "/hosts/foreign").status, 200);
    // Even the heads are of one length.
    let length = |id: &str| {
        app.native(&part, &format!("/hosts/{id}"))
            .header("content-length")
            .map(str::to_owned)
    };
    assert_eq!(length("foreign"), length("nobody"));
}

#[test]
fn the_list_is_of_all_granted_hosts_or_of_the_enterprise_project_that_is_named() {
    let (part, (reader, agent)) = (Token::reader("p1", &["a", "b"]), tokens());
    let app = App::start(&[&part, &reader, &agent]);
    let hosts = [("1", "a"), ("2", "b"), ("3", "c"), ("4", "a"), ("5", "0")];
    let hosts = hosts.map(|(id, ep)| Host::new(id, ep, vec![]));
    app.report(&agent, &hosts.iter().collect::<Vec<_>>());
    let ids = |token: &Token, query: &str| {
        let body = app.native(token, &format!("/hosts?{query}")).ok();
        let ids = texts(&body, "host_id").concat();
        assert_eq!(body["total_num"], ids.len(), "{query}");
        ids
    };
    for (query, all, granted) in [
        ("", "12345", "124"),
        ("enterprise_project_id=", "12345", "124"),
        ("enterprise_project_id=all_granted_eps", "12345", "124"),
        ("enterprise_project_id=a", "14", "14"),
        ("enterprise_project_id=b&limit=1", "2", "2"),
    ] {
        assert_eq!(
            (ids(&reader, query).as_str(), ids(&part, query).as_str()),
            (all, granted),
            "{query}"
        );
    }
    assert_eq!(ids(&reader, "enterprise_project_id=nobody"), "");
    for foreign in ["c", "0", "nobody"] {
        let answer = app.native(&part, &format!("/hosts?enterprise_project_id={foreign}"));
        assert_eq!(answer.code(), (400, "HSS.0013".into()));
    }
}

#[test]
fn pages_of_hosts_are_the_whole_list_in_the_order_of_their_ids() {
    let (reader, agent) = tokens();
    let app = App::start(&[&reader, &agent]);
    let mut ids = [
        "web", "web-1", "web.1", "web:1", "web1", "WEB", "_", "-", ".", "..", "0",
    ]
    .map(str::to_owned)
    .to_vec();
    let hosts: Vec<Host> = ids.iter().map(|id| Host::new(id, "0", vec![])).collect();
    app.report(&agent, &hosts.iter().collect::<Vec<_>>());
    ids.sort();
    for limit in 1..=12 {
        let (mut given, mut cursor) = (Vec::new(), String::new());
        loop {
            let body = app
                .native(&reader, &format!("/hosts?limit={limit}{cursor}"))
                .ok();
            assert_eq!(body["total_num"], ids.len());
            let page = texts(&body, "host_id");
            assert!(page.len() <= limit && !page.is_empty());
            given.extend(page.into_iter().map(str::to_owned));
            let Some(next) = body["next_cursor"].as_str() else {
                break;
            };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(given, ids, "limit {limit}");
    }
    let limits = |limit: &str| app.native(&reader, &format!("/hosts?limit={limit}")).status;
    assert_eq!(
        ["0", "1", "200", "201", "x"].map(limits),
        [400, 200, 200, 400, 400]
    );
}

#[test]
fn hosts_that_stay_are_returned_exactly_once_while_others_come_and_go() {
    let (part, agent) = (Token::reader("p1", &["a"]), Token::agent("p1", ALL));
    let app = App::start(&[&part, &agent]);
    let staying: Vec<Host> = (0..40)
        .map(|n| Host::new(&format!("m{n:02}"), "a", vec![]))
        .collect();
    app.report(&agent, &staying.iter().collect::<Vec<_>>());
    let (mut seen, mut cursor, mut left) = (
        BTreeMap::<String, u32>::new(),
        String::new(),
        Vec::<Host>::new(),
    );
    for round in 0..100 {
        let body = app.native(&part, &format!("/hosts?limit=3{cursor}")).ok();
        for id in texts(&body, "host_id") {
            *seen.entry(id.to_owned()).or_default() += 1;
        }
        let Some(next) = body["next_cursor"].as_str() else {
            break;
        };
        // Hosts come before, right behind and far behind the place; those of the last round move
        // out of the caller's sight.
        let leaving: Vec<Host> = left
            .iter()
            .map(|host| host.next(vec![]).in_enterprise_project("b"))
            .collect();
        left = [
            format!("a{round}"),
            format!("{next}-"),
            format!("{next}0"),
            format!("z{round}"),
        ]
        .map(|id| Host::new(&id, "a", vec![]))
        .to_vec();
        app.report(&agent, &left.iter().chain(&leaving).collect::<Vec<_>>());
        cursor = format!("&cursor={next}");
    }
    for host in &staying {
        assert_eq!(seen.get(&host.id), Some(&1), "{}", host.id);
    }
    assert!(seen.values().all(|&times| times == 1), "{seen:?}");
    assert!(
        seen.len() > staying.len(),
        "some that came were behind the place"
    );
}

#[test]
fn a_report_makes_the_host_seen_at_the_moment_of_the_server() {
    let (reader, agent) = tokens();
    let app = App::start(&[&reader, &agent]);
    let host = Host::new("h", "0", vec![]);
    let seen = || {
        let page = app.native(&reader, "/hosts/h").ok();
        (page["last_seen"].clone(), page["committed_at"].clone())
    };
    app.report(&agent, &[&host]);
    app.clock.advance_s(10);
    // A repeated report is a sign of life and no commit; an older one is neither.
    app.report(&agent, &[&host]);
    assert_eq!(
        seen(),
        (json!("2026-11-24T02:13:10Z"), json!("2026-11-24T02:13:00Z"))
    );
    app.clock.advance_s(10);
    let older = Host {
        sequence: 0,
        ..host.clone()
    };
    assert_eq!(
        app.post(&agent, "reports", &[older.report()])[0]["status"],
        "stale"
    );
    assert_eq!(
        seen(),
        (json!("2026-11-24T02:13:10Z"), json!("2026-11-24T02:13:00Z"))
    );
    // The clock steps back: what was committed never becomes earlier than before.
    app.clock.advance_s(-100);
    app.report(&agent, &[&host.next(vec![])]);
    assert_eq!(
        seen(),
        (
            json!("2026-11-24T02:13:10Z"),
            json!("2026-11-24T02:13:00.000001Z")
        )
    );
}
