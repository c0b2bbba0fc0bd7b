//! What is told of the cluster that servers share their log in, and `portolan reseed`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use portolan_server::ClusterSettings;
use portolan_store::jetstream::{
    Log, LogError, Monitored, NatsGiven, NatsLog, NatsSettings, Varz, judge, read_varz, reseed,
};
use portolan_store::{Clock as _, StoreError, SystemClock};
use serde::Deserialize;

use crate::ownership::give_to_owner_of;
use crate::{EXIT_USAGE, cli, output};

/// How long a monitor is waited for.
const MONITOR: Duration = Duration::from_secs(5);
/// The longest `--max-lag`, in seconds.
const MAX_LAG_S_MAX: u64 = 3_600;

/// `[cluster]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ClusterTable {
    /// The cluster, such as `nats://a,b,c`.
    store: Option<String>,
    /// The monitors of its nodes, such as `http://a:8222,http://b:8222`.
    nats_monitor: Option<String>,
    /// The file with the password of the user in the URL.
    nats_password_file: Option<PathBuf>,
    /// A credentials file of NATS.
    nats_creds: Option<PathBuf>,
    /// The CA of the nodes' certificates, in PEM form.
    nats_ca_file: Option<PathBuf>,
    /// The certificate to come with, in PEM form.
    nats_cert: Option<PathBuf>,
    /// Its private key.
    nats_key: Option<PathBuf>,
    /// Copies of each stream.
    nats_replicas: Option<usize>,
    /// What the names of streams begin with.
    nats_prefix: Option<String>,
    /// Whether a cluster is taken that may lose what was acknowledged.
    accept_data_loss: bool,
    /// How long a server may not know the log's end and still answer, such as `10s`.
    max_lag: Option<String>,
}

/// The cluster of a server.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    nats: NatsSettings,
    monitors: Vec<String>,
    pub(crate) settings: ClusterSettings,
}

/// Brings what `serve` is told together; `None` for a server of its own.
pub(crate) fn read(
    arguments: &cli::Serve,
    table: ClusterTable,
    mistakes: &mut Vec<String>,
) -> Option<Cluster> {
    let accept = match arguments.accept_data_loss.as_deref() {
        None | Some("false") => table.accept_data_loss,
        Some("true") => true,
        Some(other) => {
            mistakes.push(format!(
                "--accept-data-loss must be true or false, got {other}"
            ));
            false
        }
    };
    let max_lag = arguments.max_lag.as_ref().or(table.max_lag.as_ref());
    let max_lag = max_lag.map_or(ClusterSettings::default().max_lag, |text| {
        period(text).unwrap_or_else(|| {
            mistakes.push(format!(
                "--max-lag must be 1s to {MAX_LAG_S_MAX}s, such as 10s, got {text}"
            ));
            Duration::ZERO
        })
    });
    let (nats, monitors) = nats(&arguments.nats, table, mistakes)?;
    Some(Cluster {
        nats,
        monitors,
        settings: ClusterSettings {
            max_lag,
            accepts_data_loss: accept,
        },
    })
}

fn period(text: &str) -> Option<Duration> {
    let seconds = text.strip_suffix('s')?.parse().ok()?;
    (1..=MAX_LAG_S_MAX)
        .contains(&seconds)
        .then(|| Duration::from_secs(seconds))
}

fn nats(
    given: &cli::Nats,
    table: ClusterTable,
    mistakes: &mut Vec<String>,
) -> Option<(NatsSettings, Vec<String>)> {
    let given = given.clone();
    let monitors = given.nats_monitor.or(table.nats_monitor);
    let parts = NatsGiven {
        url: String::new(),
        password_file: given.nats_password_file.or(table.nats_password_file),
        creds_file: given.nats_creds.or(table.nats_creds),
        ca_file: given.nats_ca_file.or(table.nats_ca_file),
        client_cert_file: given.nats_cert.or(table.nats_cert),
        client_key_file: given.nats_key.or(table.nats_key),
        replicas: given.nats_replicas.or(table.nats_replicas),
        prefix: given.nats_prefix.or(table.nats_prefix),
    };
    let Some(url) = given.store.or(table.store) else {
        let files = [
            &parts.password_file,
            &parts.creds_file,
            &parts.ca_file,
            &parts.client_cert_file,
            &parts.client_key_file,
        ];
        let others = [
            parts.prefix.is_some(),
            parts.replicas.is_some(),
            monitors.is_some(),
        ];
        if files.iter().any(|file| file.is_some()) || others.contains(&true) {
            mistakes.push("what begins with --nats needs --store".to_owned());
        }
        return None;
    };
    let monitors = monitors.iter().flat_map(|list| list.split(','));
    let monitors: Vec<String> = monitors.map(|url| url.trim().to_owned()).collect();
    for url in &monitors {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            mistakes.push(format!(
                "--nats-monitor must be URLs such as http://h1:8222, with commas between them, got {url:?}"
            ));
        }
    }
    match NatsSettings::read(NatsGiven { url, ..parts }) {
        Ok(nats) => Some((nats, monitors)),
        Err(told) => {
            mistakes.extend(told.into_iter().map(|one| format!("--store: {one}")));
            None
        }
    }
}

impl Cluster {
    /// Connects to a cluster that keeps its promises, or whose loss of data is accepted.
    ///
    /// # Errors
    /// It does not answer, or is refused: with all that has to be changed.
    pub(crate) fn connect(&self) -> Result<Arc<dyn Log>, StoreError> {
        let log = NatsLog::connect(&self.nats).map_err(refused)?;
        let monitored = self.monitors.iter().map(|url| Monitored {
            url: url.clone(),
            told: ask(url),
        });
        let facts = log.facts(monitored.collect()).map_err(refused)?;
        let judged = judge(&facts, self.settings.accepts_data_loss);
        for finding in &judged.accepted {
            tracing::warn!(to_check = %finding, "a promise that the cluster does not make is done without, by --accept-data-loss");
        }
        if !judged.refused.is_empty() {
            let each = judged
                .refused
                .iter()
                .map(|finding| format!("\n- {finding}"));
            let what = format!(
                "the cluster {} would not keep what is acknowledged:{}\nwhat can be lived with is accepted by --accept-data-loss",
                self.nats.shown(),
                each.collect::<String>()
            );
            return Err(StoreError::AnotherLog { what });
        }
        log.prepare().map_err(refused)?;
        Ok(Arc::new(log))
    }
}

fn ask(url: &str) -> Result<Varz, String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(MONITOR))
        .max_redirects(0)
        .build()
        .into();
    let answer = agent
        .get(format!("{}/varz", url.trim_end_matches('/')))
        .call();
    let mut answer = answer.map_err(|error| error.to_string())?;
    let body = answer.body_mut().read_to_vec();
    read_varz(&body.map_err(|error| error.to_string())?)
}

fn refused(error: LogError) -> StoreError {
    match error {
        LogError::Unanswered { what } => StoreError::Unavailable { what },
        LogError::Refused { what } => StoreError::AnotherLog { what },
    }
}

/// `portolan reseed`
pub(crate) fn reseed_of(arguments: &cli::Reseed) -> anyhow::Result<ExitCode> {
    let mut mistakes = Vec::new();
    let read = nats(&arguments.nats, ClusterTable::default(), &mut mistakes);
    if arguments.nats.store.is_none() {
        mistakes.push("--store is needed: the cluster to be made anew".to_owned());
    }
    let (Some((nats, monitors)), true) = (read, mistakes.is_empty()) else {
        for mistake in mistakes {
            output::say(&format!("portolan reseed: {mistake}"));
        }
        return Ok(ExitCode::from(EXIT_USAGE));
    };
    let cluster = Cluster {
        nats,
        monitors,
        settings: ClusterSettings {
            // A server looks at it when it starts; here it is only written to.
            accepts_data_loss: true,
            ..ClusterSettings::default()
        },
    };
    let log = cluster.connect()?;
    let data_dir = &arguments.data_dir;
    output::say(&format!(
        "putting the store in {} into the cluster {}",
        data_dir.display(),
        cluster.nats.shown()
    ));
    let done = reseed(&log, data_dir, SystemClock.now(), arguments.even_if_older)?;
    give_to_owner_of(data_dir)?;
    output::say(&format!(
        "the cluster begins anew at commit {} with {} hosts, as epoch {:x}; start the servers, which take it from there",
        done.commit, done.hosts, done.epoch.id
    ));
    Ok(ExitCode::SUCCESS)
}
