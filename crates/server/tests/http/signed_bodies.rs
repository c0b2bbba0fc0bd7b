//! The bodies of signed requests, which the server must have before it knows who sends them.

use std::time::Duration;

use portolan_server::{Limits, Settings};
use serde_json::json;

use crate::app::{ALL, App, Token};
use crate::client::{Connection, HOST, Request};
use crate::fleet::{Host, tcp};
use crate::signer::AccessKey;
use crate::support::{eventually, gzip, zstd};

const TARGET: &str = "/portolan/v1/projects/p1/reports";
const MIB: usize = 1 << 20;

fn body(host: &str, length: usize) -> Vec<u8> {
    let report = Host::new(host, "0", vec![tcp("::", 22)]).report();
    let mut body = serde_json::to_vec(&json!({"reports": [report]})).unwrap();
    body.resize(length.max(body.len()), b' ');
    body
}

fn start(key: &AccessKey, limits: Limits) -> App {
    let file = key.entry("agent", "p1", "") + &Token::file(&[&Token::agent("p1", ALL)]);
    App::of_file(&file, Settings::default(), limits)
}

fn taken(app: &App) -> u64 {
    app.metric(r#"portolan_large_bodies_bytes{form="sent"}"#)
}

#[test]
fn a_signature_is_over_the_body_as_sent_of_any_size_and_encoding() {
    let key = AccessKey::new("AK");
    let app = start(&key, Limits::default());
    let post = |bytes: Vec<u8>| Request::post(TARGET, bytes);
    let pieces = |bytes: Vec<u8>| bytes.chunks(10_000).map(<[u8]>::to_vec).collect::<Vec<_>>();
    for request in [
        post(body("small", 0)),
        post(body("large", 3 * MIB)),
        post(zstd(&body("zstd", 2 * MIB))).header("Content-Encoding", "zstd"),
        post(gzip(&body("gzip", 2 * MIB))).header("Content-Encoding", "gzip"),
        Request::new("POST", TARGET).chunked(pieces(body("chunked", 100_000))),
    ] {
        let answer = app.send(&key.sign(&app, request));
        assert_eq!(answer.ok()["results"][0]["status"], "accepted");
    }
    let signed = key.sign(&app, post(body("other", 100_000)));
    let changed = signed.body(body("changed", 100_000));
    assert_eq!(app.send(&changed).code(), (401, "APIGW.0301".into()));
    assert_eq!(taken(&app), 0);
}

#[test]
fn a_body_over_its_cap_is_refused_whatever_it_is_signed_with() {
    let key = AccessKey::new("AK");
    let app = start(&key, Limits::default());
    let refused = (413, "PORTOLAN.0004".to_owned());
    let statistics = "/v5/p1/asset/port/statistics";
    for (request, largest) in [
        (Request::get(statistics), 64 << 10),
        (
            Request::new("DELETE", "/portolan/v1/projects/p1/hosts/h"),
            64 << 10,
        ),
        (Request::new("POST", TARGET), 12 * MIB),
    ] {
        let signed = key.sign(&app, request.body(vec![b' '; largest]));
        assert_ne!(app.send(&signed).code(), refused, "{largest}");
        let signed = signed.header("Content-Length", &(largest + 1).to_string());
        let signed = signed.body(Vec::new());
        assert_eq!(app.send(&signed).code(), refused, "{largest}");
    }
    let pieces = vec![vec![b' '; 60_000]; 2];
    let chunked = key.sign(&app, Request::get(statistics).chunked(pieces));
    assert_eq!(app.send(&chunked).code(), refused);
}

/// A connection that has announced a body and sends none.
fn slow(app: &App, key: &AccessKey, length: usize) -> Connection {
    let signed = key.sign(app, Request::new("POST", TARGET));
    let mut connection = app.connect();
    let mut head =
        format!("POST {TARGET} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {length}\r\n");
    for (name, value) in signed.headers() {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    connection.write((head + "\r\n").as_bytes());
    connection
}

/// The same, which sends so much of it that the server has taken room for all.
fn part(app: &App, key: &AccessKey, length: usize) -> Connection {
    let connection = slow(app, key, length);
    connection.flood(vec![b' '; length / 4 * 3]);
    connection
}

/// Invariant 7: whoever signs, rightly or not, takes no room from those whose credential was checked.
#[test]
fn bodies_whose_signature_is_not_checked_yet_have_room_of_their_own() {
    let (key, stranger) = (AccessKey::new("AK"), AccessKey::new("XX"));
    let app = start(&key, Limits::default());
    // A quarter of it is all that one address may hold.
    let held = [part(&app, &stranger, 12 * MIB), part(&app, &key, 4 * MIB)];
    eventually("the address holds all that it may", || {
        taken(&app) == 16 << 20
    });
    let large = || Request::post(TARGET, body("large", 100_000));
    let answer = app.send(&key.sign(&app, large()));
    assert_eq!(answer.code(), (429, "PORTOLAN.0005".into()));
    assert_eq!(answer.header("retry-after"), Some("1"));
    let by_token = app.send(&large().token(&Token::agent("p1", ALL)));
    assert_eq!(by_token.ok()["results"][0]["status"], "accepted");
    let small = app.send(&key.sign(&app, Request::post(TARGET, body("small", 0))));
    assert_eq!(small.ok()["results"][0]["status"], "accepted");
    let elsewhere = [127, 0, 0, 2].into();
    let mut elsewhere = Connection::open_from(elsewhere, app.address());
    let other = elsewhere.send(&key.sign(&app, large()));
    assert_eq!(other.ok()["results"][0]["status"], "accepted");
    drop(held);
    eventually("their room is free again", || taken(&app) == 0);
    let again = app.send(&key.sign(&app, large()));
    assert_eq!(again.ok()["results"][0]["status"], "accepted");
}

#[test]
fn a_signed_body_that_does_not_come_in_time_is_given_up() {
    let key = AccessKey::new("AK");
    let limits = Limits {
        body: Duration::from_millis(200),
        ..Limits::default()
    };
    let app = start(&key, limits);
    let answer = slow(&app, &key, 100_000).read("POST");
    let (status, code, told) = answer.error();
    assert_eq!((status, code.as_str()), (400, "APIGW.0201"));
    assert!(told.contains("did not arrive within 200ms"), "{told}");
    assert_eq!(taken(&app), 0);
}
