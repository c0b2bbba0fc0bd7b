//! What the HTTP library answers by itself, before the server sees a request: a bare status, without
//! a body and without a request id. Known quirks; told here so that a change of them shows.

use crate::app::App;
use crate::client::Request;
use crate::support::eventually;

#[test]
fn requests_that_are_not_http_or_far_too_large_get_a_bare_status() {
    let app = App::start(&[]);
    let head =
        |first: &[u8], rest: &str| [first, b"\r\nHost: x\r\n", rest.as_bytes(), b"\r\n"].concat();
    let many: String = (0..101).map(|n| format!("X-{n}: 1\r\n")).collect();
    let long_target = format!("GET /{} HTTP/1.1", "x".repeat(66_000));
    let cases = [
        ("garbage", b"garbage\r\n\r\n".to_vec(), 400),
        (
            "a byte in the path that is no text",
            head(b"GET /\xff HTTP/1.1", ""),
            400,
        ),
        (
            "a byte in the query that is no text",
            head(b"GET /healthz?\xff HTTP/1.1", ""),
            400,
        ),
        ("a blank in the path", head(b"GET /a b HTTP/1.1", ""), 400),
        (
            "two lengths",
            head(
                b"POST / HTTP/1.1",
                "Content-Length: 1\r\nContent-Length: 2\r\n",
            ),
            400,
        ),
        ("more than 100 headers", head(b"GET / HTTP/1.1", &many), 431),
        (
            "a target over 64 KiB",
            head(long_target.as_bytes(), ""),
            414,
        ),
        (
            "a head far over 64 KiB",
            head(
                b"GET / HTTP/1.1",
                &format!("X: {}\r\n", "x".repeat(200_000)),
            ),
            431,
        ),
    ];
    for (what, bytes, status) in cases {
        let mut connection = app.connect();
        connection.try_write(&bytes);
        let answer = connection.read("GET");
        assert_eq!(answer.status, status, "{what}");
        assert_eq!(
            (answer.header("x-request-id"), answer.body.len()),
            (None, 0),
            "{what}"
        );
    }
    eventually("the three that are too large are counted", || {
        app.metric("portolan_limits_reached_total{limit=\"head_bytes\"}") == 3
    });
}

/// Invariant 7: a head has a cap, far above what clients send, to the last byte.
#[test]
fn a_head_of_64_kib_passes_and_one_byte_more_does_not() {
    let app = App::start(&[]);
    let name = "portolan_limits_reached_total{limit=\"head_bytes\"}";
    let answer = |length: usize| {
        let (first, last) = ("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ", "\r\n\r\n");
        let filling = "x".repeat(length - first.len() - last.len());
        let mut connection = app.connect();
        connection.try_write(format!("{first}{filling}{last}").as_bytes());
        connection.read("GET")
    };
    for fits in [60_000, 65_535, 65_536] {
        assert_eq!(answer(fits).status, 200, "{fits}");
    }
    assert_eq!(app.metric(name), 0);
    // Whether the library or the server refuses it depends on the pieces that it comes in.
    for (refused, longer) in [65_537, 66_000, 100_000, 131_072].into_iter().enumerate() {
        assert_eq!(answer(longer).status, 431, "{longer}");
        eventually("it is counted", || app.metric(name) == refused as u64 + 1);
    }
    let hundred = (0..98).fold(Request::get("/healthz"), |request, n| {
        request.header(&format!("X-{n}"), "1")
    });
    assert_eq!(app.send(&hundred).status, 200);
}
