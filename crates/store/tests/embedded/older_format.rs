//! Stores that older versions of the program wrote, kept as files, and one of a newer version.
//!
//! `tests/fixtures/format-<n>/closed` was closed, `killed` was not. They open with exactly what was
//! put in, whatever the program's format is by then, or are refused with the way to bring them over.
//!
//! `tests/fixtures/backup-1` is a backup of the closed one, by the same program.
//!
//! When the format changes: `cargo test -p portolan-store --test embedded -- --ignored make_the_fixture`
//! writes those of the new format; the old ones stay, and so do their tests. Never write an old one
//! anew: then it would only show that the program can read what it writes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portolan_census::{Filter, Liveness, PageRequest, Selection, Sockets, Start, State};
use portolan_store::embedded::{EmbeddedOptions, EmbeddedStore, restore, verify};
use portolan_store::history::checkpoint;
use portolan_store::{
    Batch, Clock, Committer, Decision, HistorySpan, HistoryWrite, Prepared, Published,
    RecordChange, RecordKey, RecordKind, Retirement, Snapshot, Store, StoreError, rebuild_all,
    restore_liveness, seen, snapshot_of,
};
use portolan_wire::hss::port_statistics::SortDir;
use portolan_wire::ids::HostKey;
use portolan_wire::open_port::{Category, OpenPort, Published as PublishedAt, Transport};
use portolan_wire::report::{Agent, Coverage, Host, Report};
use portolan_wire::time::UnixMicros;

use crate::files::{files_below, written_end};
use crate::model::{names, open, start};

pub(crate) const AT: UnixMicros = UnixMicros(1_764_000_000_000_000);

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> UnixMicros {
        AT
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

pub(crate) fn key(project: &str, host: &str) -> HostKey {
    HostKey {
        project: project.into(),
        host: host.into(),
    }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// A host with every attribute, in its own namespace and in a container.
pub(crate) fn full(sequence: u64) -> Report {
    let own = OpenPort {
        pid: Some(812),
        path: text("/usr/sbin/sshd"),
        user: text("root"),
        unit: text("ssh.service"),
        ifname: text("eth0"),
        cmdline: text("sshd -D"),
        started_at: Some(UnixMicros(AT.0 - 1)),
        deleted: Some(false),
        ..OpenPort::new(Transport::Tcp, "10.0.3.17".parse().unwrap(), 22)
    };
    let contained = OpenPort {
        netns: text("b7c1"),
        v6only: Some(true),
        container_id: text("b7c1"),
        container_name: text("cäche"),
        container_image: text("redis:7"),
        pod_name: text("pod"),
        pod_namespace: text("space"),
        published: vec![PublishedAt {
            addr: "192.0.2.1".parse().unwrap(),
            port: 16379,
        }],
        ..OpenPort::new(Transport::Udp, "fd00::17".parse().unwrap(), 6379)
    };
    Report {
        host: Host {
            host_id: "full".into(),
            host_name: text("web-17"),
            host_ip: text("10.0.3.17"),
            host_ips: vec!["10.0.3.17".into(), "fd00::17".into()],
            agent_id: text("9d2e"),
            enterprise_project_id: "ep-1".into(),
            os_type: text("Linux"),
            os_name: text("Debian 12"),
            kernel_version: text("6.1.0"),
        },
        generation: 1_764_000_000,
        sequence,
        observed_at: UnixMicros(AT.0 - 5),
        heartbeat_interval_s: Some(15),
        agent: Some(Agent {
            version: text("0.1.0"),
            mode: text("poll"),
            cpu_ms: Some(12),
            rss_bytes: Some(6_291_456),
            ephemeral_udp: None,
        }),
        coverage: Coverage {
            privileged: true,
            namespaces: Some(4),
            namespaces_skipped: Some(1),
            sockets_unattributed: Some(2),
            events_lost: Some(3),
        },
        open_ports: vec![own, contained],
        transients: Vec::new(),
        transients_lost: 0,
    }
}

/// A host of which only the identity of its ports is known.
pub(crate) fn bare(host_id: &str, ports: &[u16]) -> Report {
    let open = |&port| OpenPort::new(Transport::Tcp, "0.0.0.0".parse().unwrap(), port);
    Report {
        host: Host {
            host_id: host_id.into(),
            enterprise_project_id: "0".into(),
            ..Host::default()
        },
        generation: 1,
        sequence: 1,
        observed_at: AT,
        heartbeat_interval_s: None,
        agent: None,
        coverage: Coverage::default(),
        open_ports: ports.iter().map(open).collect(),
        transients: Vec::new(),
        transients_lost: 0,
    }
}

pub(crate) fn records() -> BTreeMap<RecordKey, Vec<u8>> {
    let record = |kind: RecordKind| {
        let id = format!("of kind {}", kind as u8);
        (RecordKey { kind, id }, vec![kind as u8; 40])
    };
    // The kinds that there were when the fixture was made.
    let kinds = RecordKind::ALL.into_iter().take(4);
    kinds.map(record).collect()
}

/// Six commits: two reports of one host, two bare ones, the records, a removal, one record again.
fn fill(store: &Arc<EmbeddedStore>) {
    let loaded = rebuild_all(&**store, |_| {}).unwrap().loaded;
    let published = Arc::new(Published::new(State::default(), Liveness::new(0), &loaded));
    let shared = Arc::clone(store) as Arc<dyn Store>;
    let mut committer = Committer::new(shared, Arc::new(Fixed), Arc::clone(&published), &loaded);
    let mut commit = |project: &str, reports: Vec<Report>| {
        let prepare =
            |report: &Report| Prepared::new(project.into(), report, Selection::Whole).unwrap();
        let decided = committer.commit(reports.iter().map(prepare).collect());
        let accepted = |decision| decision == Decision::Accepted { fresh: true };
        assert!(decided.unwrap().into_iter().all(accepted));
    };
    commit("p/1", vec![full(11)]);
    commit("p/1", vec![full(12), bare("bare", &[])]);
    commit("p2", vec![bare("bare", &[22, 443]), bare("gone", &[80])]);
    let put = |(key, value)| RecordChange::put(key, value).unwrap();
    committer
        .change_records(records().into_iter().map(put).collect())
        .unwrap();
    let gone = committer.retire(key("p2", "gone"), &Selection::Whole);
    assert_eq!(gone.unwrap(), Retirement::Retired);
    let again = records().into_iter().next().unwrap();
    committer.change_records(vec![put(again)]).unwrap();
    let state = published.state.load();
    store.save_seen(&seen(&state)).unwrap();
    store.save_checkpoint(&checkpoint(&state).unwrap()).unwrap();
}

/// Writes the fixtures of the format that this program writes.
#[test]
#[ignore = "writes into the source tree; only for a new format"]
fn make_the_fixture_of_this_format() {
    for closed in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path(), EmbeddedOptions::default()).unwrap();
        let store = Arc::new(store);
        fill(&store);
        if closed {
            store.close().unwrap();
        }
        drop(store);
        let json = fs::read_to_string(folder.path().join("store.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let name = if closed { "closed" } else { "killed" };
        let kept = fixtures().join(format!("format-{}/{name}", json["format"]));
        assert!(!kept.exists(), "{} is kept as it is", kept.display());
        for path in files_below(folder.path()) {
            let to = kept.join(path.strip_prefix(folder.path()).unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            let mut bytes = fs::read(&path).unwrap();
            if path.extension().is_some_and(|extension| extension == "jnl") {
                // The rest is 64 MiB of zeros, which a sparse file has for nothing and git has not.
                bytes.truncate(written_end(&path) as usize);
            }
            fs::write(to, bytes).unwrap();
        }
    }
}

/// A copy to open: opening changes files.
pub(crate) fn copy_of(fixture: &str) -> tempfile::TempDir {
    let kept = fixtures().join(fixture);
    let copy = tempfile::tempdir().unwrap();
    for path in files_below(&kept) {
        let to = copy.path().join(path.strip_prefix(&kept).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&path, to).unwrap();
    }
    // Git keeps no empty folders.
    for keyspace in names(&copy.path().join("fjall/keyspaces")) {
        let tables = format!("fjall/keyspaces/{keyspace}/tables");
        fs::create_dir_all(copy.path().join(tables)).unwrap();
    }
    copy
}

pub(crate) fn assert_is(snapshot: Option<Snapshot>, report: &Report) {
    let found = snapshot.unwrap();
    assert_eq!(found.host, report.host);
    let pair = (found.pair.generation, found.pair.sequence);
    assert_eq!(pair, (report.generation, report.sequence));
    assert_eq!(found.observed_at, report.observed_at);
    assert_eq!(found.digest, report.digest());
    assert_eq!(found.agent, report.agent);
    assert_eq!(found.coverage, report.coverage);
    assert_eq!(found.open_ports, report.open_ports);
}

fn assert_opens_with_exact_content(fixture: &str) {
    let folder = copy_of(fixture);
    let report = verify(folder.path()).unwrap();
    assert_eq!((report.commit, report.hosts, report.records), (6, 3, 4));
    assert_eq!(report.closed_cleanly, fixture.ends_with("closed"));
    let store = open(folder.path()).unwrap();
    let rebuilt = rebuild_all(&store, |_| {}).unwrap();
    assert_eq!((rebuilt.loaded.commit, rebuilt.loaded.at), (6, AT));
    assert_eq!(rebuilt.records, records().into_iter().collect::<Vec<_>>());
    for (project, report, at) in [
        ("p/1", full(12), AT.plus_micros(1)),
        ("p/1", bare("bare", &[]), AT),
        ("p2", bare("bare", &[22, 443]), AT),
    ] {
        let key = key(project, &report.host.host_id);
        let snapshot = snapshot_of(&store, &key).unwrap();
        assert_eq!(snapshot.as_ref().unwrap().at, at, "{key:?}");
        assert_is(snapshot, &report);
        assert_eq!(rebuilt.state.host(&key).unwrap().facts.at, at);
    }
    assert_eq!(snapshot_of(&store, &key("p2", "gone")).unwrap(), None);
    let rows = |project: &str, category| {
        let filter = Filter {
            category,
            sockets: Sockets::All,
            transport: None,
            port: None,
            port_string: None,
            status: None,
        };
        let page = PageRequest {
            sort_dir: SortDir::Asc,
            start: Start::Offset(0),
            limit: 100,
        };
        let project = rebuilt.state.project(project).unwrap();
        let page = project.page(&Selection::Whole, &filter, &page);
        let rows = page.rows.into_iter().map(|row| (row.port, row.num));
        rows.collect::<Vec<_>>()
    };
    assert_eq!(rows("p/1", Category::Host), [(22, 1)]);
    assert_eq!(rows("p/1", Category::Container), [(6379, 1)]);
    assert_eq!(rows("p2", Category::Host), [(22, 1), (443, 1)]);
    // Who was heard when: nobody but by the commits, at their second.
    let now_s = u32::try_from(AT.seconds()).unwrap() + 1_000;
    let liveness = Liveness::new(now_s);
    restore_liveness(&store, &rebuilt.state, &liveness, now_s).unwrap();
    let host = rebuilt.state.host(&key("p/1", "full")).unwrap();
    assert_eq!(i64::from(host.freshness().1), AT.seconds());
    assert_is_upgraded(folder.path(), store);
}

/// What an open made of it: a store of this format, whose history begins with its last commit.
fn assert_is_upgraded(folder: &Path, store: EmbeddedStore) {
    let json = fs::read_to_string(folder.join("store.json")).unwrap();
    assert!(json.contains("\"format\": 2"), "{json}");
    let none = HistorySpan {
        from: AT,
        ..HistorySpan::default()
    };
    assert_eq!(store.history_span().unwrap(), none);
    store.close().unwrap();
    drop(store);
    let day = AT.day();
    let batch = Batch {
        commit: 7,
        at: AT.plus_micros(9),
        history: Some(HistoryWrite {
            day,
            value: b"first".to_vec(),
        }),
        ..Batch::default()
    };
    let (store, _) = start(folder).unwrap();
    store.commit(&batch).unwrap();
    drop(store);
    let (store, found) = start(folder).unwrap();
    let span = store.history_span().unwrap();
    assert_eq!((span.from, span.last, span.days[0].day), (AT, 7, day));
    assert_eq!(found.history, [(7, b"first".to_vec())].into());
    drop(store);
    assert_eq!(verify(folder).unwrap().history, 1);
}

#[test]
fn a_backup_of_format_1_is_restored_and_its_history_begins_at_its_moment() {
    let folder = tempfile::tempdir().unwrap();
    let report = restore(&fixtures().join("backup-1"), folder.path()).unwrap();
    assert_eq!((report.commit, report.hosts, report.records), (6, 3, 4));
    let store = open(folder.path()).unwrap();
    let rebuilt = rebuild_all(&store, |_| {}).unwrap();
    assert_eq!(rebuilt.records, records().into_iter().collect::<Vec<_>>());
    assert_is(snapshot_of(&store, &key("p/1", "full")).unwrap(), &full(12));
    assert_is_upgraded(folder.path(), store);
}

#[test]
fn a_store_of_format_1_that_was_closed_opens_with_exactly_what_was_put_in() {
    assert_opens_with_exact_content("format-1/closed");
}

#[test]
fn a_store_of_format_1_that_was_killed_opens_with_exactly_what_was_put_in() {
    assert_opens_with_exact_content("format-1/killed");
}

#[test]
fn a_store_of_a_newer_format_is_refused_untouched_with_the_way_to_bring_it_over() {
    let folder = copy_of("format-1/closed");
    let path = folder.path().join("store.json");
    let text = fs::read_to_string(&path).unwrap();
    let newer = text.replace("\"format\": 1", "\"format\": 3");
    assert_ne!(newer, text);
    fs::write(&path, newer).unwrap();
    let before: Vec<_> = files_below(folder.path())
        .into_iter()
        .map(|path| (fs::read(&path).unwrap(), path))
        .collect();
    let refusals = [
        open(folder.path()).map(|_| ()),
        verify(folder.path()).map(|_| ()),
        portolan_store::embedded::repair(folder.path()).map(|_| ()),
    ];
    for refused in refusals {
        let refused = refused.unwrap_err();
        let StoreError::Format {
            found: 3,
            supported: 2,
            ..
        } = refused
        else {
            panic!("{refused}")
        };
        let told = refused.to_string();
        for advice in [
            "has format 3",
            "portolan backup FILE",
            "portolan restore FILE",
        ] {
            assert!(told.contains(advice), "{told}");
        }
    }
    for (bytes, path) in before {
        assert!(fs::read(&path).unwrap() == bytes, "{}", path.display());
    }
}
