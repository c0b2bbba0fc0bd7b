//! JetStream's calls: a request with JSON, and what it answers.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::{Client, HeaderMap, Request, RequestErrorKind};
use bytes::Bytes;
use portolan_wire::caps;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Ends, LogError, refused, unanswered};

/// The sequence that the whole stream must end with, else the message is refused.
pub(super) const LAST_SEQUENCE: &str = "Nats-Expected-Last-Sequence";
/// The sequence of the subject's last message; 0 where it must have none.
pub(super) const LAST_SUBJECT_SEQUENCE: &str = "Nats-Expected-Last-Subject-Sequence";

/// Makes the calls.
#[derive(Clone)]
pub(super) struct Api {
    client: Client,
}

/// What a call came to, where it was not done.
#[derive(Debug)]
pub(super) enum CallError {
    /// JetStream says why not.
    Api(ApiError),
    /// Nobody takes requests of that subject: no stream, or none that has a leader.
    NobodyListens(String),
    /// Anything before that.
    Log(LogError),
}

/// An error of the JetStream API.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ApiError {
    /// Of the kind of HTTP's.
    #[serde(default)]
    pub(super) code: u16,
    /// Which error: nats-server's `errors.json` lists them.
    #[serde(default)]
    pub(super) err_code: u16,
    #[serde(default)]
    pub(super) description: String,
}

impl ApiError {
    pub(super) fn is_no_message(&self) -> bool {
        self.err_code == 10037
    }

    pub(super) fn is_no_stream(&self) -> bool {
        self.err_code == 10059
    }

    /// Told with the stream's end (10071), or without (10164).
    pub(super) fn is_wrong_last(&self) -> bool {
        matches!(self.err_code, 10071 | 10164)
    }

    /// JetStream is not enabled, on the node (10076) or for the account (10039).
    pub(super) fn is_disabled(&self) -> bool {
        matches!(self.err_code, 10076 | 10039)
    }

    /// No leader, no room, too many requests: another time it may do it.
    fn may_pass(&self) -> bool {
        self.code >= 500 || matches!(self.code, 408 | 429)
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{} ({})", self.description, self.err_code)
    }
}

impl From<CallError> for LogError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Api(error) if error.may_pass() => unanswered(format!("NATS: {error}")),
            CallError::Api(error) => refused(&format!("NATS: {error}")),
            CallError::NobodyListens(subject) => {
                unanswered(format!("NATS: nobody answers {subject}"))
            }
            CallError::Log(error) => error,
        }
    }
}

/// The answer to a message.
#[derive(Debug, Deserialize)]
pub(super) struct Published {
    stream: String,
    seq: u64,
}

impl Published {
    /// Whether it went to where it was meant for.
    pub(super) fn must_be(&self, stream: &str, sequence: Option<u64>) -> Result<(), LogError> {
        if self.stream == stream && sequence.is_none_or(|sequence| sequence == self.seq) {
            return Ok(());
        }
        Err(refused(&format!(
            "a message to stream {stream} became message {} of {}",
            self.seq, self.stream
        )))
    }
}

/// What is told of a stream.
#[derive(Debug, Deserialize)]
pub(super) struct StreamInfo {
    pub(super) config: serde_json::Value,
    pub(super) state: StreamState,
    /// Of names, where they were asked for: those on all pages.
    pub(super) total: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct StreamState {
    pub(super) messages: u64,
    bytes: u64,
    first_seq: u64,
    last_seq: u64,
    pub(super) subjects: Option<HashMap<String, u64>>,
}

impl StreamInfo {
    pub(super) fn ends(&self) -> Ends {
        let StreamState { last_seq, .. } = self.state;
        Ends {
            first: if self.state.messages == 0 {
                last_seq + 1
            } else {
                self.state.first_seq
            },
            last: last_seq,
            bytes: self.state.bytes,
        }
    }
}

/// A message as it is stored.
#[derive(Debug, Deserialize)]
pub(super) struct Stored {
    pub(super) message: StoredMessage,
}

#[derive(Debug, Deserialize)]
pub(super) struct StoredMessage {
    pub(super) seq: u64,
    /// In base64; missing where the message is empty.
    #[serde(default)]
    pub(super) data: String,
}

/// An answer of which only its success is wanted.
#[derive(Debug, Deserialize)]
pub(super) struct Done {}

#[derive(Deserialize)]
struct Answer {
    error: Option<ApiError>,
}

impl Api {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Calls the JetStream API.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        what: &str,
        body: String,
    ) -> Result<T, CallError> {
        let request = Request::new().payload(body.into());
        self.ask(format!("$JS.API.{what}"), request).await
    }

    /// Publishes a message to a stream.
    pub(super) async fn publish(
        &self,
        subject: &str,
        expected: Option<(&'static str, u64)>,
        message: Bytes,
    ) -> Result<Published, CallError> {
        let mut request = Request::new().payload(message);
        if let Some((header, value)) = expected {
            let mut headers = HeaderMap::new();
            headers.insert(header, value.to_string());
            request = request.headers(headers);
        }
        self.ask(subject.to_owned(), request).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        subject: String,
        request: Request,
    ) -> Result<T, CallError> {
        let log = |error| Err(CallError::Log(error));
        let asked = self
            .client
            .send_request(subject.clone(), request.timeout(None));
        let answer = match tokio::time::timeout(WAIT, asked).await {
            Err(_) => {
                return log(unanswered(format!(
                    "NATS: no answer to {subject} within {} s",
                    WAIT.as_secs()
                )));
            }
            Ok(Err(error)) if error.kind() == RequestErrorKind::NoResponders => {
                return Err(CallError::NobodyListens(subject));
            }
            Ok(Err(error)) => return log(unanswered(format!("NATS: {subject}: {error}"))),
            Ok(Ok(answer)) => answer.payload,
        };
        let not_read = |cause: serde_json::Error| {
            CallError::Log(refused(&format!(
                "NATS: the answer to {subject} does not decode: {cause}"
            )))
        };
        let told: Answer = serde_json::from_slice(&answer).map_err(not_read)?;
        if let Some(error) = told.error {
            return Err(CallError::Api(error));
        }
        serde_json::from_slice(&answer).map_err(not_read)
    }
}

const WAIT: Duration = Duration::from_secs(caps::NATS_CALL_S_MAX);
