//! `GET …/export`: every open port that the pages of hosts show, and nothing else, in both forms.

use serde_json::{Map, Value};

use crate::app::{ALL, App, Token};
use crate::fleet::{Host, UUID, fleet, tcp, udp};
use crate::support::texts;

fn tokens() -> (Token, Token) {
    (Token::reader("p1", ALL), Token::agent("p1", ALL))
}

/// A host whose words have everything that a form could stumble over.
fn odd() -> Host {
    let ports = vec![
        tcp("::", 22).program(1, "/bin/a \"b\",\r\nc"),
        tcp("127.0.0.1", 23).program(2, "=HYPERLINK(\"http://x\")"),
        udp("fe80::1", 53).program(3, " -1+2@\t"),
        tcp("0.0.0.0", 80).netns("n").container("c").named("é,中"),
    ];
    Host::new("odd", "x", ports)
}

/// A server with the fixture fleet.
fn with_fleet(tokens: &[&Token], agent: &Token) -> App {
    let app = App::start(tokens);
    let hosts = [fleet(), vec![odd(), Host::new("bare", "0", vec![])]].concat();
    app.report(agent, &hosts.iter().collect::<Vec<_>>());
    app
}

pub(crate) fn export(app: &App, token: &Token, query: &str) -> String {
    let answer = app.native(token, &format!("/export?{query}"));
    let body = String::from_utf8(answer.body).unwrap();
    assert_eq!(answer.status, 200, "{body}");
    body
}

/// The objects of jsonl.
pub(crate) fn lines(body: &str) -> Vec<Value> {
    assert!(body.is_empty() || body.ends_with('\n'));
    let lines = body.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The rows of CSV as RFC 4180 has it: `None` is a cell without anything.
pub(crate) fn cells(body: &str) -> Vec<Vec<Option<String>>> {
    let (mut rows, mut row) = (Vec::new(), Vec::new());
    let mut rest = body;
    while !rest.is_empty() {
        let cell;
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut text = String::new();
            let mut pieces = quoted;
            loop {
                let (piece, after) = pieces.split_once('"').unwrap();
                text.push_str(piece);
                let Some(more) = after.strip_prefix('"') else {
                    rest = after;
                    break;
                };
                text.push('"');
                pieces = more;
            }
            cell = Some(text);
        } else {
            let end = rest.find([',', '\r']).unwrap();
            cell = Some(rest[..end].to_owned()).filter(|text| !text.is_empty());
            rest = &rest[end..];
        }
        row.push(cell);
        if let Some(next) = rest.strip_prefix(',') {
            rest = next;
        } else {
            rest = rest.strip_prefix("\r\n").unwrap();
            rows.push(std::mem::take(&mut row));
        }
    }
    rows
}

/// What a cell of CSV must hold for a value of JSON.
pub(crate) fn cell(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// What the pages of all hosts that a token sees show, as an export tells it.
pub(crate) fn shown(app: &App, token: &Token) -> Vec<Value> {
    let list = app.native(token, "/hosts?limit=200").ok();
    let mut rows = Vec::new();
    for id in texts(&list, "host_id") {
        let page = app.native(token, &format!("/hosts/{id}")).ok();
        for port in page["data_list"].as_array().unwrap() {
            let mut row = Map::new();
            for field in ["host_id", "host_name", "host_ip", "enterprise_project_id"] {
                row.insert(field.to_owned(), page[field].clone());
            }
            row.extend(port.as_object().unwrap().clone());
            rows.push(Value::Object(row));
        }
    }
    rows
}

#[test]
fn an_export_has_what_the_page_of_every_host_shows() {
    let (reader, agent) = tokens();
    let app = with_fleet(&[&reader, &agent], &agent);
    app.clock.advance_s(1);
    let expected = shown(&app, &reader);
    assert!(expected.len() > 500, "{}", expected.len());
    let answer = app.native(&reader, "/export?rows=open_ports");
    assert_eq!(answer.header("content-type"), Some("application/jsonl"));
    let as_of = answer.header("x-portolan-as-of").unwrap();
    assert_eq!(as_of, "2026-11-24T02:13:00.999999Z");
    let jsonl = export(&app, &reader, "rows=open_ports&format=jsonl");
    assert_eq!(
        answer.body,
        jsonl.as_bytes(),
        "jsonl is what is not asked for"
    );
    assert_eq!(lines(&jsonl), expected);
}

#[test]
fn both_forms_tell_the_same_to_the_letter() {
    let (reader, agent) = tokens();
    let app = with_fleet(&[&reader, &agent], &agent);
    app.clock.advance_s(1);
    let expected = shown(&app, &reader);
    let answer = app.native(&reader, "/export?rows=open_ports&format=csv");
    let kind = answer.header("content-type");
    assert_eq!(kind, Some("text/csv; charset=utf-8"));
    let mut rows = cells(std::str::from_utf8(&answer.body).unwrap()).into_iter();
    let names: Vec<Option<String>> = rows.next().unwrap();
    let fields = expected[0].as_object().unwrap().keys();
    assert!(fields.map(|name| Some(name.clone())).eq(names));
    let values = expected.iter().map(|row| {
        let row = row.as_object().unwrap();
        row.values().map(cell).collect::<Vec<_>>()
    });
    assert_eq!(rows.collect::<Vec<_>>(), values.collect::<Vec<_>>());
    // Nothing is done to what a spreadsheet would take for a formula.
    let body = String::from_utf8(answer.body).unwrap();
    assert!(body.contains(",\"=HYPERLINK(\"\"http://x\"\")\","));
    assert!(body.contains(", -1+2@\t,"));
}

#[test]
fn without_an_open_port_there_is_no_row_and_csv_has_its_names() {
    let (reader, agent) = tokens();
    let app = App::start(&[&reader, &agent]);
    let head = export(&app, &reader, "rows=open_ports&format=csv");
    assert_eq!(cells(&head).len(), 1);
    assert_eq!(export(&app, &reader, "rows=open_ports"), "");
    app.report(&agent, &[&Host::new("bare", "0", vec![])]);
    assert_eq!(export(&app, &reader, "rows=open_ports&format=csv"), head);
    assert_eq!(export(&app, &reader, "rows=open_ports&host_id=nobody"), "");
}

#[test]
fn each_filter_leaves_what_it_names() {
    let (reader, agent) = tokens();
    let app = with_fleet(&[&reader, &agent], &agent);
    app.clock.advance_s(1);
    let all = shown(&app, &reader);
    let v6 = |row: &Value| row["laddr"].as_str().unwrap().contains(':');
    type Holds<'a> = &'a dyn Fn(&Value) -> bool;
    let filters: [(&str, Holds<'_>); 10] = [
        ("category=host", &|row| row["category"] == "host"),
        ("category=container", &|row| row["category"] == "container"),
        ("type=UDP", &|row| row["type"] == "UDP"),
        ("type=TCP6", &|row| row["type"] == "TCP" && v6(row)),
        ("port=443", &|row| row["port"] == 443),
        ("port=443&category=host&type=TCP", &|row| {
            row["port"] == 443 && row["category"] == "host" && row["type"] == "TCP"
        }),
        ("host_id=d-containers", &|row| {
            row["host_id"] == "d-containers"
        }),
        ("enterprise_project_id=x", &|row| {
            row["enterprise_project_id"] == "x"
        }),
        ("enterprise_project_id=all_granted_eps", &|_| true),
        ("exposure=loopback,any", &|row| {
            row["exposure"] == "loopback" || row["exposure"] == "any"
        }),
    ];
    for (query, holds) in filters {
        let left: Vec<Value> = all.iter().filter(|row| holds(row)).cloned().collect();
        assert!(!left.is_empty(), "{query}");
        let told = lines(&export(&app, &reader, &format!("rows=open_ports&{query}")));
        assert_eq!(told, left, "{query}");
    }
}

/// Invariant 8.
#[test]
fn a_credential_of_one_enterprise_project_gets_its_own_alone() {
    let (reader, agent) = tokens();
    let own = Token::reader("p1", &["x", UUID]);
    let app = with_fleet(&[&reader, &agent, &own], &agent);
    app.clock.advance_s(1);
    let its = |row: &Value| ["x", UUID].contains(&row["enterprise_project_id"].as_str().unwrap());
    let expected: Vec<Value> = shown(&app, &reader).into_iter().filter(its).collect();
    assert_eq!(lines(&export(&app, &own, "rows=open_ports")), expected);
    assert_eq!(export(&app, &own, "rows=open_ports&host_id=a-dual"), "");
    let refused = app.native(&own, "/export?rows=open_ports&enterprise_project_id=0");
    assert_eq!(refused.code(), (400, "HSS.0013".to_owned()));
    let by_agent = app.native(&agent, "/export?rows=open_ports");
    assert_eq!(by_agent.code(), (403, "APIGW.0302".to_owned()));
    let elsewhere = app.get(&reader, "/portolan/v1/projects/p2/export?rows=open_ports");
    assert_eq!(elsewhere.code(), (403, "APIGW.0306".to_owned()));
}

#[test]
fn a_host_is_told_as_it_was_at_the_moment_of_the_header() {
    let (reader, agent) = tokens();
    let app = with_fleet(&[&reader, &agent], &agent);
    app.clock.advance_s(1);
    let first = shown(&app, &reader);
    let moved = Host::new("a-dual", "x", vec![tcp("::", 7)]);
    let moved = Host {
        sequence: 2,
        ..moved
    };
    let new = Host::new("new", "0", vec![tcp("::", 8)]);
    app.report(&agent, &[&moved, &new]);
    // Both came at the clock's moment, which no answer is complete for yet.
    let told = lines(&export(&app, &reader, "rows=open_ports"));
    assert_eq!(told, first);
    app.clock.advance_s(1);
    let told = lines(&export(&app, &reader, "rows=open_ports"));
    assert_ne!(told, first);
    assert_eq!(told, shown(&app, &reader));
}

#[test]
fn faults_name_the_parameter_and_what_is_allowed() {
    let (reader, agent) = tokens();
    let app = App::start(&[&reader, &agent]);
    for (query, text) in [
        ("", "rows must be open_ports or changes, got nothing"),
        (
            "rows=hosts",
            "rows must be open_ports or changes, got hosts",
        ),
        (
            "rows=open_ports&rows=open_ports",
            "rows must be given once, got it twice",
        ),
        (
            "rows=open_ports&format=xml",
            "format must be jsonl or csv, got xml",
        ),
        ("rows=open_ports&port=0", "port must be 1 to 65535, got 0"),
        (
            "rows=open_ports&type=tcp",
            "type must be TCP, UDP, TCP6 or UDP6, got tcp",
        ),
        (
            "rows=open_ports&category=",
            "category must be host or container, got nothing",
        ),
        (
            "rows=open_ports&host_id=",
            "host_id must be 1 to 128 characters, got nothing",
        ),
    ] {
        let (status, code, said) = app.native(&reader, &format!("/export?{query}")).error();
        assert_eq!((status, code.as_str()), (400, "HSS.0001"), "{query}");
        assert_eq!(said, format!("Invalid parameter. {text}"));
    }
}
