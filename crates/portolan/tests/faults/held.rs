//! What the servers say afterwards, against what was recorded.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::client::{client, native};
use crate::fleet::{FIRST_PORT, Recorded};

/// Each server holds every acknowledged report or a later one, all tell the same hosts and changes,
/// and the changes of each host lead from nothing to what is open, never backwards.
pub(crate) fn check(urls: &[String], recorded: &BTreeMap<String, Recorded>) {
    let told: Vec<Told> = urls.iter().map(|url| Told::of(url, recorded)).collect();
    for other in &told[1..] {
        assert_eq!(other.hosts, told[0].hosts);
        assert!(other.changes == told[0].changes, "changes differ");
    }
    for (host, recorded) in recorded {
        let held = told[0].hosts[host];
        assert!(
            (recorded.acknowledged..=recorded.sent).contains(&held),
            "{host} is at {held}: {recorded:?}"
        );
        replay(host, &told[0].changes, held);
    }
}

/// The changes of a host, from its first report on.
fn replay(host: &str, changes: &[Value], held: u64) {
    let (mut open, mut newest, mut baselines) = (BTreeSet::new(), 0, 0);
    for change in changes.iter().filter(|change| change["host_id"] == host) {
        let port = change["port"].as_u64();
        match change["kind"].as_str().unwrap() {
            "baseline" => {
                baselines += 1;
                newest = FIRST_PORT + 1;
                open = BTreeSet::from([22, newest]);
            }
            "opened" => {
                let port = port.unwrap();
                assert!(
                    port > newest,
                    "{host}: from {newest} back to {port}: {change}"
                );
                newest = port;
                open.insert(port);
            }
            "closed" => {
                let port = port.unwrap();
                assert!(open.remove(&port), "{host}: {port} was not open: {change}");
            }
            other => panic!("{host}: {other}: {change}"),
        }
    }
    assert_eq!(baselines, 1, "{host}");
    let holds = BTreeSet::from([22, FIRST_PORT + held]);
    assert_eq!(open, holds, "{host}: what its changes lead to");
}

/// What one server says.
struct Told {
    /// The sequence of each host's report.
    hosts: BTreeMap<String, u64>,
    changes: Vec<Value>,
}

impl Told {
    fn of(url: &str, recorded: &BTreeMap<String, Recorded>) -> Self {
        let client = client();
        let ask = |path: &str| {
            let told = native(&client, url, path);
            told.unwrap_or_else(|| panic!("{url}: {path} is not answered"))
        };
        let recount = ask("/recount");
        assert_eq!(recount["equal"], true, "{url}: {recount}");
        let hosts = recorded.keys().map(|host| {
            let told = ask(&format!("/hosts/{host}"));
            let sequence = told["sequence"].as_u64();
            (host.clone(), sequence.unwrap_or_else(|| panic!("{told}")))
        });
        let hosts = hosts.collect();
        let (mut changes, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = ask(&format!("/changes?limit=200{cursor}"));
            changes.extend(page["changes"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let ids: BTreeSet<&str> = changes.iter().map(|c| c["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), changes.len(), "{url}: a change is told twice");
        Self { hosts, changes }
    }
}
