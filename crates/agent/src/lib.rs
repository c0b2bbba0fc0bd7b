//! The agent: collects the open ports of this machine, compares, reports, retries.
//!
//! Two layers: [`machine`] decides (pure: no clock, no I/O, seeded jitter) and a thin loop acts for
//! it, so that everything that can go wrong between a host and its server is tested without
//! waiting. Polling with threads; an async runtime would double the size for one request at a time.
//!
//! Holds: one request at a time; the newest set always arrives in the end; memory does not grow
//! while the server is away; the raw machine-id never leaves the host. What an agent cannot see it
//! says in `coverage`. Limits: one host, one server, one state folder an agent.
#![forbid(unsafe_code)]

mod budget;
mod causes;
mod collect;
mod config;
pub mod doctor;
mod drive;
mod enrolment;
mod host;
mod identity;
pub mod machine;
mod meter;
mod run;
mod snapshot;
mod state;
mod stop;
#[cfg(test)]
mod testing;
mod transport;
mod trouble;
mod withhold;

pub use budget::Caps;
pub use causes::with_causes;
pub use collect::{Collect, Happened};
pub use config::{
    ClientCertificate, ClientCertificateError, Config, DoctorFlags, Flags, Mistakes, Question,
    ROTATE_AFTER_DEFAULT, STATE_DIR_DEFAULT, Secret, ServerUrl, ServerUrlError, TokenError,
    TokenSource,
};
pub use drive::{DriveError, drive};
pub use identity::next_generation;
pub use machine::{ScanInterval, Tempo};
pub use run::{RunError, run};
pub use snapshot::Snapshot;
pub use state::StateError;
pub use stop::Stop;
pub use transport::{
    HttpTransport, Message, Outcome, Refusal, RootsError, Transport, TransportError, read_ca_file,
};
pub use withhold::CLIENT_UDP_AGE;
