//! A server that speaks enough HTTP/1.1 for an agent, and says what a test tells it to.
//!
//! It stands in for the real one, which is tested end to end elsewhere: here answers are needed that
//! the real one gives only when something is wrong. Real sockets; waiting is bounded by [`PATIENCE`].
#![expect(dead_code, reason = "each test binary uses a part of it")]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long a test waits for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) at: Instant,
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The body, unpacked.
    pub(crate) body: Value,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_report(&self) -> bool {
        self.path.ends_with("/reports")
    }

    /// The only report or heartbeat of the request.
    pub(crate) fn item(&self) -> &Value {
        let list = if self.is_report() {
            "reports"
        } else {
            "heartbeats"
        };
        let items = self.body[list].as_array().expect("a list");
        assert_eq!(items.len(), 1, "one host, one item");
        &items[0]
    }

    /// The pair of the report, or of the report that the heartbeat confirms.
    pub(crate) fn pair(&self) -> (u64, u64) {
        let item = self.item();
        (
            item["generation"].as_u64().unwrap(),
            item["sequence"].as_u64().unwrap(),
        )
    }

    /// The port numbers of a report.
    pub(crate) fn ports(&self) -> Vec<u64> {
        let ports = self.item()["open_ports"].as_array().expect("open_ports");
        ports
            .iter()
            .map(|port| port["port"].as_u64().unwrap())
            .collect()
    }
}

/// What the server says.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.to_string().into_bytes(),
        }
    }

    /// The word that everything is fine; the next heartbeat in a second.
    pub(crate) fn fine(request: &Request) -> Self {
        let status = if request.is_report() {
            "accepted"
        } else {
            "ok"
        };
        Self::result(json!({"index": 0, "status": status, "next_heartbeat_s": 1}))
    }

    pub(crate) fn result(result: Value) -> Self {
        Self::json(200, &json!({ "results": [result] }))
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// What a server does with a connection: answers, or closes it.
pub(crate) type Script = Box<dyn FnMut(&Request) -> Option<Response> + Send>;

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    /// Connections that came while the server was away.
    turned_away: usize,
    away: bool,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    script: Mutex<Script>,
    tls: Option<Arc<rustls::ServerConfig>>,
}

/// A server on a loopback port of its own; its threads end with the test's process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

impl Server {
    pub(crate) fn start(script: impl FnMut(&Request) -> Option<Response> + Send + 'static) -> Self {
        Self::start_with(None, Box::new(script))
    }

    /// A server that takes everything.
    pub(crate) fn fine() -> Self {
        Self::start(|request| Some(Response::fine(request)))
    }

    pub(crate) fn start_with(tls: Option<Arc<rustls::ServerConfig>>, script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            script: Mutex::new(script),
            tls,
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || {
                    // The agent may hang up whenever it likes.
                    let _ended = shared.connection(stream);
                });
            }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.shared.tls.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", self.address)
    }

    /// From now on connections are closed as soon as they come, or served again.
    pub(crate) fn set_away(&self, away: bool) {
        self.shared.state.lock().unwrap().away = away;
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.state.lock().unwrap().requests.clone()
    }

    /// Waits until the requests are as `done` wants them and returns them.
    pub(crate) fn wait(&self, what: &str, done: impl Fn(&[Request]) -> bool) -> Vec<Request> {
        self.wait_for_state(what, |state| done(&state.requests))
    }

    /// Waits until `count` connections were turned away.
    pub(crate) fn wait_turned_away(&self, count: usize) {
        self.wait_for_state("connections while away", |state| state.turned_away >= count);
    }

    fn wait_for_state(&self, what: &str, done: impl Fn(&State) -> bool) -> Vec<Request> {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.shared.state.lock().unwrap();
        while !done(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "not within {PATIENCE:?}: {what}; {:#?}",
                state.requests
            );
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
        state.requests.clone()
    }
}

impl Shared {
    fn connection(&self, stream: TcpStream) -> io::Result<()> {
        if self.turned_away() {
            return Ok(());
        }
        match &self.tls {
            None => self.serve(BufReader::new(Duplex(stream))),
            Some(config) => {
                let session = rustls::ServerConnection::new(Arc::clone(config)).unwrap();
                self.serve(BufReader::new(rustls::StreamOwned::new(session, stream)))
            }
        }
    }

    fn turned_away(&self) -> bool {
        let mut state = self.state.lock().unwrap();
        if state.away {
            state.turned_away += 1;
            self.changed.notify_all();
        }
        state.away
    }

    fn serve<S: Read + Write>(&self, mut stream: BufReader<S>) -> io::Result<()> {
        while let Some(request) = read_request(&mut stream)? {
            if self.turned_away() {
                return Ok(());
            }
            let response = self.script.lock().unwrap()(&request);
            let mut state = self.state.lock().unwrap();
            state.requests.push(request);
            self.changed.notify_all();
            drop(state);
            let Some(response) = response else {
                return Ok(());
            };
            write_response(stream.get_mut(), &response)?;
        }
        Ok(())
    }
}

/// A socket that can be read and written through one value, as a TLS stream can.
struct Duplex(TcpStream);

impl Read for Duplex {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Duplex {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn read_request(stream: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_ascii_whitespace();
    assert_eq!(words.next(), Some("POST"));
    let path = words.next().expect("a target").to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let header = |name: &str| {
        headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, v)| v)
    };
    let length = header("content-length")
        .expect("a length")
        .parse()
        .expect("a number");
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    if header("content-encoding").is_some_and(|encoding| encoding == "zstd") {
        body = zstd::decode_all(&body[..])?;
    }
    let body = serde_json::from_slice(&body).expect("JSON");
    Ok(Some(Request {
        at: Instant::now(),
        path,
        headers,
        body,
    }))
}

fn write_response(stream: &mut impl Write, response: &Response) -> io::Result<()> {
    let length = response.body.len();
    let mut head = format!(
        "HTTP/1.1 {} X\r\nContent-Length: {length}\r\n",
        response.status
    );
    for (name, value) in &response.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    stream.write_all(&response.body)?;
    stream.flush()
}
