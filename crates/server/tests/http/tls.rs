//! Connections under TLS: those that never say hello hold no place for long.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use portolan_server::{Limits, TlsFiles};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

use crate::app::App;

/// A certificate for `localhost`, in files, and a client that trusts it.
fn certificate(folder: &TempDir) -> (TlsFiles, Arc<ClientConfig>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("cert.pem"), cert.pem()).unwrap();
    std::fs::write(path("key.pem"), signing_key.serialize_pem()).unwrap();
    let files = TlsFiles {
        certificate: path("cert.pem"),
        key: path("key.pem"),
        clients: None,
    };
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(cert)).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (files, Arc::new(client))
}

/// The whole answer to a request over TLS.
fn get(app: &App, config: &Arc<ClientConfig>, target: &str) -> String {
    let name = ServerName::try_from("localhost").unwrap();
    let session = ClientConnection::new(Arc::clone(config), name).unwrap();
    let mut stream = StreamOwned::new(session, TcpStream::connect(app.address()).unwrap());
    write!(
        stream,
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Invariant 7: a handshake has a time, and its connection a place from before it on.
#[test]
fn a_handshake_that_never_comes_gives_its_place_back_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let (files, client) = certificate(&folder);
    let limits = Limits {
        connections: 3,
        tls_handshake: Duration::from_secs(3),
        ..Limits::default()
    };
    let app = App::with_tls(&[], limits, files);
    let silent = app.connect();
    let mut half = app.connect();
    // The head of a record that announces a hello, and a byte of it.
    half.write(&[0x16, 3, 1, 2, 0, 1]);
    let drips = app.connect();
    drips.trickle([vec![0x16, 3, 1, 2, 0], vec![1; 512]].concat());
    // All places are taken. This one waits for one of them.
    let answer = get(&app, &client, "/healthz");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    for connection in [silent, half, drips] {
        assert_eq!(connection.wait_for_end(), b"");
    }
    let page = get(&app, &client, "/metrics");
    let line = |text: &str| page.lines().any(|line| line == text);
    assert!(
        line("portolan_limits_reached_total{limit=\"tls_handshake_time\"} 3"),
        "{page}"
    );
    assert!(line("portolan_tls_handshakes_failed_total 3"), "{page}");
    assert!(
        !line("portolan_limits_reached_total{limit=\"connections\"} 0"),
        "{page}"
    );
}

#[test]
fn plain_http_to_a_server_of_tls_is_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let (files, client) = certificate(&folder);
    let app = App::with_tls(&[], Limits::default(), files);
    let mut plain = app.connect();
    plain.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    let told = plain.wait_for_end();
    assert!(!told.starts_with(b"HTTP"), "{told:?}");
    let page = get(&app, &client, "/metrics");
    assert!(
        page.contains("\nportolan_tls_handshakes_failed_total 1\n"),
        "{page}"
    );
    assert!(
        page.contains("{limit=\"tls_handshake_time\"} 0\n"),
        "{page}"
    );
}
