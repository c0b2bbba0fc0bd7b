//! `batch-modify-port-status`: what an operator ignores is normal, durably, and counts as before.

use portolan_server::Settings;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::app::{ALL, App, Token};
use crate::client::Request;
use crate::fleet::{Host, tcp, udp};
use crate::support::rows;

fn admin() -> Token {
    Token::new("admin", "p1", ALL)
}

fn modify(app: &App, token: &Token, query: &str, body: &Value) -> Answer {
    let target = format!("/v5/p1/asset/batch-modify-port-status?{query}");
    app.send(&Request::post(target, body.to_string()).token(token))
}

fn wish(operate_type: &str, items: &[Value]) -> Value {
    json!({"operate_type": operate_type, "data_list": items})
}

fn of_host(host: &str, port: u16) -> Value {
    json!({"host_id": host, "agent_id": "", "container_id": "", "port": port, "port_type": "TCP"})
}

fn of_container(host: &str, container: &str, port: u16) -> Value {
    json!({"host_id": host, "container_id": container, "port": port, "port_type": "TCP"})
}

/// A server with three hosts of project p1: two in enterprise project 0, one in x.
fn started(tokens: &[&Token]) -> (App, Vec<Host>) {
    let agent = Token::agent("p1", ALL);
    let mut all = tokens.to_vec();
    all.push(&agent);
    let app = App::with_settings(
        &all,
        Settings {
            status_field: true,
            ..Settings::default()
        },
    );
    let hosts = vec![
        Host::new(
            "a",
            "0",
            vec![
                tcp("0.0.0.0", 6379),
                tcp("::", 6379),
                tcp("0.0.0.0", 22),
                tcp("::", 6379).netns("n1").container("c1"),
                tcp("0.0.0.0", 6379).netns("n2"),
            ],
        ),
        Host::new("b", "0", vec![tcp("0.0.0.0", 6379), udp("::", 161)]),
        Host::new("c", "x", vec![tcp("0.0.0.0", 6379)]),
    ];
    app.report(&agent, &hosts.iter().collect::<Vec<_>>());
    (app, hosts)
}

/// Status and count of port 6379 as a query asks for it.
fn told(app: &App, token: &Token, query: &str) -> (String, u64) {
    let body = app.hss(token, &format!("port=6379&{query}")).ok();
    let row = &body["data_list"][0];
    assert_eq!(body["total_num"], 1, "{body}");
    (
        row["status"].as_str().unwrap().to_owned(),
        row["num"].as_u64().unwrap(),
    )
}

fn danger(num: u64) -> (String, u64) {
    ("danger".to_owned(), num)
}

fn normal(num: u64) -> (String, u64) {
    ("normal".to_owned(), num)
}

#[test]
fn a_row_is_normal_once_all_its_assets_ignore_it_and_danger_again_when_one_does_no_longer() {
    let admin = admin();
    let (app, _) = started(&[&admin]);
    let change = |kind: &str, items: &[Value]| {
        let answer = modify(
            &app,
            &admin,
            "enterprise_project_id=all_granted_eps",
            &wish(kind, items),
        );
        assert_eq!(answer.ok(), json!({}));
    };
    let all = "enterprise_project_id=all_granted_eps";
    let x = "enterprise_project_id=x";
    change("ignore", &[of_host("a", 6379)]);
    assert_eq!(told(&app, &admin, ""), danger(2));
    // All IPv6 sockets of port 6379 are of the asset that ignores it.
    assert_eq!(told(&app, &admin, "type=TCP6"), normal(1));
    change("ignore", &[of_host("b", 6379), of_host("b", 6379)]);
    assert_eq!(told(&app, &admin, ""), normal(2));
    assert_eq!(told(&app, &admin, all), danger(3));
    assert_eq!(told(&app, &admin, x), danger(1));
    change("ignore", &[of_host("c", 6379)]);
    assert_eq!(told(&app, &admin, all), normal(3));
    assert_eq!(
        told(&app, &admin, "category=container"),
        danger(2),
        "other assets"
    );
    // The status selects rows: what is ignored moves from one list to the other.
    for (status, expected) in [
        ("danger", vec![(161, "UDP", 1)]),
        ("normal", vec![(22, "TCP", 1), (6379, "TCP", 3)]),
        ("unknown", vec![]),
    ] {
        let body = app.hss(&admin, &format!("{all}&status={status}")).ok();
        assert_eq!(rows(&body), expected, "{status}");
        assert_eq!(body["total_num"], expected.len(), "{status}");
        let native = app
            .native(&admin, &format!("/statistics?{all}&status={status}"))
            .ok();
        assert_eq!(native["data_list"], body["data_list"], "{status}");
    }
    change("not_ignore", &[of_host("b", 6379)]);
    assert_eq!(told(&app, &admin, all), danger(3));
    assert_eq!(told(&app, &admin, x), normal(1));
    assert_eq!(app.native(&admin, "/recount").ok()["equal"], true);
}

#[test]
fn containers_are_ignored_by_container_or_netns_and_hosts_by_their_agent() {
    let admin = admin();
    let (app, hosts) = started(&[&admin]);
    let change = |items: &[Value]| {
        let answer = modify(&app, &admin, "category=container", &wish("ignore", items));
        assert_eq!(answer.ok(), json!({}));
    };
    change(&[of_container("a", "c1", 6379)]);
    assert_eq!(told(&app, &admin, "category=container"), danger(2));
    assert_eq!(
        told(&app, &admin, "category=container&type=TCP6"),
        normal(1)
    );
    change(&[of_container("a", "n2", 6379)]);
    assert_eq!(told(&app, &admin, "category=container"), normal(2));
    assert_eq!(told(&app, &admin, ""), danger(2));
    let agents = ["a", "b"].map(|host| {
        json!({"host_id": "", "agent_id": format!("agent-of-{host}"), "port": 6379, "port_type": "TCP"})
    });
    assert_eq!(
        modify(&app, &admin, "", &wish("ignore", &agents)).ok(),
        json!({})
    );
    assert_eq!(told(&app, &admin, ""), normal(2));
    // Two hosts of one agent id: it names neither.
    let twin = Host::new("d", "0", vec![]).of_agent("agent-of-a");
    app.report(&Token::agent("p1", ALL), &[&twin]);
    let twins = modify(&app, &admin, "", &wish("not_ignore", &agents)).error();
    assert_eq!((twins.0, &*twins.1), (400, "HSS.0011"));
    assert_eq!(told(&app, &admin, ""), normal(2));
    drop(hosts);
}

/// Invariants 1 and 2 for what is ignored.
#[test]
fn what_is_ignored_stays_through_reports_restarts_and_crashes_and_goes_with_the_host() {
    let admin = admin();
    let agent = Token::agent("p1", ALL);
    let (mut app, hosts) = started(&[&admin]);
    let items = [of_host("a", 6379), of_host("b", 6379)];
    modify(&app, &admin, "", &wish("ignore", &items)).ok();
    let crashed = app.crashed_copy();
    assert_eq!(told(&crashed, &admin, ""), normal(2));
    assert_eq!(crashed.native(&admin, "/recount").ok()["equal"], true);
    drop(crashed);
    app.restart();
    assert_eq!(told(&app, &admin, ""), normal(2));
    // Closed, and open again.
    let closed = hosts[0].next(vec![tcp("::", 22)]);
    app.report(&agent, &[&closed]);
    assert_eq!(told(&app, &admin, ""), normal(1));
    let open = closed.next(vec![tcp("::", 6379)]);
    app.report(&agent, &[&open]);
    assert_eq!(told(&app, &admin, ""), normal(2));
    // Another enterprise project.
    let mut moved = open.next(open.ports.clone()).in_enterprise_project("x");
    moved.generation += 1;
    app.report(&agent, &[&moved]);
    assert_eq!(told(&app, &admin, "enterprise_project_id=x"), danger(2));
    assert_eq!(told(&app, &admin, "enterprise_project_id=0"), normal(1));
    // Removed, and back.
    let target = "/portolan/v1/projects/p1/hosts/b";
    assert_eq!(
        app.send(&Request::new("DELETE", target).token(&admin))
            .status,
        204
    );
    app.report(&agent, &[&hosts[1]]);
    assert_eq!(told(&app, &admin, ""), danger(1));
    app.restart();
    assert_eq!(told(&app, &admin, ""), danger(1));
    assert_eq!(app.native(&admin, "/recount").ok()["equal"], true);
}

/// Invariant 8: no answer tells an asset of another enterprise project from one that is not there.
#[test]
fn an_asset_that_is_not_there_and_one_that_is_not_granted_are_told_alike_and_change_nothing() {
    let (admin, only_x) = (admin(), Token::new("admin", "p1", &["x"]));
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    let foreign = Token::new("admin", "p2", ALL);
    let (app, _) = started(&[&admin, &only_x, &reader, &foreign]);
    let x = "enterprise_project_id=x";
    let with = |token: &Token, query: &str, item: Value| {
        let items = [of_host("c", 6379), item];
        modify(&app, token, query, &wish("ignore", &items)).essence()
    };
    let by_agent = |agent: &str| json!({"agent_id": agent, "port": 1, "port_type": "TCP"});
    let answers = [
        with(&only_x, x, of_host("a", 6379)),
        with(&only_x, x, of_host("nobody", 6379)),
        with(&only_x, x, by_agent("agent-of-a")),
        with(&only_x, x, by_agent("nobody's")),
        with(&admin, x, of_host("a", 6379)),
    ];
    assert!(
        answers.iter().all(|answer| answer == &answers[0]),
        "{answers:?}"
    );
    assert!(answers[0].body.contains("HSS.0011") && answers[0].body.contains("data_list[1]"));
    let containers = ["c1", "nothing"].map(|container| {
        let items = [of_container("a", container, 6379)];
        let query = format!("category=container&{x}");
        modify(&app, &only_x, &query, &wish("ignore", &items)).essence()
    });
    assert_eq!(containers[0], containers[1]);
    assert_eq!(
        told(&app, &admin, x),
        danger(1),
        "none of the items takes effect"
    );
    let items = wish("ignore", &[of_host("c", 6379)]);
    for (token, query, code) in [
        (&reader, x, (403, "APIGW.0302".to_owned())),
        (&agent, x, (403, "APIGW.0302".to_owned())),
        (&foreign, x, (403, "APIGW.0306".to_owned())),
        (&only_x, "", (400, "HSS.0013".to_owned())),
        (
            &only_x,
            "enterprise_project_id=0",
            (400, "HSS.0013".to_owned()),
        ),
    ] {
        assert_eq!(modify(&app, token, query, &items).code(), code, "{query}");
    }
    assert_eq!(told(&app, &admin, x), danger(1));
    assert_eq!(modify(&app, &only_x, x, &items).ok(), json!({}));
    assert_eq!(told(&app, &admin, x), normal(1));
}

#[test]
fn faults_of_the_query_and_the_body_are_told_with_their_place() {
    let admin = admin();
    let (app, _) = started(&[&admin]);
    let body = wish("ignore", &[of_host("a", 1), of_host("a", 0)]);
    let parameter = |text: &str| {
        (
            400,
            "HSS.0001".to_owned(),
            format!("Invalid parameter. {text}"),
        )
    };
    assert_eq!(
        modify(&app, &admin, "category=Host", &body).error(),
        parameter("category must be host or container, got Host")
    );
    assert_eq!(
        modify(&app, &admin, "", &body).error(),
        parameter("data_list[1].port must be 1 to 65535, got 0")
    );
    assert_eq!(
        modify(
            &app,
            &admin,
            "category=container",
            &wish("ignore", &[of_host("a", 1)])
        )
        .error(),
        parameter("data_list[0].container_id must be given in category container, got \"\"")
    );
    let target = "/v5/p1/asset/batch-modify-port-status";
    let (status, code, text) = app.send(&Request::post(target, "{").token(&admin)).error();
    assert_eq!((status, &*code), (400, "HSS.0002"));
    assert!(
        text.starts_with("Failed to parse the request. EOF"),
        "{text}"
    );
    let wrong = app.get(&admin, target);
    assert_eq!(wrong.code(), (404, "APIGW.0101".into()));
    assert_eq!(
        modify(&app, &admin, "", &wish("ignore", &[])).ok(),
        json!({})
    );
}

#[test]
fn the_cap_of_a_host_is_told_and_counted_and_every_act_is_in_the_audit_log() {
    let admin = admin();
    let (app, _) = started(&[&admin]);
    let ignore = |ports: std::ops::Range<u16>| {
        let items: Vec<Value> = ports.map(|port| of_host("a", port)).collect();
        modify(&app, &admin, "", &wish("ignore", &items))
    };
    for from in (1..1_001).step_by(200) {
        assert_eq!(ignore(from..from + 200).ok(), json!({}));
    }
    let (status, code, text) = ignore(1_000..1_003).error();
    assert_eq!((status, &*code), (400, "HSS.0001"));
    assert!(text.contains("data_list[1] is one too many"), "{text}");
    assert_eq!(
        app.metric("portolan_limits_reached_total{limit=\"ignored_ports\"}"),
        1
    );
    let log = std::fs::read_to_string(app.data_dir().join("audit.log")).unwrap();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 12, "two of each act");
    let last = lines.last().unwrap();
    assert_eq!(last["action"], "ports.ignore");
    assert_eq!(last["target"], "p1/ports");
    assert_eq!(last["outcome"], "HSS.0001");
    assert_eq!(
        last["detail"],
        "TCP 1000 of host a, TCP 1001 of host a, TCP 1002 of host a"
    );
    assert_eq!(lines[1]["outcome"], "done");
    assert!(portolan_server::audit::verify(&app.data_dir()).is_ok());
}
