//! What a cluster tells of itself.

use serde::Deserialize;
use serde_json::json;

use super::api::{Api, CallError, StreamInfo};
use super::check::{Facts, StreamFacts};
use super::streams::Streams;
use super::{LogError, refused};

/// What a node's monitor told.
#[derive(Clone, Debug)]
pub struct Monitored {
    /// Where it was asked.
    pub url: String,
    /// What it told, or why it did not.
    pub told: Result<Varz, String>,
}

/// Of a node's `/varz` what matters here.
#[derive(Clone, Debug, Deserialize)]
pub struct Varz {
    pub(super) server_id: String,
    pub(super) server_name: String,
    pub(super) version: String,
    pub(super) max_payload: u64,
    #[serde(default)]
    pub(super) jetstream: JetStreamVarz,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct JetStreamVarz {
    #[serde(default)]
    pub(super) config: JetStreamConfig,
    /// Missing where the node is alone.
    meta: Option<Meta>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct JetStreamConfig {
    #[serde(default)]
    pub(super) sync_always: bool,
    /// In nanoseconds.
    #[serde(default)]
    pub(super) sync_interval: u64,
}

#[derive(Clone, Debug, Deserialize)]
struct Meta {
    #[serde(default)]
    cluster_size: usize,
}

impl Varz {
    /// Nodes of the cluster, as this one knows it.
    pub(super) fn cluster_size(&self) -> usize {
        let meta = self.jetstream.meta.as_ref();
        meta.map_or(1, |meta| meta.cluster_size.max(1))
    }
}

/// Reads the answer of a node's monitor to `GET /varz`.
///
/// # Errors
/// It is not that.
pub fn read_varz(json: &[u8]) -> Result<Varz, String> {
    serde_json::from_slice(json).map_err(|cause| format!("its answer is no /varz of NATS: {cause}"))
}

#[derive(Deserialize)]
struct StreamNames {
    streams: Option<Vec<String>>,
    total: u64,
}

/// Asks the cluster.
pub(super) async fn collect(
    api: &Api,
    streams: &Streams,
    monitored: Vec<Monitored>,
) -> Result<Facts, LogError> {
    let server = api.client().server_info();
    let mut facts = Facts {
        disabled: None,
        connected: (
            server.server_name,
            server.version,
            server.max_payload as u64,
        ),
        replicas: streams.replicas(),
        streams: Vec::new(),
        monitored,
    };
    match api.call::<serde_json::Value>("INFO", String::new()).await {
        Ok(_) => {}
        Err(CallError::Api(error)) if error.is_disabled() => {
            facts.disabled = Some(error.to_string());
            return Ok(facts);
        }
        Err(CallError::NobodyListens(subject)) => {
            facts.disabled = Some(format!("nobody answers {subject}"));
            return Ok(facts);
        }
        Err(error) => return Err(error.into()),
    }
    let named = (streams.named_subjects(), 1);
    facts
        .streams
        .extend(stream(api, &streams.named(), named).await?);
    for name in names(api, &streams.log_subjects()).await? {
        if let Some(subject) = streams.subject_of_log(&name) {
            facts
                .streams
                .extend(stream(api, &name, (subject, -1)).await?);
        }
    }
    Ok(facts)
}

async fn stream(
    api: &Api,
    name: &str,
    wanted: (String, i64),
) -> Result<Option<StreamFacts>, LogError> {
    let info: StreamInfo = match api
        .call(&format!("STREAM.INFO.{name}"), String::new())
        .await
    {
        Ok(info) => info,
        Err(CallError::Api(error)) if error.is_no_stream() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut facts: StreamFacts = serde_json::from_value(info.config).map_err(|cause| {
        refused(&format!(
            "NATS: the configuration of stream {name} does not decode: {cause}"
        ))
    })?;
    facts.wanted = wanted;
    Ok(Some(facts))
}

/// The streams that take messages of such subjects.
async fn names(api: &Api, subjects: &str) -> Result<Vec<String>, LogError> {
    let mut names = Vec::new();
    loop {
        let body = json!({ "subject": subjects, "offset": names.len() });
        let told: StreamNames = api.call("STREAM.NAMES", body.to_string()).await?;
        let page = told.streams.unwrap_or_default();
        let is_last = page.is_empty();
        names.extend(page);
        if is_last || names.len() as u64 >= told.total {
            return Ok(names);
        }
    }
}
