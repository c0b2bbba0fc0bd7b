//! One line: JSON whose last field is the SHA-256 of all that stands before it.

use portolan_wire::time::UnixMicros;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::audit::Act;

/// The hash before the first line.
pub(super) const NONE_BEFORE: &str =
    "0000000000000000000000000000000000000000000000000000000000000000";

#[derive(Serialize)]
struct Body<'a> {
    sequence: u64,
    at: UnixMicros,
    actor: Option<&'a str>,
    source: Option<std::net::IpAddr>,
    action: &'a str,
    target: &'a str,
    outcome: &'a str,
    detail: &'a str,
    count: u64,
    previous: &'a str,
}

/// Where the chain stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) sequence: u64,
    pub(super) hash: String,
}

impl Link {
    pub(super) fn before_all() -> Self {
        Self {
            sequence: 0,
            hash: NONE_BEFORE.to_owned(),
        }
    }
}

/// The next line, with its line break, and where the chain stands after it.
pub(super) fn write(act: &Act, after: &Link) -> Result<(Vec<u8>, Link), serde_json::Error> {
    let sequence = after.sequence + 1;
    let body = serde_json::to_string(&Body {
        sequence,
        at: act.at,
        actor: act.actor.as_deref(),
        source: act.source,
        action: act.action,
        target: &act.target,
        outcome: &act.outcome,
        detail: &act.detail,
        count: act.count,
        previous: &after.hash,
    })?;
    let open = body.strip_suffix('}').unwrap_or(&body);
    let hash = hash_of(open);
    let line = format!("{open}{HASH_FIELD}{hash}{END}\n");
    Ok((line.into_bytes(), Link { sequence, hash }))
}

const HASH_FIELD: &str = ",\"hash\":\"";
const END: &str = "\"}";

/// Reads a line without its line break: where the chain stands after it, and the hash that it says
/// was before it. In words what is wrong with it.
pub(super) fn read(line: &[u8]) -> Result<(Link, String), String> {
    #[derive(Deserialize)]
    struct Fields {
        sequence: u64,
        previous: String,
        hash: String,
    }
    let text = std::str::from_utf8(line).map_err(|_| "it is not UTF-8")?;
    let fields: Fields =
        serde_json::from_str(text).map_err(|error| format!("it is no entry: {error}"))?;
    let open = text
        .strip_suffix(END)
        .and_then(|text| text.strip_suffix(fields.hash.as_str()))
        .and_then(|text| text.strip_suffix(HASH_FIELD))
        .ok_or("it does not end with its hash")?;
    if hash_of(open) != fields.hash {
        return Err("its hash is not that of its words: it was changed".to_owned());
    }
    let link = Link {
        sequence: fields.sequence,
        hash: fields.hash,
    };
    Ok((link, fields.previous))
}

fn hash_of(open: &str) -> String {
    let hash = Sha256::digest(open.as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
