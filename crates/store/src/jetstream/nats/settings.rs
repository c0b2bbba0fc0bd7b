//! What is told of a NATS cluster: where it is, and as whom to come.

use std::path::PathBuf;

use async_nats::ServerAddr;
use percent_encoding::percent_decode_str;

/// Copies of each stream, where nothing else is said: one may be lost.
const REPLICAS_DEFAULT: usize = 3;
/// More are not taken by JetStream.
const REPLICAS_MAX: usize = 5;
const PREFIX_DEFAULT: &str = "PORTOLAN";
const PREFIX_CHARS_MAX: usize = 32;

/// What was given, not yet looked at.
#[derive(Clone, Default)]
pub struct NatsGiven {
    /// `nats://a,b:4223,c`, or `tls://…`; the user may stand before the first: `nats://user:password@a,b`,
    /// with `%40` for an `@` in them.
    pub url: String,
    /// The file with the password of the user of the URL, and nothing else.
    pub password_file: Option<PathBuf>,
    /// A credentials file of NATS: a JWT and the seed of its key.
    pub creds_file: Option<PathBuf>,
    /// What the nodes' certificates are checked against, in PEM form, instead of what the system trusts.
    pub ca_file: Option<PathBuf>,
    /// The certificate to come with, in PEM form.
    pub client_cert_file: Option<PathBuf>,
    /// Its key.
    pub client_key_file: Option<PathBuf>,
    /// Copies of each stream, 1 to 5; 3 by default.
    pub replicas: Option<usize>,
    /// What the names of streams begin with, `PORTOLAN` by default: capitals, digits and `-`, up to 32.
    /// Clusters of Portolan on one NATS have different ones.
    pub prefix: Option<String>,
}

/// How to come to a NATS cluster.
#[derive(Clone)]
pub struct NatsSettings {
    pub(super) addresses: Vec<ServerAddr>,
    pub(super) uses_tls: bool,
    user: Option<(String, Secret)>,
    pub(super) creds_file: Option<PathBuf>,
    pub(super) ca_file: Option<PathBuf>,
    /// The files of a certificate and of its key.
    pub(super) client_certificate: Option<(PathBuf, PathBuf)>,
    pub(super) replicas: usize,
    pub(super) prefix: String,
    shown: String,
}

/// Not to be shown.
#[derive(Clone)]
struct Secret(String);

impl std::fmt::Debug for NatsSettings {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.debug_struct("NatsSettings")
            .field("url", &self.shown)
            .field("replicas", &self.replicas)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl NatsSettings {
    /// Reads what was given.
    ///
    /// # Errors
    /// All mistakes at once, none with the password in it.
    pub fn read(given: NatsGiven) -> Result<Self, Vec<String>> {
        let mut mistakes = Vec::new();
        let url = Url::read(&given.url, &mut mistakes);
        let user = login(&url, &given, &mut mistakes);
        let client_certificate = match (given.client_cert_file, given.client_key_file) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                mistakes.push("a client's certificate and its key go together".to_owned());
                None
            }
        };
        if !url.uses_tls && (given.ca_file.is_some() || client_certificate.is_some()) {
            mistakes.push("certificates are used with tls:// alone".to_owned());
        }
        let replicas = given.replicas.unwrap_or(REPLICAS_DEFAULT);
        if !(1..=REPLICAS_MAX).contains(&replicas) {
            mistakes.push(format!(
                "replicas must be 1 to {REPLICAS_MAX}, got {replicas}"
            ));
        }
        let prefix = given.prefix.unwrap_or_else(|| PREFIX_DEFAULT.to_owned());
        let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
        if prefix.is_empty() || prefix.len() > PREFIX_CHARS_MAX || !prefix.chars().all(plain) {
            mistakes.push(format!(
                "the prefix of streams must be 1 to {PREFIX_CHARS_MAX} of A-Z, 0-9 and -, got {prefix:?}"
            ));
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Self {
            shown: url.shown(),
            addresses: url.addresses,
            uses_tls: url.uses_tls,
            user,
            creds_file: given.creds_file,
            ca_file: given.ca_file,
            client_certificate,
            replicas,
            prefix,
        })
    }

    /// The address without user and password.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    pub(super) fn login(&self) -> Option<(String, String)> {
        let (user, Secret(password)) = self.user.as_ref()?;
        Some((user.clone(), password.clone()))
    }
}

/// The parts of the URL.
struct Url {
    uses_tls: bool,
    servers: Vec<String>,
    addresses: Vec<ServerAddr>,
    user: Option<String>,
    password: Option<Secret>,
}

impl Url {
    fn read(url: &str, mistakes: &mut Vec<String>) -> Self {
        let mut read = Self {
            uses_tls: url.starts_with("tls://"),
            servers: Vec::new(),
            addresses: Vec::new(),
            user: None,
            password: None,
        };
        let scheme = if read.uses_tls { "tls" } else { "nats" };
        let Some(rest) = url.strip_prefix(&format!("{scheme}://")) else {
            mistakes.push(
                "the address of NATS must begin with nats:// or tls://, such as nats://a,b,c"
                    .to_owned(),
            );
            return read;
        };
        let servers = match rest.rsplit_once('@') {
            Some((user, servers)) => {
                read.read_user(user, mistakes);
                servers
            }
            None => rest,
        };
        for server in servers.trim_end_matches('/').split(',') {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
            let address = format!("{scheme}://{server}").parse();
            match address {
                Ok(address) if !server.is_empty() && server.chars().all(plain) => {
                    read.addresses.push(address);
                    read.servers.push(server.to_owned());
                }
                Ok(_) | Err(_) => mistakes.push(format!(
                    "{server:?} is no address of a NATS server, such as a.example or a.example:4222"
                )),
            }
        }
        read
    }

    fn read_user(&mut self, user: &str, mistakes: &mut Vec<String>) {
        let (user, password) = match user.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (user, None),
        };
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(String::from);
        let read = decoded(user).and_then(|user| {
            let password = password.map(decoded).transpose()?;
            Ok((user, password.map(Secret)))
        });
        match read {
            Ok((user, password)) if !user.is_empty() => {
                (self.user, self.password) = (Some(user), password);
            }
            Ok(_) | Err(_) => {
                mistakes.push("before the @ must stand a user, or user:password".to_owned());
            }
        }
    }

    fn shown(&self) -> String {
        let scheme = if self.uses_tls { "tls" } else { "nats" };
        format!("{scheme}://{}", self.servers.join(","))
    }
}

/// The user, with the password of the URL or of the file.
fn login(url: &Url, given: &NatsGiven, mistakes: &mut Vec<String>) -> Option<(String, Secret)> {
    if url.user.is_some() && given.creds_file.is_some() {
        mistakes.push("a user and a credentials file: give one of them".to_owned());
    }
    let from_file = given.password_file.as_ref().and_then(|file| {
        if url.user.is_none() {
            mistakes.push("a file with a password, and no user in the address".to_owned());
        }
        if url.password.is_some() {
            mistakes.push("a password in the address and one in a file: give one".to_owned());
        }
        match std::fs::read_to_string(file) {
            Ok(text) => Some(Secret(text.trim_end_matches(['\r', '\n']).to_owned())),
            Err(cause) => {
                mistakes.push(format!("the password's file {}: {cause}", file.display()));
                None
            }
        }
    });
    let user = url.user.clone()?;
    let password = url.password.clone().or(from_file);
    if password.is_none() && given.password_file.is_none() {
        mistakes.push(
            "the user in the address has no password: give a file with it, or user:password"
                .to_owned(),
        );
    }
    Some((user, password?))
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
