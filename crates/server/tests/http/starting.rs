//! A server that is starting says so.

use portolan_server::credentials::Credentials;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::client::{Connection, Request};
use crate::gated::{Starting, start};

#[test]
fn a_server_that_is_starting_answers_and_goes_on_to_serve_on_the_same_connection() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let starting = start(&runtime, folder.path(), Credentials::default());
    let Starting {
        address,
        load,
        commit,
        serving,
        ..
    } = starting;
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
    let version = connection.send(&Request::get("/v3"));
    assert_eq!(version.keystones_error().0, 503);
    let report = Request::post("/portolan/v1/projects/p1/reports", "{}");
    assert_eq!(
        connection.send(&report).code(),
        (503, "PORTOLAN.0006".into())
    );
    // The checks of the edge come first, as ever.
    assert_eq!(connection.send(&Request::get("/x%ZZ")).status, 400);
    assert!(!serving.is_finished());
    load.open();
    commit.open();
    let running = runtime.block_on(serving).unwrap().unwrap();
    assert_eq!(
        connection.send(&Request::get("/readyz")).ok(),
        json!({"status": "ready"})
    );
    assert_eq!(connection.send(&Request::get("/nothing")).status, 404);
    drop(connection);
    runtime.block_on(running.stop()).unwrap();
}
