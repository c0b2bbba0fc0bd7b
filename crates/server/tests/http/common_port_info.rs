//! `common-port-info`: what the port table says of a port.

use serde_json::json;

use crate::answer::Answer;
use crate::app::{ALL, App, Token};

fn ask(app: &App, token: &Token, query: &str) -> Answer {
    app.get(token, &format!("/v5/p1/asset/common-port-info?{query}"))
}

#[test]
fn a_port_is_told_as_tcp_if_that_is_known_else_as_udp_else_as_unknown_tcp() {
    let reader = Token::reader("p1", ALL);
    let app = App::start(&[&reader]);
    for (query, port, kind, status) in [
        ("port=22", 22, "TCP", "normal"),
        ("port=6379&category=host", 6379, "TCP", "danger"),
        ("port=666&categoty=0", 666, "TCP", "danger"),
        // Normal as TCP, danger as UDP.
        ("port=389", 389, "TCP", "normal"),
        ("port=389&type=UDP", 389, "UDP", "danger"),
        ("port=389&type=UDP6", 389, "UDP6", "danger"),
        // Known as UDP alone.
        ("port=123&categoty=1", 123, "UDP", "normal"),
        ("port=123&type=TCP", 123, "TCP", "unknown"),
        ("port=123&type=TCP6", 123, "TCP6", "unknown"),
        ("port=64999&category=container", 64_999, "TCP", "unknown"),
    ] {
        let body = ask(&app, &reader, query).ok();
        let told = (&body["port"], &body["type"], &body["status"]);
        assert_eq!(
            told,
            (&json!(port), &json!(kind), &json!(status)),
            "{query}"
        );
        for text in ["description", "description_en"] {
            let chars = body[text].as_str().unwrap().chars().count();
            assert!((1..=256).contains(&chars), "{query}: {body}");
        }
        assert_eq!(body.as_object().unwrap().len(), 5, "{body}");
    }
    let body = ask(&app, &reader, "port=64999&type=UDP").ok();
    assert_eq!(body["description"], "没有已知服务默认使用 UDP 端口 64999。");
    let text = "No service is known to use UDP port 64999 by default.";
    assert_eq!(body["description_en"], text);
}

#[test]
fn the_checks_and_their_texts_are_those_of_the_statistics() {
    let (reader, agent) = (Token::reader("p1", &["a"]), Token::agent("p1", ALL));
    let other = Token::reader("p2", ALL);
    let app = App::start(&[&reader, &agent, &other]);
    let granted = "enterprise_project_id=a";
    for query in [
        "port=0&enterprise_project_id=b",
        "port=22",
        "port=22&enterprise_project_id=",
    ] {
        let (status, code, _) = ask(&app, &reader, query).error();
        assert_eq!((status, &*code), (400, "HSS.0013"), "{query}");
    }
    for query in [granted, "enterprise_project_id=all_granted_eps"] {
        assert_eq!(ask(&app, &reader, &format!("port=22&{query}")).status, 200);
    }
    for (query, text) in [
        ("", "port must be 1 to 65535, got nothing"),
        ("port=65536&type=x", "port must be 1 to 65535, got 65536"),
        (
            "category=x&type=tcp&port=22",
            "type must be TCP, UDP, TCP6 or UDP6, got tcp",
        ),
        (
            "port=22&category=2",
            "category must be host, container, 0 or 1, got 2",
        ),
        ("port=22&port=22", "port must be given once, got it twice"),
    ] {
        let expected = (400, "HSS.0001".into(), format!("Invalid parameter. {text}"));
        assert_eq!(
            ask(&app, &reader, &format!("{query}&{granted}")).error(),
            expected
        );
    }
    for (token, code) in [(&agent, "APIGW.0302"), (&other, "APIGW.0306")] {
        let (status, told, _) = ask(&app, token, "port=22").error();
        assert_eq!((status, &*told), (403, code));
    }
}
