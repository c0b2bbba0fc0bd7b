//! Messages over real connections: what goes out, and what is made of what comes back.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use portolan_agent::{
    Config, HttpTransport, Message, Outcome, ScanInterval, Secret, ServerUrl, TokenSource,
    Transport,
};
use portolan_wire::digest::Digest;
use portolan_wire::heartbeat::{Heartbeat, HeartbeatStatus};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use support::{Response, Server};

fn token() -> String {
    "t".repeat(32)
}

fn config(server: &str) -> Config {
    Config {
        server: ServerUrl::parse(server).unwrap(),
        token: TokenSource::Literal(Secret::token(&token()).unwrap()),
        project: "p/1".to_owned(),
        enterprise_project: "0".to_owned(),
        scan_interval: ScanInterval::Auto,
        events: false,
        caps: None,
        state_dir: PathBuf::new(),
        ca_file: None,
        client_certificate: None,
        rotate_after: portolan_agent::ROTATE_AFTER_DEFAULT,
        host_id: None,
        look: portolan_sockets::Options::default(),
    }
}

fn heartbeat() -> Message {
    Message::Heartbeat(Heartbeat {
        host_id: "h1".to_owned(),
        generation: 1,
        sequence: 2,
        digest: Digest::of(&[]),
    })
}

fn send(config: &Config) -> Outcome {
    HttpTransport::new(config).unwrap().send(heartbeat())
}

fn unreachable(outcome: Outcome) -> String {
    match outcome {
        Outcome::Unreachable(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_carries_what_the_interface_asks_for() {
    let server = Server::fine();
    let outcome = send(&config(&format!("{}/base/", server.url())));
    assert!(matches!(outcome, Outcome::Heartbeat(r) if r.status == HeartbeatStatus::Ok));
    let requests = server.requests();
    let request = &requests[0];
    assert_eq!(request.path, "/base/portolan/v1/projects/p%2F1/heartbeats");
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(
        request.header("content-encoding"),
        None,
        "too small to compress"
    );
    assert_eq!(request.header("x-auth-token"), Some(token().as_str()));
    let agent = format!("portolan-agent/{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(request.header("user-agent"), Some(agent.as_str()));
    assert_eq!(request.pair(), (1, 2));
}

#[test]
fn a_refusal_brings_its_status_text_and_retry_after() {
    let server = Server::start(|_| {
        let body = serde_json::json!(
            {"error_code": "PORTOLAN.0005", "error_msg": "queue full", "request_id": "ab"}
        );
        Some(Response::json(429, &body).with("Retry-After", "7"))
    });
    let Outcome::Refused(refusal) = send(&config(&server.url())) else {
        panic!("not refused")
    };
    assert_eq!(refusal.status, 429);
    assert_eq!(refusal.text, "PORTOLAN.0005: queue full (request ab)");
    assert_eq!(refusal.retry_after, Some(Duration::from_secs(7)));
}

#[test]
fn a_redirect_is_not_followed_because_the_token_would_go_along() {
    let elsewhere = Server::fine();
    let target = elsewhere.url();
    let server = Server::start(move |_| {
        Some(Response::json(307, &serde_json::json!({})).with("Location", &target))
    });
    assert!(matches!(send(&config(&server.url())), Outcome::Refused(r) if r.status == 307));
    assert!(elsewhere.requests().is_empty());
}

#[test]
fn an_answer_that_is_none_of_ours_is_no_answer() {
    for (body, part) in [
        (&b"<html>"[..], "not what a Portolan server says"),
        (b"{}", "not what a Portolan server says"),
        (br#"{"results":[]}"#, "exactly one result"),
    ] {
        let server = Server::start(move |_| {
            Some(Response {
                status: 200,
                headers: Vec::new(),
                body: body.to_vec(),
            })
        });
        let reason = unreachable(send(&config(&server.url())));
        assert!(reason.contains(part), "{reason}");
    }
}

#[test]
fn an_endless_answer_is_cut_off() {
    let server = Server::start(|_| {
        Some(Response {
            status: 200,
            headers: Vec::new(),
            body: vec![b' '; 4 << 20],
        })
    });
    let reason = unreachable(send(&config(&server.url())));
    assert!(reason.starts_with("reading the answer: "), "{reason}");
}

#[test]
fn a_server_that_hangs_up_may_have_the_message_and_one_that_is_not_there_has_not() {
    let server = Server::start(|_| None);
    unreachable(send(&config(&server.url())));
    // Port 1 (tcpmux) is below every ephemeral range; on loopback nothing listens there.
    let refused = send(&config("http://127.0.0.1:1"));
    assert!(matches!(refused, Outcome::NotSent(_)), "{refused:?}");
}

#[test]
fn a_rotated_token_is_taken_up_when_the_server_does_not_know_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "o".repeat(40)).unwrap();
    let server = Server::start(|request| {
        let known = request.header("x-auth-token") == Some(&"n".repeat(40));
        Some(if known {
            Response::fine(request)
        } else {
            Response::json(401, &serde_json::json!({}))
        })
    });
    let mut transport = HttpTransport::new(&Config {
        token: TokenSource::File(path.clone()),
        ..config(&server.url())
    })
    .unwrap();
    assert!(matches!(transport.send(heartbeat()), Outcome::Refused(r) if r.status == 401));
    assert_eq!(
        server.requests().len(),
        1,
        "the same token again would be no use"
    );
    std::fs::write(&path, format!("{}\n", "n".repeat(40))).unwrap();
    assert!(matches!(transport.send(heartbeat()), Outcome::Heartbeat(_)));
    assert_eq!(server.requests().len(), 3);
}

fn test_data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("test_data/tls")
        .join(name)
}

fn tls_server() -> Server {
    let certificate = CertificateDer::from_pem_file(test_data("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(test_data("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let script = Box::new(|request: &support::Request| Some(Response::fine(request)));
    Server::start_with(Some(Arc::new(tls)), script)
}

#[test]
fn https_works_with_the_ca_of_the_ca_file_and_not_without() {
    let server = tls_server();
    let trusting = Config {
        ca_file: Some(test_data("ca.pem")),
        ..config(&server.url())
    };
    assert!(matches!(send(&trusting), Outcome::Heartbeat(r) if r.status == HeartbeatStatus::Ok));
    let reason = unreachable(send(&config(&server.url())));
    assert!(reason.contains("UnknownIssuer"), "{reason}");
    let other_ca = Config {
        ca_file: Some(test_data("server.pem")),
        ..config(&server.url())
    };
    unreachable(send(&other_ca));
    assert_eq!(server.requests().len(), 1, "the token went to nobody else");
}
