//! Started by a service manager: it is told when the server is ready, and when it ends.

use std::os::unix::net::UnixDatagram;

use crate::harness::{PATIENCE, Server};

/// What the next message of the server says.
fn told(socket: &UnixDatagram) -> String {
    let mut message = [0; 256];
    let length = socket.recv(&mut message).unwrap();
    String::from_utf8(message[..length].to_vec()).unwrap()
}

#[test]
fn the_service_manager_is_told_once_the_server_answers_and_again_when_it_drains() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap())];
    let server = Server::start_in(&environment, folder.path(), "127.0.0.1:0", &[]);
    assert_eq!(told(&socket), "READY=1\n");
    let ready = ureq::get(format!("{}/readyz", server.url)).call().unwrap();
    assert_eq!(ready.status(), 200);
    server.stop();
    assert_eq!(told(&socket), "STOPPING=1\n");
}
