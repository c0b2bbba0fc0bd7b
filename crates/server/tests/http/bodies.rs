//! Bodies: how they are encoded, and how large they may be.

use serde_json::json;

use crate::answer::Answer;
use crate::app::{ALL, App, Token};
use crate::client::Request;
use crate::fleet::{Host, tcp};
use crate::support::{gzip, zstd};

const TARGET: &str = "/portolan/v1/projects/p1/reports";
const SENT_MAX: usize = 12 << 20;
const UNPACKED_MAX: usize = 64 << 20;

fn app() -> (App, Token) {
    let agent = Token::agent("p1", ALL);
    (App::start(&[&agent]), agent)
}

/// A good request of one report, filled up with blanks to a length.
fn padded(length: usize) -> Vec<u8> {
    let host = Host::new("h", "0", vec![tcp("::", 22)]);
    let mut body = serde_json::to_vec(&json!({"reports": [host.report()]})).unwrap();
    body.resize(length.max(body.len()), b' ');
    body
}

fn assert_accepted(answer: &Answer) {
    assert_eq!(answer.ok()["results"][0]["status"], "accepted");
}

fn assert_too_large(answer: &Answer, detail: &str) {
    let text = format!("The body is too large. {detail}");
    assert_eq!(answer.error(), (413, "PORTOLAN.0004".into(), text));
}

#[test]
fn bodies_come_as_they_are_or_packed_by_gzip_or_zstd() {
    let (app, agent) = app();
    let body = padded(0);
    let post = |bytes: Vec<u8>| Request::post(TARGET, bytes).token(&agent);
    for (encoding, bytes) in [
        ("identity", body.clone()),
        ("gzip", gzip(&body)),
        ("zstd", zstd(&body)),
        ("ZSTD", zstd(&body)),
        // Streams of several members or frames, as writers that flush make them.
        ("gzip", [gzip(&body[..9]), gzip(&body[9..])].concat()),
        ("zstd", [zstd(&body[..9]), zstd(&body[9..])].concat()),
    ] {
        assert_accepted(&app.send(&post(bytes).header("Content-Encoding", encoding)));
    }
    for encoding in ["br", "deflate", "compress", "gzip, zstd", "", "x-gzip"] {
        let answer = app.send(&post(body.clone()).header("Content-Encoding", encoding));
        let text =
            "Unsupported content type or encoding. Content-Encoding must be zstd, gzip or identity";
        assert_eq!(
            answer.error(),
            (415, "PORTOLAN.0003".into(), text.into()),
            "{encoding:?}"
        );
    }
    let twice = post(zstd(&body))
        .header("Content-Encoding", "zstd")
        .header("Content-Encoding", "zstd");
    assert_eq!(app.send(&twice).code(), (415, "PORTOLAN.0003".into()));
}

#[test]
fn a_content_type_is_json_or_not_told() {
    let (app, agent) = app();
    let post = |list: &str| {
        let body = if list == "reports" {
            padded(0)
        } else {
            br#"{"heartbeats":[1]}"#.to_vec()
        };
        Request::post(format!("/portolan/v1/projects/p1/{list}"), body).token(&agent)
    };
    for list in ["reports", "heartbeats"] {
        assert_eq!(app.send(&post(list)).status, 200);
        for good in [
            "application/json",
            "application/json;charset=utf8",
            "Application/JSON ; charset=\"utf-8\"",
        ] {
            assert_eq!(
                app.send(&post(list).header("Content-Type", good)).status,
                200,
                "{good}"
            );
        }
        for bad in [
            "text/plain",
            "application/jsonx",
            "application/x-www-form-urlencoded",
        ] {
            let text = format!(
                "Unsupported content type or encoding. Content-Type must be application/json, got {bad}"
            );
            let answer = app.send(&post(list).header("Content-Type", bad));
            assert_eq!(
                answer.error(),
                (415, "PORTOLAN.0003".into(), text),
                "{list}"
            );
        }
        assert_eq!(app.send(&post(list).header("Content-Type", "")).status, 415);
    }
}

#[test]
fn a_body_that_does_not_unpack_is_told_so() {
    let (app, agent) = app();
    let body = padded(0);
    let mut cut = zstd(&body);
    cut.truncate(cut.len() - 4);
    for (encoding, bytes) in [
        ("gzip", body.clone()),
        ("zstd", body.clone()),
        ("zstd", cut),
    ] {
        let request = Request::post(TARGET, bytes)
            .token(&agent)
            .header("Content-Encoding", encoding);
        let (status, code, text) = app.send(&request).error();
        assert_eq!((status, code.as_str()), (400, "PORTOLAN.0001"));
        let begin = format!("The body is not JSON. it does not unpack as {encoding}: ");
        assert!(text.starts_with(&begin), "{text}");
    }
}

/// Invariant 7: a body has a cap as it is sent, whether or not its length was told before.
#[test]
fn a_body_of_12_mib_as_sent_passes_and_one_byte_more_does_not() {
    let (app, agent) = app();
    let (at_cap, beyond) = (padded(SENT_MAX), padded(SENT_MAX + 1));
    let pieces =
        |body: &[u8]| -> Vec<Vec<u8>> { body.chunks(1 << 20).map(<[u8]>::to_vec).collect() };
    let post = || Request::new("POST", TARGET).token(&agent);
    let detail = "at most 12582912 bytes as sent";
    assert_accepted(&app.send(&post().chunked(pieces(&at_cap))));
    assert_too_large(&app.send(&post().chunked(pieces(&beyond))), detail);
    assert_accepted(&app.send(&post().body(at_cap)));
    assert_too_large(&app.send(&post().body(beyond)), detail);
}

#[test]
fn a_body_that_is_told_to_be_too_long_is_refused_before_it_is_sent() {
    let (app, agent) = app();
    let head = Request::new("POST", TARGET).token(&agent);
    let told = |length: &str| app.send(&head.clone().header("Content-Length", length));
    assert_too_large(&told("12582913"), "at most 12582912 bytes as sent");
    assert_too_large(
        &told("9223372036854775807"),
        "at most 12582912 bytes as sent",
    );
    // The credential comes first: nobody without one learns of caps.
    let stranger = Request::new("POST", TARGET).header("Content-Length", "12582913");
    assert_eq!(app.send(&stranger).code(), (401, "APIGW.0301".into()));
}

/// Invariant 7: what a body becomes has a cap of its own.
#[test]
fn a_body_of_64_mib_unpacked_passes_and_one_byte_more_does_not() {
    let (app, agent) = app();
    let (at_cap, beyond) = (padded(UNPACKED_MAX), padded(UNPACKED_MAX + 1));
    for (encoding, pack) in [("gzip", gzip as fn(&[u8]) -> Vec<u8>), ("zstd", zstd)] {
        let post = |body: &[u8]| {
            Request::post(TARGET, pack(body))
                .token(&agent)
                .header("Content-Encoding", encoding)
        };
        assert_accepted(&app.send(&post(&at_cap)));
        assert_too_large(&app.send(&post(&beyond)), "at most 67108864 bytes unpacked");
    }
}

#[test]
fn a_small_packed_body_may_be_of_any_size_unpacked_up_to_the_cap() {
    let (app, agent) = app();
    // Around the size up to which a body is unpacked and read where it came in.
    for length in [(1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20] {
        for (encoding, pack) in [("gzip", gzip as fn(&[u8]) -> Vec<u8>), ("zstd", zstd)] {
            let packed = pack(&padded(length));
            assert!(packed.len() < 64 << 10);
            let request = Request::post(TARGET, packed)
                .token(&agent)
                .header("Content-Encoding", encoding);
            assert_accepted(&app.send(&request));
        }
    }
}

#[test]
fn a_client_that_waits_to_be_told_to_go_on_is_told() {
    let (app, agent) = app();
    let body = padded(0);
    let mut connection = app.connect();
    let head = format!(
        "POST {TARGET} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {}\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        agent.secret,
        body.len()
    );
    connection.write(head.as_bytes());
    assert_eq!(connection.read("POST").status, 100);
    connection.write(&body);
    assert_accepted(&connection.read("POST"));
}
