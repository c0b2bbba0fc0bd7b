//! A wire between an agent and a server that loses answers when a test says so.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Passes bytes both ways; its threads end with the test's process.
pub(super) struct Proxy {
    pub(super) url: String,
    losses: Arc<Losses>,
}

#[derive(Default)]
struct Losses {
    /// Answers that are still to be lost.
    left: AtomicUsize,
    lost: AtomicUsize,
}

impl Proxy {
    /// Stands before the server at `url`, and loses the next `count` answers.
    pub(super) fn before(url: &str, count: usize) -> Self {
        let server: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let losses = Arc::new(Losses::default());
        losses.left.store(count, Ordering::SeqCst);
        let shared = Arc::clone(&losses);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(server).unwrap();
                let there = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || pass(there.0, there.1, || true));
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || pass(server, client, || !shared.loses()));
            }
        });
        Self { url, losses }
    }

    /// Answers that were lost.
    pub(super) fn lost(&self) -> usize {
        self.losses.lost.load(Ordering::SeqCst)
    }
}

impl Losses {
    /// Whether the answer that has just come is one to lose. Answers are small: each comes whole.
    fn loses(&self) -> bool {
        let one_less = |left: usize| left.checked_sub(1);
        let loses = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
            .is_ok();
        self.lost.fetch_add(usize::from(loses), Ordering::SeqCst);
        loses
    }
}

/// Passes what comes until either end has gone, or `passes` says no.
fn pass(mut from: TcpStream, mut to: TcpStream, passes: impl Fn() -> bool) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if !passes() || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    // Either end may have gone already.
    let _gone = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
