//! Several servers on one log: what one takes the others count, credentials and their end are
//! everybody's, and of a race one wins.

mod live;

use std::sync::Arc;
use std::time::Duration;

use portolan_server::ClusterSettings;
use serde_json::{Value, json};

use crate::app::{ALL, App, Token};
use crate::client::Request;
use crate::fleet::{Host, tcp};
use crate::sse::Sse;
use crate::support::{eventually, rows};
use live::{Live, LiveLog};

struct Server {
    app: App,
    log: Arc<LiveLog>,
}

fn admin() -> Token {
    Token::new("admin", "p1", ALL)
}

fn server(cluster: &Live, tokens: &[&Token], settings: ClusterSettings) -> Server {
    let log = cluster.server();
    let mut app = App::stopped(tokens);
    app.log = Some(Arc::clone(&log) as _);
    app.cluster = settings;
    app.serve();
    Server { app, log }
}

/// Two servers with the same credentials file.
fn two(settings: ClusterSettings) -> (Server, Server) {
    let cluster = Live::new();
    let both = [admin()];
    let tokens: Vec<&Token> = both.iter().collect();
    let one = server(&cluster, &tokens, settings);
    (one, server(&cluster, &tokens, settings))
}

fn host(id: &str, ports: &[u16]) -> Host {
    let open = ports.iter().map(|port| tcp("0.0.0.0", *port)).collect();
    Host::new(id, "0", open)
}

fn counted(server: &Server) -> Vec<(u64, String, u64)> {
    let body = server.app.hss(&admin(), "category=host").ok();
    let rows = rows(&body).into_iter();
    rows.map(|(port, kind, num)| (port, kind.to_owned(), num))
        .collect()
}

fn path(rest: &str) -> String {
    format!("/portolan/v1/projects/p1/{rest}")
}

fn post(server: &Server, by: &Token, rest: &str, body: &Value) -> (u16, Value) {
    let request = Request::post(path(rest), body.to_string()).token(by);
    let answer = server.app.send(&request);
    (answer.status, answer.json())
}

fn delete(server: &Server, rest: &str) -> u16 {
    let request = Request::new("DELETE", path(rest)).token(&admin());
    server.app.send(&request).status
}

fn holder(secret: &Value) -> Token {
    Token {
        secret: secret.as_str().unwrap().to_owned(),
        ..admin()
    }
}

fn own(server: &Server, token: &Token) -> u16 {
    server.app.get(token, "/portolan/v1/credential").status
}

#[test]
fn what_one_server_takes_the_other_counts_and_a_new_one_too() {
    let cluster = Live::new();
    let (one, two) = (
        server(&cluster, &[&admin()], ClusterSettings::default()),
        server(&cluster, &[&admin()], ClusterSettings::default()),
    );
    one.app.report(&admin(), &[&host("a", &[22, 80])]);
    two.app.report(&admin(), &[&host("b", &[22])]);
    let all = vec![(22, "TCP".to_owned(), 2), (80, "TCP".to_owned(), 1)];
    for server in [&one, &two] {
        eventually("both hosts are counted", || counted(server) == all);
    }
    let three = server(&cluster, &[&admin()], ClusterSettings::default());
    assert_eq!(counted(&three), all, "it is ready once it has caught up");
    assert_eq!(delete(&three, "hosts/a"), 204);
    let left = vec![(22, "TCP".to_owned(), 1)];
    for server in [&one, &two, &three] {
        eventually("the removed host counts nowhere", || {
            counted(server) == left
        });
    }
    let body = two.app.native(&admin(), "/recount").ok();
    assert_eq!(body["equal"], true, "{body}");
}

#[test]
fn a_token_of_one_server_is_everybodys_and_so_is_its_end() {
    let (one, two) = two(ClusterSettings::default());
    let (status, made) = post(
        &one,
        &admin(),
        "tokens",
        &json!({"name": "t", "role": "reader"}),
    );
    assert_eq!(status, 201, "{made}");
    let token = holder(&made["secret"]);
    eventually("the token is known elsewhere", || own(&two, &token) == 200);
    let mut stream = Sse::open(two.app.address(), &token, "", "");
    let id = made["id"].as_str().unwrap();
    assert_eq!(delete(&one, &format!("tokens/{id}")), 204);
    assert_eq!(own(&one, &token), 401);
    eventually("its end is known elsewhere", || own(&two, &token) == 401);
    // Its stream ends, with what is told last.
    while stream.block().is_some() {}
}

/// Both are asked at once, again and again.
fn race(one: &Server, two: &Server, rest: &str, by: &Token, body: &Value) -> [u16; 2] {
    std::thread::scope(|scope| {
        let asked = [one, two].map(|server| scope.spawn(|| post(server, by, rest, body).0));
        asked.map(|asked| asked.join().unwrap())
    })
}

#[test]
fn of_two_that_want_one_name_or_one_host_one_wins() {
    let (one, two) = two(ClusterSettings::default());
    for number in 0..20 {
        let user = json!({"name": format!("u{number}"), "domain": "d", "role": "reader", "password": "correct horse battery"});
        let mut statuses = race(&one, &two, "users", &admin(), &user);
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409], "user {number}");
    }
    let (status, key) = post(&one, &admin(), "enrol-keys", &json!({"name": "k"}));
    assert_eq!(status, 201, "{key}");
    let key = holder(&key["secret"]);
    eventually("the key is known elsewhere", || own(&two, &key) == 200);
    for number in 0..20 {
        let host = json!({"host_id": format!("h{number}")});
        let mut statuses = race(&one, &two, "enrol", &key, &host);
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409], "host {number}");
    }
    for server in [&one, &two] {
        let never = || {
            let body = server.app.native(&admin(), "/statistics").ok();
            body["hosts"]["never"].as_u64().unwrap()
        };
        eventually("all enrolled hosts are awaited", || never() == 20);
    }
    assert_eq!(delete(&two, "enrolments/h0"), 204);
    let awaited = || one.app.native(&admin(), "/statistics").ok()["hosts"]["never"].clone();
    eventually("a released host is awaited nowhere", || awaited() == 19);
}

#[test]
fn a_stream_goes_on_at_the_other_server_without_gap_or_double() {
    let (one, two) = two(ClusterSettings::default());
    let mut stream = Sse::open(one.app.address(), &admin(), "", "");
    one.app.report(&admin(), &[&host("a", &[22, 80])]);
    two.app.report(&admin(), &[&host("b", &[22])]);
    let before = stream.changes(2);
    one.app.report(&admin(), &[&host("c", &[1])]);
    two.app.report(&admin(), &[&host("d", &[2])]);
    let mut resumed = Sse::open(two.app.address(), &admin(), "", &stream.last_id);
    assert_eq!(resumed.changes(2), stream.changes(2));
    let listed = |server: &Server| {
        let body = server.app.native(&admin(), "/changes?sort_dir=asc").ok();
        body["changes"].as_array().unwrap().clone()
    };
    eventually("both list the same", || listed(&one) == listed(&two));
    assert_eq!(listed(&one)[..2], before);
    assert_eq!(listed(&one).len(), 4);
}

#[test]
fn a_server_that_does_not_know_the_logs_end_answers_no_read() {
    let settings = ClusterSettings {
        max_lag: Duration::from_secs(2),
        ..ClusterSettings::default()
    };
    let (one, two) = two(settings);
    one.app.report(&admin(), &[&host("a", &[22])]);
    eventually("it counts elsewhere", || counted(&two).len() == 1);
    two.log.log.cut_off(true);
    let refused = || two.app.hss(&admin(), "category=host");
    eventually("reads are refused", || refused().status == 503);
    let answer = refused();
    assert_eq!(answer.code(), (503, "PORTOLAN.0006".to_owned()));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(two.app.send(&Request::get("/readyz")).status, 503);
    assert_eq!(two.app.send(&Request::get("/healthz")).status, 200);
    one.app.report(&admin(), &[&host("b", &[22])]);
    two.log.log.cut_off(false);
    eventually("reads are answered again", || refused().status == 200);
    assert_eq!(counted(&two), [(22, "TCP".to_owned(), 2)]);
    assert!(two.app.metric("portolan_cluster_commit") >= 2);
}

#[test]
fn an_answer_is_complete_up_to_the_newest_commit() {
    let (one, two) = two(ClusterSettings::default());
    one.app.report(&admin(), &[&host("a", &[22])]);
    eventually("it counts elsewhere", || counted(&two).len() == 1);
    let as_of = || {
        let answer = two.app.hss(&admin(), "category=host");
        answer.header("x-portolan-as-of").unwrap().to_owned()
    };
    let before = as_of();
    // Nobody commits anything, so one of them does.
    one.app.clock.advance_s(60);
    two.app.clock.advance_s(60);
    eventually("the moment moves while nothing happens", || {
        as_of() > before
    });
    assert!(
        two.app
            .hss(&admin(), "category=host")
            .header("x-portolan-warning")
            .is_none()
    );
}

#[test]
fn an_accepted_loss_of_data_stands_on_every_count() {
    let settings = ClusterSettings {
        accepts_data_loss: true,
        ..ClusterSettings::default()
    };
    let (one, _two) = two(settings);
    let answer = one.app.hss(&admin(), "category=host");
    assert_eq!(
        answer.header("x-portolan-warning"),
        Some("data-loss-accepted")
    );
    assert_eq!(one.app.metric("portolan_cluster_data_loss_accepted"), 1);
}

#[test]
fn of_servers_that_begin_a_cluster_at_once_one_makes_the_first_token() {
    for _ in 0..5 {
        let cluster = Live::new();
        let settings = ClusterSettings::default();
        let servers = std::thread::scope(|scope| {
            let starting = [(), ()].map(|()| scope.spawn(|| server(&cluster, &[], settings)));
            starting.map(|starting| starting.join().unwrap())
        });
        let tokens: Vec<String> = servers
            .iter()
            .filter_map(|one| one.app.first_token())
            .collect();
        let files = servers.iter().map(|one| one.app.data_dir());
        let files = files.filter(|dir| dir.join("admin-token").exists());
        assert_eq!((tokens.len(), files.count()), (1, 1));
        let token = Token {
            secret: tokens[0].clone(),
            ..admin()
        };
        for server in &servers {
            assert!(!server.app.data_dir().join("admin-token.new").exists());
            eventually("both know it", || own(server, &token) == 200);
        }
    }
}
