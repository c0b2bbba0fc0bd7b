//! The streams: what they are called, and how they are made.

use serde_json::{Value, json};

use super::{LogError, refused};

/// Most bytes of a name.
const NAME_BYTES_MAX: usize = 200;

/// Names of one cluster's streams and subjects.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    prefix: String,
    subjects: String,
    replicas: usize,
}

impl Streams {
    pub(super) fn new(prefix: &str, replicas: usize) -> Self {
        Self {
            prefix: prefix.to_owned(),
            subjects: prefix.to_ascii_lowercase(),
            replicas,
        }
    }

    /// Copies that streams are made with.
    pub(super) fn replicas(&self) -> usize {
        self.replicas
    }

    /// The stream of named values.
    pub(super) fn named(&self) -> String {
        self.prefix.clone()
    }

    /// The stream of an epoch's log.
    pub(super) fn log(&self, epoch: u64) -> String {
        format!("{}_LOG_{epoch:016x}", self.prefix)
    }

    pub(super) fn log_subject(&self, epoch: u64) -> String {
        format!("{}.log.{epoch:016x}", self.subjects)
    }

    /// All subjects of all logs.
    pub(super) fn log_subjects(&self) -> String {
        format!("{}.log.*", self.subjects)
    }

    /// The subject of a log's stream, if it is one.
    pub(super) fn subject_of_log(&self, stream: &str) -> Option<String> {
        let rest = stream.strip_prefix(&self.prefix)?;
        let epoch = rest.strip_prefix("_LOG_")?;
        Some(format!("{}.log.{epoch}", self.subjects))
    }

    /// The subjects of all names.
    pub(super) fn named_subjects(&self) -> String {
        format!("{}.named.>", self.subjects)
    }

    /// The subject of a name.
    pub(super) fn subject(&self, name: &str) -> Result<String, LogError> {
        let is_word = |word: &str| {
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            !word.is_empty() && word.bytes().all(|byte| plain(byte) || byte == b'-')
        };
        // A wildcard would be another subject's as well.
        if name.len() > NAME_BYTES_MAX || !name.split('.').all(is_word) {
            return Err(refused(&format!("{name:?} is no name beside the log")));
        }
        Ok(format!("{}.named.{name}", self.subjects))
    }

    /// The name of a subject.
    pub(super) fn name(&self, subject: &str) -> Option<String> {
        let rest = subject.strip_prefix(&self.subjects)?;
        rest.strip_prefix(".named.").map(str::to_owned)
    }

    pub(super) fn log_config(&self, epoch: u64, first: u64) -> Value {
        let mut config = self.config(&self.log(epoch), &self.log_subject(epoch), -1);
        if let Some(fields) = config.as_object_mut() {
            fields.insert("first_seq".to_owned(), json!(first));
        }
        config
    }

    pub(super) fn named_config(&self) -> Value {
        self.config(&self.named(), &self.named_subjects(), 1)
    }

    /// Nothing in it lets messages go by themselves; `a_subject` says how many a subject keeps.
    fn config(&self, name: &str, subjects: &str, a_subject: i64) -> Value {
        json!({
            "name": name,
            "description": "Portolan",
            "subjects": [subjects],
            "retention": "limits",
            "storage": "file",
            "num_replicas": self.replicas,
            "discard": "new",
            "discard_new_per_subject": false,
            "max_msgs": -1,
            "max_bytes": -1,
            "max_age": 0,
            "max_msg_size": -1,
            "max_msgs_per_subject": a_subject,
            "max_consumers": -1,
            "allow_direct": false,
            "mirror_direct": false,
            "allow_rollup_hdrs": false,
            "deny_delete": true,
            "deny_purge": false,
            "no_ack": false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_one_subject_and_back() {
        let streams = Streams::new("PORTOLAN", 3);
        let subject = streams.subject("base.12-a.0").unwrap();
        assert_eq!(subject, "portolan.named.base.12-a.0");
        assert_eq!(streams.name(&subject).as_deref(), Some("base.12-a.0"));
    }

    #[test]
    fn what_could_be_several_subjects_is_no_name() {
        let streams = Streams::new("PORTOLAN", 3);
        let long = "a".repeat(201);
        for name in ["", ">", "*", "a.*", "a..b", ".a", "a.", "a b", "A", &long] {
            assert!(
                matches!(streams.subject(name), Err(LogError::Refused { .. })),
                "{name}"
            );
        }
    }
}
