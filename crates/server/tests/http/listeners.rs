//! `asset/ports/detail` and `asset/ports`: the open ports themselves, page by page.

use serde_json::{Value, json};

use crate::app::{ALL, App, Token};
use crate::fleet::{Host, UUID, fleet, tcp, udp};
use crate::listener_model::Question;

pub(crate) const DETAIL: &str = "ports/detail";
pub(crate) const PORTS: &str = "ports";

/// A server that holds the fleet, and a host with so many listeners of one port that they are on
/// several pages.
pub(crate) fn app(tokens: &[&Token]) -> (App, Token, Token, Vec<Host>) {
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    let app = App::start(&[tokens, &[&reader, &agent]].concat());
    let mut hosts = fleet();
    let many = (0..130).flat_map(|n| {
        [
            tcp(&format!("10.1.0.{n}"), 53),
            udp(&format!("fd00::{n:x}"), 53),
        ]
    });
    hosts.insert(2, Host::new("many", "0", many.collect()));
    let named = tcp("0.0.0.0", 22).netns("n").container("c").named("web");
    hosts.push(Host::new(
        "named",
        UUID,
        vec![named.program(70_000, "/usr/sbin/sshd")],
    ));
    app.report(&agent, &hosts.iter().collect::<Vec<_>>());
    (app, reader, agent, hosts)
}

pub(crate) fn get(app: &App, token: &Token, call: &str, query: &str) -> Value {
    let target = format!("/v5/{}/asset/{call}?{query}", token.project);
    let answer = app.get(token, &target);
    assert!(answer.header("x-portolan-as-of").is_some());
    assert!(
        answer
            .header("x-portolan-hosts")
            .unwrap()
            .starts_with("fresh=")
    );
    answer.ok()
}

/// All rows as a client gets them that pages until a page is empty.
pub(crate) fn paged(
    app: &App,
    token: &Token,
    call: &str,
    query: &str,
    limit: usize,
) -> (u64, Vec<Value>) {
    let mut rows = Vec::new();
    loop {
        let page = get(
            app,
            token,
            call,
            &format!("{query}&limit={limit}&offset={}", rows.len()),
        );
        let list = page["data_list"].as_array().unwrap();
        assert!(list.len() <= limit);
        if list.is_empty() {
            return (page["total_num"].as_u64().unwrap(), rows);
        }
        rows.extend(list.iter().cloned());
    }
}

pub(crate) fn assert_lists(
    app: &App,
    reader: &Token,
    hosts: &[Host],
    question: &Question,
    limits: &[usize],
) {
    let query = question.query();
    for &limit in limits {
        if question.port.is_some() && question.status.is_none() && question.host_id.is_none() {
            let expected = question.port_hosts(hosts);
            let (total, rows) = paged(app, reader, DETAIL, &query, limit);
            assert_eq!(
                (total, &rows),
                (expected.len() as u64, &expected),
                "{query}"
            );
        }
        let expected = question.host_ports(hosts);
        let (total, rows) = paged(app, reader, PORTS, &query, limit);
        assert_eq!(
            (total, &rows),
            (expected.len() as u64, &expected),
            "{query}"
        );
    }
}

#[test]
fn every_listener_of_a_port_is_on_exactly_one_page_in_the_order_of_the_hosts() {
    let (app, reader, _, hosts) = app(&[]);
    for port in [22, 53, 80, 123, 443, 8080, 30_150, 7] {
        for category in ["host", "container"] {
            for kind in [None, Some("TCP"), Some("UDP"), Some("TCP6"), Some("UDP6")] {
                for enterprise_project in [None, Some("0"), Some("x"), Some("nowhere")] {
                    let port = Some(port);
                    let question = Question {
                        port,
                        category,
                        kind,
                        enterprise_project,
                        ..Question::ALL
                    };
                    assert_lists(&app, &reader, &hosts, &question, &[10, 100]);
                }
            }
        }
    }
}

#[test]
fn every_open_port_is_on_exactly_one_page_whatever_is_asked_for_beside() {
    let (app, reader, _, hosts) = app(&[]);
    let mut questions = vec![Question::ALL];
    for category in ["host", "container"] {
        let all = Question {
            category,
            ..Question::ALL
        };
        let kinds = ["TCP", "UDP", "TCP6", "UDP6"].map(|kind| Question {
            kind: Some(kind),
            ..all.clone()
        });
        let statuses = ["danger", "normal", "unknown"].map(|status| Question {
            status: Some(status),
            kind: Some("TCP"),
            ..all.clone()
        });
        let ids = ["many", "a-dual", "d-containers", "h-x", "nobody"];
        let of_hosts = ids.map(|id| Question {
            host_id: Some(id),
            ..all.clone()
        });
        let in_x = ids.map(|id| Question {
            host_id: Some(id),
            enterprise_project: Some("x"),
            ..all.clone()
        });
        let names = [
            "name-of-many",
            "name-of-d-containers",
            "name-of-man",
            "many",
        ];
        let named = names.map(|name| Question {
            host_name: Some(name),
            ..all.clone()
        });
        let port_of_named = Question {
            port: Some(53),
            ..named[0].clone()
        };
        let default = Question {
            enterprise_project: Some("0"),
            ..all.clone()
        };
        questions.extend(
            kinds
                .into_iter()
                .chain(statuses)
                .chain(of_hosts)
                .chain(in_x),
        );
        questions.extend(named.into_iter().chain([all, default, port_of_named]));
    }
    for question in &questions {
        assert_lists(&app, &reader, &hosts, question, &[100, 200]);
    }
    assert!(
        Question::ALL.host_ports(&hosts).len() > 600,
        "several pages"
    );
}

/// Invariant 8: only listeners of enterprise projects that are granted.
#[test]
fn a_partial_credential_sees_its_own_listeners_only() {
    let (part, two) = (
        Token::reader("p1", &["x"]),
        Token::reader("p1", &["x", UUID]),
    );
    let (app, reader, _, hosts) = app(&[&part, &two]);
    for category in ["host", "container"] {
        for port in [Some(22), Some(443), None] {
            let question = Question {
                category,
                port,
                ..Question::ALL
            };
            for (token, eps) in [(&part, vec!["x"]), (&two, vec!["x", UUID])] {
                let own = hosts
                    .iter()
                    .filter(|host| eps.contains(&&*host.enterprise_project));
                let own: Vec<Host> = own.cloned().collect();
                assert!(!own.is_empty() && own.len() < hosts.len());
                assert_lists(&app, token, &own, &question, &[10]);
            }
            assert_lists(&app, &reader, &hosts, &question, &[10]);
        }
    }
    for call in [format!("{DETAIL}?port=22&"), format!("{PORTS}?")] {
        let target = format!("/v5/p1/asset/{call}enterprise_project_id=0");
        assert_eq!(app.get(&part, &target).code(), (400, "HSS.0013".into()));
    }
    let foreign = get(
        &app,
        &part,
        PORTS,
        "host_id=many&enterprise_project_id=all_granted_eps",
    );
    assert_eq!(foreign, json!({"total_num": 0, "data_list": []}));
}

#[test]
fn an_address_is_that_of_the_host_or_one_of_its_others_however_it_is_written() {
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    let app = App::start(&[&reader, &agent]);
    let host = |id: &str, ip: Option<&str>, others: &[&str]| Host {
        host_ip: ip.map(str::to_owned),
        host_ips: others.iter().map(|&ip| ip.to_owned()).collect(),
        ..Host::new(id, "0", vec![tcp("0.0.0.0", 22), tcp("0.0.0.0", 23)])
    };
    let hosts = [
        host("a", Some("10.0.0.1"), &["10.0.0.1", "fd00::17"]),
        host("b", Some("10.0.0.11"), &[]),
        host("c", None, &["10.0.0.2"]),
        host("d", Some("a name, not an address"), &[]),
    ];
    app.report(&agent, &hosts.iter().collect::<Vec<_>>());
    for (ip, expected) in [
        ("10.0.0.1", vec!["a"]),
        ("fd00:0:0::0017", vec!["a"]),
        ("10.0.0.2", vec!["c"]),
        ("10.0.0.", vec![]),
        ("a name, not an address", vec!["d"]),
    ] {
        let ip = ip.replace(' ', "%20");
        for (call, rows) in [(DETAIL, 1), (PORTS, 2)] {
            let port = if call == DETAIL { "&port=22" } else { "" };
            let body = get(&app, &reader, call, &format!("host_ip={ip}{port}"));
            let ids: Vec<&str> = expected
                .iter()
                .flat_map(|id| std::iter::repeat_n(*id, rows))
                .collect();
            assert_eq!(crate::support::texts(&body, "host_id"), ids, "{ip}");
            assert_eq!(body["total_num"], ids.len());
        }
    }
}
