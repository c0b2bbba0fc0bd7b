//! The command line of `portolan-agent`, else its environment: a unit has a file of variables.
//!
//! Every flag is taken as text and checked here, not by the parser of the command line, which would
//! tell one mistake and stop. Holds: all mistakes are told at once.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use portolan_sockets::Options;
use portolan_wire::caps::{
    ENTERPRISE_PROJECT_ID_CHARS_MAX, HOST_ID_CHARS_MAX, PROJECT_ID_CHARS_MAX,
};
use portolan_wire::ids::EnterpriseProjectId;

use super::caps::{cpu_share, size};
use super::{
    ClientCertificate, Config, ROTATE_AFTER_DEFAULT, STATE_DIR_DEFAULT, ServerUrl, TokenSource,
};
use crate::budget::Caps;
use crate::identity::is_host_id;
use crate::machine::ScanInterval;
use crate::transport::read_ca_file;

/// Shortest and longest fixed scan interval.
const SCAN_INTERVAL_MIN: Duration = Duration::from_millis(100);
const SCAN_INTERVAL_MAX: Duration = Duration::from_secs(3_600);

/// Collects the open ports of this machine and reports them to a Portolan server.
#[derive(Clone, Debug, Default, Parser)]
#[command(
    name = "portolan-agent",
    version,
    after_help = "portolan-agent doctor: says what an agent would see here and what is missing"
)]
pub struct Flags {
    /// The server, such as `https://portolan.example:8443` (required)
    #[arg(long, env = "PORTOLAN_SERVER", value_name = "URL")]
    server: Option<String>,
    /// The file that holds the token, alone (this or --enrol-key-file is required)
    #[arg(long, env = "PORTOLAN_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The file that holds an enrol key, alone: this host gets a token of its own at the first start and
    /// keeps it in the state folder
    #[arg(long, env = "PORTOLAN_ENROL_KEY_FILE", value_name = "FILE")]
    enrol_key_file: Option<PathBuf>,
    /// How old that token becomes, in hours or days: 1h to 365d; SIGUSR1 replaces it at once
    /// [default: 30d]
    #[arg(long, env = "PORTOLAN_ROTATE_AFTER", value_name = "PERIOD")]
    rotate_after: Option<String>,
    /// The project (required)
    #[arg(long, env = "PORTOLAN_PROJECT", value_name = "ID")]
    project: Option<String>,
    /// The enterprise project [default: 0]
    #[arg(long, env = "PORTOLAN_ENTERPRISE_PROJECT", value_name = "ID")]
    enterprise_project: Option<String>,
    /// How often to look: auto (1 s while that is cheap, 30 s at most), or such as 500ms, 1s, 2m
    /// [default: auto]
    #[arg(long, env = "PORTOLAN_SCAN_INTERVAL", value_name = "INTERVAL")]
    scan_interval: Option<String>,
    /// Whether the kernel is to tell when ports open and close: auto (where it can), or off
    /// [default: auto]
    #[arg(long, env = "PORTOLAN_EVENTS", value_name = "WHEN")]
    events: Option<String>,
    /// CPU of one core over a minute beyond which the agent looks rarely and lets the kernel's events
    /// go, such as 0.5% or 20% [default: 2%]
    #[arg(long, env = "PORTOLAN_CPU_MAX", value_name = "SHARE")]
    cpu_max: Option<String>,
    /// Resident memory beyond which it drops what it can, such as 64MiB or 1GiB [default: 64MiB]
    #[arg(long, env = "PORTOLAN_MEMORY_MAX", value_name = "SIZE")]
    memory_max: Option<String>,
    /// The state folder [default: /var/lib/portolan-agent]
    #[arg(long, env = "PORTOLAN_STATE_DIR", value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The only certificates to trust for https, as PEM [default: the system's]
    #[arg(long, env = "PORTOLAN_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// This host's certificate, and those between it and its CA, as PEM: shown to a server that asks
    #[arg(long, env = "PORTOLAN_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key, as PEM
    #[arg(long, env = "PORTOLAN_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// The id of this host [default: derived from the cloud instance or the machine-id]
    #[arg(long, env = "PORTOLAN_HOST_ID", value_name = "ID")]
    host_id: Option<String>,
    /// Report the command line of each owner, with what looks like a secret masked; no rule finds
    /// every secret [default: false]
    #[arg(long, env = "PORTOLAN_COMMAND_LINES", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    command_lines: Option<String>,
    /// Where the host's file system is, for an agent in a container [default: /]
    #[arg(long, env = "PORTOLAN_HOST_ROOT", value_name = "DIR")]
    host_root: Option<PathBuf>,
}

/// All that is wrong with a command line.
#[derive(Debug, PartialEq, Eq)]
pub struct Mistakes(Vec<String>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        let noun = if count == 1 { "mistake" } else { "mistakes" };
        write!(f, "{count} {noun} in the configuration:")?;
        self.0
            .iter()
            .try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

impl std::error::Error for Mistakes {}

impl Flags {
    /// Reads a command line, the program's name first.
    ///
    /// # Errors
    /// A flag that does not exist, and the requests for help and version.
    pub fn read(args: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        Self::try_parse_from(args)
    }

    /// Whether a server is given.
    pub(super) fn names_a_server(&self) -> bool {
        self.server.is_some()
    }

    /// Whether events are wanted, as far as that is said rightly.
    pub(super) fn wants_events(&self) -> bool {
        self.events.as_deref() != Some("off")
    }

    /// Where and how the host is looked at, checked alone.
    ///
    /// # Errors
    /// Mistakes of the flags that say so.
    pub(super) fn checked_look(self) -> Result<Options, Mistakes> {
        let mut mistakes = Mistakes(Vec::new());
        let host_root = mistakes.optional("--host-root", self.host_root, checked_host_root);
        if mistakes.0.is_empty() {
            Ok(look(host_root, None))
        } else {
            Err(mistakes)
        }
    }

    /// Checks everything.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn check(self) -> Result<Config, Mistakes> {
        let mut mistakes = Mistakes(Vec::new());
        let server = mistakes.required("--server", self.server, |text| ServerUrl::parse(&text));
        let token = match (self.token_file, self.enrol_key_file) {
            (Some(_), Some(_)) => {
                let both = "--enrol-key-file: with --token-file there is nothing to enrol for";
                mistakes.0.push(both.to_owned());
                None
            }
            (None, Some(path)) => Some(TokenSource::EnrolKey(path)),
            (file, None) => mistakes.required("--token-file", file, readable_token),
        };
        let rotate_after = mistakes.optional("--rotate-after", self.rotate_after, period);
        let client_certificate = match (self.tls_cert, self.tls_key) {
            (Some(certificate), Some(key)) => {
                let files = ClientCertificate { certificate, key };
                mistakes.optional("--tls-cert", Some(files), |files| {
                    files.read().map(|_usable| files)
                })
            }
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                let one = "--tls-cert and --tls-key go together: give both, or neither";
                mistakes.0.push(one.to_owned());
                None
            }
        };
        let project = mistakes.required("--project", self.project, checked_project);
        let enterprise_project =
            mistakes.optional("--enterprise-project", self.enterprise_project, checked_eps);
        let scan_interval = mistakes.optional("--scan-interval", self.scan_interval, |text| {
            interval(&text)
        });
        let events = mistakes.optional("--events", self.events, |text| events(&text));
        let cpu_max = mistakes.optional("--cpu-max", self.cpu_max, |text| cpu_share(&text));
        let memory_max = mistakes.optional("--memory-max", self.memory_max, |text| size(&text));
        let ca_file = mistakes.optional("--ca-file", self.ca_file, |path| {
            read_ca_file(&path).map(|_certificates| path)
        });
        let host_id = mistakes.optional("--host-id", self.host_id, checked_host_id);
        let command_lines = mistakes.optional("--command-lines", self.command_lines, |text| {
            yes_or_no(&text)
        });
        let host_root = mistakes.optional("--host-root", self.host_root, checked_host_root);
        match (server, token, project) {
            (Some(server), Some(token), Some(project)) if mistakes.0.is_empty() => Ok(Config {
                server,
                token,
                project,
                enterprise_project: enterprise_project
                    .unwrap_or_else(|| EnterpriseProjectId::DEFAULT.to_owned()),
                scan_interval: scan_interval.unwrap_or(ScanInterval::Auto),
                events: events.unwrap_or(true),
                caps: Some(Caps {
                    cpu_a_minute: cpu_max.unwrap_or(Caps::default().cpu_a_minute),
                    memory_bytes: memory_max.unwrap_or(Caps::default().memory_bytes),
                }),
                state_dir: self.state_dir.unwrap_or_else(|| STATE_DIR_DEFAULT.into()),
                ca_file,
                client_certificate,
                rotate_after: rotate_after.unwrap_or(ROTATE_AFTER_DEFAULT),
                host_id,
                look: look(host_root, command_lines),
            }),
            _ => Err(mistakes),
        }
    }
}

impl Mistakes {
    fn required<T, V, E: fmt::Display>(
        &mut self,
        flag: &str,
        value: Option<V>,
        check: impl FnOnce(V) -> Result<T, E>,
    ) -> Option<T> {
        if value.is_none() {
            let variable = flag
                .trim_start_matches('-')
                .replace('-', "_")
                .to_uppercase();
            self.0
                .push(format!("{flag}: missing, and so is PORTOLAN_{variable}"));
        }
        self.optional(flag, value, check)
    }

    fn optional<T, V, E: fmt::Display>(
        &mut self,
        flag: &str,
        value: Option<V>,
        check: impl FnOnce(V) -> Result<T, E>,
    ) -> Option<T> {
        match check(value?) {
            Ok(checked) => Some(checked),
            Err(error) => {
                self.0.push(format!("{flag}: {error}"));
                None
            }
        }
    }
}

fn readable_token(path: PathBuf) -> Result<TokenSource, super::TokenError> {
    let source = TokenSource::File(path);
    source.read()?;
    Ok(source)
}

fn checked_project(text: String) -> Result<String, String> {
    let chars = text.chars().count();
    if (1..=PROJECT_ID_CHARS_MAX).contains(&chars) {
        Ok(text)
    } else {
        Err(format!(
            "a project has 1 to {PROJECT_ID_CHARS_MAX} characters, got {chars}"
        ))
    }
}

fn checked_eps(text: String) -> Result<String, String> {
    let chars = text.chars().count();
    if text == EnterpriseProjectId::ALL_GRANTED {
        Err(format!(
            "a host is in exactly one enterprise project, so {text} is none to report to"
        ))
    } else if (1..=ENTERPRISE_PROJECT_ID_CHARS_MAX).contains(&chars) {
        Ok(text)
    } else {
        let max = ENTERPRISE_PROJECT_ID_CHARS_MAX;
        Err(format!(
            "an enterprise project has 1 to {max} characters, got {chars}"
        ))
    }
}

fn checked_host_id(text: String) -> Result<String, String> {
    if is_host_id(&text) {
        Ok(text)
    } else {
        Err(format!(
            "a host id is 1 to {HOST_ID_CHARS_MAX} of A-Z a-z 0-9 . _ : -, got {text:?}"
        ))
    }
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    text.parse()
        .map_err(|_| format!("true or false, got {text:?}"))
}

fn checked_host_root(path: PathBuf) -> Result<PathBuf, String> {
    if path.is_absolute() && path.join("etc").is_dir() {
        Ok(path)
    } else {
        let path = path.display();
        Err(format!(
            "an absolute path where the host's `etc` is, got {path}"
        ))
    }
}

fn look(host_root: Option<PathBuf>, command_lines: Option<bool>) -> Options {
    let default = Options::default();
    let host_root = host_root.unwrap_or(default.host_root);
    Options {
        passwd: host_root.join("etc/passwd"),
        host_root,
        command_lines: command_lines.unwrap_or(default.command_lines),
        ..default
    }
}

fn period(text: String) -> Result<Duration, String> {
    let day = Duration::from_secs(86_400);
    let hours = match text.split_at_checked(text.len().saturating_sub(1)) {
        Some((digits, "h")) => digits.parse().ok(),
        Some((digits, "d")) => digits.parse::<u32>().ok().and_then(|d| d.checked_mul(24)),
        _ => None,
    };
    hours
        .map(|hours: u32| Duration::from_secs(u64::from(hours) * 3_600))
        .filter(|period| (day / 24..=day * 365).contains(period))
        .ok_or_else(|| format!("a whole number of h or d from 1h to 365d, got {text:?}"))
}

fn events(text: &str) -> Result<bool, String> {
    match text {
        "auto" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("auto or off, got {text:?}")),
    }
}

fn interval(text: &str) -> Result<ScanInterval, String> {
    if text == "auto" {
        return Ok(ScanInterval::Auto);
    }
    let unit_at = text
        .find(|char: char| !char.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(unit_at);
    let unit_ms = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        _ => None,
    };
    let count: Option<u64> = digits.parse().ok();
    count
        .zip(unit_ms)
        .and_then(|(count, unit_ms)| count.checked_mul(unit_ms))
        .map(Duration::from_millis)
        .filter(|interval| (SCAN_INTERVAL_MIN..=SCAN_INTERVAL_MAX).contains(interval))
        .map(ScanInterval::Fixed)
        .ok_or_else(|| {
            format!("auto, or a whole number of ms, s or m from 100ms to 60m, got {text:?}")
        })
}

#[cfg(test)]
#[path = "flags_tests.rs"]
mod tests;
