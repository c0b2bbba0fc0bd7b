//! What comes out of a report: the canonical form, defaults, and what is passed over.

use portolan_wire::digest::Digest;
use serde_json::{Value, json};

use crate::support::{
    bare_report, fault, full_report, parse, parse_one, parse_text, with, without,
};

#[test]
fn unknown_fields_are_passed_over_at_every_level() {
    fn sprinkle(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.values_mut().for_each(sprinkle);
                fields.insert(
                    "x_new".into(),
                    json!({"a": [1, null, "\0"], "port": 70_000}),
                );
            }
            Value::Array(entries) => entries.iter_mut().for_each(sprinkle),
            _ => {}
        }
    }
    let mut newer = full_report();
    sprinkle(&mut newer);
    assert_eq!(
        newer.to_string().matches("x_new").count(),
        7,
        "one for each kind of object"
    );
    assert_eq!(parse_one(&newer), parse_one(&full_report()));
}

#[test]
fn an_unknown_field_may_be_given_twice() {
    let body = full_report()
        .to_string()
        .replacen('{', "{\"x\":1,\"x\":2,", 1);
    assert_eq!(
        parse_text(&format!("{{\"reports\":[{body}]}}")),
        [parse_one(&full_report())]
    );
}

#[test]
fn an_unknown_field_that_is_given_twice_is_not_told_for_a_missing_one() {
    let text = without(&full_report(), "/sequence").to_string();
    let twice = text.replacen('{', "{\"x\":1,\"x\":2,", 1);
    let expected = fault("reports[0].sequence", "is required", Some("4f0c"));
    assert_eq!(
        parse_text(&format!("{{\"reports\":[{twice}]}}")),
        [Err(expected)]
    );
}

#[test]
fn a_known_field_that_is_given_twice_rejects_its_report_alone() {
    let good = full_report().to_string();
    for (field, from, to) in [
        (
            "reports[1].sequence",
            "\"sequence\":12",
            "\"sequence\":12,\"sequence\":12",
        ),
        (
            "reports[1].host.host_name",
            "\"host_name\":",
            "\"host_name\":null,\"host_name\":",
        ),
        (
            "reports[1].open_ports[0].port",
            "\"port\":6379",
            "\"port\":6379,\"port\":1",
        ),
        (
            "reports[1].open_ports[0].published[0].port",
            ":16379",
            ":16379,\"\\u0070ort\":16379",
        ),
        (
            "reports[1].transients[0].type",
            "\"type\":\"UDP\"",
            "\"type\":\"UDP\",\"type\":\"TCP\"",
        ),
        (
            "reports[1].coverage.privileged",
            "\"privileged\":true",
            "\"privileged\":true,\"privileged\":true",
        ),
        (
            "reports[1].agent.mode",
            "\"mode\":",
            "\"mode\":\"poll\",\"mode\":",
        ),
    ] {
        let twice = good.replacen(from, to, 1);
        assert_ne!(twice, good);
        let results = parse_text(&format!("{{\"reports\":[{good},{twice},{good}]}}"));
        assert!(results[0].is_ok() && results[2].is_ok());
        let expected = fault(field, "must be given once", Some("4f0c"));
        assert_eq!(results[1].clone().unwrap_err(), expected);
    }
}

#[test]
fn the_first_of_two_values_is_the_one_that_is_told() {
    let twice = full_report()
        .to_string()
        .replacen("\"port\":6379", "\"port\":0,\"port\":1", 1);
    let results = parse_text(&format!("{{\"reports\":[{twice}]}}"));
    let expected = fault(
        "reports[0].open_ports[0].port",
        "must be 1 to 65535, got 0",
        Some("4f0c"),
    );
    assert_eq!(results, [Err(expected)]);
}

#[test]
fn an_array_is_not_taken_for_an_object() {
    let values = json!(["TCP", "0.0.0.0", 22]);
    let result = parse_one(&with(&bare_report(), "/open_ports", json!([values])));
    let says = "must be an object, got [\"TCP\",\"0.0.0.0\",22]";
    assert_eq!(
        result.unwrap_err(),
        fault("reports[0].open_ports[0]", says, Some("bare"))
    );
}

#[test]
fn values_in_messages_are_as_written_cut_to_64_characters() {
    let bare = bare_report().to_string();
    let long = format!("[1,\n\t {}]", "2,".repeat(60));
    let long = long.replace(",]", "]");
    let body = bare.replace("\"sequence\":0", &format!("\"sequence\":{long}"));
    let results = parse_text(&format!("{{\"reports\":[{body}]}}"));
    let shown = format!("[1,{}…", "2,".repeat(30));
    assert_eq!(shown.chars().count(), 64);
    let says = format!("must be 0 to 9007199254740991, got {shown}");
    assert_eq!(
        results,
        [Err(fault("reports[0].sequence", &says, Some("bare")))]
    );
    let big = bare.replace(
        "\"sequence\":0",
        "\"sequence\":123456789012345678901234567890",
    );
    let results = parse_text(&format!("{{\"reports\":[{big}]}}"));
    let says = "must be 0 to 9007199254740991, got 123456789012345678901234567890";
    assert_eq!(
        results,
        [Err(fault("reports[0].sequence", says, Some("bare")))]
    );
}

#[test]
fn the_host_id_of_a_faulty_report_is_told_where_it_is_valid() {
    let faulty = with(&full_report(), "/sequence", json!(-1));
    for (host_id, told) in [
        (json!("web-17"), Some("web-17")),
        (json!(""), None),
        (json!("a b"), None),
        (json!(5), None),
        (json!(null), None),
    ] {
        let mut report = faulty.clone();
        report["host"]["host_id"] = host_id;
        assert_eq!(parse_one(&report).unwrap_err().host_id.as_deref(), told);
    }
    assert_eq!(
        parse_one(&without(&faulty, "/host")).unwrap_err().host_id,
        None
    );
    // Also where it stands behind the fault.
    let text =
        "{\"reports\":[{\"sequence\":-1,\"host\":{\"host_name\":5,\"host_id\":\"\\u0061b\"}}]}";
    assert_eq!(
        parse_text(text)[0].clone().unwrap_err().host_id.as_deref(),
        Some("ab")
    );
}

#[test]
fn a_bare_report_gets_the_defaults() {
    let report = parse_one(&bare_report()).unwrap();
    assert_eq!(report.host.enterprise_project_id, "0");
    assert_eq!(report.host.host_name, None);
    assert_eq!(report.heartbeat_interval_s, None);
    assert_eq!(report.agent, None);
    assert_eq!(report.transients_lost, 0);
    assert_eq!((report.open_ports.len(), report.transients.len()), (0, 0));
}

#[test]
fn of_a_bare_report_only_what_is_required_is_missed() {
    for name in [
        "generation",
        "sequence",
        "observed_at",
        "coverage",
        "open_ports",
    ] {
        let field = format!("reports[0].{name}");
        let result = parse_one(&without(&bare_report(), &format!("/{name}")));
        assert_eq!(
            result.unwrap_err(),
            fault(&field, "is required", Some("bare"))
        );
    }
    let empty = parse_one(&json!({})).unwrap_err();
    assert_eq!(empty, fault("reports[0].host", "is required", None));
}

#[test]
fn the_set_comes_out_canonical_with_twins_folded() {
    let port = |laddr: &str, number: u16, pid: Value, path: &str| json!({"type": "TCP", "laddr": laddr, "port": number, "pid": pid, "path": path});
    let sent = with(
        &bare_report(),
        "/open_ports",
        json!([
            port("2001:DB8:0:0:0:0:0:1", 80, json!(1), "/b"),
            port("::ffff:10.0.0.1", 80, json!(30), "/b"),
            port("10.0.0.1", 80, json!(null), "/a"),
            port("10.0.0.1", 80, json!(20), "/z"),
            port("10.0.0.1", 80, json!(20), "/y"),
            port("10.0.0.1", 443, json!(20), ""),
        ]),
    );
    let report = parse_one(&sent).unwrap();
    let set: Vec<_> = report
        .open_ports
        .iter()
        .map(|port| {
            (
                port.laddr.to_string(),
                port.port,
                port.pid,
                port.path.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        set,
        [
            ("10.0.0.1".to_owned(), 80, Some(20), Some("/y")),
            ("10.0.0.1".to_owned(), 443, Some(20), None),
            ("2001:db8::1".to_owned(), 80, Some(1), Some("/b")),
        ]
    );
    assert_eq!(report.digest(), Digest::of(&report.open_ports));
}

#[test]
fn ports_that_differ_in_one_part_of_their_identity_are_no_twins() {
    let port = json!({"type": "TCP", "laddr": "0.0.0.0", "port": 80});
    let ports = json!([
        port,
        with(&port, "/netns", json!("n1")),
        with(&port, "/netns", json!("n2")),
        with(&port, "/type", json!("UDP")),
        with(&port, "/laddr", json!("::")),
        with(&port, "/port", json!(81)),
    ]);
    let report = parse_one(&with(&bare_report(), "/open_ports", ports)).unwrap();
    let mut identities: Vec<_> = report
        .open_ports
        .iter()
        .map(|port| (port.netns.clone(), port.transport, port.laddr, port.port))
        .collect();
    identities.sort();
    identities.dedup();
    assert_eq!(identities.len(), 6);
}

#[test]
fn addresses_beside_the_set_come_out_canonical_too() {
    let mut report = full_report();
    report["host"]["host_ips"] = json!(["::ffff:10.0.0.1", "FD00:0::17"]);
    report["transients"][0]["laddr"] = json!("::ffff:127.0.0.1");
    report["transients"][0]["path"] = json!("");
    report["open_ports"][0]["published"][0]["addr"] = json!("::ffff:10.0.0.2");
    let report = parse_one(&report).unwrap();
    assert_eq!(report.host.host_ips, ["10.0.0.1", "fd00::17"]);
    assert_eq!(report.transients[0].laddr.to_string(), "127.0.0.1");
    assert_eq!(report.transients[0].path, None);
    assert_eq!(
        report.open_ports[0].published[0].addr.to_string(),
        "10.0.0.2"
    );
}

#[test]
fn a_report_of_twenty_thousand_different_ports_is_read_whole() {
    let ports: Vec<_> = (1..=20_000_u16)
        .map(|port| json!({"type": "TCP", "laddr": "0.0.0.0", "port": port, "path": "/usr/bin/x"}))
        .collect();
    let results = parse(&[
        bare_report(),
        with(&bare_report(), "/open_ports", json!(ports)),
    ]);
    assert_eq!(results[1].as_ref().unwrap().open_ports.len(), 20_000);
}
