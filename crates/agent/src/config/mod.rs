//! What an agent is told: one struct, complete and checked.
//!
//! The command line is read in `flags`; `portolan demo` builds a [`Config`] itself. Holds: a
//! [`Config`] from the command line has passed every check that needs no network.

mod caps;
mod client_certificate;
mod doctor;
mod flags;
mod server_url;
mod token;

use std::path::PathBuf;
use std::time::Duration;

use portolan_sockets::Options;

pub use client_certificate::{ClientCertificate, ClientCertificateError};
pub use doctor::{DoctorFlags, Question};
pub use flags::{Flags, Mistakes};
pub use server_url::{ServerUrl, ServerUrlError};
pub use token::{Secret, TokenError, TokenSource};

use crate::budget::Caps;
use crate::machine::ScanInterval;

/// Where the state folder is unless told otherwise.
pub const STATE_DIR_DEFAULT: &str = "/var/lib/portolan-agent";

/// How old the token of an enrolled host becomes unless told otherwise: 30 days.
pub const ROTATE_AFTER_DEFAULT: Duration = Duration::from_secs(30 * 86_400);

/// All that an agent is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The server, with its base path.
    pub server: ServerUrl,
    /// Where the token comes from.
    pub token: TokenSource,
    /// The project, 1 to 256 characters.
    pub project: String,
    /// The enterprise project, 1 to 128 characters; `0` is the default one.
    pub enterprise_project: String,
    /// How often to look.
    pub scan_interval: ScanInterval,
    /// Whether to use the kernel's events where they can be had.
    pub events: bool,
    /// What the agent may cost; nothing where it shares its process with others.
    pub caps: Option<Caps>,
    /// The state folder; made if it is not there.
    pub state_dir: PathBuf,
    /// The only certificates to trust for `https`, as PEM; without it the system's.
    pub ca_file: Option<PathBuf>,
    /// What it shows a server of itself.
    pub client_certificate: Option<ClientCertificate>,
    /// How old the token of an enrolled host becomes, before the agent asks for another.
    pub rotate_after: Duration,
    /// The host's id, 1 to 64 of `[A-Za-z0-9._:-]`; without it one is derived from the machine.
    pub host_id: Option<String>,
    /// Where and how the host is looked at.
    pub look: Options,
}
