//! The calls that sum up: `asset/overview/statistics/top/port` and `asset/statistics`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::app::{ALL, App, Token};
use crate::fleet::{Host, fleet, tcp, udp};

fn top(app: &App, token: &Token, query: &str) -> Value {
    let target = format!(
        "/v5/{}/asset/overview/statistics/top/port?{query}",
        token.project
    );
    app.get(token, &target).ok()
}

fn asset_statistics(app: &App, token: &Token, query: &str) -> Value {
    let target = format!("/v5/{}/asset/statistics?{query}", token.project);
    app.get(token, &target).ok()
}

/// What the list must be, counted by the words of the design alone.
fn counted(hosts: &[Host], scope: &[&str]) -> Vec<Value> {
    let in_scope = hosts
        .iter()
        .filter(|host| scope.contains(&host.enterprise_project.as_str()));
    let all = in_scope.clone().count();
    let mut by_port = BTreeMap::<u16, BTreeSet<&str>>::new();
    for host in in_scope {
        for port in host.ports.iter().filter(|port| port.netns.is_none()) {
            by_port.entry(port.port).or_default().insert(&host.id);
        }
    }
    let mut ports: Vec<(usize, u16)> = by_port.iter().map(|(p, h)| (h.len(), *p)).collect();
    ports.sort_by_key(|(hosts, port)| (std::cmp::Reverse(*hosts), *port));
    let row = |(hosts, port): &(usize, u16)| json!({"name": port.to_string(), "host_num": hosts, "percentage": hosts * 100 / all});
    ports.iter().take(5).map(row).collect()
}

#[test]
fn the_top_ports_are_those_of_the_most_hosts_whatever_the_transport() {
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    let app = App::start(&[&reader, &agent]);
    assert_eq!(
        top(&app, &reader, ""),
        json!({"total_num": 0, "data_list": []})
    );
    let mut fleet = fleet();
    // One host that has a port by both is one host; a container's port is none of its host.
    fleet.push(Host::new(
        "i-both",
        "x",
        vec![tcp("::", 53), udp("::", 53), tcp("::", 9).netns("n")],
    ));
    app.report(&agent, &fleet.iter().collect::<Vec<_>>());
    for (query, scope) in [
        ("", &["0"] as &[&str]),
        ("enterprise_project_id=x", &["x"]),
        (
            "enterprise_project_id=all_granted_eps",
            &["0", "x", crate::fleet::UUID],
        ),
    ] {
        let expected = counted(&fleet, scope);
        let body = top(&app, &reader, query);
        assert_eq!(
            body,
            json!({"total_num": expected.len(), "data_list": expected}),
            "{query}"
        );
    }
}

#[test]
fn the_asset_statistics_count_ports_as_the_port_statistics_do_and_nothing_else() {
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    let app = App::start(&[&reader, &agent]);
    app.report(&agent, &fleet().iter().collect::<Vec<_>>());
    for query in [
        "",
        "category=container",
        "enterprise_project_id=all_granted_eps",
        "enterprise_project_id=x&category=container",
    ] {
        let counted = app.hss(&reader, query).ok()["total_num"].clone();
        assert_ne!(counted, json!(0));
        let told = asset_statistics(&app, &reader, query);
        for (name, value) in told.as_object().unwrap() {
            let expected = if name == "port_num" {
                &counted
            } else {
                &json!(0)
            };
            assert_eq!(value, expected, "{query} {name}");
        }
        assert_eq!(told.as_object().unwrap().len(), 12);
    }
    // a-dual: 22, 123, 80, 8080, 1 by both, 65535 by both, 53 by both.
    let one = asset_statistics(&app, &reader, "host_id=a-dual");
    assert_eq!(one["port_num"], 10);
    // d-containers, in its containers: 443 by both, 8443 and 6379.
    let container = asset_statistics(&app, &reader, "host_id=d-containers&category=container");
    assert_eq!(container["port_num"], 4);
    for none in [
        "host_id=nobody",
        "host_id=h-x",
        "host_id=a-dual&enterprise_project_id=x",
    ] {
        assert_eq!(
            asset_statistics(&app, &reader, none)["port_num"],
            0,
            "{none}"
        );
    }
}

#[test]
fn a_faulty_parameter_is_told_as_the_statistics_tell_it() {
    let reader = Token::reader("p1", &["0"]);
    let app = App::start(&[&reader]);
    let told = |call: &str| app.get(&reader, &format!("/v5/p1/asset/{call}")).error();
    let invalid = |text: &str| {
        (
            400,
            "HSS.0001".to_owned(),
            format!("Invalid parameter. {text}"),
        )
    };
    assert_eq!(
        told("statistics?host_id="),
        invalid("host_id must be 1 to 128 characters, got nothing")
    );
    assert_eq!(
        told("statistics?category=all"),
        invalid("category must be host or container, got all")
    );
    assert_eq!(
        told("overview/statistics/top/port?enterprise_project_id=0&enterprise_project_id=0"),
        invalid("enterprise_project_id must be given once, got it twice")
    );
    for call in [
        "statistics?enterprise_project_id=x&category=all",
        "overview/statistics/top/port?enterprise_project_id=x",
    ] {
        assert_eq!(told(call).1, "HSS.0013", "{call}");
    }
}
