//! Clients that take their time: with their head, with their body, with their answer.

use std::time::Duration;

use portolan_server::Limits;

use crate::app::{ALL, App, Token};
use crate::client::Request;
use crate::fleet::{Host, tcp};
use crate::support::{Numbers, eventually};

/// Short, so that a test takes seconds, and long, so that no honest request of a test takes it.
const SOON: Duration = Duration::from_secs(3);

fn reached(app: &App, limit: &str) -> u64 {
    app.metric(&format!(
        "portolan_limits_reached_total{{limit=\"{limit}\"}}"
    ))
}

/// Invariant 7: a head has a time, which bytes that drip do not lengthen.
#[test]
fn a_head_that_does_not_come_in_time_ends_its_connection() {
    let limits = Limits {
        head: SOON,
        ..Limits::default()
    };
    let app = App::with_limits(&[], limits);
    let silent = app.connect();
    let half = app.connect();
    let mut kept = app.connect();
    half.trickle(b"GET /healthz HTTP/1.1\r\nX-Long: ".repeat(100));
    assert_eq!(kept.send(&Request::get("/healthz")).status, 200);
    for connection in [silent, half, kept] {
        assert_eq!(connection.wait_for_end(), b"", "no answer, only an end");
    }
    eventually("all three are counted", || reached(&app, "head_time") == 3);
    eventually("none of them is held", || {
        app.metric("portolan_http_connections") == 1
    });
}

/// Invariant 7: a body has a time, and gives its room back when that is over.
#[test]
fn a_body_that_does_not_come_in_time_is_told_so_and_changes_nothing() {
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    let limits = Limits {
        body: SOON,
        ..Limits::default()
    };
    let app = App::with_limits(&[&reader, &agent], limits);
    let report = Host::new("h", "0", vec![tcp("::", 22)]).report();
    let body = serde_json::to_vec(&serde_json::json!({"reports": [report]})).unwrap();
    for (length, announced) in [(body.len(), body.len()), (body.len() + 1, 1 << 20)] {
        let mut stalling = app.connect();
        let head = format!(
            "POST /portolan/v1/projects/p1/reports HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {}\r\nContent-Length: {announced}\r\n\r\n",
            agent.secret
        );
        stalling.write(head.as_bytes());
        stalling.write(&body[..length - 1]);
        let (status, code, text) = stalling.read("POST").error();
        assert_eq!((status, code.as_str()), (400, "APIGW.0201"));
        assert_eq!(text, "API request error. the body did not arrive within 3s");
        stalling.wait_for_end();
    }
    assert_eq!(reached(&app, "body_time"), 2);
    let room = "portolan_large_bodies_bytes{form=\"sent\"}";
    assert_eq!(app.metric(room), 0);
    assert_eq!(app.hss(&reader, "").ok()["total_num"], 0);
    // Whoever comes with the whole of it is taken.
    app.report(&agent, &[&Host::new("h", "0", vec![tcp("::", 22)])]);
}

/// Invariant 7: an answer that nobody takes does not hold its connection for ever, and whoever asks
/// without reading is not answered for long.
#[test]
fn an_answer_that_nobody_takes_ends_its_connection() {
    let limits = Limits {
        answer_stall: SOON,
        ..Limits::default()
    };
    let app = App::with_limits(&[], limits);
    let deaf = app.connect();
    deaf.flood(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100_000));
    eventually("it is cut", || reached(&app, "answer_stall") == 1);
    // The buffers on both sides take some hundred; the kernel alone would take tens of thousands.
    let answers = app.metric("portolan_http_responses_total{class=\"2xx\"}");
    assert!(answers < 5_000, "{answers}");
    eventually("it is not held", || {
        app.metric("portolan_http_connections") == 1
    });
    drop(deaf);
}

/// A backup holds what the store has replaced, and keeps recounts and other backups out.
#[test]
fn a_backup_that_nobody_takes_ends_and_leaves_room_for_the_next() {
    let (admin, limits) = (
        Token::new("admin", "*", ALL),
        Limits {
            answer_stall: SOON,
            ..Limits::default()
        },
    );
    let app = App::with_limits(&[&admin], limits);
    // More than the buffers on the way hold, and nothing that packs well.
    let mut numbers = Numbers(7);
    let mut path = || -> String {
        let letter = |_| char::from(b'!' + u8::try_from(numbers.below(90)).unwrap());
        (0..4_000)
            .map(letter)
            .filter(|letter| *letter != '\\')
            .collect()
    };
    let in_p1 = Token {
        project: "p1".into(),
        ..admin.clone()
    };
    for host_id in ["a", "b", "c"] {
        let ports = (1..=2_500).map(|port| tcp("::", port).program(1, &path()));
        app.report(&in_p1, &[&Host::new(host_id, "0", ports.collect())]);
    }
    let head = format!(
        "GET /portolan/v1/backup HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Auth-Token: {}\r\n\r\n",
        admin.secret
    );
    let asked = || {
        let mut connection = app.connect();
        connection.write(head.as_bytes());
        connection
    };
    let deaf = asked();
    assert_eq!(deaf.first_bytes::<12>(), *b"HTTP/1.1 200");
    // Its time may be up before another one has asked.
    let refused = asked().wait_for_end().starts_with(b"HTTP/1.1 429");
    assert!(refused || reached(&app, "answer_stall") == 1);
    eventually("it is cut", || reached(&app, "answer_stall") == 1);
    let mut whole = Vec::new();
    eventually("another one is answered", || {
        whole = asked().wait_for_end();
        whole.starts_with(b"HTTP/1.1 200")
    });
    assert!(whole.len() > 10 << 20);
    assert!(whole.ends_with(b"\r\n0\r\n\r\n"), "it ends whole");
    drop(deaf);
}
