//! How current an answer says it is.

use serde_json::json;

use crate::app::{ALL, App, Token};
use crate::fleet::{Host, tcp};
use crate::support::eventually;

/// Three hosts of intervals 29, 30 and 1,000 seconds; the last one in enterprise project `x`.
fn app() -> (App, Token, Token) {
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    let app = App::start(&[&reader, &agent]);
    let of = |id: &str, ep: &str, heartbeat_interval_s| Host {
        heartbeat_interval_s,
        ..Host::new(id, ep, vec![tcp("::", 22)])
    };
    app.report(
        &agent,
        &[&of("a", "0", 29), &of("b", "0", 30), &of("c", "x", 1_000)],
    );
    (app, reader, agent)
}

fn hosts(app: &App, reader: &Token, query: &str) -> String {
    app.hss(reader, query)
        .header("x-portolan-hosts")
        .unwrap()
        .to_owned()
}

/// Invariant 5: silence closes no port, it makes the host stale, and the answer says so.
#[test]
fn a_host_is_fresh_for_three_of_its_own_intervals_and_counts_for_ever() {
    let (app, reader, _) = app();
    let told = || hosts(&app, &reader, "");
    let before = app.hss(&reader, "").ok();
    assert_eq!(told(), "fresh=2, stale=0");
    // At 90 s the one of 29 s has been silent for more than three intervals, the other has not.
    app.clock.advance_s(90);
    eventually("one host is stale", || told() != "fresh=2, stale=0");
    assert_eq!(told(), "fresh=1, stale=1");
    app.clock.advance_s(1);
    eventually("the other one is stale", || told() != "fresh=1, stale=1");
    assert_eq!(told(), "fresh=0, stale=2");
    assert_eq!(
        app.hss(&reader, "").ok(),
        before,
        "the counts are as they were"
    );
    let body = app.native(&reader, "/hosts?enterprise_project_id=0").ok();
    for row in body["data_list"].as_array().unwrap() {
        assert_eq!(
            (&row["freshness"], &row["last_seen"]),
            (&json!("stale"), &json!("2026-11-24T02:13:00Z"))
        );
    }
}

#[test]
fn freshness_is_that_of_the_hosts_asked_about_whatever_the_other_filters() {
    let (app, reader, _) = app();
    app.clock.advance_s(91);
    eventually("two hosts are stale", || {
        hosts(&app, &reader, "") == "fresh=0, stale=2"
    });
    for filters in [
        "port=1",
        "category=container",
        "type=UDP6&status=danger",
        "offset=2000000",
        "port_string=9&sort_dir=desc",
    ] {
        assert_eq!(
            hosts(&app, &reader, filters),
            "fresh=0, stale=2",
            "{filters}"
        );
        let of = |ep: &str| {
            hosts(
                &app,
                &reader,
                &format!("{filters}&enterprise_project_id={ep}"),
            )
        };
        assert_eq!(of("x"), "fresh=1, stale=0", "{filters}");
        assert_eq!(of("all_granted_eps"), "fresh=1, stale=2", "{filters}");
        assert_eq!(of("nobody"), "fresh=0, stale=0", "{filters}");
    }
    let body = app
        .native(
            &reader,
            "/statistics?enterprise_project_id=all_granted_eps&port=1",
        )
        .ok();
    assert_eq!(body["hosts"], json!({"fresh": 1, "stale": 2, "never": 0}));
}

#[test]
fn an_answer_tells_the_moment_up_to_which_it_is_complete() {
    let (app, reader, _) = app();
    let told = || {
        app.hss(&reader, "")
            .header("x-portolan-as-of")
            .unwrap()
            .to_owned()
    };
    assert_eq!(told(), "2026-11-24T02:12:59.999999Z");
    app.clock.advance_s(3_601);
    assert_eq!(told(), "2026-11-24T03:13:00.999999Z");
    assert_eq!(
        app.native(&reader, "/statistics").ok()["as_of"],
        "2026-11-24T03:13:00.999999Z"
    );
}

#[test]
fn errors_and_other_answers_tell_no_freshness() {
    let (app, reader, _) = app();
    // On an error these headers fail the test by themselves; here are the answers without counts.
    for answer in [
        app.hss(&reader, "limit=9"),
        app.native(&reader, "/hosts"),
        app.get(&reader, "/healthz"),
    ] {
        assert_eq!(
            (
                answer.header("x-portolan-as-of"),
                answer.header("x-portolan-hosts")
            ),
            (None, None)
        );
    }
}

#[test]
fn a_host_that_lengthens_its_interval_stays_fresh_for_three_of_the_new_ones() {
    let (app, reader, agent) = app();
    let longer = Host {
        heartbeat_interval_s: 60,
        sequence: 2,
        ..Host::new("a", "0", vec![tcp("::", 22)])
    };
    app.report(&agent, &[&longer]);
    app.clock.advance_s(180);
    // The other host of 30 s shows that the time has been looked at.
    eventually("the other host is stale", || {
        hosts(&app, &reader, "").ends_with("stale=1")
    });
    assert_eq!(hosts(&app, &reader, ""), "fresh=1, stale=1");
    app.clock.advance_s(1);
    eventually("both are stale", || {
        hosts(&app, &reader, "") == "fresh=0, stale=2"
    });
}

#[test]
fn a_host_that_shortens_its_interval_is_stale_after_three_of_the_new_ones() {
    let (app, reader, agent) = app();
    let told = || hosts(&app, &reader, "enterprise_project_id=x");
    let shorter = Host {
        heartbeat_interval_s: 10,
        sequence: 2,
        ..Host::new("c", "x", vec![tcp("::", 22)])
    };
    app.report(&agent, &[&shorter]);
    app.clock.advance_s(30);
    assert_eq!(told(), "fresh=1, stale=0");
    app.clock.advance_s(1);
    eventually("it is stale", || told() == "fresh=0, stale=1");
}
