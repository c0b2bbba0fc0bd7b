//! The program inside the containers: this test's own executable, told what to hold.

use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::said;
use crate::scene::run;

/// What to hold: words `tcp=ADDRESS`, `udp=ADDRESS`, `shared=ADDRESS` (TCP, also held by a child).
pub(super) const HOLD: &str = "PORTOLAN_TEST_HOLD";
/// The executable as the container sees it.
pub(super) const PATH: &str = "/holder";
/// What to start in a container.
pub(super) const COMMAND: [&str; 5] = [
    PATH,
    "--exact",
    "runtimes::holder::holds_what_it_is_told",
    "--nocapture",
    "--test-threads=1",
];

/// Not a test of its own: the body of a container.
#[test]
fn holds_what_it_is_told() {
    let Ok(words) = std::env::var(HOLD) else {
        return;
    };
    let mut sockets: Vec<OwnedFd> = Vec::new();
    let mut children = Vec::new();
    for word in words.split_whitespace() {
        let (kind, address) = word.split_once('=').unwrap();
        sockets.push(match kind {
            "udp" => UdpSocket::bind(address).unwrap().into(),
            _ => TcpListener::bind(address).unwrap().into(),
        });
        if kind == "shared" {
            let shared = sockets.last().unwrap().try_clone().unwrap();
            let mut child = Command::new("/proc/self/exe");
            child.args(&COMMAND[1..]).env(HOLD, "").stdin(shared);
            children.push(child.spawn().unwrap());
        }
    }
    for mut child in children {
        child.wait().unwrap();
    }
    loop {
        std::thread::park();
    }
}

/// A folder with the executable and the libraries it is linked with: the root of a container.
pub(super) fn rootfs(below: &Path) -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let root = below.join("rootfs");
    for folder in ["proc", "sys", "dev", "tmp", "etc"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    std::fs::copy(&exe, root.join(&PATH[1..])).unwrap();
    // `NAME => PATH (ADDRESS)`, or `PATH (ADDRESS)` for the loader.
    for line in said(Command::new("ldd").arg(&exe)).lines() {
        let Some(path) = line.split_whitespace().find(|word| word.starts_with('/')) else {
            continue;
        };
        let to = root.join(&path[1..]);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(path, to).unwrap();
    }
    root
}

/// The same as one file, to be imported as an image.
pub(super) fn image(below: &Path) -> PathBuf {
    let root = rootfs(below);
    let image = below.join("image.tar");
    let (from, to) = (root.display(), image.display());
    run(&format!("tar -C {from} -cf {to} ."));
    image
}
