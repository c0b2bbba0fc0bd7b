//! The 97 cases of the contract, each over a socket, and each 200 against the model.

use std::collections::BTreeMap;

use portolan_wire::hss::parameters::{EnterpriseProjects, enterprise_projects};
use portolan_wire::hss::port_statistics::{PortStatisticsQuery, SortDir};
use portolan_wire::query::Query;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::{ALL, App, Token};
use crate::client::Request;
use crate::fleet::{Host, fleet};
use crate::model::Question;

const CASES: &str = include_str!("../vectors/port_statistics_cases.json");

#[derive(Debug, Deserialize)]
struct Case {
    name: String,
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    precondition: String,
    expected: Expected,
}

#[derive(Debug, Deserialize)]
struct Expected {
    http_status: u16,
    error_code: Option<String>,
    normalised: Option<Value>,
    data_list_len: Option<usize>,
    /// A body that the request carries, although it is a GET.
    request_body: Option<String>,
}

const PROJECT: &str = "5fd3b4c2a1e04f0c9d1e2f3a4b5c6d7e";

/// The project, and the token with its end, that a precondition asks for.
fn precondition(text: &str, token: &str) -> (&'static str, String, Option<String>) {
    let usual = "t0kAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    match text {
        "project 5fd3b4c2a1e04f0c9d1e2f3a4b5c6d7e exists, token of 64 characters is valid for it"
        | "fewer than 500 rows match" => (PROJECT, usual.into(), None),
        "this 32-character token is registered and valid"
        | "this 4096-character token is registered and valid" => (PROJECT, token.into(), None),
        "this token is registered but expired" => {
            (PROJECT, token.into(), Some("2026-11-24T02:13:00Z".into()))
        }
        "project \"p\" exists and the token is scoped to it" => ("p", usual.into(), None),
        "project id \"a/b\" exists and the token is scoped to it" => ("a/b", usual.into(), None),
        other => panic!("nobody knows how to meet {other:?}"),
    }
}

/// Cases whose page is empty because they ask for what lies behind the last row.
const EMPTY: &[&str] = &["offset_2000000", "offset_beyond_data"];

#[test]
fn every_case_of_the_contract_is_answered_as_it_says() {
    let cases: Vec<Case> = serde_json::from_str(CASES).unwrap();
    let mut groups = BTreeMap::<&str, Vec<&Case>>::new();
    for case in &cases {
        groups.entry(&case.precondition).or_default().push(case);
    }
    let hosts = fleet();
    let (mut ran, mut answered) = (0, 0);
    for (text, cases) in groups {
        let sent = cases[0].headers.first().map_or("", |(_, token)| token);
        let (project, secret, expires_at) = precondition(text, sent);
        let reader = Token {
            secret,
            expires_at,
            ..Token::reader(project, ALL)
        };
        // The path of the project "a/b" is not that of its name: the agent's is written for it.
        let agent = Token::agent(project, ALL);
        let app = App::start(&[&reader, &agent]);
        let of_path = Token {
            project: project.replace('/', "%2F"),
            ..agent
        };
        app.report(&of_path, &hosts.iter().collect::<Vec<_>>());
        for case in cases {
            answered += u32::from(run(&app, &hosts, case));
            ran += 1;
        }
    }
    assert_eq!(ran, 97);
    assert_eq!(
        answered, 36,
        "answers of 200 that were held against the model"
    );
}

/// Runs a case; says whether its answer was held against the model.
fn run(app: &App, hosts: &[Host], case: &Case) -> bool {
    let name = &case.name;
    let question_mark = if case.query.is_empty() { "" } else { "?" };
    let mut request = Request::new(
        &case.method,
        format!("{}{question_mark}{}", case.path, case.query),
    );
    for (name, value) in &case.headers {
        request = request.header(name, value);
    }
    if let Some(body) = &case.expected.request_body {
        request = request.body(body.as_bytes());
    }
    let answer = app.send(&request);
    assert_eq!(
        answer.status, case.expected.http_status,
        "{name}: {answer:?}"
    );
    if let Some(code) = &case.expected.error_code {
        assert_eq!(&answer.error().1, code, "{name}");
        return false;
    }
    let normalised = case.expected.normalised.as_ref().unwrap();
    assert_eq!(&parsed(&case.query), normalised, "{name}");
    let body = answer.ok();
    assert_eq!(body, question(normalised).answer(hosts), "{name}");
    let listed = body["data_list"].as_array().unwrap().len();
    assert_eq!(
        listed == 0,
        EMPTY.contains(&name.as_str()),
        "{name} lists {listed} rows"
    );
    assert!(body["total_num"].as_u64().unwrap() > 0, "{name}");
    if let Some(len) = case.expected.data_list_len {
        assert_eq!(listed, len, "{name}");
    }
    true
}

/// A query as the server's own types read it, in the form of the cases.
fn parsed(raw: &str) -> Value {
    let query = Query::decode(raw).unwrap();
    let read = PortStatisticsQuery::read(&query).unwrap();
    let enterprise_project_id = match enterprise_projects(&query).unwrap() {
        EnterpriseProjects::One(id) => id,
        EnterpriseProjects::AllGranted => "all_granted_eps".to_owned(),
    };
    json!({
        "port": read.port,
        "type": read.kind.map(|kind| kind.as_str()),
        "enterprise_project_id": enterprise_project_id,
        "limit": read.range.limit,
        "offset": read.range.offset,
        "category": read.category.as_str(),
        "port_string": read.port_string,
        "status": read.status.map(|status| status.as_str()),
        // The only key there is; it changes no answer, so no type holds it.
        "sort_key": query.single("sort_key").unwrap(),
        "sort_dir": match read.sort_dir { SortDir::Asc => "asc", SortDir::Desc => "desc" },
    })
}

fn question(normalised: &Value) -> Question {
    let text = |name: &str| normalised[name].as_str().map(str::to_owned);
    let number = |name: &str| normalised[name].as_u64();
    Question {
        port: number("port").map(|port| u16::try_from(port).unwrap()),
        kind: text("type"),
        enterprise_project_id: text("enterprise_project_id").unwrap(),
        limit: usize::try_from(number("limit").unwrap()).unwrap(),
        offset: usize::try_from(number("offset").unwrap()).unwrap(),
        category: text("category").unwrap(),
        port_string: text("port_string"),
        status: text("status"),
        exposure: None,
        descending: normalised["sort_dir"] == "desc",
    }
}

#[test]
fn the_fleet_pages_at_the_largest_limit_and_ends_before_the_offset_of_the_cases() {
    let rows = Question::default().rows(&fleet(), |_| true).len();
    assert!((201..500).contains(&rows), "{rows} rows");
}
