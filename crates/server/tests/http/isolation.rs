//! Invariant 8: a credential of one project or enterprise project never sees another's data, by any
//! path or error text.
//!
//! Two ways to ask: no answer holds a word that only others' data has; and no answer changes when
//! others' data is taken away. The second finds what no word betrays: a count, a length, a cursor.

use serde_json::{Value, json};

use crate::answer::Essence;
use crate::app::{ALL, App, Token};
use crate::client::Request;
use crate::fleet::{Host, digest, tcp, udp};

/// A group of hosts that only some credentials may see.
pub(crate) struct Group {
    pub(crate) project: &'static str,
    pub(crate) enterprise_project: &'static str,
    /// A word that stands in everything of this group and in nothing else.
    pub(crate) word: &'static str,
    pub(crate) hosts: Vec<Host>,
}

pub(crate) fn group(
    project: &'static str,
    enterprise_project: &'static str,
    word: &'static str,
    port: u16,
) -> Group {
    let named = |text: &str| format!("{word}-{text}");
    let ports = |port: u16| {
        vec![
            tcp("::", 22).program(7, &format!("/opt/{word}/sshd")),
            tcp("0.0.0.0", port).program(8, &format!("/opt/{word}/service")),
            udp("fd00::1", port),
            tcp("0.0.0.0", 443)
                .netns(&named("netns"))
                .container(&named("container")),
            tcp("0.0.0.0", port + 1).netns(&named("other-netns")),
        ]
    };
    let of = |id: &str, ports| Host::new(id, enterprise_project, ports).of_agent(&named("agent"));
    let hosts = vec![
        of(&named("host"), ports(port)),
        of(&named("host-1"), ports(port + 10)),
    ];
    Group {
        project,
        enterprise_project,
        word,
        hosts,
    }
}

/// Two projects with the same names of enterprise projects in both, and one host id in both.
pub(crate) fn groups() -> Vec<Group> {
    let mut groups = vec![
        group("p1", "red", "crimson", 11_000),
        group("p1", "blue", "azure", 12_000),
        group("p1", "0", "ashen", 13_000),
        group("p2", "red", "scarlet", 21_000),
        group("p2", "0", "blank", 23_000),
    ];
    let shared = |port, ep: &str, word: &str| {
        Host::new("shared", ep, vec![tcp("::", port).program(9, word)]).of_agent(word)
    };
    groups[1].hosts.push(shared(12_500, "blue", "azure"));
    groups[3].hosts.push(shared(21_500, "red", "scarlet"));
    groups
}

fn tokens() -> Vec<Token> {
    vec![
        Token::reader("p1", &["red"]),
        Token::reader("p1", &["red", "blue"]),
        Token::reader("p1", ALL),
        Token::reader("p2", &["red", "nobody"]),
        Token::reader("p2", ALL),
        Token::new("admin", "p1", &["blue"]),
        Token::agent("p1", &["red"]),
        Token::agent("p2", ALL),
    ]
}

pub(crate) fn sees(token: &Token, group: &Group) -> bool {
    let granted = |id: &String| id == "all_granted_eps" || id == group.enterprise_project;
    let is_theirs = token.project == group.project || token.project == "*";
    is_theirs && token.enterprise_projects.iter().any(granted)
}

/// A server with the groups that `there` says are there.
fn app(there: impl Fn(&Group) -> bool) -> App {
    let reporters = ["p1", "p2"].map(|project| Token::new("admin", project, ALL));
    let tokens = tokens();
    let app = App::start(&tokens.iter().chain(&reporters).collect::<Vec<_>>());
    for group in &groups() {
        // Each at a moment of its own, whichever are there: moments of commits never repeat.
        app.clock.advance_s(1);
        if !there(group) {
            continue;
        }
        let reporter = reporters
            .iter()
            .find(|reporter| reporter.project == group.project)
            .unwrap();
        app.report(reporter, &group.hosts.iter().collect::<Vec<_>>());
    }
    app
}

/// Every read of a project, in ways that reach for what there is of any group.
fn reads(project: &str) -> Vec<String> {
    let mut queries = vec![
        String::new(),
        "&port=22".into(),
        "&limit=200&type=UDP6".into(),
        "&sort_dir=desc".into(),
    ];
    queries.extend(
        [
            "&port_string=2",
            "&status=unknown&limit=200",
            "&category=container",
            "&offset=3",
        ]
        .map(str::to_owned),
    );
    let mut targets = Vec::new();
    for ep in ["0", "red", "blue", "nobody", "all_granted_eps"] {
        for query in &queries {
            targets.push(format!(
                "/v5/{project}/asset/port/statistics?enterprise_project_id={ep}{query}"
            ));
            targets.push(format!(
                "/portolan/v1/projects/{project}/statistics?enterprise_project_id={ep}{query}"
            ));
        }
        for call in [
            "ports/detail?port=22",
            "ports/detail?port=443&category=container",
            "ports/detail?port=22&host_ip=10.0.3.17",
            "ports?limit=200",
            "ports?offset=3",
            "ports?category=container&status=unknown",
        ] {
            targets.push(format!(
                "/v5/{project}/asset/{call}&enterprise_project_id={ep}"
            ));
        }
        targets.push(format!(
            "/portolan/v1/projects/{project}/hosts?enterprise_project_id={ep}"
        ));
        targets.push(format!(
            "/portolan/v1/projects/{project}/ports/22/assets?enterprise_project_id={ep}&limit=1"
        ));
    }
    let native = format!("/portolan/v1/projects/{project}");
    for rest in [
        "hosts",
        "hosts?limit=1",
        "hosts?cursor=b",
        "ports/443/assets?category=container",
        "recount",
    ] {
        targets.push(format!("{native}/{rest}"));
    }
    for group in groups() {
        targets.extend(
            group
                .hosts
                .iter()
                .map(|host| format!("{native}/hosts/{}", host.id)),
        );
        for host in &group.hosts {
            let of = format!("/v5/{project}/asset/ports?enterprise_project_id=all_granted_eps");
            targets.push(format!("{of}&host_id={}", host.id));
            targets.push(format!("{of}&host_name=name-of-{}", host.id));
        }
        let port = group.hosts[0].ports[1].port;
        targets.push(format!("{native}/ports/{port}/assets"));
        targets.push(format!(
            "{native}/hosts?limit=1&cursor={}",
            group.hosts[0].id
        ));
        targets.push(format!(
            "{native}/ports/22/assets?cursor={}/TCP",
            group.hosts[0].id
        ));
    }
    targets
}

/// What agents send that reaches for what there is of any group, and changes nothing.
fn posts(project: &str) -> Vec<Request> {
    let beats: Vec<Value> = groups()
        .iter()
        .flat_map(|group| group.hosts.iter())
        .flat_map(|host| {
            [
                host.heartbeat(&json!(digest(&host.ports))),
                host.next(vec![]).heartbeat(&json!("0".repeat(32))),
            ]
        })
        .collect();
    // Foreign enterprise projects only: that a host id is in use in another enterprise project of
    // its own project can't be kept from an agent that claims it for its own.
    let reports: Vec<Value> = groups()
        .iter()
        .filter(|group| group.enterprise_project != "red")
        .flat_map(|group| group.hosts.iter())
        .map(|host| host.next(vec![]).report())
        .collect();
    let post = |list: &str, items: &[Value]| {
        let body = serde_json::to_vec(&json!({ list: items })).unwrap();
        Request::post(format!("/portolan/v1/projects/{project}/{list}"), body)
    };
    vec![post("heartbeats", &beats), post("reports", &reports)]
}

fn requests(token: &Token) -> Vec<Request> {
    let mut requests: Vec<Request> = Vec::new();
    for project in ["p1", "p2"] {
        requests.extend(reads(project).iter().map(Request::get));
        // A reader is refused; who may report for all of the project would change something.
        if token.role == "reader"
            || token.enterprise_projects == ["red"]
            || token.project != project
        {
            requests.extend(posts(project));
        }
    }
    requests.push(Request::get("/portolan/v1/credential"));
    requests
        .into_iter()
        .map(|request| request.token(token))
        .collect()
}

#[test]
fn no_answer_holds_a_word_of_what_the_credential_may_not_see() {
    let app = app(|_| true);
    let groups = groups();
    for token in &tokens() {
        let mut shown = vec![false; groups.len()];
        for request in requests(token) {
            let Essence { headers, body, .. } = app.send(&request).essence();
            // What an agent itself sent comes back to it: the host ids of its own request.
            let body = if request.is_post() {
                without_host_ids(&body)
            } else {
                body
            };
            let text = format!("{headers:?} {body}");
            for (place, group) in groups.iter().enumerate() {
                let there = text.contains(group.word);
                assert!(
                    !there || sees(token, group),
                    "{} in the answer to {request:?}: {text}",
                    group.word
                );
                shown[place] |= there;
            }
        }
        if token.role != "agent" {
            let visible: Vec<bool> = groups.iter().map(|group| sees(token, group)).collect();
            assert_eq!(shown, visible, "{token:?} is shown what it may see");
        }
    }
    let metrics = String::from_utf8(app.send(&Request::get("/metrics")).body).unwrap();
    assert!(
        groups.iter().all(|group| !metrics.contains(group.word)),
        "{metrics}"
    );
}

fn without_host_ids(body: &str) -> String {
    let mut body: Value = serde_json::from_str(body).unwrap();
    for result in body["results"].as_array_mut().into_iter().flatten() {
        result.as_object_mut().unwrap().remove("host_id");
    }
    body.to_string()
}

#[test]
fn no_answer_depends_on_what_the_credential_may_not_see() {
    let full = app(|_| true);
    for token in &tokens() {
        let visible_only = app(|group| sees(token, group));
        for request in requests(token) {
            let (with, without) = (full.send(&request), visible_only.send(&request));
            assert_eq!(with.essence(), without.essence(), "{request:?}");
        }
    }
}

#[test]
fn a_project_of_others_and_one_that_does_not_exist_are_told_alike_on_every_route() {
    let app = app(|_| true);
    for token in tokens().iter().filter(|token| token.project == "p2") {
        for (foreign, unknown) in reads("p1").iter().zip(reads("p3")) {
            let answers = [foreign, &unknown].map(|target| app.get(token, target).essence());
            assert_eq!(answers[0], answers[1], "{foreign}");
            assert_eq!(answers[0].status, 403);
        }
        for (foreign, unknown) in posts("p1").into_iter().zip(posts("p3")) {
            let answers =
                [foreign, unknown].map(|request| app.send(&request.token(token)).essence());
            assert_eq!(answers[0], answers[1]);
            assert_eq!(answers[0].status, 403);
        }
    }
}
