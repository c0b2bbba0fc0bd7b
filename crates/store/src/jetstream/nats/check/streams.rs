//! What of a stream would break a promise.

use serde::Deserialize;
use serde_json::Value;

use super::{Finding, REPLICAS_MIN};

/// A stream as it is configured; the names are JetStream's.
#[derive(Clone, Debug, Deserialize)]
pub struct StreamFacts {
    name: String,
    #[serde(default)]
    subjects: Vec<String>,
    retention: String,
    storage: String,
    num_replicas: usize,
    discard: String,
    max_msgs: i64,
    max_bytes: i64,
    max_age: i64,
    max_msgs_per_subject: i64,
    max_consumers: i64,
    #[serde(default = "unlimited")]
    max_msg_size: i64,
    #[serde(default)]
    discard_new_per_subject: bool,
    #[serde(default)]
    deny_purge: bool,
    #[serde(default)]
    sealed: bool,
    #[serde(default)]
    no_ack: bool,
    #[serde(default)]
    persist_mode: Option<String>,
    mirror: Option<Value>,
    sources: Option<Vec<Value>>,
    subject_transform: Option<Value>,
    /// What it is to have: subjects, and messages a subject.
    #[serde(skip)]
    pub(crate) wanted: (String, i64),
}

fn unlimited() -> i64 {
    -1
}

/// What a wrong setting costs.
#[derive(Clone, Copy)]
enum Cost {
    /// A server can work on it.
    Promise(&'static str),
    /// It cannot.
    Work(&'static str),
}

use Cost::{Promise, Work};

const DROPS: Cost = Promise("messages go by themselves, and servers cannot begin or go on");
const TRIM: Cost = Promise("the log cannot be trimmed, and grows for ever");
const OTHERS: Cost =
    Work("what is in the stream is not what the servers put there, and they cannot follow it");

/// A setting: what it is called, what it is, whether that is right, what it is to be, what it costs.
type Setting = (&'static str, String, bool, String, Cost);

/// Adds what is wrong with a stream.
pub(super) fn findings(stream: &StreamFacts, found: &mut Vec<Finding>) {
    let settings = limits(stream).into_iter().chain(ways(stream));
    for (field, is, right, to_be, cost) in settings {
        if right {
            continue;
        }
        let (breaks, can_be_accepted) = match cost {
            Promise(breaks) => (breaks, true),
            Work(breaks) => (breaks, false),
        };
        let name = &stream.name;
        found.push(Finding {
            found: format!("stream {name} has `{field}: {is}`"),
            breaks: breaks.to_owned(),
            change: if is_fixed(field) {
                format!("It has to be `{field}: {to_be}`, which cannot be changed: stop all servers, delete stream {name}, and make the cluster anew with `portolan reseed`")
            } else {
                format!("Set `{field}: {to_be}` with `nats stream edit {name}`")
            },
            can_be_accepted,
        });
    }
}

/// Settings that JetStream does not change on a stream that is there.
fn is_fixed(field: &str) -> bool {
    matches!(
        field,
        "storage" | "retention" | "mirror" | "sealed" | "max_consumers" | "persist_mode"
    )
}

fn limits(stream: &StreamFacts) -> Vec<Setting> {
    let (_, a_subject) = &stream.wanted;
    let none = |field, is: i64, cost| (field, is.to_string(), is <= 0, "-1".to_owned(), cost);
    vec![
        (
            "num_replicas",
            stream.num_replicas.to_string(),
            stream.num_replicas >= REPLICAS_MIN,
            REPLICAS_MIN.to_string(),
            Promise("what one node acknowledged is lost with it"),
        ),
        none("max_msgs", stream.max_msgs, DROPS),
        none("max_bytes", stream.max_bytes, DROPS),
        (
            "max_age",
            format!("{}s", stream.max_age / 1_000_000_000),
            stream.max_age == 0,
            "0".to_owned(),
            DROPS,
        ),
        (
            "max_msgs_per_subject",
            stream.max_msgs_per_subject.to_string(),
            stream.max_msgs_per_subject == *a_subject,
            a_subject.to_string(),
            if *a_subject == 1 {
                Promise("values that were replaced are kept, and fill the disk")
            } else {
                DROPS
            },
        ),
        none(
            "max_msg_size",
            stream.max_msg_size,
            Promise("long commits are refused"),
        ),
        none(
            "max_consumers",
            stream.max_consumers,
            Promise("not every server can follow the log"),
        ),
        plain(
            "discard",
            &stream.discard,
            "new",
            Promise("a full disk drops the oldest messages, in place of refusing new ones"),
        ),
        flag(
            "discard_new_per_subject",
            stream.discard_new_per_subject,
            Work("a value cannot be replaced"),
        ),
    ]
}

fn ways(stream: &StreamFacts) -> Vec<Setting> {
    let (subjects, _) = &stream.wanted;
    let absent = |field, is: bool, cost| {
        let shown = if is { "set" } else { "none" };
        (field, shown.to_owned(), !is, "none".to_owned(), cost)
    };
    vec![
        plain(
            "storage",
            &stream.storage,
            "file",
            Promise("all is lost when the nodes stop"),
        ),
        plain("retention", &stream.retention, "limits", DROPS),
        plain(
            "persist_mode",
            stream.persist_mode.as_deref().unwrap_or("default"),
            "default",
            Promise("acknowledged reports are lost when nodes lose power"),
        ),
        (
            "subjects",
            format!("{:?}", stream.subjects),
            stream.subjects == [subjects.as_str()],
            format!("[{subjects:?}]"),
            OTHERS,
        ),
        absent("mirror", stream.mirror.is_some(), OTHERS),
        absent(
            "sources",
            stream.sources.as_ref().is_some_and(|s| !s.is_empty()),
            OTHERS,
        ),
        absent(
            "subject_transform",
            stream.subject_transform.is_some(),
            OTHERS,
        ),
        flag("deny_purge", stream.deny_purge, TRIM),
        flag("sealed", stream.sealed, Work("nothing can be put into it")),
        flag(
            "no_ack",
            stream.no_ack,
            Work("nothing says whether a message is kept"),
        ),
    ]
}

fn plain(field: &'static str, is: &str, to_be: &str, cost: Cost) -> Setting {
    (field, is.to_owned(), is == to_be, to_be.to_owned(), cost)
}

fn flag(field: &'static str, is: bool, cost: Cost) -> Setting {
    (field, is.to_string(), !is, "false".to_owned(), cost)
}
