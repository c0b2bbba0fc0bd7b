//! What the suite asks servers.

use std::time::Duration;

use serde_json::Value;

pub(crate) const PROJECT: &str = "p1";
pub(crate) const READER: &str = "reader-token-reader-token-reader";
pub(crate) const AGENT: &str = "agent-token-agent-token-agent-tok";

/// Longest wait for anything that must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// Longest wait for one answer: beyond it another server is asked.
const ANSWER: Duration = Duration::from_secs(20);

pub(crate) fn client() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(ANSWER))
        .build();
    config.into()
}

/// A native answer; `None` where there is none, or it is not 200.
pub(crate) fn native(client: &ureq::Agent, url: &str, path: &str) -> Option<Value> {
    let mut answer = client
        .get(format!("{url}/portolan/v1/projects/{PROJECT}{path}"))
        .header("X-Auth-Token", READER)
        .call()
        .ok()?;
    if answer.status() != 200 {
        return None;
    }
    answer.body_mut().read_json().ok()
}
