//! `GET …/changes`: what happened, in its order, to those who may know.

use portolan_server::Limits;
use serde_json::{Value, json};

use crate::app::{ALL, App, Token};
use crate::fleet::{Host, OpenPort, tcp, udp};

/// All pages of changes for a query, each of `limit`.
pub(crate) fn all(app: &App, reader: &Token, query: &str, limit: usize) -> Vec<Value> {
    let mut changes = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = app
            .native(reader, &format!("/changes?{query}&limit={limit}{cursor}"))
            .ok();
        let rows = page["changes"].as_array().unwrap();
        assert!(rows.len() <= limit, "{page}");
        changes.extend(rows.iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return changes,
        }
    }
}

/// (kind, host, port) of each change.
fn told(changes: &[Value]) -> Vec<(&str, &str, u64)> {
    let told = changes.iter().map(|change| {
        (
            change["kind"].as_str().unwrap(),
            change["host_id"].as_str().unwrap(),
            change["port"].as_u64().unwrap_or(0),
        )
    });
    told.collect()
}

fn app() -> (App, Token, Token) {
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    (App::start(&[&reader, &agent]), reader, agent)
}

/// A host that came, and whose ports then changed.
fn scene(app: &App, agent: &Token) -> Vec<Host> {
    let container = || tcp("10.88.0.2", 6379).netns("n1").container("c1");
    let first = Host::new("h1", "0", vec![tcp("0.0.0.0", 22).program(7, "/a")]);
    let second = first.next(vec![
        tcp("0.0.0.0", 22).program(9, "/b"),
        udp("::", 123),
        container(),
    ]);
    let other = Host::new("h2", "x", vec![tcp("127.0.0.1", 22)]);
    let third = second.next(vec![udp("::", 123), container()]);
    for host in [&first, &other, &second, &third] {
        app.clock.advance_s(1);
        app.report(agent, &[host]);
    }
    app.clock.advance_s(1);
    vec![first, other, second, third]
}

#[test]
fn a_change_has_every_field_and_tells_what_was_before() {
    let (app, reader, agent) = app();
    scene(&app, &agent);
    let changes = all(&app, &reader, "", 50);
    assert_eq!(
        told(&changes),
        [
            ("baseline", "h1", 0),
            ("baseline", "h2", 0),
            ("owner_changed", "h1", 22),
            ("opened", "h1", 123),
            ("opened", "h1", 6379),
            ("closed", "h1", 22),
        ]
    );
    let mut owner = changes[2].clone();
    let id = owner["id"].take();
    assert!(id.as_str().unwrap().ends_with("-3-0"), "{id}");
    let expected = json!({
        "id": null, "kind": "owner_changed", "at": "2026-11-24T02:13:03Z", "observed_at": owner["observed_at"],
        "host_id": "h1", "host_name": owner["host_name"], "enterprise_project_id": "0", "category": "host", "type": "TCP",
        "laddr": "0.0.0.0", "port": 22, "path": "/b", "pid": 9, "before": {"path": "/a"}, "after": null, "exposure": "any",
        "netns": null, "container_id": null, "container_name": null, "opened_at": null, "closed_at": null,
        "open_ports": null, "count": null, "first_at": null,
    });
    assert_eq!(owner, expected);
    assert!(owner["observed_at"].is_string() && owner["host_name"].is_string());
    let baseline = &changes[0];
    assert_eq!(baseline["open_ports"], 1);
    for field in [
        "category", "type", "laddr", "port", "path", "pid", "before", "exposure", "netns",
    ] {
        assert!(baseline[field].is_null(), "{field}: {baseline}");
    }
    let container = &changes[4];
    assert_eq!(
        [
            &container["category"],
            &container["netns"],
            &container["exposure"]
        ],
        [&json!("container"), &json!("n1"), &json!("private")]
    );
}

#[test]
fn pages_of_any_size_and_either_order_give_the_same_changes() {
    let (app, reader, agent) = app();
    scene(&app, &agent);
    for query in [
        "",
        "damped=true",
        "host_id=h1",
        "port=22",
        "kind=opened,closed",
    ] {
        // Of damped changes those of windows that are over.
        app.clock.advance_s(600);
        let whole = all(&app, &reader, query, 200);
        assert!(whole.len() >= 2, "{query}: {whole:?}");
        for limit in [1, 2, 5] {
            assert_eq!(
                all(&app, &reader, query, limit),
                whole,
                "{query} by {limit}"
            );
            let descending = format!("{query}&sort_dir=desc");
            let mut turned = all(&app, &reader, &descending, limit);
            turned.reverse();
            assert_eq!(turned, whole, "{descending} by {limit}");
        }
    }
}

#[test]
fn each_filter_selects_what_it_says() {
    let (app, reader, agent) = app();
    scene(&app, &agent);
    let of = |query: &str| {
        let changes = all(&app, &reader, query, 50);
        let told = told(&changes).into_iter();
        told.map(|(kind, host, port)| format!("{kind} {host} {port}"))
            .collect::<Vec<_>>()
    };
    for (query, expected) in [
        ("port=123", vec!["opened h1 123"]),
        ("type=UDP6", vec!["opened h1 123"]),
        ("type=UDP", vec!["opened h1 123"]),
        ("type=TCP6", vec![]),
        ("category=container", vec!["opened h1 6379"]),
        ("exposure=private", vec!["opened h1 6379"]),
        (
            "exposure=any,private&kind=opened",
            vec!["opened h1 123", "opened h1 6379"],
        ),
        (
            "kind=baseline,closed",
            vec!["baseline h1 0", "baseline h2 0", "closed h1 22"],
        ),
        ("kind=baseline&port=22", vec![]),
        ("host_id=h2", vec!["baseline h2 0"]),
        ("host_id=nobody", vec![]),
        ("enterprise_project_id=x", vec!["baseline h2 0"]),
        ("since=2026-11-24T02:13:04Z", vec!["closed h1 22"]),
        ("until=2026-11-24T02:13:02Z", vec!["baseline h1 0"]),
        (
            "since=2026-11-24T02:13:02Z&until=2026-11-24T02:13:03Z",
            vec!["baseline h2 0"],
        ),
        (
            "until=2026-11-24T02:13:03Z&host_id=h2&sort_dir=desc",
            vec!["baseline h2 0"],
        ),
    ] {
        assert_eq!(of(query), expected, "{query}");
    }
}

#[test]
fn faulty_parameters_moments_and_cursors_are_told_apart() {
    let (app, reader, agent) = app();
    scene(&app, &agent);
    let code = |query: &str| app.native(&reader, &format!("/changes?{query}")).code().1;
    for query in [
        "kind=Opened",
        "kind=opened,",
        "kind=",
        "exposure=world",
        "category=pod",
        "type=tcp",
        "port=0",
        "host_id=",
        "since=yesterday",
        "until=2026-11-24",
        "damped=1",
        "sort_dir=up",
        "limit=0",
        "limit=201",
        "cursor=",
        "cursor=1-2-3",
        "since=2026-11-24T02:13:01Z&since=2026-11-24T02:13:01Z",
    ] {
        assert_eq!(code(query), "HSS.0001", "{query}");
    }
    for query in [
        "since=2026-11-24T02:12:59Z",
        "until=2026-11-24T02:12:59Z",
        "until=2027-01-01T00:00:00Z",
    ] {
        let error = app.native(&reader, &format!("/changes?{query}")).error();
        assert_eq!(
            (error.0, error.1.as_str()),
            (400, "PORTOLAN.0020"),
            "{query}"
        );
        assert!(
            error
                .2
                .contains("2026-11-24T02:13:00Z to 2026-11-24T02:13:0"),
            "{}",
            error.2
        );
    }
    assert_eq!(code("enterprise_project_id=y&kind=x"), "HSS.0001");
    let page = app.native(&reader, "/changes?limit=1").ok();
    let cursor = page["next_cursor"].as_str().unwrap();
    let epoch = cursor.split('-').next().unwrap();
    for window in [i64::MAX, i64::MIN] {
        let cursor = format!("{epoch}-1-0-w{window}");
        let far = app.native(&reader, &format!("/changes?damped=true&cursor={cursor}"));
        assert!([200, 400].contains(&far.status), "{far:?}");
    }
    let damped = app.native(&reader, &format!("/changes?damped=true&cursor={cursor}"));
    assert_eq!(damped.code(), (400, "HSS.0001".into()));
    let first = if cursor.starts_with('0') { "1" } else { "0" };
    let other = format!("{first}{}", &cursor[1..]);
    assert_eq!(code(&format!("cursor={other}")), "PORTOLAN.0021");
    let (epoch, _) = cursor.split_once('-').unwrap();
    assert_eq!(code(&format!("cursor={epoch}-9999-0")), "PORTOLAN.0021");
}

/// A port that flaps is one change with a count once its window is over; all of it is told as it is.
#[test]
fn damped_changes_show_one_of_many_of_a_port_when_the_window_is_over() {
    let (app, reader, agent) = app();
    let flapping = || tcp("0.0.0.0", 8080);
    let mut host = Host::new("h1", "0", vec![flapping()]);
    app.report(&agent, &[&host]);
    let report = |host: &mut Host, ports: Vec<OpenPort>| {
        app.clock.advance_s(10);
        *host = host.next(ports);
        app.report(&agent, &[host]);
    };
    // 02:13:00 to 02:14:10: seven of one port, two of another.
    for turn in 0..7 {
        let mut ports = if turn % 2 == 0 {
            vec![]
        } else {
            vec![flapping()]
        };
        if (2..4).contains(&turn) {
            ports.push(tcp("0.0.0.0", 9090));
        }
        report(&mut host, ports);
    }
    assert_eq!(all(&app, &reader, "damped=true", 50), Vec::<Value>::new());
    assert_eq!(all(&app, &reader, "", 50).len(), 10);
    app.clock.advance_s(300);
    // Two in the next window.
    report(&mut host, vec![flapping()]);
    report(&mut host, vec![]);
    for limit in [1, 2, 50] {
        let damped = all(&app, &reader, "damped=true", limit);
        assert_eq!(
            told(&damped),
            [
                ("baseline", "h1", 0),
                ("opened", "h1", 9090),
                ("closed", "h1", 9090),
                ("closed", "h1", 8080)
            ]
        );
        let one = &damped[3];
        assert_eq!(
            [&one["count"], &one["first_at"], &one["at"]],
            [
                &json!(7),
                &json!("2026-11-24T02:13:10Z"),
                &json!("2026-11-24T02:14:10Z")
            ]
        );
        assert!(damped[1]["count"].is_null());
    }
    app.clock.advance_s(300);
    let damped = all(&app, &reader, "damped=true", 2);
    assert_eq!(
        told(&damped[4..]),
        [("opened", "h1", 8080), ("closed", "h1", 8080)]
    );
}

/// Invariant 8: a change is its own enterprise project's at that time, and a move is of both.
#[test]
fn a_host_that_moved_shows_each_side_what_was_its_own() {
    let agent = Token::agent("p1", ALL);
    let (of_a, of_b, all_of_it) = (
        Token::reader("p1", &["a"]),
        Token::reader("p1", &["b"]),
        Token::reader("p1", ALL),
    );
    let (other, stranger) = (Token::reader("p1", &["c"]), Token::reader("p2", ALL));
    let app = App::start(&[&agent, &of_a, &of_b, &all_of_it, &other, &stranger]);
    let first = Host::new("h1", "a", vec![tcp("0.0.0.0", 22)]);
    let held = |path| tcp("0.0.0.0", 9).program(7, path);
    let second = first.next(vec![tcp("0.0.0.0", 23), held("/of-a")]);
    let moved = second
        .next(vec![tcp("0.0.0.0", 24), held("/of-b")])
        .in_enterprise_project("b");
    let last = moved.next(vec![tcp("0.0.0.0", 25), held("/of-b")]);
    for host in [&first, &second, &moved, &last] {
        app.clock.advance_s(1);
        app.report(&agent, &[host]);
    }
    let side = |id: Option<&str>| json!({ "enterprise_project_id": id });
    let moves = |changes: &[Value]| {
        let moved: Vec<&Value> = changes.iter().filter(|it| it["kind"] == "moved").collect();
        assert_eq!(moved.len(), 1, "{changes:?}");
        let fields = ["enterprise_project_id", "before", "after", "host_name"];
        fields.map(|field| moved[0][field].clone())
    };
    let ports = |changes: &[Value]| {
        let ports = changes.iter().filter_map(|it| it["port"].as_u64());
        let mut ports: Vec<u64> = ports.collect();
        ports.sort_unstable();
        ports
    };
    for query in ["", "host_id=h1", "sort_dir=desc"] {
        let (a, b) = (all(&app, &of_a, query, 50), all(&app, &of_b, query, 50));
        assert_eq!(ports(&a), [9, 22, 23]);
        assert_eq!(
            moves(&a),
            [json!("a"), side(Some("a")), side(None), Value::Null]
        );
        assert_eq!(ports(&b), [9, 24, 24, 25], "what closed by moving was a's");
        let name = json!("name-of-h1");
        assert_eq!(
            moves(&b),
            [json!("b"), side(None), side(Some("b")), name.clone()]
        );
        let whole = all(&app, &all_of_it, query, 50);
        assert_eq!(
            moves(&whole),
            [json!("b"), side(Some("a")), side(Some("b")), name]
        );
        assert_eq!(ports(&whole), [9, 9, 22, 23, 23, 24, 24, 25]);
        let owner = |changes: &[Value]| {
            let mut owners = changes.iter().filter(|it| it["kind"] == "owner_changed");
            owners.next().unwrap()["before"].clone()
        };
        assert_eq!(owner(&b), Value::Null, "who held it in a is a's");
        assert_eq!(owner(&whole), json!({"path": "/of-a"}));
        for nobody in [&other, &stranger] {
            assert_eq!(all(&app, nobody, query, 50), Vec::<Value>::new());
        }
    }
    let asked = all(&app, &all_of_it, "enterprise_project_id=a", 50);
    assert_eq!(moves(&asked)[2], side(Some("b")), "both are granted");
    assert_eq!(ports(&asked), [9, 22, 23]);
}

/// Many ports that open and close.
fn many(count: u16) -> Vec<OpenPort> {
    (1..=count).map(|port| tcp("0.0.0.0", port)).collect()
}

#[test]
fn a_window_with_too_many_changes_is_shown_as_it_is() {
    let (app, reader, agent) = app();
    let mut host = Host::new("h1", "0", vec![]);
    // 3 x 3,500 are more than 10,000; one more of each of two ports would else be folded.
    for ports in [vec![], many(3_500), vec![], many(3_500)] {
        host = host.next(ports);
        app.report(&agent, &[&host]);
    }
    app.clock.advance_s(600);
    let whole = all(&app, &reader, "", 200);
    assert_eq!(whole.len(), 10_501);
    assert!(all(&app, &reader, "damped=true", 200) == whole);
    let mut turned = all(&app, &reader, "damped=true&sort_dir=desc", 200);
    turned.reverse();
    assert!(turned == whole);
    // Of fewer that are wanted one stands for all.
    let of_one = all(&app, &reader, "damped=true&port=7", 200);
    assert_eq!(of_one.len(), 1);
    assert_eq!(of_one[0]["count"], 3);
}

#[test]
fn a_page_looks_through_so_much_and_may_be_empty_with_a_cursor() {
    let (app, reader, agent) = app();
    let mut host = Host::new("h1", "0", vec![]);
    for ports in [vec![], many(20_000), vec![], many(20_000)] {
        host = host.next(ports);
        app.report(&agent, &[&host]);
    }
    app.report(&agent, &[&Host::new("h2", "0", vec![])]);
    let first = app.native(&reader, "/changes?kind=baseline&limit=2").ok();
    assert_eq!(
        told(first["changes"].as_array().unwrap()),
        [("baseline", "h1", 0)]
    );
    assert!(first["next_cursor"].is_string(), "it has not looked at all");
    let all_of_it = all(&app, &reader, "kind=baseline", 2);
    assert_eq!(
        told(&all_of_it),
        [("baseline", "h1", 0), ("baseline", "h2", 0)]
    );
    let mut stream = crate::sse::Sse::open(
        app.address(),
        &reader,
        "kind=baseline&since=2026-11-24T02:13:00Z",
        "",
    );
    assert_eq!(stream.changes(2), all_of_it);
}

/// All pages for a query, and how many of them there are.
fn pages(app: &App, reader: &Token, query: &str) -> (Vec<Value>, usize) {
    let (mut changes, mut count, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let page = app
            .native(reader, &format!("/changes?{query}&limit=50{cursor}"))
            .ok();
        count += 1;
        changes.extend(page["changes"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => {
                let next = format!("&cursor={next}");
                assert_ne!(next, cursor, "it goes on");
                cursor = next;
            }
            None => return (changes, count),
        }
    }
}

/// Invariant 7: also where commits changed nothing that is shown, as those of restarted programs.
#[test]
fn a_page_looks_through_so_many_commits_without_a_change_and_the_next_goes_on() {
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    let limits = Limits {
        changes_looked_at: 20,
        ..Limits::default()
    };
    let app = App::with_limits(&[&reader, &agent], limits);
    let sshd = |pid| tcp("0.0.0.0", 22).program(pid, "/usr/sbin/sshd");
    let mut host = Host::new("h1", "0", vec![sshd(1)]);
    app.report(&agent, &[&host]);
    for pid in 2..=100 {
        app.clock.advance_s(if pid == 50 { 600 } else { 1 });
        host = host.next(vec![sshd(pid)]);
        app.report(&agent, &[&host]);
    }
    host = host.next(vec![]);
    app.report(&agent, &[&host]);
    app.clock.advance_s(600);
    let expected = [("baseline", "h1", 0), ("closed", "h1", 22)];
    for query in ["", "host_id=h1", "damped=true", "damped=true&host_id=h1"] {
        let (changes, count) = pages(&app, &reader, query);
        assert_eq!(told(&changes), expected, "{query}");
        assert!(count >= 5, "{count} pages of {query}");
        let (changes, count) = pages(&app, &reader, &format!("sort_dir=desc&{query}"));
        let turned = [expected[1], expected[0]];
        assert_eq!(told(&changes), turned, "{query}, descending");
        assert!(count >= 5, "{count} pages of {query}, descending");
    }
    for query in [
        "since=2026-11-24T02:13:00Z",
        "damped=true&since=2026-11-24T02:13:00Z",
    ] {
        let mut stream = crate::sse::Sse::open(app.address(), &reader, query, "");
        assert_eq!(told(&stream.changes(2)), expected, "{query}");
    }
}
