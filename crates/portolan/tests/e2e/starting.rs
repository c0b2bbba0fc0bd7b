//! A server that is told to end while it is still starting.

use std::net::TcpListener;
use std::process::Stdio;

use serde_json::Value;

use crate::harness::{Process, Server, credentials, eventually, portolan, run};

/// A port of loopback that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// The status and the body of an answer, if one comes.
fn ask(url: &str) -> Option<(u16, Value)> {
    let client: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut answer = client.get(url).call().ok()?;
    Some((
        answer.status().as_u16(),
        answer.body_mut().read_json().ok()?,
    ))
}

/// The secret key is in a pipe that nobody writes to, so that the start waits for it, once the store is
/// open.
#[test]
fn a_server_that_is_still_starting_says_so_and_ends_when_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("secret-key");
    let tokens = credentials(folder.path());
    for signal in ["TERM", "INT"] {
        run("mkfifo", &[pipe.to_str().unwrap()]);
        let port = free_port();
        let child = portolan()
            .args([
                "serve",
                "--listen",
                &format!("127.0.0.1:{port}"),
                "--data-dir",
            ])
            .arg(folder.path().join("data"))
            .arg("--credentials")
            .arg(&tokens)
            .arg("--secret-key-file")
            .arg(&pipe)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut process = Process(child);
        let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
        eventually("it answers that it is alive", || {
            ask(&url("/healthz")).is_some_and(|(status, _)| status == 200)
        });
        for path in ["/readyz", "/v5/p1/asset/port/statistics"] {
            let (status, body) = ask(&url(path)).unwrap();
            assert_eq!(status, 503, "{path}");
            assert_eq!(body["error_code"], "PORTOLAN.0006", "{path}");
        }
        process.signal(signal);
        assert_eq!(process.wait().code(), Some(0), "SIG{signal}");
        assert_eq!(ask(&url("/healthz")), None);
        std::fs::remove_file(&pipe).unwrap();
    }
    // The store was open each time, and is as it was left.
    let server = Server::start(folder.path());
    assert_eq!(server.native("/hosts")["total_num"], 0);
    server.stop();
}
