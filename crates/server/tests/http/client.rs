//! A raw HTTP/1.1 client: no URL library stands between a test and the wire, the target goes out as
//! the bytes it is given. Every answer to a request passes the checks of [`Answer`].

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::answer::{Answer, REQUEST_ID};
use crate::app::Token;

/// How long a test waits for bytes that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// The host of requests that name none.
pub(crate) const HOST: &str = "portolan.test";

/// A request, in the order in which it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: String,
    target: Vec<u8>,
    headers: Vec<(String, String)>,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    None,
    /// With a `Content-Length`.
    Sized(Vec<u8>),
    /// With `Transfer-Encoding: chunked`, in these pieces.
    Chunked(Vec<Vec<u8>>),
}

impl Request {
    pub(crate) fn new(method: &str, target: impl AsRef<[u8]>) -> Self {
        let target = target.as_ref().to_vec();
        Self {
            method: method.to_owned(),
            target,
            headers: Vec::new(),
            body: Body::None,
        }
    }

    pub(crate) fn get(target: impl AsRef<[u8]>) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn post(target: impl AsRef<[u8]>, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", target).body(body)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn token(self, token: &Token) -> Self {
        self.header("X-Auth-Token", &token.secret)
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Sized(body.into());
        self
    }

    pub(crate) fn chunked(mut self, pieces: impl IntoIterator<Item = Vec<u8>>) -> Self {
        self.body = Body::Chunked(pieces.into_iter().collect());
        self
    }

    pub(crate) fn method(&self) -> &str {
        &self.method
    }

    /// Path and query, as they are sent.
    pub(crate) fn target(&self) -> &str {
        std::str::from_utf8(&self.target).unwrap()
    }

    pub(crate) fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The body as a whole.
    pub(crate) fn whole_body(&self) -> Vec<u8> {
        match &self.body {
            Body::None => Vec::new(),
            Body::Sized(body) => body.clone(),
            Body::Chunked(pieces) => pieces.concat(),
        }
    }

    pub(crate) fn is_post(&self) -> bool {
        self.method == "POST"
    }

    /// Whether its errors must have Keystone's form.
    fn is_keystones(&self) -> bool {
        let path = self.target.split(|byte| *byte == b'?').next().unwrap();
        path == b"/v3" || path.starts_with(b"/v3/")
    }

    fn head(&self) -> Vec<u8> {
        let mut head = self.method.clone().into_bytes();
        head.push(b' ');
        head.extend_from_slice(&self.target);
        head.extend_from_slice(b" HTTP/1.1\r\n");
        let names_host = |(name, _): &(String, String)| name.eq_ignore_ascii_case("host");
        if !self.headers.iter().any(names_host) {
            head.extend_from_slice(format!("Host: {HOST}\r\n").as_bytes());
        }
        for (name, value) in &self.headers {
            head.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        let told = self
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        match &self.body {
            Body::Sized(body) if !told => {
                head.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
            }
            Body::Chunked(_) => head.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
            Body::None | Body::Sized(_) => {}
        }
        head.extend_from_slice(b"\r\n");
        head
    }

    fn write(&self, stream: &mut TcpStream) -> io::Result<()> {
        let mut head = self.head();
        match &self.body {
            Body::None => stream.write_all(&head),
            // As clients do it: a small body in one write with its head.
            Body::Sized(body) if body.len() < 4_096 => {
                head.extend_from_slice(body);
                stream.write_all(&head)
            }
            Body::Sized(body) => {
                stream.write_all(&head)?;
                stream.write_all(body)
            }
            Body::Chunked(pieces) => {
                stream.write_all(&head)?;
                for piece in pieces {
                    write!(stream, "{:x}\r\n", piece.len())?;
                    stream.write_all(piece)?;
                    stream.write_all(b"\r\n")?;
                }
                stream.write_all(b"0\r\n\r\n")
            }
        }
    }
}

/// One connection, for as many requests as it is kept open.
pub(crate) struct Connection {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Connection {
    pub(crate) fn open(server: SocketAddr) -> Self {
        Self::of(TcpStream::connect(server).unwrap())
    }

    /// The same, from an address of this machine.
    pub(crate) fn open_from(client: IpAddr, server: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        let stream = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind(SocketAddr::new(client, 0)).unwrap();
            socket.connect(server).await.unwrap().into_std().unwrap()
        });
        stream.set_nonblocking(false).unwrap();
        Self::of(stream)
    }

    fn of(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        Self { stream, reader }
    }

    /// Sends bytes as they are.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends bytes as they are, of which the server may not want all.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) {
        let _refused = self.stream.write_all(bytes);
    }

    /// Sends bytes one by one from a thread of their own, until the server takes no more.
    pub(crate) fn trickle(&self, bytes: Vec<u8>) {
        let mut stream = self.stream.try_clone().unwrap();
        std::thread::spawn(move || {
            for byte in bytes {
                if stream.write_all(&[byte]).is_err() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
    }

    /// Sends bytes from a thread of its own, as fast as the server takes them, and reads nothing.
    pub(crate) fn flood(&self, bytes: Vec<u8>) {
        let mut stream = self.stream.try_clone().unwrap();
        std::thread::spawn(move || {
            // Until all is sent, or the server has ended it.
            let _ended = stream.write_all(&bytes);
        });
    }

    /// The first bytes of an answer, which stay to be read.
    pub(crate) fn first_bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        while self.stream.peek(&mut bytes).unwrap() < N {
            std::thread::yield_now();
        }
        bytes
    }

    /// Waits until the server ends the connection; gives what came before that.
    pub(crate) fn wait_for_end(mut self) -> Vec<u8> {
        let mut before = Vec::new();
        if let Err(error) = self.reader.read_to_end(&mut before) {
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
        }
        before
    }

    /// Sends a request and reads its answer.
    pub(crate) fn send(&mut self, request: &Request) -> Answer {
        // A server may answer and close before it has read all of a body that it refuses.
        let written = request.write(&mut self.stream);
        let refused = |error: &io::Error| {
            matches!(
                error.kind(),
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
            )
        };
        if let Err(error) = &written {
            assert!(refused(error), "cannot send: {error}");
        }
        let answer = self.read(&request.method);
        let sent_id = request
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(REQUEST_ID));
        answer.check(
            sent_id.map(|(_, value)| value.as_str()),
            request.is_keystones(),
        );
        answer
    }

    /// Reads one answer to a request of that method, whoever sent it, without the checks.
    pub(crate) fn read(&mut self, method: &str) -> Answer {
        let status_line = self.line();
        let status = status_line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3));
        let status = status.and_then(|text| text.parse().ok());
        let status: u16 = status.unwrap_or_else(|| panic!("no status line: {status_line:?}"));
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap();
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut answer = Answer {
            status,
            headers,
            body: Vec::new(),
            to_head: method == "HEAD",
        };
        if answer.header("transfer-encoding") == Some("chunked") && !answer.to_head {
            answer.body = self.chunks();
            return answer;
        }
        let length = answer
            .header("content-length")
            .map_or(0, |length| length.parse().unwrap());
        if !answer.to_head {
            answer.body.resize(length, 0);
            self.reader.read_exact(&mut answer.body).unwrap();
        }
        answer
    }

    /// A body in chunks, to its end.
    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let size = usize::from_str_radix(&self.line(), 16).unwrap();
            let mut chunk = vec![0; size];
            self.reader.read_exact(&mut chunk).unwrap();
            body.extend_from_slice(&chunk);
            assert_eq!(self.line(), "");
            if size == 0 {
                return body;
            }
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        assert!(
            line.ends_with("\r\n"),
            "the answer ends in its head: {line:?}"
        );
        line.trim_end_matches("\r\n").to_owned()
    }
}
