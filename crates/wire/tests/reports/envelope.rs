//! The outside of a request: what is JSON, how deep, and how many items.

use portolan_wire::error::ErrorCode;
use portolan_wire::report::{Fault, Report, RequestFault};
use portolan_wire::testing::NOW;
use serde_json::json;

use crate::support::{bare_report, fault, full_report, parse, parse_text};

fn parse_bytes(body: &[u8]) -> Result<Vec<Result<Report, Fault>>, RequestFault> {
    portolan_wire::report::parse(body, NOW)
}

fn not_json(message: &str) -> RequestFault {
    RequestFault {
        code: ErrorCode::NotJson,
        message: message.to_owned(),
    }
}

fn batch_size(message: &str) -> RequestFault {
    RequestFault {
        code: ErrorCode::BatchSize,
        message: message.to_owned(),
    }
}

#[test]
fn a_body_that_is_not_json_is_told_with_line_and_column() {
    for (body, message) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        (
            "{\"reports\":[",
            "EOF while parsing a list at line 1 column 12",
        ),
        (
            "{\"reports\":[{]}",
            "key must be a string at line 1 column 14",
        ),
        (
            "{\n  \"reports\": [\n    {},\n    x\n  ]\n}",
            "expected value at line 4 column 5",
        ),
        (
            "{\"reports\":[{}]} x",
            "trailing characters at line 1 column 18",
        ),
        (
            "{\"reports\":[{}]}{}",
            "trailing characters at line 1 column 17",
        ),
        ("{\"reports\":[{}],}", "trailing comma at line 1 column 17"),
        ("{\"reports\":[01]}", "invalid number at line 1 column 14"),
        ("{\"reports\":[\"\u{1}\"]}", CONTROL),
        ("hello", "expected value at line 1 column 1"),
    ] {
        assert_eq!(
            parse_bytes(body.as_bytes()),
            Err(not_json(message)),
            "{body}"
        );
    }
}

const CONTROL: &str =
    "control character (\\u0000-\\u001F) found while parsing a string at line 1 column 13";

#[test]
fn a_syntax_error_outranks_whatever_else_is_wrong_before_it() {
    for (body, message) in [
        (
            "{\"reports\":5,x}",
            "key must be a string at line 1 column 14",
        ),
        ("[1,]", "expected value at line 1 column 4"),
        (
            "{\"reports\":[],\"reports\":[]",
            "EOF while parsing an object at line 1 column 26",
        ),
    ] {
        assert_eq!(
            parse_bytes(body.as_bytes()),
            Err(not_json(message)),
            "{body}"
        );
    }
    let many = format!("{{\"reports\":[{}x]}}", "1,".repeat(1_001));
    assert_eq!(
        parse_bytes(many.as_bytes()),
        Err(not_json("expected value at line 1 column 2015"))
    );
}

#[test]
fn a_body_that_is_not_utf_8_is_told_with_line_and_column() {
    let fault = parse_bytes(b"{\"reports\":\n[\"\xc3\x28\"]}").unwrap_err();
    assert_eq!(fault, not_json("invalid UTF-8 at line 2 column 3"));
    let fault = parse_bytes(b"\xff").unwrap_err();
    assert_eq!(fault, not_json("invalid UTF-8 at line 1 column 1"));
}

#[test]
fn depth_16_passes_and_depth_17_does_not() {
    // The body, its list and the report are levels 1 to 3; an unknown field may hold 13 more.
    let body = |levels: usize, open: &str, close: &str| {
        let report = bare_report().to_string();
        let inner = format!("{}1{}", open.repeat(levels), close.repeat(levels));
        format!(
            "{{\"reports\":[{}",
            report.replacen('{', &format!("{{\"x\":{inner},"), 1)
        ) + "]}"
    };
    assert!(parse_text(&body(13, "[", "]"))[0].is_ok());
    assert!(parse_text(&body(13, "{\"a\":", "}"))[0].is_ok());
    let fault = parse_bytes(body(14, "[", "]").as_bytes()).unwrap_err();
    assert_eq!(
        fault,
        not_json("nested deeper than 16 levels at line 1 column 31")
    );
    let fault = parse_bytes(body(14, "{\"a\":", "}").as_bytes()).unwrap_err();
    assert_eq!(
        fault,
        not_json("nested deeper than 16 levels at line 1 column 83")
    );
}

#[test]
fn a_body_of_nothing_but_brackets_is_refused_without_a_deep_stack() {
    let fault = parse_bytes("[".repeat(1 << 20).as_bytes()).unwrap_err();
    assert_eq!(
        fault,
        not_json("nested deeper than 16 levels at line 1 column 17")
    );
}

#[test]
fn brackets_inside_strings_do_not_count_as_depth() {
    for text in [
        "[[[[[[[[[[[[[[[[[[",
        "{\"{\"{\"{\"{\"{\"{\"{\"{\"{\"",
        "\\\"[[[[[[[[[[[[[[[[[",
        "\\",
    ] {
        let mut report = bare_report();
        report["host"]["host_name"] = json!(text);
        report["x"] = json!([text, [text]]);
        let result = parse(&[report])[0].clone();
        assert_eq!(result.unwrap().host.host_name.as_deref(), Some(text));
    }
}

#[test]
fn brackets_side_by_side_do_not_count_as_depth() {
    let mut report = bare_report();
    report["x"] = json!(vec![json!([{}]); 100]);
    assert!(parse(&[report])[0].is_ok());
}

#[test]
fn a_thousand_reports_pass_and_one_more_does_not() {
    let results = parse(&vec![bare_report(); 1_000]);
    assert_eq!(results.len(), 1_000);
    assert!(results.iter().all(Result::is_ok));
    let body = json!({ "reports": vec![bare_report(); 1_001] }).to_string();
    assert_eq!(
        parse_bytes(body.as_bytes()),
        Err(batch_size("reports must have 1 to 1000 entries, got 1001"))
    );
}

#[test]
fn a_list_of_reports_that_cannot_be_used_is_told_apart_from_no_json() {
    for (body, message) in [
        ("{}", "reports is required"),
        ("{\"Reports\":[{}]}", "reports is required"),
        (
            "{\"reports\":[]}",
            "reports must have 1 to 1000 entries, got 0",
        ),
        ("{\"reports\":null}", "reports must be an array, got null"),
        (
            "{\"reports\":{ \"a\" : 1 }}",
            "reports must be an array, got {\"a\":1}",
        ),
        (
            "{\"reports\":[{}],\"reports\":[{}]}",
            "reports must be given once",
        ),
        (
            "[]",
            "the body must be an object with the list reports, got []",
        ),
        (
            " \"x\" ",
            "the body must be an object with the list reports, got \"x\"",
        ),
        (
            "null",
            "the body must be an object with the list reports, got null",
        ),
    ] {
        assert_eq!(
            parse_bytes(body.as_bytes()),
            Err(batch_size(message)),
            "{body}"
        );
    }
}

#[test]
fn unknown_fields_beside_the_list_are_passed_over() {
    let report = bare_report().to_string();
    let body = format!("{{\"a\":[1],\"a\":null,\"reports\":[{report}],\"b\":{{\"reports\":5}}}}\n");
    assert!(parse_text(&body)[0].is_ok());
}

#[test]
fn half_a_surrogate_pair_rejects_its_report_alone() {
    let good = full_report().to_string();
    let value = good.replace("\"web-17\"", "\"\\ud800\"");
    let name = good.replacen("\"type\"", "\"\\ud800\":1,\"type\"", 1);
    let results = parse_text(&format!("{{\"reports\":[{value},{good},{name}]}}"));
    assert!(results[1].is_ok());
    let says = "must be a string of 0 to 256 characters without NUL, got \"\\ud800\"";
    let expected = fault("reports[0].host.host_name", says, Some("4f0c"));
    assert_eq!(results[0].clone().unwrap_err(), expected);
    let told = results[2].clone().unwrap_err();
    assert_eq!(told.field, "reports[2].open_ports[0]");
    assert!(
        told.message
            .contains(" must have names that are Unicode text, got {"),
        "{told}"
    );
}
