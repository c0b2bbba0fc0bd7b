//! A server that is starting says so.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use portolan_server::credentials::Credentials;
use portolan_server::{Setup, serve};
use portolan_store::embedded::{EmbeddedOptions, EmbeddedStore};
use portolan_store::{
    Batch, CopyOut, EachEntry, Loaded, RecordKey, SeenAt, Store, StoreError, SystemClock,
};
use portolan_wire::ids::HostKey;
use serde_json::json;

use crate::client::{Connection, Request};

/// A store whose loading waits until the test lets it.
struct Slow {
    store: EmbeddedStore,
    go: Mutex<Receiver<()>>,
}

impl Store for Slow {
    fn load(&self, each: EachEntry<'_>) -> Result<Loaded, StoreError> {
        // Until the test says so, or is gone.
        let _gone = self.go.lock().unwrap().recv();
        self.store.load(each)
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.store.commit(batch)
    }

    fn host(&self, key: &HostKey) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.host(key)
    }

    fn record(&self, key: &RecordKey) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.record(key)
    }

    fn copy_out(&self, to: &mut dyn CopyOut) -> Result<(), StoreError> {
        self.store.copy_out(to)
    }

    fn save_seen(&self, seen: &[SeenAt]) -> Result<(), StoreError> {
        self.store.save_seen(seen)
    }

    fn load_seen(&self) -> Result<Vec<SeenAt>, StoreError> {
        self.store.load_seen()
    }

    fn close(&self) -> Result<(), StoreError> {
        self.store.close()
    }
}

#[test]
fn a_server_that_is_starting_answers_and_goes_on_to_serve_on_the_same_connection() {
    let folder = tempfile::tempdir().unwrap();
    let (let_go, go): (Sender<()>, _) = channel();
    let store = EmbeddedStore::open(folder.path(), EmbeddedOptions::default()).unwrap();
    let store = Arc::new(Slow {
        store,
        go: Mutex::new(go),
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (address, serving) = runtime.block_on(async {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = tokio::net::TcpListener::bind(any).await.unwrap();
        let address = listener.local_addr().unwrap();
        let setup = Setup::new(folder.path().to_owned(), Credentials::default());
        let clock = Arc::new(SystemClock);
        (address, tokio::spawn(serve(store, listener, setup, clock)))
    });
    let mut connection = Connection::open(address);
    let healthy = connection.send(&Request::get("/healthz"));
    assert_eq!(healthy.ok(), json!({"status": "ok"}));
    for target in [
        "/readyz",
        "/metrics",
        "/v5/p1/asset/port/statistics",
        "/nothing",
    ] {
        let answer = connection.send(&Request::get(target));
        assert_eq!(answer.code(), (503, "PORTOLAN.0006".into()), "{target}");
        assert_eq!(answer.header("retry-after"), Some("1"), "{target}");
        assert!(answer.error().2.ends_with("it is starting"), "{target}");
    }
    let report = Request::post("/portolan/v1/projects/p1/reports", "{}");
    assert_eq!(
        connection.send(&report).code(),
        (503, "PORTOLAN.0006".into())
    );
    // The checks of the edge come first, as ever.
    assert_eq!(connection.send(&Request::get("/x%ZZ")).status, 400);
    assert!(!serving.is_finished());
    let_go.send(()).unwrap();
    let running = runtime.block_on(serving).unwrap().unwrap();
    assert_eq!(
        connection.send(&Request::get("/readyz")).ok(),
        json!({"status": "ready"})
    );
    assert_eq!(connection.send(&Request::get("/nothing")).status, 404);
    drop(connection);
    runtime.block_on(running.stop()).unwrap();
}
