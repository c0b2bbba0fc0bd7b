//! Every rule of a heartbeat, and that the outside of the request is held to the same ones.

use portolan_wire::error::ErrorCode;
use portolan_wire::heartbeat::{Heartbeat, parse};
use portolan_wire::report::Fault;
use serde_json::{Value, json};

use crate::support::{fault, with, without};

const HOST_ID: &str = "must be a string of 1 to 64 of [A-Za-z0-9._:-]";
const PAIR: &str = "must be 0 to 9007199254740991";
const DIGEST: &str = "must be a string of 32 lower-case hex digits";

fn heartbeat() -> Value {
    json!({
        "host_id": "4f0c", "generation": 1_764_000_000, "sequence": 12,
        "digest": "00112233445566778899aabbccddeeff",
    })
}

fn parse_all(heartbeats: &[Value]) -> Vec<Result<Heartbeat, Fault>> {
    parse(json!({ "heartbeats": heartbeats }).to_string().as_bytes()).unwrap()
}

/// Sends a heartbeat between two good ones and returns what became of it alone.
fn between_good_neighbours(subject: &Value) -> Result<Heartbeat, Fault> {
    let mut results = parse_all(&[heartbeat(), subject.clone(), heartbeat()]);
    assert_eq!(results.len(), 3);
    assert_eq!(results[0].as_ref().unwrap().host_id, "4f0c");
    assert_eq!(results[0], results[2]);
    results.remove(1)
}

#[test]
fn a_heartbeat_is_read_as_it_was_sent() {
    let read = between_good_neighbours(&heartbeat()).unwrap();
    assert_eq!((read.generation, read.sequence), (1_764_000_000, 12));
    assert_eq!(serde_json::to_value(&read).unwrap(), heartbeat());
}

#[test]
fn every_field_takes_values_just_inside_its_rule_and_refuses_those_just_outside() {
    let max = 9_007_199_254_740_991_u64;
    let hex = "0123456789abcdef0123456789abcdef";
    let pair_outside = vec![json!(-1), json!(max + 1), json!("1"), json!(true)];
    for (name, says, inside, outside) in [
        (
            "host_id",
            HOST_ID,
            vec![json!("a"), json!("x".repeat(64))],
            vec![
                json!(""),
                json!("x".repeat(65)),
                json!("a b"),
                json!("a\0"),
                json!(1),
            ],
        ),
        (
            "generation",
            PAIR,
            vec![json!(0), json!(max)],
            pair_outside.clone(),
        ),
        ("sequence", PAIR, vec![json!(0), json!(max)], pair_outside),
        (
            "digest",
            DIGEST,
            vec![json!(hex), json!("f".repeat(32))],
            vec![
                json!(""),
                json!(hex[1..]),
                json!(format!("{hex}0")),
                json!(hex.to_uppercase()),
                json!(0),
            ],
        ),
    ] {
        let pointer = format!("/{name}");
        let field = format!("heartbeats[1].{name}");
        let host_id = (name != "host_id").then_some("4f0c");
        for value in inside {
            let result = between_good_neighbours(&with(&heartbeat(), &pointer, value.clone()));
            assert_eq!(result.err(), None, "{name} = {value}");
        }
        for value in outside.into_iter().chain([Value::Null]) {
            let result = between_good_neighbours(&with(&heartbeat(), &pointer, value.clone()));
            let shown: String = match value.to_string() {
                long if long.chars().count() > 64 => long.chars().take(63).chain(['…']).collect(),
                short => short,
            };
            let says = format!("{says}, got {shown}");
            assert_eq!(result.unwrap_err(), fault(&field, &says, host_id));
        }
        let missing = between_good_neighbours(&without(&heartbeat(), &pointer));
        assert_eq!(missing.unwrap_err(), fault(&field, "is required", host_id));
    }
}

#[test]
fn a_heartbeat_that_is_no_object_or_gives_a_field_twice_is_told() {
    let result = between_good_neighbours(&json!(["4f0c", 1, 2]));
    let says = "must be an object, got [\"4f0c\",1,2]";
    assert_eq!(result.unwrap_err(), fault("heartbeats[1]", says, None));
    let text = heartbeat()
        .to_string()
        .replace("\"sequence\":12", "\"sequence\":12,\"sequence\":12");
    let results = parse(format!("{{\"heartbeats\":[{text}]}}").as_bytes()).unwrap();
    let expected = fault("heartbeats[0].sequence", "must be given once", Some("4f0c"));
    assert_eq!(results, [Err(expected)]);
}

#[test]
fn unknown_fields_of_a_heartbeat_are_passed_over() {
    let newer = with(&heartbeat(), "/x", json!({"sequence": -1}));
    assert_eq!(
        between_good_neighbours(&newer),
        between_good_neighbours(&heartbeat())
    );
}

#[test]
fn the_list_of_heartbeats_has_the_limits_of_reports() {
    assert_eq!(parse_all(&vec![heartbeat(); 1_000]).len(), 1_000);
    let many = json!({ "heartbeats": vec![heartbeat(); 1_001] }).to_string();
    for (body, code, message) in [
        (
            many.as_str(),
            ErrorCode::BatchSize,
            "heartbeats must have 1 to 1000 entries, got 1001",
        ),
        (
            "{\"reports\":[]}",
            ErrorCode::BatchSize,
            "heartbeats is required",
        ),
        (
            "{\"heartbeats\":5}",
            ErrorCode::BatchSize,
            "heartbeats must be an array, got 5",
        ),
        (
            "{\"heartbeats\":x}",
            ErrorCode::NotJson,
            "expected value at line 1 column 15",
        ),
        (
            "[[[[[[[[[[[[[[[[[",
            ErrorCode::NotJson,
            "nested deeper than 16 levels at line 1 column 17",
        ),
    ] {
        let fault = parse(body.as_bytes()).unwrap_err();
        assert_eq!((fault.code, fault.message.as_str()), (code, message));
    }
}
