//! What `asset/ports/detail` and `asset/ports` refuse, and in which order.

use serde_json::json;

use crate::app::{ALL, App, Token};
use crate::fleet::{Host, tcp};

const LONG: usize = 300;

/// Faults in the contract's order: each is told although all later ones are there as well.
fn assert_faults(app: &App, reader: &Token, call: &str, faults: &[(&str, &str, &str)]) {
    let with_port = |query: &str| {
        let port = if query.contains("port=") {
            ""
        } else {
            "&port=22"
        };
        format!("/v5/p1/asset/{call}?{query}{port}")
    };
    for (place, (name, _, text)) in faults.iter().enumerate() {
        let later = faults[place..].iter().rev();
        let query: Vec<String> = later
            .map(|(name, value, _)| format!("{name}={value}"))
            .collect();
        for (query, text) in [
            (query.join("&"), *text),
            (format!("{name}=10&{name}=10"), "given once, got it twice"),
        ] {
            let expected = format!("Invalid parameter. {name} must be {text}");
            let (status, code, message) = app.get(reader, &with_port(&query)).error();
            assert_eq!((status, &*code, message), (400, "HSS.0001", expected));
        }
    }
}

#[test]
fn faults_are_told_in_the_contracts_order() {
    let reader = Token::reader("p1", ALL);
    let app = App::start(&[&reader]);
    let long = "x".repeat(LONG);
    let shown = format!("{}…", "x".repeat(64));
    let [up_to_256, up_to_128] =
        [("1 to 256"), ("0 to 128")].map(|range| format!("{range} characters, got {shown}"));
    let common = [
        ("limit", "9", "10 to 200, got 9"),
        ("offset", "2000001", "0 to 2000000, got 2000001"),
    ];
    let ep = ("enterprise_project_id", &*long, &*up_to_128);
    let kind = ("type", "tcp", "TCP, UDP, TCP6 or UDP6, got tcp");
    let category = ("category", "pod", "host or container, got pod");
    let detail = [
        ("port", "0", "1 to 65535, got 0"),
        ("host_name", &*long, &*up_to_256),
        ("host_ip", "", "1 to 256 characters, got nothing"),
        kind,
        category,
        ep,
    ];
    assert_faults(
        &app,
        &reader,
        "ports/detail",
        &[&detail[..], &common].concat(),
    );
    let ports = [
        ("host_id", &*long, &*up_to_128),
        ("host_name", &*long, &*up_to_128),
        ("host_ip", &*long, &*up_to_128),
        ("port", "65536", "1 to 65535, got 65536"),
        kind,
        ("status", "ok", "danger, normal or unknown, got ok"),
        ep,
        category,
    ];
    assert_faults(&app, &reader, "ports", &[&ports[..], &common].concat());
    let without = app.get(&reader, "/v5/p1/asset/ports/detail").error();
    assert_eq!(
        without.2,
        "Invalid parameter. port must be 1 to 65535, got nothing"
    );
}

#[test]
fn who_may_not_read_is_told_so_before_any_parameter() {
    let (reader, agent) = (Token::reader("p1", &["x"]), Token::agent("p1", ALL));
    let app = App::start(&[&reader, &agent]);
    for call in ["ports", "ports/detail"] {
        let code = |token: &Token, project: &str, query: &str| {
            app.get(token, &format!("/v5/{project}/asset/{call}?{query}"))
                .code()
        };
        assert_eq!(code(&reader, "p2", "limit=0"), (403, "APIGW.0306".into()));
        assert_eq!(code(&agent, "p1", "limit=0"), (403, "APIGW.0302".into()));
        assert_eq!(code(&reader, "p1", "limit=0"), (400, "HSS.0013".into()));
        assert_eq!(
            code(&reader, "p1", "enterprise_project_id=x&limit=0"),
            (400, "HSS.0001".into())
        );
        assert_eq!(
            app.get(&reader, &format!("/v5/p1/asset/{call}/")).code().0,
            404
        );
    }
}

#[test]
fn unknown_parameters_and_an_offset_past_the_end_change_nothing() {
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    let app = App::start(&[&reader, &agent]);
    let host = Host::new("a", "0", vec![tcp("0.0.0.0", 22)]);
    app.report(&agent, &[&host]);
    for call in ["ports", "ports/detail"] {
        let get = |query: &str| {
            app.get(&reader, &format!("/v5/p1/asset/{call}?port=22&{query}"))
                .ok()
        };
        assert_eq!(get("hlimit=1&hlimit=2")["total_num"], 1);
        assert_eq!(
            get("offset=2000000"),
            json!({"total_num": 1, "data_list": []})
        );
        assert_eq!(
            get("enterprise_project_id=y"),
            json!({"total_num": 0, "data_list": []})
        );
    }
    // A name that is given empty is none, where the contract allows it.
    let body = app
        .get(&reader, "/v5/p1/asset/ports?host_id=&host_name=&host_ip=")
        .ok();
    assert_eq!(body["total_num"], 1);
}

#[test]
fn texts_are_cut_to_their_documented_lengths() {
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    let app = App::start(&[&reader, &agent]);
    let port = tcp("0.0.0.0", 22)
        .netns("n")
        .container("c")
        .named(&"ñ".repeat(4_096));
    let host = Host {
        host_ip: Some("i".repeat(256)),
        ..Host::new("a", "0", vec![port.program(1, &"ä".repeat(4_096))])
    };
    app.report(&agent, &[&host]);
    let detail = app
        .get(
            &reader,
            "/v5/p1/asset/ports/detail?port=22&category=container",
        )
        .ok();
    let row = &detail["data_list"][0];
    assert_eq!(row["path"], "ä".repeat(512));
    assert_eq!(row["container_name"], "ñ".repeat(256));
    assert_eq!(row["host_ip"], "i".repeat(128));
    let ports = app
        .get(&reader, "/v5/p1/asset/ports?category=container")
        .ok();
    assert_eq!(ports["data_list"][0]["path"], "ä".repeat(256));
}
