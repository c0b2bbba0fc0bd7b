//! Bodies that are not small: how many of them the server takes at a time.

use serde_json::json;

use crate::answer::Answer;
use crate::app::{ALL, App, Token};
use crate::client::{Connection, Request};
use crate::fleet::{Host, tcp};
use crate::support::{eventually, rows, zstd};

const MIB: usize = 1 << 20;

fn target(project: &str) -> String {
    format!("/portolan/v1/projects/{project}/reports")
}

fn body(host: &str, length: usize) -> Vec<u8> {
    let report = Host::new(host, "0", vec![tcp("::", 22)]).report();
    let mut body = serde_json::to_vec(&json!({"reports": [report]})).unwrap();
    body.resize(length.max(body.len()), b' ');
    body
}

/// Bytes that large bodies take: as sent, and unpacked.
fn taken(app: &App) -> (usize, usize) {
    let text = String::from_utf8(app.send(&Request::get("/metrics")).body).unwrap();
    let of = |form: &str| {
        let name = format!("portolan_large_bodies_bytes{{form=\"{form}\"}} ");
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(&name))
            .unwrap();
        line.parse().unwrap()
    };
    (of("sent"), of("unpacked"))
}

/// How often clients have reached a limit.
fn reached(app: &App, limit: &str) -> u64 {
    app.metric(&format!(
        "portolan_limits_reached_total{{limit=\"{limit}\"}}"
    ))
}

fn assert_refused(answer: &Answer, why: &str) {
    let text = format!("Too many reports are waiting. {why}: try again in a second");
    assert_eq!(answer.error(), (429, "PORTOLAN.0005".into(), text));
    assert_eq!(answer.header("retry-after"), Some("1"));
}

fn assert_no_room(answer: &Answer) {
    assert_refused(answer, "there is no room for more large bodies");
}

/// A body that is announced with `length` bytes, of which `sent` come.
fn slow(app: &App, agent: &Token, length: usize, sent: usize) -> Connection {
    let mut connection = app.connect();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {}\r\nContent-Length: {length}\r\n\r\n",
        target(&agent.project),
        agent.secret
    );
    connection.write(head.as_bytes());
    connection.write(&vec![b' '; sent]);
    connection
}

/// Takes all the room that one credential may have, by half as many bytes.
fn quarter(app: &App, agent: &Token) -> Vec<Connection> {
    let one = |_| slow(app, agent, 8 * MIB, 4 * MIB + 1);
    (0..8).map(one).collect()
}

fn post(agent: &Token, bytes: Vec<u8>) -> Request {
    Request::post(target(&agent.project), bytes).token(agent)
}

/// A body whose length is not told.
fn chunked(agent: &Token, bytes: &[u8]) -> Request {
    let pieces: Vec<_> = bytes.chunks(10_000).map(<[u8]>::to_vec).collect();
    Request::new("POST", target(&agent.project))
        .token(agent)
        .chunked(pieces)
}

fn assert_accepted(app: &App, request: &Request) {
    assert_eq!(app.send(request).ok()["results"][0]["status"], "accepted");
}

/// Invariant 7: announcing a large body takes no room; what has come of it does.
#[test]
fn slow_bodies_take_room_for_what_they_have_sent_and_not_for_what_they_announce() {
    let agent = Token::agent("p1", ALL);
    let app = App::start(&[&agent]);
    let held: Vec<_> = (0..30).map(|_| slow(&app, &agent, 12 * MIB, 1)).collect();
    let more = slow(&app, &agent, 12 * MIB, 100_000);
    eventually("only what has come is counted", || {
        taken(&app) == (128 * 1024, 0)
    });
    assert_accepted(&app, &post(&agent, body("large", 12 * MIB)));
    drop((held, more));
}

/// Invariant 7: one credential holds a quarter of the room for large bodies at most; the others have
/// the rest, and its own small bodies pass.
#[test]
fn a_credential_that_holds_its_share_of_the_room_is_refused_and_the_others_are_not() {
    let (slow_agent, other) = (Token::agent("p1", ALL), Token::agent("p2", ALL));
    let app = App::start(&[&slow_agent, &other]);
    let mut held = quarter(&app, &slow_agent);
    eventually("its share is taken", || taken(&app) == (64 * MIB, 0));
    let large = body("large", 64 * 1024 + 1);
    let refused = app.send(&post(&slow_agent, large.clone()));
    let why = "one sender holds one part in 4 of the room for large bodies";
    assert_refused(&refused, why);
    assert_eq!(reached(&app, "large_bodies_of_a_credential"), 1);
    assert_eq!(reached(&app, "large_bodies"), 0);
    assert_accepted(&app, &post(&slow_agent, body("small", 64 * 1024)));
    assert_accepted(&app, &post(&other, body("large", 12 * MIB)));
    held.truncate(7);
    eventually("a part of it is free", || taken(&app) == (56 * MIB, 0));
    assert_accepted(&app, &post(&slow_agent, large));
}

/// Invariant 7: all large bodies together have a cap; beyond it they are told to come again, and
/// small ones, which are nearly all, pass as before.
#[test]
fn large_bodies_beyond_the_room_are_refused_and_small_ones_pass() {
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    let slow_agents = ["p2", "p3", "p4", "p5"].map(|project| Token::agent(project, ALL));
    let app = App::start(&[&[&reader, &agent], &slow_agents.each_ref()[..]].concat());
    let mut held: Vec<_> = slow_agents.iter().map(|one| quarter(&app, one)).collect();
    eventually("all room is taken", || taken(&app) == (256 * MIB, 0));
    let large = body("large", 64 * 1024 + 1);
    assert_no_room(&app.send(&post(&agent, large.clone())));
    assert_no_room(&app.send(&chunked(&agent, &large)));
    assert_eq!(reached(&app, "large_bodies"), 2);
    // Up to 64 KiB, and up to 1 MiB when unpacked, told or not, needs no room.
    let small = body("small", 64 * 1024);
    for request in [
        post(&agent, small.clone()),
        chunked(&agent, &small),
        post(&agent, zstd(&body("small", MIB))).header("Content-Encoding", "zstd"),
    ] {
        assert_accepted(&app, &request);
    }
    assert_eq!(rows(&app.hss(&reader, "").ok()), [(22, "TCP", 1)]);
    // One of the slow ones goes away; its room is free again.
    held[0].pop();
    eventually("8 MiB are free", || taken(&app) == (248 * MIB, 0));
    assert_accepted(&app, &post(&agent, large));
    assert_accepted(&app, &chunked(&agent, &body("unknown", 8 * MIB)));
    assert_no_room(&app.send(&chunked(&agent, &body("unknown", 8 * MIB + 1))));
    drop(held);
    eventually("all room is free", || taken(&app) == (0, 0));
    assert_accepted(&app, &chunked(&agent, &body("unknown", 8 * MIB + 1)));
    assert_eq!(taken(&app), (0, 0));
}

/// Invariant 7: bodies of the largest size wait for each other, and none is lost.
#[test]
fn the_largest_bodies_are_all_answered_when_they_come_at_once() {
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    let app = App::start(&[&reader, &agent]);
    std::thread::scope(|scope| {
        for n in 0..6 {
            let (app, agent) = (&app, &agent);
            scope.spawn(move || {
                let packed = zstd(&body(&format!("h{n}"), 64 * MIB));
                let request = post(agent, packed).header("Content-Encoding", "zstd");
                assert_accepted(app, &request);
                assert!(taken(app).1 <= 128 * MIB);
            });
        }
    });
    assert_eq!(rows(&app.hss(&reader, "").ok()), [(22, "TCP", 6)]);
    assert_eq!(taken(&app), (0, 0));
}

/// Invariant 7: a body that is refused, or whose sender goes away, gives its room back.
#[test]
fn a_large_body_that_comes_to_nothing_gives_its_room_back() {
    let agent = Token::agent("p1", ALL);
    let app = App::start(&[&agent]);
    assert_eq!(
        app.send(&post(&agent, vec![b' '; MIB])).code(),
        (400, "PORTOLAN.0001".into())
    );
    let bomb = zstd(&vec![b' '; 64 * MIB + 1]);
    let answer = app.send(&post(&agent, bomb).header("Content-Encoding", "zstd"));
    assert_eq!(answer.code(), (413, "PORTOLAN.0004".into()));
    let noise: Vec<u8> = (0..100_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let answer = app.send(&post(&agent, noise).header("Content-Encoding", "gzip"));
    assert_eq!(answer.code(), (400, "PORTOLAN.0001".into()));
    let mut connection = app.connect();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {}\r\nTransfer-Encoding: chunked\r\n\r\n11170\r\n",
        target("p1"),
        agent.secret
    );
    connection.write(head.as_bytes());
    connection.write(&vec![b' '; 0x11170]);
    eventually("room is taken for a body of unknown length", || {
        taken(&app).0 == 128 * 1024
    });
    drop(connection);
    eventually("it is given back", || taken(&app) == (0, 0));
}
