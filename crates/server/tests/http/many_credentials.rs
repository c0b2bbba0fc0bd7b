//! As many credentials as a server keeps.

use std::path::Path;
use std::sync::Arc;

use portolan_census::Liveness;
use portolan_store::embedded::{EmbeddedOptions, EmbeddedStore};
use portolan_store::{
    Committer, Published, RecordChange, RecordKey, Store, Submission, SystemClock, rebuild_all,
};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::app::{ALL, App, Token};
use crate::client::Request;

const MOST: usize = 10_000;
const TARGET: &str = "/portolan/v1/projects/p1";

fn create(app: &App, admin: &Token, kind: &str, name: &str) -> Answer {
    let mut body = json!({"role": "reader", "name": name});
    if kind == "users" {
        body["password"] = json!("correct horse battery");
    }
    app.send(&Request::post(format!("{TARGET}/{kind}"), body.to_string()).token(admin))
}

/// Copies the only token of a store until it holds `count`, by the store's own committer: over HTTP
/// that would be thousands of syncs.
fn fill(data: &Path, count: usize) {
    let store = Arc::new(EmbeddedStore::open(data, EmbeddedOptions::default()).unwrap());
    let rebuilt = rebuild_all(&*store, |_| {}).unwrap();
    let [(key, value)] = rebuilt.records.as_slice() else {
        panic!("{} records instead of one", rebuilt.records.len());
    };
    let copy = |number: usize| {
        let mut record: Value = serde_json::from_slice(value).unwrap();
        record["proof"]["sha256"] = json!(format!("{number:064x}"));
        let key = RecordKey {
            kind: key.kind,
            id: format!("{number:032x}"),
        };
        RecordChange::put(key, serde_json::to_vec(&record).unwrap()).unwrap()
    };
    let published = Published::new(rebuilt.state, Liveness::new(0), &rebuilt.loaded);
    let mut committer = Committer::new(
        Arc::clone(&store) as Arc<dyn Store>,
        Arc::new(SystemClock),
        Arc::new(published),
        &rebuilt.loaded,
    );
    let changes = (1..count).map(copy).collect();
    let written = |outcome: Result<(), _>| outcome.unwrap();
    committer
        .serve(vec![Submission::records(changes, Box::new(written))])
        .unwrap();
    store.close().unwrap();
}

/// Invariant 7: credentials have a cap; beyond it none is made until one is revoked.
#[test]
fn no_credential_of_any_kind_is_made_beyond_the_most_until_one_is_revoked() {
    let admin = Token::new("admin", "p1", ALL);
    let mut app = App::start(&[&admin]);
    assert_eq!(create(&app, &admin, "tokens", "first").status, 201);
    app.stop();
    fill(&app.data_dir(), MOST - 1);
    app.serve();
    let total = || app.native(&admin, "/tokens?limit=1").ok()["total_num"].clone();
    // The administrator's own stands in a file, and is beside what the server keeps.
    assert_eq!(total(), MOST);
    let last = create(&app, &admin, "tokens", "last");
    assert_eq!(last.status, 201);
    for kind in ["tokens", "access-keys", "users"] {
        let (status, code, text) = create(&app, &admin, kind, "beyond").error();
        assert_eq!((status, code.as_str()), (409, "PORTOLAN.0017"), "{kind}");
        assert!(text.ends_with("the server keeps at most 10000 credentials: revoke some"));
    }
    assert_eq!(total(), MOST + 1);
    let id = last.json()["id"].as_str().unwrap().to_owned();
    let revoked = Request::new("DELETE", format!("{TARGET}/tokens/{id}"));
    assert_eq!(app.send(&revoked.token(&admin)).status, 204);
    assert_eq!(create(&app, &admin, "users", "in its place").status, 201);
    let beyond = create(&app, &admin, "access-keys", "beyond again");
    assert_eq!(beyond.code(), (409, "PORTOLAN.0017".into()));
}
