//! Every rule of a report's fields: values just inside and just outside, with the exact fault, and
//! the neighbours in the same request untouched.
use std::collections::BTreeSet;

use portolan_wire::error::ErrorCode;
use portolan_wire::report::{Fault, Report};
use portolan_wire::testing::NOW;
use serde_json::{Value, json};

use crate::support::{
    bare_report, fault, field_of, full_report, parse, parse_one, parse_text, with, without,
};
use crate::table::rules;

/// Sends `subject` between two good reports and returns what became of it alone.
fn between_good_neighbours(subject: &Value) -> Result<Report, Fault> {
    let [first, last] = [full_report(), bare_report()];
    let mut results = parse(&[first.clone(), subject.clone(), last.clone()]);
    assert_eq!(results.len(), 3);
    assert_eq!(results.pop().unwrap(), parse_one(&last));
    assert!(results[0].is_ok());
    assert_eq!(results[0], parse_one(&first));
    results.pop().unwrap()
}

/// JSON text as a message shows it.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 64 {
        return text;
    }
    text.chars().take(63).collect::<String>() + "…"
}

/// The host id that a fault at `pointer` tells.
fn host_id_beside(pointer: &str) -> Option<&'static str> {
    (!["/host", "/host/host_id"].contains(&pointer)).then_some("4f0c")
}

#[test]
fn every_field_takes_values_just_inside_its_rule() {
    for rule in rules() {
        for value in &rule.inside {
            let result =
                between_good_neighbours(&with(&full_report(), rule.pointer, value.clone()));
            assert_eq!(result.err(), None, "{} = {value}", rule.pointer);
        }
    }
}

#[test]
fn every_field_refuses_values_just_outside_its_rule_with_the_exact_fault() {
    for rule in rules() {
        let field = format!("reports[1]{}", field_of(rule.pointer));
        for value in &rule.outside {
            let result =
                between_good_neighbours(&with(&full_report(), rule.pointer, value.clone()));
            let says = format!("{}, got {}", rule.says, shown(value));
            assert_eq!(
                result.unwrap_err(),
                fault(&field, &says, host_id_beside(rule.pointer))
            );
        }
    }
}

#[test]
fn a_required_field_must_be_there_and_not_null() {
    for rule in rules().into_iter().filter(|rule| rule.required) {
        let field = format!("reports[1]{}", field_of(rule.pointer));
        let host_id = host_id_beside(rule.pointer);
        let missing = between_good_neighbours(&without(&full_report(), rule.pointer));
        assert_eq!(missing.unwrap_err(), fault(&field, "is required", host_id));
        let null = between_good_neighbours(&with(&full_report(), rule.pointer, Value::Null));
        let says = format!("{}, got null", rule.says);
        assert_eq!(null.unwrap_err(), fault(&field, &says, host_id));
    }
}

#[test]
fn null_is_the_same_as_absent_for_every_optional_field_and_no_entry_of_a_list() {
    for rule in rules().into_iter().filter(|rule| !rule.required) {
        let null = between_good_neighbours(&with(&full_report(), rule.pointer, Value::Null));
        if rule.pointer.ends_with(['0', '1']) {
            let field = format!("reports[1]{}", field_of(rule.pointer));
            let says = format!("{}, got null", rule.says);
            assert_eq!(null.unwrap_err(), fault(&field, &says, Some("4f0c")));
        } else {
            let absent = parse_one(&without(&full_report(), rule.pointer)).unwrap();
            assert_eq!(null.unwrap(), absent, "{}", rule.pointer);
            assert_ne!(
                absent,
                parse_one(&full_report()).unwrap(),
                "{}",
                rule.pointer
            );
        }
    }
}

/// A field that is added to the full report needs a rule here, or this fails.
#[test]
fn every_field_of_the_full_report_has_a_rule_here() {
    fn leaves(at: &str, value: &Value, found: &mut BTreeSet<String>) {
        if !at.is_empty() {
            found.insert(at.to_owned());
        }
        for (name, below) in value.as_object().into_iter().flatten() {
            leaves(&format!("{at}/{name}"), below, found);
        }
        for (index, below) in value.as_array().into_iter().flatten().enumerate() {
            leaves(&format!("{at}/{index}"), below, found);
        }
    }
    let mut fields = BTreeSet::new();
    leaves("", &full_report(), &mut fields);
    // The entries of this list are alike.
    assert!(fields.remove("/host/host_ips/0"));
    let rules: BTreeSet<_> = rules().iter().map(|rule| rule.pointer.to_owned()).collect();
    assert_eq!(fields, rules);
}

/// The full report has every field: what is read of it is written again without a difference.
#[test]
fn the_full_report_is_written_as_it_was_read() {
    assert_eq!(
        serde_json::to_value(parse_one(&full_report()).unwrap()).unwrap(),
        full_report()
    );
}

#[test]
fn a_report_that_is_no_object_is_told_by_its_index() {
    for value in [json!(5), json!(null), json!("x"), json!([1]), json!(true)] {
        let says = format!("must be an object, got {value}");
        let result = between_good_neighbours(&value);
        assert_eq!(result.unwrap_err(), fault("reports[1]", &says, None));
    }
}

#[test]
fn integers_are_written_as_integers() {
    for text in ["12.0", "1e3", "12.5", "1E2", "1e999", "-0.0"] {
        let body = bare_report()
            .to_string()
            .replace("\"sequence\":0", &format!("\"sequence\":{text}"));
        let body = format!("{{\"reports\":[{body}]}}");
        let says = format!("must be an integer from 0 to 9007199254740991, got {text}");
        let expected = fault("reports[0].sequence", &says, Some("bare"));
        assert_eq!(parse_text(&body), [Err(expected)]);
    }
}

#[test]
fn a_generation_may_be_a_day_ahead_of_the_clock_and_no_more() {
    let latest = NOW.seconds() + 86_400;
    let inside = with(&full_report(), "/generation", json!(latest));
    assert_eq!(
        between_good_neighbours(&inside).unwrap().generation,
        latest.unsigned_abs()
    );
    let outside = with(&full_report(), "/generation", json!(latest + 1));
    let says = format!(
        "must be at most {latest}, 24 h ahead of the server's clock, got {}",
        latest + 1
    );
    let expected = fault("reports[1].generation", &says, Some("4f0c"));
    assert_eq!(between_good_neighbours(&outside).unwrap_err(), expected);
}

#[test]
fn lists_take_as_many_entries_as_their_limit_and_no_more() {
    let port = json!({"type": "TCP", "laddr": "::", "port": 1});
    let published = json!({"addr": "::", "port": 1});
    let invalid = ErrorCode::FieldInvalid;
    for (pointer, entry, max, code) in [
        ("/host/host_ips", json!("::1"), 256, invalid),
        ("/open_ports/0/published", published, 256, invalid),
        ("/transients", port.clone(), 1_000, invalid),
        ("/open_ports", port, 20_000, ErrorCode::TooManyPorts),
    ] {
        let list = |length| json!(vec![entry.clone(); length]);
        let inside = between_good_neighbours(&with(&full_report(), pointer, list(max)));
        assert_eq!(inside.err(), None, "{pointer}");
        let outside = between_good_neighbours(&with(&full_report(), pointer, list(max + 1)));
        let field = format!("reports[1]{}", field_of(pointer));
        let says = format!("must have at most {max} entries, got {}", max + 1);
        let expected = Fault {
            code,
            ..fault(&field, &says, Some("4f0c"))
        };
        assert_eq!(outside.unwrap_err(), expected);
    }
}

#[test]
fn the_two_examples_of_the_design_say_exactly_this() {
    let port = |number: u16| json!({"type": "TCP", "laddr": "::", "port": number});
    let mut report = bare_report();
    report["open_ports"] = json!([port(1), port(2), port(3), port(4)]);
    for (value, message) in [
        (
            json!(70_000),
            "reports[2].open_ports[3].port must be 1 to 65535, got 70000",
        ),
        (
            json!("22"),
            "reports[2].open_ports[3].port must be 1 to 65535, got \"22\"",
        ),
    ] {
        let faulty = with(&report, "/open_ports/3/port", value);
        let results = parse(&[report.clone(), report.clone(), faulty]);
        assert!(results[0].is_ok() && results[1].is_ok());
        let fault = results[2].as_ref().unwrap_err();
        assert_eq!(
            (fault.code.as_str(), fault.message.as_str()),
            ("PORTOLAN.0010", message)
        );
        assert_eq!(fault.field, "reports[2].open_ports[3].port");
    }
}
