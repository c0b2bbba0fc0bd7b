//! The log over a NATS JetStream cluster.
//!
//! The log of an epoch is a stream whose messages are the commits; the named values are another
//! stream, which keeps one message a subject. Reads ask the stream's leader, so that they see what a
//! majority has. JetStream's calls are JSON over NATS requests; the words are those of the
//! [JetStream API](https://docs.nats.io/reference/reference-protocols/nats_api_reference).
//!
//! Holds: `append` says that a message is at its place only on an acknowledgement of that stream with
//! that sequence; what it does not know is [`LogError::Unanswered`]; messages that are followed come in
//! one after the other, without gap or double, whatever becomes of connections and nodes.
//! Limits: calls wait [`caps::NATS_CALL_S_MAX`] for each answer.

mod api;
mod calls;
mod check;
mod connection;
mod facts;
mod fetched;
mod follow;
mod incoming;
mod settings;
mod streams;
#[cfg(feature = "test-util")]
mod testing;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use parking_lot::Mutex;
use portolan_wire::caps;
use serde_json::json;

use super::log::{Appended, Ends, Log, LogError, Named};
use api::{Api, CallError, Done, Stored, StreamInfo};
pub use check::{Facts, Finding, Judged, StreamFacts, judge};
use connection::Connection;
pub use facts::{Monitored, Varz, read_varz};
use follow::Following;
pub use settings::{NatsGiven, NatsSettings};
use streams::Streams;
#[cfg(feature = "test-util")]
pub use testing::{ClusterOptions, NatsCluster};

/// The log in a cluster, as one server sees it. Dropping it ends its connection.
pub struct NatsLog {
    connection: Connection,
    api: Api,
    streams: Streams,
    bytes_max: usize,
    /// The epoch that is worked on.
    epoch: Mutex<Option<u64>>,
    following: Mutex<Option<Following>>,
}

impl NatsLog {
    /// Connects. Nothing is made yet: look at [`facts`](Self::facts) first, then
    /// [`prepare`](Self::prepare).
    ///
    /// # Errors
    /// No server can be reached, or those that can refuse: `Refused` for a wrong password.
    pub fn connect(settings: &NatsSettings) -> Result<Self, LogError> {
        let connection = Connection::open(settings)?;
        let api = Api::new(connection.client());
        let takes = connection.client().max_payload();
        Ok(Self {
            api,
            streams: Streams::new(&settings.prefix, settings.replicas),
            bytes_max: takes.min(caps::NATS_MESSAGE_BYTES) - caps::NATS_HEADERS_BYTES.min(takes),
            connection,
            epoch: Mutex::default(),
            following: Mutex::default(),
        })
    }

    /// Makes the stream of named values, where it is missing.
    ///
    /// # Errors
    /// The cluster does not answer, or refuses.
    pub fn prepare(&self) -> Result<(), LogError> {
        let name = self.streams.named();
        let info = self.api("STREAM.INFO", &name, &json!({}));
        match info {
            Err(CallError::Api(error)) if error.is_no_stream() => {
                self.api::<Done>("STREAM.CREATE", &name, &self.streams.named_config())?;
                Ok(())
            }
            info => Ok(info.map(|_: StreamInfo| ())?),
        }
    }

    /// What the cluster is like, as far as it tells by itself and by its monitors.
    ///
    /// # Errors
    /// The cluster does not answer. JetStream that is off is a fact.
    pub fn facts(&self, monitored: Vec<Monitored>) -> Result<Facts, LogError> {
        let (api, streams) = (self.api.clone(), self.streams.clone());
        let asked = async move { facts::collect(&api, &streams, monitored).await };
        self.connection.wait(asked)?
    }

    fn stream(&self) -> Result<String, LogError> {
        let epoch = *self.epoch.lock();
        let epoch = epoch.ok_or_else(|| refused("no log has been entered"))?;
        Ok(self.streams.log(epoch))
    }

    fn api<T>(&self, call: &str, stream: &str, body: &serde_json::Value) -> Result<T, CallError>
    where
        T: serde::de::DeserializeOwned + Send + 'static,
    {
        let (api, subject, body) = (
            self.api.clone(),
            format!("{call}.{stream}"),
            body.to_string(),
        );
        let called = async move { api.call(&subject, body).await };
        self.connection.wait(called).map_err(CallError::Log)?
    }

    fn publish(
        &self,
        subject: String,
        expected: Option<(&'static str, u64)>,
        message: &[u8],
    ) -> Result<api::Published, CallError> {
        if message.len() > self.bytes_max {
            return Err(CallError::Log(refused(&format!(
                "a message of {} bytes to {subject}: the cluster takes {}",
                message.len(),
                self.bytes_max
            ))));
        }
        let (api, message) = (self.api.clone(), message.to_vec());
        let published = async move { api.publish(&subject, expected, message.into()).await };
        self.connection.wait(published).map_err(CallError::Log)?
    }

    fn stored(
        &self,
        stream: &str,
        which: &serde_json::Value,
    ) -> Result<Option<(u64, Vec<u8>)>, LogError> {
        let got = self.api::<Stored>("STREAM.MSG.GET", stream, which);
        let stored = match got {
            Ok(stored) => stored.message,
            Err(CallError::Api(error)) if error.is_no_message() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let value = BASE64.decode(stored.data).map_err(|cause| {
            let sequence = stored.seq;
            refused(&format!(
                "message {sequence} of {stream} does not decode: {cause}"
            ))
        })?;
        Ok(Some((stored.seq, value)))
    }
}

fn refused(what: &str) -> LogError {
    LogError::Refused {
        what: what.to_owned(),
    }
}

fn unanswered(what: String) -> LogError {
    LogError::Unanswered { what }
}
