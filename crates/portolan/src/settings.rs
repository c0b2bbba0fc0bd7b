//! What `serve` is told: command line, else environment, else TOML file, else the default.
//!
//! Holds: every mistake is told at once, and names the setting.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portolan_server::credentials::{ExternalKeystone, check_file};
use portolan_server::{ClientCertificates, Retention, Settings, Tls, TlsFiles};
use portolan_wire::caps;
use serde::Deserialize;

use crate::cluster::{self, Cluster, ClusterTable};
use crate::history::HistoryTable;
use crate::keystone::KeystoneTable;
use crate::{cli, periods};

const LISTEN: &str = "127.0.0.1:8080";
const DATA_DIR: &str = "/var/lib/portolan";

/// All that `serve` is told.
#[derive(Clone, Debug)]
pub(crate) struct Serve {
    pub(crate) listen: SocketAddr,
    pub(crate) data_dir: PathBuf,
    pub(crate) credentials: Option<PathBuf>,
    pub(crate) answers: Settings,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) secret_key_file: Option<PathBuf>,
    pub(crate) keystone: Option<ExternalKeystone>,
    pub(crate) retire_after_s: Option<u32>,
    pub(crate) retention: Retention,
    pub(crate) cluster: Option<Cluster>,
}

/// The file: one table a concern.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    server: ServerTable,
    hss: HssTable,
    throttle: ThrottleTable,
    auth: AuthTable,
    history: HistoryTable,
    cluster: ClusterTable,
}

/// `[server]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ServerTable {
    /// Where to listen, such as `127.0.0.1:8080`.
    listen: Option<String>,
    /// The data folder.
    data_dir: Option<PathBuf>,
    /// The credentials file.
    credentials: Option<PathBuf>,
    /// Plain HTTP on an address that is not loopback.
    insecure_http: bool,
    /// The certificate in PEM form.
    tls_cert: Option<PathBuf>,
    /// Its private key in PEM form.
    tls_key: Option<PathBuf>,
    /// The CA of the certificates of hosts, in PEM form.
    tls_client_ca: Option<PathBuf>,
    /// Whether reports, heartbeats and enrolments need such a certificate: `required` or `optional`.
    tls_client_certificate: Option<String>,
    /// The key that secret keys are encrypted under.
    secret_key_file: Option<PathBuf>,
    /// How long a host is silent until it is retired, such as `30d` or `never`.
    retire_after: Option<String>,
}

/// `[hss]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct HssTable {
    /// Whether rows of the statistics carry `status` unasked.
    status_field: bool,
}

/// `[throttle]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ThrottleTable {
    /// How often one credential may make one call in a second, reports and heartbeats apart; 0 for as
    /// often as it likes. Default: 200, and 0 on a loopback address.
    calls_a_second: Option<u32>,
}

impl ThrottleTable {
    fn read(&self, listen: Option<SocketAddr>) -> Result<Option<NonZeroU32>, String> {
        let loopback = listen.is_some_and(|listen| listen.ip().is_loopback());
        let default = if loopback {
            0
        } else {
            caps::CALLS_A_SECOND_DEFAULT
        };
        match self.calls_a_second.unwrap_or(default) {
            calls if calls > caps::CALLS_A_SECOND_MAX => Err(format!(
                "throttle.calls_a_second must be 0 to {}, got {calls}",
                caps::CALLS_A_SECOND_MAX
            )),
            calls => Ok(NonZeroU32::new(calls)),
        }
    }
}

/// `[auth]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AuthTable {
    /// A Keystone elsewhere.
    keystone: Option<KeystoneTable>,
}

/// Brings the command line (which holds the environment) and the file together.
pub(crate) fn read(arguments: &cli::Serve) -> Result<Serve, Vec<String>> {
    let mut mistakes = Vec::new();
    let file = match arguments.config.as_deref().map(read_file) {
        None => File::default(),
        Some(Ok(file)) => file,
        Some(Err(mistake)) => {
            mistakes.push(mistake);
            File::default()
        }
    };
    let listen = listen(arguments.listen.as_deref(), file.server.listen.as_deref())
        .map_err(|mistake| mistakes.push(mistake))
        .ok();
    let insecure_http = match arguments.insecure_http.as_deref() {
        None | Some("false") => file.server.insecure_http,
        Some("true") => true,
        Some(other) => {
            mistakes.push(format!(
                "--insecure-http must be true or false, got {other}"
            ));
            // Else what follows of it would be told as a mistake of its own.
            true
        }
    };
    let tls_cert = arguments.tls_cert.clone().or(file.server.tls_cert);
    let tls_key = arguments.tls_key.clone().or(file.server.tls_key);
    let clients = client_certificates(
        arguments
            .tls_client_ca
            .clone()
            .or(file.server.tls_client_ca),
        arguments
            .tls_client_certificate
            .as_deref()
            .or(file.server.tls_client_certificate.as_deref()),
    );
    let clients = clients.unwrap_or_else(|mistake| {
        mistakes.push(mistake);
        None
    });
    let mut given_tls = false;
    let tls = match (tls_cert, tls_key) {
        (Some(certificate), Some(key)) => {
            given_tls = true;
            let read = Tls::read(TlsFiles {
                certificate,
                key,
                clients,
            });
            read.map_err(|e| mistakes.push(e.to_string())).ok()
        }
        (None, None) => {
            // Else it would look as if somebody checked.
            if clients.is_some() {
                mistakes.push("--tls-client-ca needs --tls-cert and --tls-key".into());
            }
            None
        }
        (Some(_), None) | (None, Some(_)) => {
            mistakes.push("--tls-cert and --tls-key go together: give both, or neither".into());
            None
        }
    };
    let beyond_loopback = listen.is_some_and(|listen| !listen.ip().is_loopback());
    if beyond_loopback && !given_tls && !insecure_http {
        mistakes.push(
            "plain HTTP beyond loopback would show tokens to the network: give --tls-cert and --tls-key, listen on 127.0.0.1 behind a proxy that does TLS, or say --insecure-http".into(),
        );
    }
    let credentials = arguments.credentials.clone().or(file.server.credentials);
    if let Some(path) = &credentials {
        mistakes.extend(check_file(path).err().map(|e| e.to_string()));
    }
    let retire_after_s = retire_after(
        arguments.retire_after.as_deref(),
        file.server.retire_after.as_deref(),
    );
    let retire_after_s = retire_after_s.unwrap_or_else(|mistake| {
        mistakes.push(mistake);
        None
    });
    let retention = file.history.read(&mut mistakes);
    let calls_a_second = file.throttle.read(listen);
    let keystone = file.auth.keystone;
    let keystone = keystone.and_then(|table| table.read(&mut mistakes));
    let cluster = cluster::read(arguments, file.cluster, &mut mistakes);
    let secret_key_file = arguments.secret_key_file.clone();
    let secret_key_file = secret_key_file.or(file.server.secret_key_file);
    let answers = Settings {
        status_field: file.hss.status_field,
        calls_a_second: calls_a_second.unwrap_or_else(|mistake| {
            mistakes.push(mistake);
            None
        }),
    };
    match listen {
        Some(listen) if mistakes.is_empty() => Ok(Serve {
            listen,
            data_dir: arguments
                .data_dir
                .clone()
                .or(file.server.data_dir)
                .unwrap_or(DATA_DIR.into()),
            credentials,
            answers,
            tls: tls.map(Arc::new),
            secret_key_file,
            keystone,
            retire_after_s,
            retention,
            cluster,
        }),
        _ => Err(mistakes),
    }
}

/// Which certificates of clients are looked at.
fn client_certificates(
    ca: Option<PathBuf>,
    whether: Option<&str>,
) -> Result<Option<ClientCertificates>, String> {
    let is_required = match whether {
        None | Some("required") => true,
        Some("optional") => false,
        Some(other) => {
            return Err(format!(
                "--tls-client-certificate must be required or optional, got {other}"
            ));
        }
    };
    match ca {
        Some(ca) => Ok(Some(ClientCertificates { ca, is_required })),
        None if whether.is_some() => {
            Err("--tls-client-certificate needs --tls-client-ca".to_owned())
        }
        None => Ok(None),
    }
}

/// The address of the command line, else the file's, else the default.
fn listen(given: Option<&str>, of_file: Option<&str>) -> Result<SocketAddr, String> {
    let (setting, text) = match (given, of_file) {
        (Some(given), _) => ("--listen", given),
        (None, of_file) => ("server.listen", of_file.unwrap_or(LISTEN)),
    };
    let mistake =
        |_| format!("{setting} must be an address and a port, such as {LISTEN}, got {text}");
    text.parse().map_err(mistake)
}

/// The period of the command line, else the file's, else the default; `None` for never.
fn retire_after(given: Option<&str>, of_file: Option<&str>) -> Result<Option<u32>, String> {
    let (setting, text) = match (given, of_file) {
        (Some(given), _) => ("--retire-after", given),
        (None, Some(of_file)) => ("server.retire_after", of_file),
        (None, None) => return Ok(Some(caps::RETIRE_AFTER_S_DEFAULT)),
    };
    if text == "never" {
        return Ok(None);
    }
    let period_s = periods::seconds(text).filter(|period| *period >= caps::RETIRE_AFTER_S_MIN);
    period_s.map(Some).ok_or_else(|| {
        format!("{setting} must be never, or at least 1h in hours or days, such as 12h or 30d, got {text}")
    })
}

fn read_file(path: &Path) -> Result<File, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read --config {}: {error}", path.display()))?;
    toml::from_str(&text).map_err(|error| format!("--config {}: {error}", path.display()))
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
