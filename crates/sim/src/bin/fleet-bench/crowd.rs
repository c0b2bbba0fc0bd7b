//! Clients that misbehave, many at once: they hold connections and cost the server what they can.
//!
//! A thread of its own, so that the reader who is measured waits for none of them. Whatever the server
//! does to one of them, it comes again after a pause, so that the crowd stays as large as it is.
//! Holds: they end when this is dropped. Limit: a crowd costs the machine as well as the server:
//! on few cores the reader pays for both.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::http::ServerUrl;

/// Between two attempts of one client, and between two bytes of one that drips.
const PAUSE: Duration = Duration::from_secs(1);
/// Room for answers at a client that never reads one, in bytes: little, so that the server notices.
const DEAF_RECEIVE_BYTES: u32 = 4 << 10;
/// Requests that a client writes at once which never reads an answer: it costs the machine little.
const DEAF_REQUESTS: usize = 100;

/// The ways to misbehave; each client keeps to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Connects and says nothing.
    Idle,
    /// Sends a head byte by byte and never ends it.
    HalfAHead,
    /// Sends a head and a part of the body that it announces.
    StalledBody,
    /// Sends what is no HTTP.
    Garbage,
    /// Asks and asks, and takes no answer.
    Deaf,
}

impl Way {
    pub(crate) const ALL: [Self; 5] = [
        Self::Idle,
        Self::HalfAHead,
        Self::StalledBody,
        Self::Garbage,
        Self::Deaf,
    ];
}

/// A running crowd.
#[derive(Debug)]
pub(crate) struct Crowd {
    end: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
    connected: Arc<AtomicU32>,
}

impl Crowd {
    /// Starts `clients` of them, as many of each kind. `post` is the head of a request with a body that
    /// the server would take, `get` a request.
    pub(crate) fn start(
        server: &ServerUrl,
        clients: u32,
        post: Vec<u8>,
        get: Vec<u8>,
    ) -> anyhow::Result<Self> {
        let (end, ended) = watch::channel(false);
        let connected = Arc::new(AtomicU32::new(0));
        let client = Client {
            server: server.clone(),
            post: post.into(),
            get: get.into(),
            connected: Arc::clone(&connected),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("could not start the crowd's runtime")?;
        let thread = std::thread::Builder::new()
            .name("crowd".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    for way in Way::ALL.into_iter().cycle().take(clients as usize) {
                        tokio::spawn(client.clone().misbehave(way));
                    }
                    let mut ended = ended;
                    // Told to, or the bench is gone.
                    let _either = ended.wait_for(|ended| *ended).await.map(|_| ());
                });
            })
            .context("could not start the crowd")?;
        Ok(Self {
            end,
            thread: Some(thread),
            connected,
        })
    }

    /// How many are connected now.
    pub(crate) fn connected(&self) -> u32 {
        self.connected.load(Ordering::Relaxed)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.end.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A crowd that panicked has ended, too.
            let _ended = thread.join();
        }
    }
}

#[derive(Clone)]
struct Client {
    server: ServerUrl,
    post: Arc<[u8]>,
    get: Arc<[u8]>,
    connected: Arc<AtomicU32>,
}

impl Client {
    async fn misbehave(self, way: Way) {
        loop {
            if let Ok(stream) = self.connect(way).await {
                self.connected.fetch_add(1, Ordering::Relaxed);
                // How it ends is the server's to decide.
                let _ended = self.once(way, stream).await;
                self.connected.fetch_sub(1, Ordering::Relaxed);
            }
            sleep(PAUSE).await;
        }
    }

    async fn connect(&self, way: Way) -> std::io::Result<TcpStream> {
        let address = self.server.address().await?;
        let socket = match address {
            std::net::SocketAddr::V4(_) => TcpSocket::new_v4()?,
            std::net::SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        if way == Way::Deaf {
            socket.set_recv_buffer_size(DEAF_RECEIVE_BYTES)?;
        }
        socket.connect(address).await
    }

    /// Until the server ends the connection.
    async fn once(&self, way: Way, mut stream: TcpStream) -> std::io::Result<()> {
        match way {
            Way::Idle => {}
            Way::HalfAHead => {
                stream.write_all(b"GET / HTTP/1.1\r\nX-Long: ").await?;
                loop {
                    stream.write_all(b"x").await?;
                    sleep(PAUSE).await;
                }
            }
            Way::StalledBody => stream.write_all(&self.post).await?,
            Way::Garbage => stream.write_all(b"\x16\x03\x01\x00garbage\r\n\r\n").await?,
            Way::Deaf => {
                let requests = self.get.repeat(DEAF_REQUESTS);
                loop {
                    stream.write_all(&requests).await?;
                }
            }
        }
        let mut ignored = [0; 1_024];
        while stream.read(&mut ignored).await? > 0 {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Instant;

    use super::*;
    use crate::test_server::{Reply, TestServer};

    #[tokio::test]
    async fn a_crowd_connects_asks_and_leaves_when_it_is_dropped() {
        let asked = Arc::new(Mutex::new(0_u32));
        let counted = Arc::clone(&asked);
        let server = TestServer::start(move |_| {
            *counted.lock().unwrap() += 1;
            Reply::ok("ok")
        })
        .await;
        let get = server.url().get("/", "t");
        let post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{".to_vec();
        let crowd = Crowd::start(server.url(), 10, post, get).unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        // Garbage is answered and ended at once; the others stay.
        while server.connections() < 10 || *asked.lock().unwrap() == 0 || crowd.connected() < 8 {
            assert!(Instant::now() < until, "{} of 10", server.connections());
            sleep(Duration::from_millis(5)).await;
        }
        drop(crowd);
        let left = server.connections();
        sleep(2 * PAUSE).await;
        assert_eq!(server.connections(), left, "nobody comes again");
    }
}
