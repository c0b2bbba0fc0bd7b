//! Exports of the past: open ports as they were, and what happened.

use serde_json::Value;

use crate::app::{ALL, App, START, Token};
use crate::export::{cell, cells, export, lines, shown};
use crate::fleet::{Host, tcp, udp};

/// Some hosts in two enterprise projects, and what happens to them, a minute after the other.
struct Scene {
    app: App,
    reader: Token,
    of_x: Token,
    /// What the pages showed at the end of each minute, and when that was.
    shown: Vec<(String, Vec<Value>)>,
}

impl Scene {
    fn play() -> Self {
        let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
        let (of_x, admin) = (Token::reader("p1", &["x"]), Token::new("admin", "p1", ALL));
        let app = App::start(&[&reader, &agent, &of_x, &admin]);
        let mut scene = Self {
            app,
            reader,
            of_x,
            shown: Vec::new(),
        };
        let ports = |numbers: &[u16]| numbers.iter().map(|port| tcp("::", *port)).collect();
        let a = Host::new("a", "0", ports(&[22, 80]));
        let b = Host::new(
            "b",
            "x",
            vec![tcp("127.0.0.1", 22).program(1, "/bin/one"), udp("::", 53)],
        );
        scene.minute(&agent, &[&a, &b]);
        let a = a.next(ports(&[22, 443]));
        let b = b.next(vec![
            tcp("127.0.0.1", 22).program(2, "/bin/two"),
            udp("::", 53),
        ]);
        let c = Host::new(
            "c",
            "0",
            vec![tcp("0.0.0.0", 443).netns("n").container("c1")],
        );
        scene.minute(&agent, &[&a, &b, &c]);
        let a = a.next(ports(&[22, 443])).in_enterprise_project("x");
        scene.minute(&agent, &[&a]);
        let gone = crate::client::Request::new("DELETE", "/portolan/v1/projects/p1/hosts/b");
        assert_eq!(scene.app.send(&gone.token(&admin)).status, 204);
        scene.minute(&agent, &[]);
        scene.minute(&agent, &[&b.next(vec![udp("::", 53)])]);
        scene
    }

    fn minute(&mut self, agent: &Token, hosts: &[&Host]) {
        if !hosts.is_empty() {
            self.app.report(agent, hosts);
        }
        self.app.clock.advance_s(30);
        let answer = self.app.native(&self.reader, "/export?rows=open_ports");
        let as_of = answer.header("x-portolan-as-of").unwrap().to_owned();
        self.shown.push((as_of, shown(&self.app, &self.reader)));
        self.app.clock.advance_s(30);
    }

    fn changes(&self, token: &Token, query: &str) -> Vec<Value> {
        let (mut changes, mut cursor) = (Vec::new(), String::new());
        loop {
            let target = format!("/changes?limit=2&{query}{cursor}");
            let page = self.app.native(token, &target).ok();
            changes.extend(page["changes"].as_array().unwrap().clone());
            let Some(next) = page["next_cursor"].as_str() else {
                return changes;
            };
            cursor = format!("&cursor={next}");
        }
    }
}

#[test]
fn open_ports_of_a_moment_are_what_the_pages_showed_then() {
    let scene = Scene::play();
    assert_eq!(scene.shown.len(), 5);
    for (moment, expected) in &scene.shown {
        let query = format!("rows=open_ports&as_of={moment}");
        let answer = scene.app.native(&scene.reader, &format!("/export?{query}"));
        assert_eq!(answer.header("x-portolan-as-of"), Some(moment.as_str()));
        let told = String::from_utf8(answer.body).unwrap();
        assert_eq!(&lines(&told), expected, "{moment}");
        // Invariant 8: by the enterprise project that each host had then.
        let own: Vec<&Value> = expected
            .iter()
            .filter(|row| row["enterprise_project_id"] == "x")
            .collect();
        let told = lines(&export(&scene.app, &scene.of_x, &query));
        assert_eq!(told.iter().collect::<Vec<_>>(), own, "{moment}");
    }
}

#[test]
fn a_moment_that_is_not_kept_is_refused_with_its_limits() {
    let scene = Scene::play();
    let limits = format!("{START}, where the history begins, to 2026-11-24T02:17:59.999999Z");
    for moment in ["2026-11-24T02:12:59Z", "2026-11-24T02:18:00Z"] {
        let query = format!("/export?rows=open_ports&as_of={moment}");
        let (status, code, said) = scene.app.native(&scene.reader, &query).error();
        assert_eq!((status, code.as_str()), (400, "PORTOLAN.0020"));
        let expected = format!("as_of must be {limits}, got {moment}");
        assert!(said.ends_with(&expected), "{said}");
        for end in ["since", "until"] {
            let moment = moment.replace("18:00", "18:01");
            let query = format!("/export?rows=changes&{end}={moment}");
            let refused = scene.app.native(&scene.reader, &query);
            assert_eq!(refused.code(), (400, "PORTOLAN.0020".to_owned()));
        }
    }
}

#[test]
fn changes_are_those_of_the_pages_in_both_forms() {
    let scene = Scene::play();
    let all = scene.changes(&scene.reader, "");
    let kinds: Vec<&str> = all
        .iter()
        .map(|row| row["kind"].as_str().unwrap())
        .collect();
    for kind in [
        "baseline",
        "opened",
        "closed",
        "owner_changed",
        "moved",
        "retired",
        "returned",
    ] {
        assert!(kinds.contains(&kind), "{kind} is not in {kinds:?}");
    }
    let filters = [
        "since=2026-11-24T02:14:00Z",
        "until=2026-11-24T02:14:30Z",
        "since=2026-11-24T02:14:00Z&until=2026-11-24T02:16:00Z&kind=moved,opened",
        "host_id=b",
        "port=443&category=host",
        "type=UDP6",
        "exposure=loopback,private",
        "enterprise_project_id=x",
        "damped=true",
    ];
    for token in [&scene.reader, &scene.of_x] {
        for filter in [""].into_iter().chain(filters) {
            let expected = scene.changes(token, filter);
            let query = format!("rows=changes&{filter}");
            assert_eq!(
                lines(&export(&scene.app, token, &query)),
                expected,
                "{query}"
            );
            let csv = cells(&export(&scene.app, token, &format!("{query}&format=csv")));
            let names = csv[0].iter().map(|name| name.clone().unwrap());
            let fields = all[0].as_object().unwrap().keys().cloned();
            assert!(names.eq(fields), "{:?}", csv[0]);
            let values = expected.iter().map(|row| {
                row.as_object()
                    .unwrap()
                    .values()
                    .map(cell)
                    .collect::<Vec<_>>()
            });
            assert_eq!(csv[1..], values.collect::<Vec<_>>(), "{query}");
        }
    }
    let damped = scene.changes(&scene.reader, "damped=true");
    assert!(damped.len() < all.len(), "its last window is not over");
}

/// More than is read at once, and than a chunk holds.
#[test]
fn many_changes_of_one_commit_come_each_once() {
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    let app = App::start(&[&reader, &agent]);
    let host = Host::new("a", "0", vec![]);
    app.report(&agent, &[&host]);
    let ports = (1..=10_000).map(|port| tcp("::", port)).collect();
    let host = host.next(ports);
    app.report(&agent, &[&host]);
    app.report(&agent, &[&host.next(vec![])]);
    app.clock.advance_s(1);
    let told = lines(&export(&app, &reader, "rows=changes"));
    assert_eq!(told.len(), 20_001);
    let mut ids: Vec<&str> = told.iter().map(|row| row["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 20_001);
    for kind in ["opened", "closed"] {
        let of_kind = told.iter().filter(|row| row["kind"] == kind);
        assert_eq!(of_kind.count(), 10_000, "{kind}");
    }
}

#[test]
fn a_parameter_of_the_other_rows_is_refused() {
    let reader = Token::reader("p1", ALL);
    let app = App::start(&[&reader]);
    for (query, text) in [
        (
            "rows=open_ports&since=2026-11-24T02:13:00Z",
            "since is for rows=changes only",
        ),
        ("rows=open_ports&until=", "until is for rows=changes only"),
        (
            "rows=open_ports&kind=opened",
            "kind is for rows=changes only",
        ),
        (
            "rows=open_ports&damped=false",
            "damped is for rows=changes only",
        ),
        (
            "rows=changes&as_of=2026-11-24T02:13:00Z",
            "as_of is for rows=open_ports only",
        ),
        (
            "rows=open_ports&as_of=now",
            "as_of must be a moment such as 2026-11-24T02:13:00Z, got now",
        ),
    ] {
        let (status, code, said) = app.native(&reader, &format!("/export?{query}")).error();
        assert_eq!((status, code.as_str()), (400, "HSS.0001"), "{query}");
        assert_eq!(said, format!("Invalid parameter. {text}"));
    }
}
