//! Messages of the log as they come in: a consumer of the stream, fetched from only while there is room.
//!
//! A consumer is nothing that lasts. When anything about it is not as expected (its node is gone, the
//! connection was another, a sequence is missing, it is silent), a new one is made from the next
//! sequence that has not come in; so there is neither gap nor double.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message, Subscriber};
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::api::{Api, Done};
use super::connection::Connection;
use super::incoming::{Incoming, Room};
use super::{LogError, unanswered};
use crate::store::Wake;

/// A silent consumer says so often that it is there.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Without a heartbeat for so long it is taken to be gone.
const SILENCE: Duration = Duration::from_secs(3);
/// How long one fetch waits for messages.
const FETCH: Duration = Duration::from_secs(30);
/// A consumer that nobody fetches from is dropped by the cluster after so long.
const UNUSED: Duration = Duration::from_secs(30);
/// Pause before the next consumer where the last one failed.
const PAUSE: Duration = Duration::from_millis(200);
/// Most messages of a fetch.
const FETCH_MESSAGES_MAX: usize = 1_024;

/// What follows the log from a sequence on, until it is dropped.
pub(super) struct Following {
    incoming: Arc<Incoming>,
    task: Option<AbortHandle>,
}

impl Following {
    pub(super) fn begin(
        connection: &Connection,
        api: Api,
        stream: String,
        sequence: u64,
        wake: Wake,
    ) -> Self {
        let incoming = Arc::new(Incoming::from(sequence));
        let follower = Follower {
            api,
            stream,
            incoming: Arc::clone(&incoming),
            connected: connection.connected(),
            wake,
        };
        Self {
            incoming,
            task: connection.spawn(follower.run()),
        }
    }

    pub(super) fn incoming(&self) -> &Arc<Incoming> {
        &self.incoming
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

pub(super) struct Follower {
    pub(super) api: Api,
    pub(super) stream: String,
    pub(super) incoming: Arc<Incoming>,
    connected: watch::Receiver<u64>,
    pub(super) wake: Wake,
}

#[derive(Deserialize)]
struct Consumer {
    name: String,
}

impl Follower {
    async fn run(mut self) {
        loop {
            match self.follow().await {
                // The next try is of a stream that cannot be followed either.
                Err(LogError::Refused { what }) => {
                    tracing::error!(error = %what, "what other servers commit comes in no more");
                    self.incoming.broken(what);
                    (self.wake)();
                    return;
                }
                Err(LogError::Unanswered { what }) => {
                    tracing::debug!(error = %what, "following the log begins anew");
                }
                Ok(()) => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Follows by one consumer, as long as it is sound.
    async fn follow(&mut self) -> Result<(), LogError> {
        self.connected.mark_unchanged();
        let config = json!({
            "stream_name": self.stream,
            "config": {
                "deliver_policy": "by_start_sequence",
                "opt_start_seq": self.incoming.next(),
                "ack_policy": "none",
                "replay_policy": "instant",
                "mem_storage": true,
                "num_replicas": 1,
                "inactive_threshold": UNUSED.as_nanos() as u64,
            },
        });
        let what = format!("CONSUMER.CREATE.{}", self.stream);
        let consumer: Consumer = self.api.call(&what, config.to_string()).await?;
        let followed = self.fetch_from(&consumer.name).await;
        let what = format!("CONSUMER.DELETE.{}.{}", self.stream, consumer.name);
        // Where this is not answered, the cluster drops it by itself.
        let _later = self.api.call::<Done>(&what, String::new()).await;
        followed
    }

    async fn fetch_from(&mut self, consumer: &str) -> Result<(), LogError> {
        loop {
            let room = self.incoming.room().await;
            let mut fetch = self.ask_for(consumer, room).await?;
            let mut connected = self.connected.clone();
            tokio::select! {
                fetched = self.fetch(&mut fetch) => fetched?,
                _ = connected.changed() => return Err(unanswered("another connection".to_owned())),
            }
        }
    }

    async fn ask_for(&self, consumer: &str, room: Room) -> Result<Fetch, LogError> {
        let client = self.api.client();
        let not_sent = |cause: &dyn std::fmt::Display| unanswered(format!("NATS: {cause}"));
        let inbox = client.new_inbox();
        let answers = client
            .subscribe(inbox.clone())
            .await
            .map_err(|cause| not_sent(&cause))?;
        let batch = room.messages.min(FETCH_MESSAGES_MAX);
        let wanted = json!({
            "batch": batch,
            "max_bytes": room.bytes,
            "expires": FETCH.as_nanos() as u64,
            "idle_heartbeat": HEARTBEAT.as_nanos() as u64,
        });
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{consumer}", self.stream);
        client
            .publish_with_reply(subject, inbox, wanted.to_string().into())
            .await
            .map_err(|cause| not_sent(&cause))?;
        Ok(Fetch {
            answers,
            left: batch,
        })
    }

    /// Takes in what a fetch brings, until it has ended.
    async fn fetch(&self, fetch: &mut Fetch) -> Result<(), LogError> {
        while fetch.left > 0 {
            let next = tokio::time::timeout(SILENCE, fetch.answers.next()).await;
            let Ok(Some(message)) = next else {
                return Err(unanswered("the consumer is silent".to_owned()));
            };
            let Some(status) = message.status else {
                fetch.left -= 1;
                self.come(&message).await?;
                continue;
            };
            match status.as_u16() {
                100 => self.compare(&message)?,
                404 | 408 => return Ok(()),
                _ if has_ended(&message) => return Ok(()),
                _ => return Err(unanswered(format!("the consumer says: {message:?}"))),
            }
        }
        Ok(())
    }
}

struct Fetch {
    answers: Subscriber,
    /// Messages that it may still bring.
    left: usize,
}

/// A fetch ends so when as much was sent as there was room for.
fn has_ended(status: &Message) -> bool {
    let said = status.description.as_deref().unwrap_or_default();
    said.starts_with("Batch Completed") || said.starts_with("Message Size Exceeds MaxBytes")
}
