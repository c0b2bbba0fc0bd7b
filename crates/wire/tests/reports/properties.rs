//! What holds for any report, any damage and any bytes.

use portolan_wire::heartbeat::HeartbeatsRequest;
use portolan_wire::report::ReportsRequest;
use portolan_wire::testing::{NOW, heartbeat, report};
use portolan_wire::{heartbeat, report};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use crate::support::full_report;

#[test]
fn the_clock_of_the_generated_reports_is_that_of_the_design() {
    assert_eq!(NOW.to_string(), "2026-11-24T02:13:00Z");
}

/// Bytes that JSON gives a meaning, so that damage often leaves the text well formed.
fn telling_byte() -> impl Strategy<Value = u8> {
    prop_oneof![select(&b"{}[]\",:\\0-9.eEtfn \n\x00u"[..]), any::<u8>()]
}

/// Every place of a value, as a pointer.
fn pointers(at: &str, value: &Value, found: &mut Vec<String>) {
    found.push(at.to_owned());
    for (name, below) in value.as_object().into_iter().flatten() {
        pointers(&format!("{at}/{name}"), below, found);
    }
    for (index, below) in value.as_array().into_iter().flatten().enumerate() {
        pointers(&format!("{at}/{index}"), below, found);
    }
}

/// Any JSON value, often one that some field takes.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0_u32..70_000).prop_map(Value::from),
        select(vec!["TCP", "::1", "2026-11-24T02:13:00Z", "a\0"]).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec(("[a-z_]{1,9}", inner), 0..3).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn what_an_agent_writes_a_server_reads_back_equal(reports in vec(report(12), 1..4)) {
        let body = serde_json::to_vec(&ReportsRequest { reports: reports.clone() }).unwrap();
        let read = report::parse(&body, NOW).unwrap();
        prop_assert_eq!(read, reports.into_iter().map(Ok).collect::<Vec<_>>());
    }

    #[test]
    fn what_an_agent_writes_as_heartbeats_a_server_reads_back_equal(
        heartbeats in vec(heartbeat(), 1..9),
    ) {
        let request = HeartbeatsRequest { heartbeats: heartbeats.clone() };
        let read = heartbeat::parse(&serde_json::to_vec(&request).unwrap()).unwrap();
        prop_assert_eq!(read, heartbeats.into_iter().map(Ok).collect::<Vec<_>>());
    }

    #[test]
    fn any_bytes_are_read_or_refused_without_a_panic(body in vec(telling_byte(), 0..200)) {
        let fault = report::parse(&body, NOW).unwrap_err();
        prop_assert!(!fault.message.is_empty());
        prop_assert!(heartbeat::parse(&body).is_err());
    }

    #[test]
    fn a_damaged_body_is_read_or_refused_without_a_panic(
        report in report(4),
        damage in vec((any::<Index>(), telling_byte(), 0_u8..3), 1..6),
    ) {
        let mut body = serde_json::to_vec(&ReportsRequest { reports: vec![report] }).unwrap();
        for (at, byte, kind) in damage {
            let at = at.index(body.len());
            match kind {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                _ => drop(body.remove(at)),
            }
        }
        for fault in report::parse(&body, NOW).into_iter().flatten().filter_map(Result::err) {
            prop_assert!(fault.field.starts_with("reports["));
            prop_assert!(fault.message.starts_with(&fault.field));
        }
    }

    /// The value put in is what the fault names and shows, unless it is taken.
    #[test]
    fn any_value_at_any_place_is_taken_or_its_place_is_told(at in any::<Index>(), value in any_json()) {
        let mut places = Vec::new();
        pointers("", &full_report(), &mut places);
        let mut changed = full_report();
        *changed.pointer_mut(&places[at.index(places.len())]).unwrap() = value;
        let body = json!({"reports": [full_report(), changed, full_report()]}).to_string();
        let results = report::parse(body.as_bytes(), NOW).unwrap();
        prop_assert!(results[0].is_ok());
        prop_assert_eq!(&results[0], &results[2]);
        if let Err(fault) = &results[1] {
            let place = crate::support::field_of(&places[at.index(places.len())]);
            let told = format!("reports[1]{place}");
            prop_assert!(fault.field.starts_with(&told), "{} for {}", fault.field, told);
            prop_assert!(fault.message.starts_with(&fault.field));
        }
    }

    /// Whatever is accepted is in canonical form: writing and reading it again changes nothing.
    #[test]
    fn reading_is_idempotent(report in report(12), shuffled in any::<prop::sample::Selector>()) {
        let mut sent = serde_json::to_value(&report).unwrap();
        // The set in any order, with a twin of any port, is the same set.
        let ports = sent["open_ports"].as_array_mut().unwrap();
        if let Some(twin) = shuffled.try_select(ports.iter().cloned()) {
            ports.push(twin);
        }
        ports.reverse();
        let body = json!({"reports": [sent]}).to_string();
        let read = report::parse(body.as_bytes(), NOW).unwrap().remove(0).unwrap();
        prop_assert_eq!(&read, &report);
        prop_assert_eq!(read.digest(), report.digest());
    }
}
