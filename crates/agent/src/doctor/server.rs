//! Whether the server is there and takes the token.

use portolan_wire::digest::Digest;
use portolan_wire::heartbeat::Heartbeat;

use super::Finding;
use crate::causes::with_causes;
use crate::config::Config;
use crate::transport::{HttpTransport, Message, Outcome, Transport as _};

/// A host that is not there: asking for it changes nothing.
const NOBODY: &str = "portolan-doctor";

/// Asks as an agent would.
pub(super) fn finding(config: &Config) -> Finding {
    let url = config.server.as_str();
    let mut transport = match HttpTransport::new(config) {
        Ok(transport) => transport,
        Err(error) => return Finding::missing("server", format!("{}.", with_causes(&error))),
    };
    let question = Message::Heartbeat(Heartbeat {
        host_id: config.host_id.clone().unwrap_or_else(|| NOBODY.to_owned()),
        generation: 0,
        sequence: 0,
        digest: Digest::of(&[]),
    });
    match transport.send(question) {
        Outcome::Heartbeat(_) | Outcome::Report(_) => {
            let project = &config.project;
            let text = format!("{url} takes the token for the project {project}.");
            Finding::fine("server", text)
        }
        Outcome::Refused(refusal) => {
            let (status, text) = (refusal.status, refusal.text);
            let to_check = match status {
                401 => "check the token in --token-file",
                403 => "check --project and the role of the token",
                404 => "check --server and --project",
                _ => "check what is between the agent and the server",
            };
            let text = format!("{url} is there and refuses with {status} ({text}): {to_check}.");
            Finding::missing("server", text)
        }
        Outcome::NotSent(reason) | Outcome::Unreachable(reason) => {
            let text = format!("{url} does not answer ({reason}): check --server and the network.");
            Finding::missing("server", text)
        }
    }
}
