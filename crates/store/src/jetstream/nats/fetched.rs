//! What a fetch brings, put in order: what is missing is asked for, or known to be gone.

use async_nats::Message;
use base64::Engine as _;
use serde_json::json;

use super::api::{CallError, Stored, StreamInfo};
use super::follow::Follower;
use super::{BASE64, LogError, refused, unanswered};

impl Follower {
    /// A message of the stream.
    pub(super) async fn come(&self, message: &Message) -> Result<(), LogError> {
        let reply = message.reply.as_deref().unwrap_or_default();
        let sequence = sequence_of(reply).ok_or_else(|| {
            refused(&format!(
                "NATS: {reply:?} is no acknowledgement's subject of a version known here"
            ))
        })?;
        while self.incoming.next() < sequence {
            self.fill_gap(self.incoming.next()).await?;
        }
        if self.incoming.next() == sequence {
            self.incoming.push(message.payload.clone());
            (self.wake)();
        }
        Ok(())
    }

    /// What the consumer did not bring, or why it cannot.
    async fn fill_gap(&self, sequence: u64) -> Result<(), LogError> {
        let what = format!("STREAM.MSG.GET.{}", self.stream);
        let got = self
            .api
            .call::<Stored>(&what, json!({ "seq": sequence }).to_string());
        match got.await {
            Ok(stored) => {
                let message = BASE64.decode(stored.message.data).map_err(|cause| {
                    refused(&format!("message {sequence} does not decode: {cause}"))
                })?;
                self.incoming.push(message.into());
                Ok(())
            }
            Err(CallError::Api(error)) if error.is_no_message() => self.trimmed(sequence).await,
            Err(error) => Err(error.into()),
        }
    }

    async fn trimmed(&self, sequence: u64) -> Result<(), LogError> {
        let what = format!("STREAM.INFO.{}", self.stream);
        let info: StreamInfo = self.api.call(&what, "{}".to_owned()).await?;
        let first = info.ends().first;
        if first <= sequence {
            return Err(refused(&format!(
                "message {sequence} of the cluster's log is missing, and it begins at {first}"
            )));
        }
        self.incoming.trimmed(first);
        Ok(())
    }

    /// Whether a heartbeat speaks of messages that did not come.
    pub(super) fn compare(&self, heartbeat: &Message) -> Result<(), LogError> {
        let told = heartbeat.headers.as_ref();
        let told = told.and_then(|headers| headers.get("Nats-Last-Stream"));
        let last: Option<u64> = told.and_then(|told| told.as_str().parse().ok());
        match last {
            Some(last) if last >= self.incoming.next() => {
                Err(unanswered(format!("message {last} did not come")))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// The stream's sequence of a message, from the subject of its acknowledgement:
/// `$JS.ACK.STREAM.CONSUMER.DELIVERED.SEQUENCE…`, in newer forms with the domain and the account's
/// hash after `ACK`.
fn sequence_of(reply: &str) -> Option<u64> {
    let words: Vec<&str> = reply.split('.').collect();
    let ["$JS", "ACK", rest @ ..] = words.as_slice() else {
        return None;
    };
    let place = if rest.len() == 7 { 3 } else { 5 };
    rest.get(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_stands_in_both_forms_of_an_acknowledgement() {
        let short = "$JS.ACK.PORTOLAN.consumer.1.42.7.1700000000.0";
        assert_eq!(sequence_of(short), Some(42));
        let long = "$JS.ACK._.hash.PORTOLAN.consumer.1.42.7.1700000000.0.token";
        assert_eq!(sequence_of(long), Some(42));
        assert_eq!(sequence_of("_INBOX.a"), None);
    }
}
