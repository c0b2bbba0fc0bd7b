//! Hosts that fall silent: in the counts of fresh hosts, in lists, and retired at last.

use std::ops::ControlFlow;

use portolan_store::embedded::{EmbeddedOptions, EmbeddedStore};
use portolan_store::history::changes_of_host;
use portolan_store::{HistoryOrder, Store};
use portolan_wire::ids::HostKey;
use serde_json::{Value, json};

use crate::app::{ALL, App, Token};
use crate::fleet::{Host, tcp};
use crate::operations::metrics;
use crate::support::{eventually, rows, texts};

const DAY_S: i64 = 86_400;

/// The hosts `loud` (port 80) and `quiet` (ports 22 and 80), each of 10 seconds, and `far` (port 22)
/// of a day in enterprise project `x`.
struct Silence {
    app: App,
    reader: Token,
    agent: Token,
    loud: Host,
    quiet: Host,
    digest: Value,
}

impl Silence {
    fn begin() -> Self {
        let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
        let app = App::start(&[&reader, &agent, &Token::new("admin", "p1", ALL)]);
        let of = |id: &str, ep: &str, heartbeat_interval_s, ports: &[u16]| Host {
            heartbeat_interval_s,
            ..Host::new(id, ep, ports.iter().map(|port| tcp("::", *port)).collect())
        };
        let loud = of("loud", "0", 10, &[80]);
        let quiet = of("quiet", "0", 10, &[22, 80]);
        let far = of("far", "x", 86_400, &[22]);
        let digest = app.report(&agent, &[&loud, &quiet, &far])[0]["digest"].clone();
        Self {
            app,
            reader,
            agent,
            loud,
            quiet,
            digest,
        }
    }

    /// The clock goes on, and `loud` is heard.
    fn after(&self, seconds: i64) {
        self.app.clock.advance_s(seconds);
        let heartbeat = self.loud.heartbeat(&self.digest);
        let told = self.app.post(&self.agent, "heartbeats", &[heartbeat]);
        assert_eq!(told[0]["status"], "ok");
    }

    fn native(&self, rest: &str) -> Value {
        self.app.native(&self.reader, rest).ok()
    }

    /// The rows (port, num) of the statistics; all are of TCP.
    fn counts(&self, query: &str) -> Vec<(u64, u64)> {
        let body = self.native(&format!("/statistics?{query}"));
        let rows = rows(&body);
        assert!(rows.iter().all(|(_, kind, _)| *kind == "TCP"));
        rows.iter().map(|(port, _, num)| (*port, *num)).collect()
    }

    /// Waits until so many hosts of the whole project are fresh and stale.
    fn until(&self, fresh: u64, stale: u64) {
        let expected = json!({"fresh": fresh, "stale": stale, "never": 0});
        eventually("hosts are as fresh as they should be", || {
            self.native("/hosts")["hosts"] == expected
        });
    }
}

#[test]
fn counts_lists_and_assets_of_fresh_hosts_leave_the_stale_ones_out() {
    let silence = Silence::begin();
    silence.until(3, 0);
    silence.after(31);
    silence.until(2, 1);
    let all = "enterprise_project_id=all_granted_eps";
    let of = |query: &str| silence.counts(query);
    assert_eq!(of(""), [(22, 1), (80, 2)], "silence closes nothing");
    assert_eq!(of("freshness=fresh"), [(80, 1)]);
    for (query, row_num, open_num) in [("", 2, 3), ("freshness=fresh", 1, 1)] {
        let body = silence.native(&format!("/exposures?{query}"));
        let any = json!({"exposure": "any", "row_num": row_num, "open_num": open_num});
        assert_eq!(body["data_list"][5], any, "{query}");
        assert_eq!(body["hosts"], json!({"fresh": 1, "stale": 1, "never": 0}));
    }
    assert_eq!(of(all), [(22, 2), (80, 2)]);
    let fresh = format!("{all}&freshness=fresh");
    assert_eq!(of(&fresh), [(22, 1), (80, 1)]);
    let hosts = json!({"fresh": 2, "stale": 1, "never": 0});
    for of_whole in [
        format!("/statistics?{fresh}&port=1"),
        "/ports/22/assets?freshness=fresh".into(),
        "/hosts?freshness=never".into(),
    ] {
        assert_eq!(silence.native(&of_whole)["hosts"], hosts, "{of_whole}");
    }
    let ids = |rest: &str| {
        let body = silence.native(rest);
        let ids = texts(&body, "host_id").join(" ");
        assert_eq!(body["total_num"], ids.split_whitespace().count(), "{rest}");
        ids
    };
    assert_eq!(ids("/ports/22/assets"), "far quiet");
    assert_eq!(ids("/ports/22/assets?freshness=fresh"), "far");
    assert_eq!(ids("/hosts"), "far loud quiet");
    assert_eq!(ids("/hosts?freshness=fresh"), "far loud");
    assert_eq!(
        ids("/hosts?freshness=fresh&enterprise_project_id=0"),
        "loud"
    );
    assert_eq!(ids("/hosts?freshness=stale"), "quiet");
    assert_eq!(ids("/hosts?freshness=retired"), "");
    assert_eq!(ids("/hosts?freshness=never"), "");
    // Heard again, it counts again.
    silence.app.report(&silence.agent, &[&silence.quiet]);
    assert_eq!(of("freshness=fresh"), [(22, 1), (80, 2)]);
    assert_eq!(silence.native("/recount")["equal"], true);
}

#[test]
fn a_page_of_fresh_hosts_is_cut_and_gone_on_with_by_its_cursor() {
    let silence = Silence::begin();
    silence.until(3, 0);
    let first = silence.native("/hosts?freshness=fresh&limit=2");
    assert_eq!(texts(&first, "host_id"), ["far", "loud"]);
    assert_eq!(first["next_cursor"], "loud");
    let last = silence.native("/hosts?freshness=fresh&limit=2&cursor=loud");
    assert_eq!(texts(&last, "host_id"), ["quiet"]);
    assert_eq!(last["next_cursor"], Value::Null);
    assert_eq!(
        (&first["total_num"], &last["total_num"]),
        (&json!(3), &json!(3))
    );
}

#[test]
fn another_freshness_is_refused_with_what_is_allowed() {
    let silence = Silence::begin();
    for (rest, allowed) in [
        ("/statistics?freshness=stale", "fresh"),
        ("/ports/22/assets?freshness=", "fresh"),
        ("/hosts?freshness=online", "fresh, stale, retired or never"),
    ] {
        let (status, _, told) = silence.app.native(&silence.reader, rest).error();
        assert_eq!(status, 400, "{rest}");
        let must = format!("freshness must be {allowed}");
        assert!(told.contains(&must), "{rest}: {told}");
    }
}

/// Invariant 5: silent for 30 days, a host is retired: its ports leave the counts, and none is told
/// as closed. A later report brings it back. From the agents' requests to the counts.
#[test]
fn a_host_that_is_silent_for_30_days_is_retired_and_comes_back_with_a_report() {
    let mut silence = Silence::begin();
    for _ in 0..29 {
        silence.after(DAY_S);
    }
    silence.until(1, 2);
    let counted = |silence: &Silence| silence.counts("");
    assert_eq!(counted(&silence), [(22, 1), (80, 2)]);
    // The server's clock leaps: a host has three intervals to be heard.
    silence.app.clock.advance_s(DAY_S + 1);
    silence.until(0, 3);
    silence.after(31);
    silence.until(1, 1);
    assert_eq!(counted(&silence), [(80, 1)]);
    let retired = |silence: &Silence| {
        let body = silence.native("/hosts?freshness=retired");
        assert_eq!(texts(&body, "host_id"), ["quiet"]);
        let row = &body["data_list"][0];
        assert_eq!(row["freshness"], "retired");
        assert_eq!(row["last_seen"], "2026-11-24T02:13:00Z");
        assert_eq!(row["retired_at"], "2026-12-24T02:13:32Z");
        assert_eq!(row["open_ports"], 2, "as it was");
        let others = silence.native("/hosts");
        assert_eq!(texts(&others, "host_id"), ["far", "loud"]);
        assert_eq!(silence.native("/recount")["equal"], true);
    };
    retired(&silence);
    let metrics = metrics(&silence.app);
    for (name, value) in [
        ("portolan_hosts{freshness=\"retired\"}", 1),
        ("portolan_hosts_retired_total{by=\"silence\"}", 1),
        ("portolan_hosts_retired_total{by=\"operator\"}", 0),
    ] {
        assert_eq!(metrics[name], value, "{name}");
    }
    // As also the next start knows.
    assert_eq!(kinds_of(&mut silence.app, "quiet"), ["baseline", "retired"]);
    retired(&silence);
    let back = silence.quiet.next(vec![tcp("::", 22)]);
    silence.app.report(&silence.agent, &[&back]);
    assert_eq!(counted(&silence), [(22, 1), (80, 1)]);
    assert_eq!(
        kinds_of(&mut silence.app, "quiet"),
        ["baseline", "retired", "returned", "closed"]
    );
    let none = silence.native("/hosts?freshness=retired");
    assert_eq!(none["total_num"], 0);
}

/// Nobody could be heard while the server was down.
#[test]
fn after_a_restart_a_host_has_three_intervals_before_it_is_retired() {
    let mut silence = Silence::begin();
    silence.app.stop();
    silence.app.clock.advance_s(40 * DAY_S);
    silence.app.serve();
    silence.until(3, 0);
    silence.after(30);
    silence.until(3, 0);
    silence.after(1);
    silence.until(2, 1);
    silence.after(1);
    eventually("it is retired", || {
        silence.native("/hosts?freshness=retired")["total_num"] == 1
    });
    silence.until(2, 0);
}

/// The kinds of a host's changes, as the store of a server that is stopped meanwhile holds them.
fn kinds_of(app: &mut App, host: &str) -> Vec<&'static str> {
    app.stop();
    let store = EmbeddedStore::open(&app.data_dir(), EmbeddedOptions::default()).unwrap();
    store.load(&mut |_| Ok(())).unwrap();
    let key = HostKey {
        project: "p1".into(),
        host: host.into(),
    };
    let mut kinds = Vec::new();
    changes_of_host(&store, &key, .., HistoryOrder::Ascending, &mut |change| {
        kinds.push(change.kind.as_str());
        ControlFlow::Continue(())
    })
    .unwrap();
    store.close().unwrap();
    drop(store);
    app.serve();
    kinds
}
