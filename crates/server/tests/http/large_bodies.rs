//! Bodies that are not small: how many of them the server takes at a time.

use serde_json::json;

use crate::answer::Answer;
use crate::app::{ALL, App, Token};
use crate::client::{Connection, Request};
use crate::fleet::{Host, tcp};
use crate::support::{eventually, rows, zstd};

const TARGET: &str = "/portolan/v1/projects/p1/reports";
const MIB: usize = 1 << 20;

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

fn assert_no_room(answer: &Answer) {
    let text = "Too many reports are waiting. there is no room for more large bodies: try again in a second";
    assert_eq!(answer.error(), (429, "PORTOLAN.0005".into(), text.into()));
    assert_eq!(answer.header("retry-after"), Some("1"));
}

/// Invariant 7: all large bodies together have a cap; beyond it they are told to come again, and
/// small ones, which are nearly all, pass as before.
#[test]
fn large_bodies_beyond_the_room_are_refused_and_small_ones_pass() {
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    let app = App::start(&[&reader, &agent]);
    // 21 bodies of 12 MiB and one of 4 are announced, and their senders are slow.
    let slow = |length: usize| {
        let mut connection = app.connect();
        let head = format!(
            "POST {TARGET} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {}\r\nContent-Length: {length}\r\n\r\n{{",
            agent.secret
        );
        connection.write(head.as_bytes());
        connection
    };
    let mut held: Vec<Connection> = (0..21).map(|_| slow(12 * MIB)).collect();
    held.push(slow(4 * MIB));
    eventually("all room is taken", || taken(&app) == (256 * MIB, 0));
    let post = |bytes: Vec<u8>| Request::post(TARGET, bytes).token(&agent);
    let large = body("large", 64 * 1024 + 1);
    assert_no_room(&app.send(&post(large.clone())));
    let pieces = |bytes: &[u8]| bytes.chunks(10_000).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let chunked = |bytes: &[u8]| {
        Request::new("POST", TARGET)
            .token(&agent)
            .chunked(pieces(bytes))
    };
    assert_no_room(&app.send(&chunked(&large)));
    // Up to 64 KiB, and up to 1 MiB when unpacked, told or not, needs no room.
    let small = body("small", 64 * 1024);
    for request in [
        post(small.clone()),
        chunked(&small),
        post(zstd(&body("small", MIB))).header("Content-Encoding", "zstd"),
    ] {
        assert_eq!(app.send(&request).ok()["results"][0]["status"], "accepted");
    }
    assert_eq!(rows(&app.hss(&reader, "").ok()), [(22, "TCP", 1)]);
    // One of the slow ones goes away; its room is free again.
    held.truncate(21);
    eventually("4 MiB are free", || taken(&app) == (252 * MIB, 0));
    assert_eq!(
        app.send(&post(large)).ok()["results"][0]["status"],
        "accepted"
    );
    // An unknown length may become any: it needs room for the largest.
    assert_no_room(&app.send(&chunked(&body("unknown", MIB))));
    drop(held);
    eventually("all room is free", || taken(&app) == (0, 0));
    let again = app.send(&chunked(&body("unknown", MIB)));
    assert_eq!(again.ok()["results"][0]["status"], "accepted");
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
                let request = Request::post(TARGET, packed).token(agent);
                let answer = app.send(&request.header("Content-Encoding", "zstd"));
                assert_eq!(answer.ok()["results"][0]["status"], "accepted");
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
    let post = |bytes: Vec<u8>| Request::post(TARGET, bytes).token(&agent);
    assert_eq!(
        app.send(&post(vec![b' '; MIB])).code(),
        (400, "PORTOLAN.0001".into())
    );
    let bomb = zstd(&vec![b' '; 64 * MIB + 1]);
    let answer = app.send(&post(bomb).header("Content-Encoding", "zstd"));
    assert_eq!(answer.code(), (413, "PORTOLAN.0004".into()));
    let noise: Vec<u8> = (0..100_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let answer = app.send(&post(noise).header("Content-Encoding", "gzip"));
    assert_eq!(answer.code(), (400, "PORTOLAN.0001".into()));
    let mut connection = app.connect();
    let head = format!(
        "POST {TARGET} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {}\r\nTransfer-Encoding: chunked\r\n\r\n11170\r\n",
        agent.secret
    );
    connection.write(head.as_bytes());
    connection.write(&vec![b' '; 0x11170]);
    eventually("room is taken for a body of unknown length", || {
        taken(&app).0 == 12 * MIB
    });
    drop(connection);
    eventually("it is given back", || taken(&app) == (0, 0));
}
