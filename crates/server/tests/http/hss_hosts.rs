//! `GET /v5/{project_id}/host-management/hosts`.

use serde_json::{Value, json};

use crate::app::{ALL, App, Token};
use crate::fleet::{Host, tcp};
use crate::support::{eventually, texts};

fn get(app: &App, token: &Token, query: &str) -> Value {
    let target = format!("/v5/{}/host-management/hosts?{query}", token.project);
    app.get(token, &target).ok()
}

fn ids(app: &App, token: &Token, query: &str) -> Vec<String> {
    let body = get(app, token, &format!("limit=200&{query}"));
    let ids = texts(&body, "host_id");
    assert_eq!(body["total_num"], ids.len(), "{query}");
    ids.into_iter().map(str::to_owned).collect()
}

/// Four hosts: `a` with all that a host can tell, `b` with little, `c` silent, `d` of others.
fn app() -> (App, Token, Token) {
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    let only_0 = Token::reader("p1", &["0"]);
    let app = App::start(&[&reader, &agent, &only_0]);
    let host = |id: &str, enterprise_project: &str, told: Value| {
        let mut report = Host::new(id, enterprise_project, vec![tcp("::", 22)]).report();
        for (name, value) in told.as_object().unwrap() {
            report["host"][name] = value.clone();
        }
        report
    };
    let silent = host(
        "c",
        "0",
        json!({"host_name": "db", "host_ip": "8.8.4.4", "os_type": null}),
    );
    app.post(&agent, "reports", &[silent]);
    app.clock.advance_s(100);
    let a = json!({
        "host_name": "web", "host_ip": "10.0.0.1", "os_type": "Linux", "os_name": "Debian 12", "kernel_version": "6.1.0",
        "host_ips": ["fd00::1", "2001:4860::1", "100.64.0.1"],
    });
    let mut a = host("a", "0", a);
    a["agent"] = json!({"version": "0.1.0"});
    let b = host(
        "b",
        "0",
        json!({"host_name": null, "host_ip": null, "agent_id": null}),
    );
    let d = host("d", "x", json!({"host_name": "web", "host_ip": "10.0.0.4"}));
    app.post(&agent, "reports", &[a, b, d]);
    eventually("the silent host is stale", || {
        ids(&app, &reader, "agent_status=offline") == ["c"]
    });
    (app, reader, only_0)
}

#[test]
fn a_row_tells_what_is_known_and_leaves_out_what_is_not() {
    let (app, reader, _) = app();
    let body = get(&app, &reader, "");
    assert_eq!(body["total_num"], 3);
    let same = json!({
        "version": "hss.version.null", "protect_status": "closed", "detect_result": "undetected",
        "asset_value": "common", "outside_host": true, "host_sources": "outside",
        "enterprise_project_id": "0",
    });
    let row = |told: Value| {
        let mut row = same.clone();
        row.as_object_mut()
            .unwrap()
            .extend(told.as_object().unwrap().clone());
        row
    };
    let expected = [
        row(json!({
            "host_id": "a", "host_name": "web", "agent_id": "agent-of-a", "private_ip": "10.0.0.1",
            "public_ip": "2001:4860::1", "os_type": "Linux", "os_name": "Debian 12",
            "kernel_version": "6.1.0", "host_status": "ACTIVE", "agent_status": "online",
            "agent_version": "0.1.0",
        })),
        row(json!({"host_id": "b", "host_status": "ACTIVE", "agent_status": "online"})),
        row(json!({
            "host_id": "c", "host_name": "db", "agent_id": "agent-of-c", "public_ip": "8.8.4.4",
            "agent_status": "offline",
        })),
    ];
    assert_eq!(body["data_list"], json!(expected));
}

#[test]
fn each_filter_selects_by_what_is_true_of_the_host() {
    let (app, reader, only_0) = app();
    for (query, expected) in [
        ("host_name=web", &["a"] as &[&str]),
        ("host_name=we", &[]),
        (
            "host_name=web&enterprise_project_id=all_granted_eps",
            &["a", "d"],
        ),
        ("enterprise_project_id=x", &["d"]),
        ("host_id=b", &["b"]),
        ("host_id=d", &[]),
        ("host_id=a&host_id_list=b,c", &[]),
        ("host_id_list=c,a,c,nobody", &["a", "c"]),
        ("host_name_list=db,web", &["a", "c"]),
        ("private_ip=fd00::1", &["a"]),
        ("private_ip=2001:4860::1", &[]),
        ("public_ip=2001:4860::1", &["a"]),
        ("public_ip=100.64.0.1", &[]),
        ("ip_addr=100.64.0.1", &["a"]),
        ("public_ip_list=8.8.4.4,2001:4860::1", &["a", "c"]),
        ("private_ip_list=10.0.0.1", &["a"]),
        ("os_type=Linux", &["a"]),
        ("os_type=Windows", &[]),
        ("agent_status=online", &["a", "b"]),
        ("agent_status=offline", &["c"]),
        ("agent_status=not_online", &["c"]),
        ("agent_status=installed", &["a", "b", "c"]),
        ("agent_status=not_installed", &[]),
        ("host_status=ACTIVE", &["a", "b"]),
        ("host_status=ACTIVE&agent_status=offline", &[]),
        ("host_status=ERROR", &[]),
        (
            "protect_status=closed&version=hss.version.null",
            &["a", "b", "c"],
        ),
        ("protect_status=opened", &[]),
        ("has_vul=true", &[]),
        (
            "has_vul=false&refresh=true&sort_key=risk_num&sort_dir=desc",
            &["a", "b", "c"],
        ),
        ("outside_host=true", &["a", "b", "c"]),
        ("outside_host=false", &[]),
        ("group_name=web", &[]),
        ("unheard_of=1", &["a", "b", "c"]),
    ] {
        assert_eq!(ids(&app, &reader, query), expected, "{query}");
    }
    let granted = ids(
        &app,
        &only_0,
        "enterprise_project_id=all_granted_eps&host_name=web",
    );
    assert_eq!(granted, ["a"]);
}

#[test]
fn pages_follow_each_other_in_the_order_of_the_ids() {
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    let app = App::start(&[&reader, &agent]);
    let hosts: Vec<Host> = (0..25)
        .map(|n| Host::new(&format!("h{n:02}"), "0", vec![tcp("::", 22)]))
        .collect();
    app.report(&agent, &hosts.iter().rev().collect::<Vec<_>>());
    for filter in ["", "&private_ip=10.0.3.17"] {
        let mut seen = Vec::new();
        for offset in [0, 10, 20, 30] {
            let body = get(&app, &reader, &format!("offset={offset}{filter}"));
            assert_eq!(body["total_num"], 25);
            seen.extend(texts(&body, "host_id").into_iter().map(str::to_owned));
        }
        assert!(
            seen.iter().eq(hosts.iter().map(|host| &host.id)),
            "{seen:?}"
        );
    }
}

#[test]
fn a_faulty_parameter_is_told_with_what_is_allowed() {
    let (app, reader, only_0) = app();
    let told = |query: &str| {
        app.get(&reader, &format!("/v5/p1/host-management/hosts?{query}"))
            .error()
    };
    for (query, text) in [
        ("limit=9", "limit must be 10 to 200, got 9"),
        ("offset=2000001", "offset must be 0 to 2000000, got 2000001"),
        (
            "os_type=linux",
            "os_type must be Linux or Windows, got linux",
        ),
        ("refresh=1", "refresh must be true or false, got 1"),
        (
            "host_id_list=a,,b",
            "host_id_list must be 1 to 100 values of 1 to 128 characters, with commas between, got a,,b",
        ),
        (
            "group_id=",
            "group_id must be 1 to 256 characters, got nothing",
        ),
        (
            "host_name=a&host_name=b",
            "host_name must be given once, got it twice",
        ),
    ] {
        let expected = (
            400,
            "HSS.0001".to_owned(),
            format!("Invalid parameter. {text}"),
        );
        assert_eq!(told(query), expected);
    }
    let hundred_and_one = vec!["a"; 101].join(",");
    assert_eq!(
        told(&format!("host_id_list={hundred_and_one}")).1,
        "HSS.0001"
    );
    let not_granted = app.get(
        &only_0,
        "/v5/p1/host-management/hosts?enterprise_project_id=x&limit=9",
    );
    assert_eq!(not_granted.code(), (400, "HSS.0013".into()));
}
