//! `GET …/changes/stream`: how it begins, goes on and ends.

use std::time::Duration;

use portolan_server::Limits;
use portolan_wire::caps;
use serde_json::json;

use crate::app::{ALL, App, Token};
use crate::changes::all;
use crate::fleet::{Host, tcp};
use crate::sse::Sse;
use crate::support::eventually;

const CUTS: &str = "portolan_change_stream_cuts_total{reason=\"stalled\"}";
const OPEN: &str = "portolan_change_streams";

fn tokens() -> (Token, Token) {
    (Token::reader("p1", ALL), Token::agent("p1", ALL))
}

fn open(app: &App, reader: &Token, query: &str, last_id: &str) -> Sse {
    Sse::open(app.address(), reader, query, last_id)
}

/// Reports a host with other ports, some times.
fn report(app: &App, agent: &Token, host: &mut Host, times: u16) {
    for _ in 0..times {
        let port = 1 + u16::try_from(host.sequence % 60_000).unwrap();
        *host = host.next(vec![tcp("0.0.0.0", port)]);
        app.report(agent, &[host]);
    }
}

#[test]
fn a_stream_begins_now_at_a_moment_or_behind_an_id_and_tells_what_pages_tell() {
    let (reader, agent) = tokens();
    let app = App::start(&[&reader, &agent]);
    let mut host = Host::new("h1", "0", vec![]);
    report(&app, &agent, &mut host, 1);
    let mut now = open(&app, &reader, "", "");
    let begin = now.block().unwrap();
    assert!(
        !begin.comment.is_empty() && begin.name.is_empty(),
        "{begin:?}"
    );
    app.clock.advance_s(1);
    report(&app, &agent, &mut host, 3);
    let pages = all(&app, &reader, "", 200);
    assert_eq!(pages.len(), 7);
    assert_eq!(now.changes(6), pages[1..]);
    let id = |place: usize| pages[place]["id"].as_str().unwrap();
    assert_eq!(open(&app, &reader, "", &begin.id).changes(6), pages[1..]);
    assert_eq!(open(&app, &reader, "", id(3)).changes(3), pages[4..]);
    let after = format!("after={}", id(2));
    assert_eq!(open(&app, &reader, &after, "").changes(4), pages[3..]);
    assert_eq!(open(&app, &reader, &after, id(4)).changes(2), pages[5..]);
    let since = "since=2026-11-24T02:13:01Z";
    assert_eq!(open(&app, &reader, since, "").changes(6), pages[1..]);
    app.clock.advance_s(1);
    let mut over = open(
        &app,
        &reader,
        "since=2026-11-24T02:13:00Z&until=2026-11-24T02:13:01Z",
        "",
    );
    assert_eq!(over.change(), pages[0]);
    assert_eq!(over.event(), None, "it ends with its time");
    // The same after a restart, from the store.
    let mut app = app;
    app.restart();
    assert_eq!(open(&app, &reader, "", id(0)).changes(6), pages[1..]);
}

/// A commit with so much in it that it is not kept decoded for all, told and resumed within.
#[test]
fn a_commit_of_very_many_changes_is_told_as_pages_tell_it() {
    let (reader, agent) = tokens();
    let app = App::start(&[&reader, &agent]);
    let first = Host::new("h1", "0", vec![]);
    app.report(&agent, &[&first]);
    let mut now = open(&app, &reader, "", "");
    app.clock.advance_s(1);
    let path = format!("/{}", "p".repeat(100));
    let ports = (1..12_000).map(|port| tcp("0.0.0.0", port).program(7, &path));
    app.report(&agent, &[&first.next(ports.collect())]);
    let pages = all(&app, &reader, "", 200);
    assert_eq!(pages.len(), 12_000);
    assert_eq!(now.changes(11_999), pages[1..]);
    let id = pages[6_000]["id"].as_str().unwrap();
    assert_eq!(open(&app, &reader, "", id).changes(5_999), pages[6_001..]);
}

#[test]
fn a_stream_tells_only_what_its_filters_select_and_its_credential_is_granted() {
    let (whole, agent) = tokens();
    let of_b = Token::reader("p1", &["b"]);
    let app = App::start(&[&whole, &agent, &of_b]);
    let mut streams: Vec<(Sse, &Token, &str)> = [
        (&whole, ""),
        (&whole, "kind=opened"),
        (&whole, "enterprise_project_id=a"),
        (&of_b, ""),
        (&of_b, "port=24&type=TCP&category=host&exposure=any"),
    ]
    .map(|(token, query)| (open(&app, token, query, ""), token, query))
    .into();
    let first = Host::new("h1", "a", vec![tcp("0.0.0.0", 22)]);
    let second = first.next(vec![tcp("0.0.0.0", 22), tcp("0.0.0.0", 23)]);
    let moved = second
        .next(vec![tcp("0.0.0.0", 24)])
        .in_enterprise_project("b");
    let last = moved.next(vec![tcp("0.0.0.0", 24), tcp("0.0.0.0", 25)]);
    for host in [&first, &second, &moved, &last] {
        app.report(&agent, &[host]);
    }
    for (stream, token, query) in &mut streams {
        let pages = all(&app, token, query, 200);
        assert!(!pages.is_empty(), "{query}");
        assert_eq!(stream.changes(pages.len()), pages, "{query}");
    }
}

#[test]
fn an_id_that_is_gone_is_told_and_the_stream_goes_on_from_now() {
    let (reader, agent) = tokens();
    let app = App::start(&[&reader, &agent]);
    let mut host = Host::new("h1", "0", vec![]);
    report(&app, &agent, &mut host, 1);
    let pages = all(&app, &reader, "", 200);
    let id = pages[0]["id"].as_str().unwrap();
    let (epoch, _) = id.split_once('-').unwrap();
    let other = format!(
        "{}-1-0",
        if epoch.starts_with('0') { "1" } else { "0" }.to_owned() + &epoch[1..]
    );
    for (gone, reason) in [
        (other.as_str(), "other_epoch"),
        (&format!("{epoch}-999-0"), "not_kept"),
        ("nonsense", "no_id"),
    ] {
        let mut stream = open(&app, &reader, "", gone);
        let event = stream.event().unwrap();
        assert_eq!(event.name, "reset");
        assert_eq!(
            event.json(),
            json!({"reason": reason, "resume_after": event.id})
        );
        let before = all(&app, &reader, "", 200).len();
        report(&app, &agent, &mut host, 1);
        let pages = all(&app, &reader, "", 200);
        assert_eq!(stream.changes(pages.len() - before), pages[before..]);
        assert_eq!(
            open(&app, &reader, "", &event.id).changes(pages.len() - before),
            pages[before..],
            "and can be resumed from there"
        );
    }
    assert_eq!(app.metric("portolan_change_stream_resets_total"), 3);
    let asked = Sse::ask(app.address(), &reader, "after=nonsense", "");
    assert_eq!(asked.err(), Some((400, "HSS.0001".into())));
    let (_, _, why) = app.native(&reader, "/changes/stream?after=xx").error();
    let told = "after must be the id of a change, EPOCH-COMMIT-N, got xx";
    assert!(why.contains(told), "{why}");
    let asked = Sse::ask(app.address(), &reader, "since=2026-11-24T02:12:59Z", "");
    assert_eq!(asked.err(), Some((400, "PORTOLAN.0020".into())));
}

/// The times that end slow clients do not end a stream that is quiet, and pings say that it lives.
#[test]
fn a_quiet_stream_is_kept_alive_by_pings() {
    let (reader, agent) = tokens();
    let limits = Limits {
        stream_ping: Duration::from_millis(50),
        head: Duration::from_millis(200),
        answer_stall: Duration::from_millis(200),
        body: Duration::from_millis(200),
        ..Limits::default()
    };
    let app = App::with_limits(&[&reader, &agent], limits);
    let mut stream = open(&app, &reader, "", "");
    stream.block().unwrap();
    for _ in 0..20 {
        let ping = stream.block().unwrap();
        assert_eq!((ping.comment.as_str(), ping.id.as_str()), ("ping", ""));
    }
    report(&app, &agent, &mut Host::new("h1", "0", vec![]), 1);
    assert_eq!(stream.change()["kind"], "baseline");
}

#[test]
fn a_reader_that_takes_nothing_is_told_from_where_to_resume_and_cut() {
    let (reader, agent) = tokens();
    let limits = Limits {
        stream_stall: Duration::from_millis(100),
        ..Limits::default()
    };
    let app = App::with_limits(&[&reader, &agent], limits);
    let mut slow = open(&app, &reader, "", "");
    slow.block().unwrap();
    let path = format!("/opt/{}", "x".repeat(4_000));
    let mut host = Host::new("h1", "0", vec![]);
    app.report(&agent, &[&host]);
    eventually("the slow reader is cut", || {
        let ports = (1..=500).map(|port| tcp("0.0.0.0", port).program(1, &path));
        let ports = if host.sequence.is_multiple_of(2) {
            ports.collect()
        } else {
            vec![]
        };
        host = host.next(ports);
        app.report(&agent, &[&host]);
        app.metric(CUTS) > 0
    });
    let pages = all(&app, &reader, "", 200);
    let mut told = Vec::new();
    let cut = loop {
        let event = slow.event().unwrap();
        if event.name != "change" {
            break event;
        }
        told.push(event.json());
    };
    assert_eq!(cut.name, "cut");
    assert_eq!(
        cut.json(),
        json!({"reason": "stalled", "resume_after": cut.id})
    );
    assert_eq!(slow.event(), None, "it is the last");
    assert!(told.len() < pages.len());
    let rest = open(&app, &reader, "", &cut.id).changes(pages.len() - told.len());
    assert_eq!([told, rest].concat(), pages);
}

#[test]
fn streams_are_counted_and_a_credential_has_so_many() {
    let (reader, agent) = tokens();
    let other = Token::reader("p1", &["x"]);
    let limits = Limits {
        streams: 3,
        streams_of_a_credential: 2,
        ..Limits::default()
    };
    let app = App::with_limits(&[&reader, &agent, &other], limits);
    let full = |token: &Token| {
        let asked = Sse::ask(app.address(), token, "", "");
        assert_eq!(asked.err(), Some((429, "APIGW.0308".into())));
    };
    let first = open(&app, &reader, "", "");
    let second = open(&app, &reader, "", "");
    full(&reader);
    let third = open(&app, &other, "", "");
    full(&other);
    assert_eq!(app.metric(OPEN), 3);
    for (limit, count) in [("streams", 1), ("streams_of_a_credential", 1)] {
        let name = format!("portolan_limits_reached_total{{limit=\"{limit}\"}}");
        assert_eq!(app.metric(&name), count, "{limit}");
    }
    drop((first, third));
    eventually("their places are free", || app.metric(OPEN) == 1);
    drop(open(&app, &reader, "", ""));
    drop(second);
    eventually("all places are free", || app.metric(OPEN) == 0);
}

#[test]
fn a_stream_ends_with_its_credential_and_with_the_server() {
    let (reader, agent) = tokens();
    let limits = Limits {
        stream_credential: Duration::from_millis(50),
        ..Limits::default()
    };
    let expiring = Token {
        expires_at: Some("2026-11-24T02:14:00Z".into()),
        ..Token::reader("p1", &["a"])
    };
    let revoked = Token::reader("p1", &["b"]);
    let mut app = App::with_limits(&[&reader, &agent, &expiring, &revoked], limits);
    let mut streams = [&reader, &expiring, &revoked].map(|token| open(&app, token, "", ""));
    for stream in &mut streams {
        stream.block().unwrap();
    }
    let [mut stays, mut expires, mut goes] = streams;
    app.clock.advance_s(60);
    assert_eq!(expires.event(), None);
    let file = app.data_dir().with_file_name("credentials.toml");
    std::fs::write(file, Token::file(&[&reader, &agent])).unwrap();
    app.read_credentials_again();
    assert_eq!(goes.event(), None);
    report(&app, &agent, &mut Host::new("h1", "b", vec![]), 1);
    assert_eq!(stays.change()["kind"], "baseline");
    app.stop();
    assert_eq!(stays.event(), None);
}

/// Design 6: within 60 s, also where a reader takes one commit slowly: the credential is looked at
/// between two pieces, and a piece has its time.
#[test]
fn a_credential_that_ends_while_one_large_commit_is_told_ends_its_stream_within_it() {
    const { assert!(caps::STREAM_CREDENTIAL_S + caps::STREAM_STALL_S_MAX <= 60) };
    let (reader, agent) = tokens();
    let limits = Limits {
        stream_credential: Duration::from_millis(1),
        ..Limits::default()
    };
    let path = format!("/opt/{}", "x".repeat(4_000));
    // One that streams share in memory, and one that they read from the store.
    for changes in [250, 2_000] {
        let revoked = Token::reader("p1", &["0"]);
        let app = App::with_limits(&[&reader, &agent, &revoked], limits);
        let mut streams = [&reader, &revoked].map(|token| open(&app, token, "", ""));
        for stream in &mut streams {
            stream.block().unwrap();
        }
        let host = Host::new("h1", "0", vec![]);
        app.report(&agent, &[&host]);
        let ports = (1..=changes).map(|port| tcp("0.0.0.0", port).program(1, &path));
        app.report(&agent, &[&host.next(ports.collect())]);
        for stream in &mut streams {
            stream.changes(2);
        }
        let file = app.data_dir().with_file_name("credentials.toml");
        std::fs::write(file, Token::file(&[&reader, &agent])).unwrap();
        app.read_credentials_again();
        let [mut stays, mut ends] = streams;
        let mut told = 1;
        while let Some(event) = ends.event() {
            assert_eq!(event.name, "change");
            told += 1;
        }
        assert!(told < changes, "{told} of {changes} after it was revoked");
        stays.changes(usize::from(changes) - 1);
    }
}

#[test]
fn a_damped_stream_tells_windows_that_are_over_and_resumes_within_one() {
    let (reader, agent) = tokens();
    let app = App::start(&[&reader, &agent]);
    let mut stream = open(&app, &reader, "damped=true", "");
    stream.block().unwrap();
    let mut host = Host::new("h1", "0", vec![]);
    app.report(&agent, &[&host]);
    for turn in 0..4 {
        app.clock.advance_s(10);
        let flaps = (turn % 2 == 0).then(|| tcp("0.0.0.0", 80));
        let stays = tcp("0.0.0.0", 81 + turn);
        host = host.next(flaps.into_iter().chain([stays]).collect());
        app.report(&agent, &[&host]);
    }
    app.clock.advance_s(300);
    let pages = all(&app, &reader, "damped=true", 200);
    assert!(pages.iter().any(|change| change["count"] == 4), "{pages:?}");
    assert_eq!(stream.changes(pages.len()), pages);
    for (place, change) in pages.iter().enumerate().take(pages.len() - 1) {
        let id = change["id"].as_str().unwrap();
        let rest = open(&app, &reader, "damped=true", id).changes(pages.len() - place - 1);
        assert_eq!(rest, pages[place + 1..]);
    }
}

/// Also of the window that is open: what happened in it before is not told.
#[test]
fn a_damped_stream_that_begins_now_tells_only_what_is_behind_its_id() {
    let (reader, agent) = tokens();
    let app = App::start(&[&reader, &agent]);
    let mut host = Host::new("h1", "0", vec![]);
    report(&app, &agent, &mut host, 2);
    let mut now = open(&app, &reader, "damped=true", "");
    let begin = now.block().unwrap();
    let mut reset = open(&app, &reader, "damped=true", "0123456789abcdef-1-0");
    assert_eq!(reset.event().unwrap().name, "reset");
    app.clock.advance_s(10);
    app.report(&agent, &[&Host::new("h2", "0", vec![])]);
    app.clock.advance_s(600);
    app.report(&agent, &[&Host::new("h3", "0", vec![])]);
    app.clock.advance_s(600);
    let pages = all(&app, &reader, "damped=true", 200);
    let behind = &pages[pages.len() - 2..];
    assert_eq!(behind[0]["host_id"], "h2");
    assert_eq!(now.changes(2), behind);
    assert_eq!(reset.changes(2), behind);
    let same = open(&app, &reader, "damped=true", &begin.id).changes(2);
    assert_eq!(same, behind, "as who comes again with that id");
}
