//! The form of server-sent events.

use bytes::Bytes;
use serde::Serialize;

/// A comment that keeps the connection from being taken for dead.
pub(super) const PING: &[u8] = b": ping\n\n";

/// A comment that names the id to resume from, before the first event. It is no event.
pub(super) fn begin(id: &str) -> Bytes {
    Bytes::from(format!(": the stream begins behind this id\nid: {id}\n\n"))
}

/// One change. JSON has no line break in it.
pub(super) fn change(id: &str, data: &impl Serialize) -> serde_json::Result<Bytes> {
    event("change", id, data)
}

#[derive(Serialize)]
struct Notice<'a> {
    reason: &'a str,
    resume_after: &'a str,
}

/// The reader asked for what is gone: it goes on behind that id.
pub(super) fn reset(reason: &str, id: &str) -> serde_json::Result<Bytes> {
    let notice = Notice {
        reason,
        resume_after: id,
    };
    event("reset", id, &notice)
}

/// The last event of a reader that is too slow: it can resume behind that id.
pub(super) fn cut(reason: &str, id: &str) -> serde_json::Result<Bytes> {
    let notice = Notice {
        reason,
        resume_after: id,
    };
    event("cut", id, &notice)
}

fn event(name: &str, id: &str, data: &impl Serialize) -> serde_json::Result<Bytes> {
    let data = serde_json::to_string(data)?;
    Ok(Bytes::from(format!(
        "id: {id}\nevent: {name}\ndata: {data}\n\n"
    )))
}
