//! What is asked about past moments: counts, hosts, and what differs between two.

use portolan_wire::time::UnixMicros;
use serde_json::{Value, json};

use crate::app::{ALL, App, START, Token};
use crate::changes;
use crate::client::Request;
use crate::fleet::{Host, tcp};
use crate::sse::Sse;
use crate::support::{eventually, rows};

/// The moment so many seconds after the server's clock began.
fn at(seconds: i64) -> String {
    let start: UnixMicros = START.parse().unwrap();
    start.plus_micros(seconds * 1_000_000).to_string()
}

/// `h` has ports 22 and 80; at second 60 it moves from enterprise project 0 to x and has 22 and 6379,
/// the latter on loopback; `i` comes at second 120 with 22; `h` is retired at second 180.
struct Past {
    app: App,
    reader: Token,
    agent: Token,
}

impl Past {
    fn begin() -> Self {
        let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
        let admin = Token::new("admin", "p1", ALL);
        let of = |ep: &str| Token::reader("p1", &[ep]);
        let app = App::start(&[&reader, &agent, &admin, &of("0"), &of("x")]);
        let first = Host::new("h", "0", vec![tcp("::", 22), tcp("0.0.0.0", 80)]);
        app.report(&agent, &[&first]);
        app.clock.advance_s(60);
        let moved = first.next(vec![tcp("::", 22), tcp("127.0.0.1", 6379)]);
        app.report(&agent, &[&moved.in_enterprise_project("x")]);
        app.clock.advance_s(60);
        app.report(&agent, &[&Host::new("i", "x", vec![tcp("::", 22)])]);
        app.clock.advance_s(60);
        let target = "/portolan/v1/projects/p1/hosts/h";
        let removed = app.send(&Request::new("DELETE", target).token(&admin));
        assert_eq!(removed.status, 204);
        app.clock.advance_s(60);
        Self { app, reader, agent }
    }

    fn native(&self, rest: &str) -> Value {
        self.app.native(&self.reader, rest).ok()
    }

    /// Why it is refused.
    fn refused(&self, rest: &str, expected: &str) -> String {
        let (status, code, why) = self.app.native(&self.reader, rest).error();
        assert_eq!((status, code.as_str()), (400, expected), "{rest}: {why}");
        why
    }

    /// The rows (port, num) of all enterprise projects that are granted.
    fn counts(&self, seconds: i64, query: &str) -> Vec<(u64, u64)> {
        let all = "enterprise_project_id=all_granted_eps";
        let body = self.native(&format!("/statistics?{all}&as_of={}&{query}", at(seconds)));
        assert_eq!(body["as_of"], at(seconds));
        assert_eq!(body["hosts"], Value::Null);
        let rows = rows(&body);
        assert_eq!(body["total_num"], rows.len());
        rows.iter().map(|(port, _, num)| (*port, *num)).collect()
    }
}

#[test]
fn counts_are_those_of_the_moment_with_the_same_filters() {
    let past = Past::begin();
    for (seconds, expected) in [
        (0, vec![(22, 1), (80, 1)]),
        (59, vec![(22, 1), (80, 1)]),
        (60, vec![(22, 1), (6379, 1)]),
        (120, vec![(22, 2), (6379, 1)]),
        (180, vec![(22, 1)]),
        (239, vec![(22, 1)]),
    ] {
        assert_eq!(past.counts(seconds, ""), expected, "after {seconds} s");
    }
    for (query, expected) in [
        ("port=22", vec![(22, 2)]),
        ("type=TCP6", vec![(22, 2)]),
        ("exposure=loopback", vec![(6379, 1)]),
        ("status=danger", vec![(6379, 1)]),
        ("port_string=37", vec![(6379, 1)]),
        ("category=container", vec![]),
        ("sort_key=port&sort_dir=desc", vec![(6379, 1), (22, 2)]),
    ] {
        assert_eq!(past.counts(120, query), expected, "{query}");
    }
    let page = past.native(&format!(
        "/statistics?enterprise_project_id=x&as_of={}",
        at(120)
    ));
    assert_eq!(rows(&page).len(), 2);
    let default = past.native(&format!("/statistics?as_of={}", at(120)));
    assert_eq!(default["total_num"], 0, "nothing is in 0 any more");
}

#[test]
fn pages_of_a_past_moment_follow_one_another() {
    let past = Past::begin();
    let many: Vec<u16> = (1000..1025).collect();
    let ports = many.iter().map(|port| tcp("::", *port)).collect();
    past.app
        .report(&past.agent, &[&Host::new("many", "0", ports)]);
    past.app.clock.advance_s(1);
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let target = format!("/statistics?limit=10&as_of={}{cursor}", at(240));
        let page = past.native(&target);
        assert_eq!(page["total_num"], 25);
        found.extend(rows(&page).iter().map(|(port, ..)| *port));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert!(found.into_iter().eq(many.into_iter().map(u64::from)));
}

#[test]
fn a_host_is_shown_as_it_was_to_those_whose_it_was() {
    let past = Past::begin();
    let host = |seconds| past.native(&format!("/hosts/h?as_of={}", at(seconds)));
    let ports = |body: &Value| {
        let list = body["data_list"].as_array().unwrap().clone();
        let told = list
            .into_iter()
            .map(|port| (port["port"].clone(), port["first_seen"].clone()));
        told.collect::<Vec<_>>()
    };
    let first = host(30);
    assert_eq!(
        ports(&first),
        [(json!(22), json!(at(0))), (json!(80), json!(at(0)))]
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
    );
    assert_eq!(first["enterprise_project_id"], "0");
    assert_eq!(first["committed_at"], at(0));
    assert_eq!(first["as_of"], at(30));
    for of_now in ["freshness", "last_seen", "identity_conflict", "retired_at"] {
        assert_eq!(first[of_now], Value::Null, "{of_now}");
    }
    let second = host(179);
    assert_eq!(second["enterprise_project_id"], "x");
    let seen: Vec<_> = ports(&second);
    assert!(seen.contains(&(json!(22), json!(at(0)))), "{seen:?}");
    assert!(seen.contains(&(json!(6379), json!(at(60)))), "{seen:?}");

    let status = |token: &Token, rest: &str| past.app.native(token, rest).status;
    for (ep, seconds, expected) in [
        ("0", 30, 200),
        ("x", 30, 404),
        ("0", 90, 404),
        ("x", 90, 200),
        ("x", 200, 404),
    ] {
        let reader = Token::reader("p1", &[ep]);
        let rest = format!("/hosts/h?as_of={}", at(seconds));
        assert_eq!(status(&reader, &rest), expected, "{ep} after {seconds} s");
    }
    assert_eq!(status(&past.reader, "/hosts/h"), 404, "it is retired");
    let before = format!("/hosts/i?as_of={}", at(119));
    assert_eq!(status(&past.reader, &before), 404, "it came later");
}

#[test]
fn what_differs_appeared_vanished_grew_or_shrank() {
    let past = Past::begin();
    let diff = |from, to: &str, query: &str| {
        let all = "enterprise_project_id=all_granted_eps";
        let body = past.native(&format!(
            "/statistics/diff?{all}&from={}{to}&{query}",
            at(from)
        ));
        let list = body["data_list"].as_array().unwrap().clone();
        let row = |row: &Value| {
            let num = |name: &str| row[name].as_u64().unwrap();
            let change = row["change"].as_str().unwrap().to_owned();
            (num("port"), change, num("num_before"), num("num_after"))
        };
        assert_eq!(body["total_num"], list.len());
        list.iter().map(row).collect::<Vec<_>>()
    };
    let row = |port, change: &str, before, after| (port, change.to_owned(), before, after);
    let to = |seconds| format!("&to={}", at(seconds));
    let moved = [row(80, "vanished", 1, 0), row(6379, "appeared", 0, 1)];
    assert_eq!(diff(0, &to(60), ""), moved);
    let grown = [
        row(22, "grew", 1, 2),
        row(80, "vanished", 1, 0),
        row(6379, "appeared", 0, 1),
    ];
    assert_eq!(diff(0, &to(120), ""), grown);
    let until_now = [row(22, "shrank", 2, 1), row(6379, "vanished", 1, 0)];
    assert_eq!(diff(120, "", ""), until_now);
    assert_eq!(
        diff(0, &to(120), "port=6379"),
        [row(6379, "appeared", 0, 1)]
    );
    assert_eq!(diff(0, &to(120), "exposure=any"), grown[..2]);
    assert_eq!(diff(60, &to(60), ""), []);

    let target = format!(
        "/statistics/diff?from={}&enterprise_project_id=x&limit=10",
        at(0)
    );
    let first = past.native(&target);
    assert_eq!(
        first["data_list"],
        json!([
            {"port": 22, "type": "TCP", "change": "appeared", "num_before": 0, "num_after": 1},
        ])
    );
}

/// Without `to` all pages are of the moment of the first.
#[test]
fn pages_of_a_difference_are_of_the_same_two_moments() {
    let past = Past::begin();
    let ports = |from: u16| (from..from + 15).map(|port| tcp("::", port)).collect();
    let host = Host::new("many", "0", ports(1000));
    past.app.report(&past.agent, &[&host]);
    past.app.clock.advance_s(1);
    let target = format!("/statistics/diff?limit=10&from={}", at(239));
    let first = past.native(&target);
    assert_eq!(first["total_num"], 15);
    past.app.report(&past.agent, &[&host.next(ports(1005))]);
    past.app.clock.advance_s(1);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = past.native(&format!("{target}&cursor={cursor}"));
    assert_eq!(second["to"], first["to"]);
    let told = |page: &Value| page["data_list"].as_array().unwrap().len();
    assert_eq!((told(&first), told(&second)), (10, 5));
    assert_eq!(second["next_cursor"], Value::Null);
    let now = past.native(&format!("{target}&cursor={cursor}&to={}", at(241)));
    assert_eq!(told(&now), 10, "unless it is told another");
}

#[test]
fn a_moment_that_the_history_does_not_reach_is_refused_with_its_limits() {
    let past = Past::begin();
    let newest = UnixMicros(at(240).parse::<UnixMicros>().unwrap().0 - 1);
    for target in [
        format!("/statistics?as_of={}", at(-1)),
        format!("/statistics?as_of={}", at(240)),
        format!("/hosts/h?as_of={}", at(-1)),
        format!("/hosts/h?as_of={}", at(1000)),
        format!("/statistics/diff?from={}", at(-1)),
        format!("/statistics/diff?from={}&to={}", at(0), at(1000)),
    ] {
        let refused = past.refused(&target, "PORTOLAN.0020");
        assert!(refused.contains(&at(0)), "{target}: {refused}");
        assert!(refused.contains(&newest.to_string()), "{target}: {refused}");
    }
    for (target, what) in [
        (
            "/statistics?as_of=yesterday".to_owned(),
            "as_of must be a moment",
        ),
        (
            format!("/statistics?freshness=fresh&as_of={}", at(0)),
            "freshness must be left out",
        ),
        ("/statistics/diff".to_owned(), "from must be a moment"),
        (
            format!("/statistics/diff?from={}&offset=0", at(0)),
            "offset must be left out",
        ),
        (format!("/hosts?as_of={}", at(0)), "as_of must be left out"),
        (
            format!("/exposures?as_of={}", at(0)),
            "as_of must be left out",
        ),
        (
            format!("/ports/22/assets?as_of={}", at(0)),
            "as_of must be left out",
        ),
        (
            format!("/statistics/diff?from={}&to={}", at(2), at(1)),
            "later than to",
        ),
    ] {
        let refused = past.refused(&target, "HSS.0001");
        assert!(refused.contains(what), "{target}: {refused}");
    }
}

/// After 95 days the first days are gone, and what is kept is as it was.
#[test]
fn days_that_are_too_old_are_dropped_and_the_others_answer_as_before() {
    let mut past = Past::begin();
    let day_s = 86_400;
    for day in 1..=95 {
        past.app.clock.advance_s(day_s);
        if day % 19 == 0 {
            let port = u16::try_from(1000 + day).unwrap();
            let host = Host::new(&format!("of-day-{day}"), "0", vec![tcp("::", port)]);
            past.app.report(&past.agent, &[&host]);
        }
    }
    past.app.clock.advance_s(1);
    let before: Vec<_> = [20, 50, 94].map(|day| past.counts(day * day_s, "")).into();
    assert_eq!(past.counts(1, ""), [(22, 1), (80, 1)]);
    // What keeps the history up does so first at a start.
    past.app.restart();
    eventually("the first days are dropped", || {
        let target = format!("/statistics?as_of={}", at(1));
        past.app.native(&past.reader, &target).status == 400
    });
    let after: Vec<_> = [20, 50, 94].map(|day| past.counts(day * day_s, "")).into();
    assert_eq!(after, before);
    assert_eq!(after[2].len(), 5);
    // Both begin at the limit that is told, and not behind it.
    let why = past.refused(&format!("/changes?since={}", at(1)), "PORTOLAN.0020");
    let begin = "2026-12-13T00:00:00Z";
    assert!(why.contains(begin), "{why}");
    let query = format!("since={begin}");
    let pages = changes::all(&past.app, &past.reader, &query, 200);
    assert_eq!(pages.len(), 5);
    let mut stream = Sse::open(past.app.address(), &past.reader, &query, "");
    assert_eq!(stream.changes(5), pages);
}
