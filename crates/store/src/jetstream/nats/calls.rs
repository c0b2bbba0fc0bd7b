//! The calls of [`Log`] as calls of JetStream.

use std::sync::Arc;

use serde_json::json;

use super::api::{self, CallError, Done, StreamInfo};
use super::follow::Following;
use super::incoming::Taken;
use super::{Appended, Ends, Log, LogError, Named, NatsLog, refused};
use crate::store::Wake;

impl Log for NatsLog {
    fn make(&self, epoch: u64, first: u64) -> Result<(), LogError> {
        let name = self.streams.log(epoch);
        let config = self.streams.log_config(epoch, first);
        let info: StreamInfo = self.api("STREAM.CREATE", &name, &config)?;
        let ends = info.ends();
        if ends.last + 1 == first.max(1) && info.state.messages == 0 {
            return Ok(());
        }
        Err(refused(&format!(
            "there is a log {name} already, with messages {} to {}",
            ends.first, ends.last
        )))
    }

    fn enter(&self, epoch: u64) -> Result<(), LogError> {
        *self.following.lock() = None;
        *self.epoch.lock() = Some(epoch);
        Ok(())
    }

    fn drop_log(&self, epoch: u64) -> Result<(), LogError> {
        let name = self.streams.log(epoch);
        match self.api::<Done>("STREAM.DELETE", &name, &json!({})) {
            Err(CallError::Api(error)) if error.is_no_stream() => Ok(()),
            done => Ok(done.map(|_| ())?),
        }
    }

    fn append(&self, sequence: u64, message: &[u8]) -> Result<Appended, LogError> {
        let epoch = *self.epoch.lock();
        let epoch = epoch.ok_or_else(|| refused("no log has been entered"))?;
        let subject = self.streams.log_subject(epoch);
        // There is no place 0, and asked for, the message would come to the first.
        let Some(before) = sequence.checked_sub(1) else {
            return Ok(Appended::NotLast);
        };
        match self.publish(subject, Some((api::LAST_SEQUENCE, before)), message) {
            Ok(published) => {
                published.must_be(&self.streams.log(epoch), Some(sequence))?;
                Ok(Appended::AtItsPlace)
            }
            Err(CallError::Api(error)) if error.is_wrong_last() => Ok(Appended::NotLast),
            Err(error) => Err(error.into()),
        }
    }

    fn message(&self, sequence: u64) -> Result<Option<Vec<u8>>, LogError> {
        // JetStream takes it for a question without a number.
        if sequence == 0 {
            return Ok(None);
        }
        let found = self.stored(&self.stream()?, &json!({ "seq": sequence }))?;
        Ok(found.map(|(_, message)| message))
    }

    fn ends(&self) -> Result<Ends, LogError> {
        let info: StreamInfo = self.api("STREAM.INFO", &self.stream()?, &json!({}))?;
        Ok(info.ends())
    }

    fn follow(&self, sequence: u64, wake: Wake) -> Result<(), LogError> {
        let stream = self.stream()?;
        let mut following = self.following.lock();
        // The former one ends first: its calls of the former `wake` too.
        *following = None;
        *following = Some(Following::begin(
            &self.connection,
            self.api.clone(),
            stream,
            sequence,
            wake,
        ));
        Ok(())
    }

    fn arrived(&self, sequence: u64) -> Result<Option<Vec<u8>>, LogError> {
        let incoming = match &*self.following.lock() {
            Some(following) => Arc::clone(following.incoming()),
            None => return Ok(None),
        };
        match incoming.take(sequence) {
            Taken::Message(message) => Ok(Some(message.to_vec())),
            Taken::NotYet => Ok(None),
            Taken::Gone(what) => Err(LogError::Refused { what }),
            Taken::NoLonger => self.message(sequence),
        }
    }

    fn trim(&self, sequence: u64) -> Result<(), LogError> {
        // A purge beyond the end would move the end.
        let until = sequence.min(self.ends()?.last + 1);
        self.api::<Done>(
            "STREAM.PURGE",
            &self.stream()?,
            &json!({ "seq": until.max(1) }),
        )?;
        Ok(())
    }

    fn put(&self, name: &str, value: &[u8]) -> Result<(), LogError> {
        let subject = self.streams.subject(name)?;
        let published = self.publish(subject, None, value)?;
        published.must_be(&self.streams.named(), None)
    }

    fn swap(&self, name: &str, revision: u64, value: &[u8]) -> Result<bool, LogError> {
        let subject = self.streams.subject(name)?;
        match self.publish(subject, Some((api::LAST_SUBJECT_SEQUENCE, revision)), value) {
            Ok(published) => {
                published.must_be(&self.streams.named(), None)?;
                Ok(true)
            }
            Err(CallError::Api(error)) if error.is_wrong_last() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn get(&self, name: &str) -> Result<Option<Named>, LogError> {
        let subject = self.streams.subject(name)?;
        let which = json!({ "last_by_subj": subject });
        let found = self.stored(&self.streams.named(), &which)?;
        Ok(found.map(|(revision, value)| Named { revision, value }))
    }

    fn names(&self, prefix: &str) -> Result<Vec<String>, LogError> {
        let subject = self.streams.subject(prefix)?;
        let stream = self.streams.named();
        let mut names = Vec::new();
        for filter in [subject.clone(), format!("{subject}.>")] {
            let mut offset = 0;
            loop {
                let body = json!({ "subjects_filter": filter, "offset": offset });
                let info: StreamInfo = self.api("STREAM.INFO", &stream, &body)?;
                let subjects = info.state.subjects.unwrap_or_default();
                offset += subjects.len() as u64;
                let is_page_empty = subjects.is_empty();
                names.extend(subjects.into_keys().filter_map(|s| self.streams.name(&s)));
                if is_page_empty || offset >= info.total.unwrap_or(0) {
                    break;
                }
            }
        }
        Ok(names)
    }

    fn remove(&self, prefix: &str) -> Result<(), LogError> {
        let subject = self.streams.subject(prefix)?;
        let stream = self.streams.named();
        for filter in [subject.clone(), format!("{subject}.>")] {
            self.api::<Done>("STREAM.PURGE", &stream, &json!({ "filter": filter }))?;
        }
        Ok(())
    }

    fn bytes_max(&self) -> usize {
        self.bytes_max
    }
}
