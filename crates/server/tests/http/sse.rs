//! A reader of server-sent events over a raw connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::app::Token;

/// How long a test waits for an event that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// An event, or a comment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) data: String,
    pub(crate) comment: String,
}

impl Event {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap()
    }
}

/// A stream that is being read.
pub(crate) struct Sse {
    reader: BufReader<TcpStream>,
    /// What came and is not read yet.
    text: Vec<u8>,
    /// The newest id.
    pub(crate) last_id: String,
}

/// What a server said instead of a stream, or the stream.
pub(crate) type Opened = Result<Sse, (u16, String)>;

impl Sse {
    /// Asks for the stream of the token's project; it must begin.
    pub(crate) fn open(server: SocketAddr, token: &Token, query: &str, last_id: &str) -> Self {
        Self::ask(server, token, query, last_id).unwrap()
    }

    pub(crate) fn ask(server: SocketAddr, token: &Token, query: &str, last_id: &str) -> Opened {
        let mut stream = TcpStream::connect(server).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let resume = match last_id {
            "" => String::new(),
            id => format!("Last-Event-ID: {id}\r\n"),
        };
        let head = format!(
            "GET /portolan/v1/projects/{}/changes/stream?{query} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {}\r\n{resume}\r\n",
            token.project, token.secret
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut sse = Self {
            reader: BufReader::new(stream),
            text: Vec::new(),
            last_id: last_id.to_owned(),
        };
        let status: u16 = sse.line().split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let line = sse.line();
            if line.is_empty() {
                break;
            }
            headers.push(line.to_lowercase());
        }
        if status == 200 {
            assert!(headers.contains(&"content-type: text/event-stream".to_owned()));
            return Ok(sse);
        }
        let mut body = String::new();
        let length = headers
            .iter()
            .find_map(|it| it.strip_prefix("content-length: "));
        let length: u64 = length.unwrap().parse().unwrap();
        (&mut sse.reader)
            .take(length)
            .read_to_string(&mut body)
            .unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        Err((status, body["error_code"].as_str().unwrap().to_owned()))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line.trim_end_matches("\r\n").to_owned()
    }

    /// Takes the next chunk; `false` at the end.
    fn fill(&mut self) -> bool {
        let mut size = String::new();
        if self.reader.read_line(&mut size).unwrap_or(0) == 0 {
            return false;
        }
        let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        if self.reader.read_exact(&mut chunk).is_err() {
            return false;
        }
        self.text.extend_from_slice(&chunk[..size]);
        size > 0
    }

    /// The next block, a comment included; `None` at the end of the stream.
    pub(crate) fn block(&mut self) -> Option<Event> {
        loop {
            let end = self.text.windows(2).position(|pair| pair == b"\n\n");
            if let Some(end) = end {
                let block: Vec<u8> = self.text.drain(..end + 2).collect();
                let event = parse(&String::from_utf8(block).unwrap());
                if !event.id.is_empty() {
                    self.last_id.clone_from(&event.id);
                }
                return Some(event);
            }
            if !self.fill() {
                assert!(self.text.is_empty(), "an event was cut in the middle");
                return None;
            }
        }
    }

    /// The next event.
    pub(crate) fn event(&mut self) -> Option<Event> {
        std::iter::from_fn(|| self.block()).find(|block| !block.name.is_empty())
    }

    /// The next change.
    pub(crate) fn change(&mut self) -> Value {
        let event = self.event().unwrap();
        assert_eq!(event.name, "change", "{event:?}");
        let change = event.json();
        assert_eq!(change["id"], event.id);
        change
    }

    pub(crate) fn changes(&mut self, count: usize) -> Vec<Value> {
        (0..count).map(|_| self.change()).collect()
    }
}

fn parse(block: &str) -> Event {
    let mut event = Event::default();
    for line in block.lines().filter(|line| !line.is_empty()) {
        let (field, value) = line.split_once(": ").unwrap();
        let place = match field {
            "event" => &mut event.name,
            "id" => &mut event.id,
            "data" => &mut event.data,
            "" => &mut event.comment,
            other => panic!("field {other}"),
        };
        assert!(place.is_empty(), "{block}");
        value.clone_into(place);
    }
    event
}
