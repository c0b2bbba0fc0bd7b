//! Puts an agent together from its configuration and runs it.
//!
//! Order matters: the state folder is locked and the generation durable before anything is sent.

use std::sync::Arc;

use crate::collect::{Ids, Means, System};
use crate::config::{Config, TokenSource};
use crate::drive::{DriveError, drive};
use crate::enrolment::Enrolment;
use crate::identity::{Kept, Sources, random_id, random_seed};
use crate::machine::Machine;
use crate::meter::unix_seconds;
use crate::state::{StateDir, StateError};
use crate::stop::Stop;
use crate::transport::{HttpTransport, TransportError};
use crate::withhold::Withhold;

/// An agent cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The state folder.
    #[error(transparent)]
    State(#[from] StateError),
    /// The way to the server.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// Its own threads.
    #[error(transparent)]
    Drive(#[from] DriveError),
}

/// Runs an agent on this host until `stop`; nothing is told to the server at the end, because an
/// agent that ends closes no port.
///
/// # Errors
/// Where the state folder cannot be used, there is no token, or the certificates cannot be read.
/// A server that is away is no error: the agent goes on trying.
pub fn run(config: &Config, stop: &Stop) -> Result<(), RunError> {
    let transport = HttpTransport::new(config)?;
    let state = Arc::new(StateDir::open(&config.state_dir)?);
    let sources = Sources::read(&config.look.host_root);
    let mut kept = Kept::at_start(state.load()?, &sources, unix_seconds(), random_id);
    // IMPORTANT: before the first report; a generation used twice would let an older report win.
    state.keep(&kept)?;
    let ids = Ids {
        host_id: config
            .host_id
            .clone()
            .unwrap_or_else(|| kept.host.host_id.clone()),
        agent_id: kept.agent_id.clone(),
        enterprise_project: config.enterprise_project.clone(),
    };
    tracing::info!(
        host.id = %ids.host_id,
        host.agent_id = %ids.agent_id,
        report.generation = kept.generation,
        server.url = config.server.as_str(),
        "the agent has started"
    );
    let transport = match config.token {
        TokenSource::EnrolKey(_) => {
            let (state, stop) = (Arc::clone(&state), stop.clone());
            let enrolment = Enrolment::load(config, &ids.host_id, state, stop)?;
            transport.enrolled(enrolment)?
        }
        TokenSource::File(_) | TokenSource::Literal(_) => transport,
    };
    let machine = Machine::new(kept.generation, config.scan_interval, random_seed());
    let means = Means {
        look: config.look.clone(),
        events: config.events,
        caps: config.caps,
    };
    let withhold = Withhold::new(state.load_client_udp()?);
    let system = System::new(ids, means, withhold, &state);
    let keep_generation = |generation| {
        kept.generation = generation;
        if let Err(error) = state.keep(&kept) {
            tracing::warn!(%error, "the generation cannot be kept; the next start may be told that its reports are stale");
        }
    };
    drive(machine, system, transport, keep_generation, stop)?;
    tracing::info!("the agent has ended, as it was told to");
    Ok(())
}
