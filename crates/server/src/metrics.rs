//! `/metrics`, in the Prometheus text format. No label names a project: the page needs no
//! credential, and tells nothing of whose hosts there are.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use portolan_census::Selection;
use portolan_wire::error::ErrorCode;
use portolan_wire::heartbeat::{HeartbeatResult, HeartbeatStatus, Reason};

use crate::app::App;
use crate::cluster::Cluster;
use crate::limits::Limit;

/// Why a heartbeat asks for a report, as the page names it.
const REASONS: [(Reason, &str); 4] = [
    (Reason::UnknownHost, "unknown_host"),
    (Reason::NewerPair, "newer_pair"),
    (Reason::OlderPair, "older_pair"),
    (Reason::Digest, "digest"),
];

/// What the HTTP side counts; the committer counts its own.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Answers by class: 1xx to 5xx.
    answers: [AtomicU64; 5],
    heartbeats_ok: AtomicU64,
    heartbeats_report_needed: AtomicU64,
    heartbeats_rejected: AtomicU64,
    /// By the place of each in [`REASONS`].
    heartbeats_disagree: [AtomicU64; REASONS.len()],
    reports_rejected: AtomicU64,
    reports_skewed: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) connections_open: AtomicU64,
    pub(crate) accepts_failed: AtomicU64,
    pub(crate) tls_failed: AtomicU64,
    /// Of bodies of exports that were handed on, whether or not they were taken.
    pub(crate) export_bytes: AtomicU64,
    /// By the place of each in [`Limit::ALL`].
    reached: [AtomicU64; Limit::ALL.len()],
    errors: Mutex<BTreeMap<&'static str, u64>>,
}

impl Metrics {
    pub(crate) fn answered(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(count) = self.answers.get(class) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn error(&self, code: ErrorCode) {
        // Counting goes on after a panic elsewhere: a map of numbers is never half-changed.
        let mut errors = self
            .errors
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        *errors.entry(code.as_str()).or_insert(0) += 1;
    }

    /// A client has reached a limit.
    pub(crate) fn reached(&self, limit: Limit) {
        if let Some(count) = self.reached.get(limit as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn heartbeat(&self, result: &HeartbeatResult) {
        if let Some(count) = result.reason.and_then(|reason| {
            let place = REASONS.iter().position(|(of, _)| *of == reason)?;
            self.heartbeats_disagree.get(place)
        }) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let count = match result.status {
            HeartbeatStatus::Ok => &self.heartbeats_ok,
            HeartbeatStatus::ReportNeeded => &self.heartbeats_report_needed,
            HeartbeatStatus::Rejected => &self.heartbeats_rejected,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn report_rejected(&self) {
        self.reports_rejected.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn reports_skewed(&self, reports: usize) {
        self.reports_skewed
            .fetch_add(reports as u64, Ordering::Relaxed);
    }
}

pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], page(&app)).into_response()
}

fn page(app: &App) -> String {
    let mut page = Page(String::with_capacity(4096));
    let m = &app.metrics;
    page.family(
        "portolan_http_responses_total",
        "counter",
        "Answers by class of status.",
    );
    for (class, count) in (1..).zip(&m.answers) {
        page.value(
            "portolan_http_responses_total",
            &format!("class=\"{class}xx\""),
            load(count),
        );
    }
    page.family(
        "portolan_errors_total",
        "counter",
        "Answers that were errors, by code.",
    );
    let errors = m
        .errors
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
        .clone();
    for (code, count) in errors {
        page.value(
            "portolan_errors_total",
            &format!("error_code=\"{code}\""),
            count,
        );
    }
    page.single(
        "portolan_http_connections_total",
        "counter",
        "Connections accepted.",
        load(&m.connections),
    );
    page.single(
        "portolan_http_connections",
        "gauge",
        "Connections open.",
        load(&m.connections_open),
    );
    page.single(
        "portolan_http_accepts_failed_total",
        "counter",
        "Connections that the system did not hand over, mostly for want of file descriptors.",
        load(&m.accepts_failed),
    );
    page.single(
        "portolan_tls_handshakes_failed_total",
        "counter",
        "TLS handshakes that failed or took too long.",
        load(&m.tls_failed),
    );
    page.family(
        "portolan_limits_reached_total",
        "counter",
        "Limits that clients have reached: what was beyond them waited, was refused or was cut.",
    );
    for (limit, count) in Limit::ALL.iter().zip(&m.reached) {
        page.value(
            "portolan_limits_reached_total",
            &format!("limit=\"{}\"", limit.as_str()),
            load(count),
        );
    }
    page.single(
        "portolan_credentials_refused_total",
        "counter",
        "Requests whose credential was missing, unknown, expired or not allowed the call.",
        app.audit.refused_total(),
    );
    log_ins(&mut page, app);
    page.single(
        "portolan_audit_errors_total",
        "counter",
        "Writes of the audit log that failed. Must stay 0.",
        app.audit.errors_total(),
    );
    write_path(&mut page, app);
    page.family(
        "portolan_heartbeats_total",
        "counter",
        "Heartbeats by what became of them.",
    );
    for (status, count) in [
        ("ok", &m.heartbeats_ok),
        ("report_needed", &m.heartbeats_report_needed),
        ("rejected", &m.heartbeats_rejected),
    ] {
        page.value(
            "portolan_heartbeats_total",
            &format!("status=\"{status}\""),
            load(count),
        );
    }
    page.family(
        "portolan_heartbeat_disagreements_total",
        "counter",
        "Heartbeats that were answered by asking for a report, by what is not as the server holds it.",
    );
    for ((_, reason), count) in REASONS.iter().zip(&m.heartbeats_disagree) {
        page.value(
            "portolan_heartbeat_disagreements_total",
            &format!("reason=\"{reason}\""),
            load(count),
        );
    }
    exports(&mut page, app);
    census(&mut page, app);
    page.family(
        "portolan_union_pages_total",
        "counter",
        "Pages over a part of the enterprise projects: kept ones that served, and made ones.",
    );
    let [hits, misses] = app.unions.hits_and_misses();
    for (from, count) in [("kept", hits), ("made", misses)] {
        page.value(
            "portolan_union_pages_total",
            &format!("from=\"{from}\""),
            count,
        );
    }
    streams(&mut page, app);
    agreement(&mut page, app);
    if let Some(cluster) = &app.cluster {
        beside_others(&mut page, app, cluster);
    }
    page.0
}

/// Of a server that shares its log with others.
fn beside_others(page: &mut Page, app: &App, cluster: &Cluster) {
    let counters = &app.published.counters;
    page.single(
        "portolan_cluster_lag_seconds",
        "gauge",
        "How long ago this server was known to hold all that the cluster had committed.",
        cluster.lag().as_secs(),
    );
    page.single(
        "portolan_cluster_commit",
        "gauge",
        "The newest commit of the cluster's log that this server holds.",
        app.state().commit(),
    );
    page.single(
        "portolan_cluster_commits_followed_total",
        "counter",
        "Commits of other servers that were taken in.",
        load(&counters.commits_followed),
    );
    page.single(
        "portolan_cluster_commits_overtaken_total",
        "counter",
        "Writes that another server's commit came before: they were decided anew.",
        load(&counters.commits_overtaken),
    );
    page.single(
        "portolan_cluster_commits_unanswered_total",
        "counter",
        "Writes of which the cluster did not say what became.",
        load(&counters.commits_unanswered),
    );
    page.single(
        "portolan_cluster_data_loss_accepted",
        "gauge",
        "1 with --accept-data-loss: the cluster may lose what was acknowledged.",
        u64::from(cluster.settings.accepts_data_loss),
    );
}

fn streams(page: &mut Page, app: &App) {
    page.single(
        "portolan_change_streams",
        "gauge",
        "Streams of changes that are open.",
        app.streams.open() as u64,
    );
    page.family(
        "portolan_change_stream_cuts_total",
        "counter",
        "Streams of changes that were ended because their reader was too slow.",
    );
    for (reason, count) in app.streams.cuts() {
        page.value(
            "portolan_change_stream_cuts_total",
            &format!("reason=\"{reason}\""),
            count,
        );
    }
    page.single(
        "portolan_change_stream_resets_total",
        "counter",
        "Streams of changes that could not be resumed where their reader asked.",
        app.streams.resets(),
    );
}

fn agreement(page: &mut Page, app: &App) {
    page.single(
        "portolan_recount_differences_total",
        "counter",
        "Counts that a recount found different. Must stay 0.",
        load(&app.agreement.differences),
    );
    page.single(
        "portolan_recount_hosts_total",
        "counter",
        "Hosts whose counts the background recount has compared with the store.",
        load(&app.agreement.hosts),
    );
    page.single(
        "portolan_recount_round_finished_seconds",
        "gauge",
        "When the background recount last had compared every host, in seconds since 1970; 0 before it has.",
        load(&app.agreement.finished_s),
    );
}

/// Passwords, their tokens, and those of a Keystone elsewhere.
fn log_ins(page: &mut Page, app: &App) {
    page.single(
        "portolan_password_checks_total",
        "counter",
        "Passwords that were hashed, to be checked or to be kept.",
        app.logins.worked_total(),
    );
    page.single(
        "portolan_sessions",
        "gauge",
        "Tokens of log-ins that are kept.",
        app.credentials.sessions.len() as u64,
    );
    if let Some(external) = &app.external {
        page.family(
            "portolan_keystone_requests_total",
            "counter",
            "Tokens that the Keystone elsewhere was asked about, by what it said.",
        );
        for (result, count) in external.asked_totals() {
            let label = format!("result=\"{result}\"");
            page.value("portolan_keystone_requests_total", &label, count);
        }
        page.family(
            "portolan_keystone_tokens",
            "gauge",
            "Answers of that Keystone that are kept.",
        );
        for (result, count) in external.kept() {
            page.value(
                "portolan_keystone_tokens",
                &format!("result=\"{result}\""),
                count,
            );
        }
    }
}

fn write_path(page: &mut Page, app: &App) {
    let counters = &app.published.counters;
    page.family(
        "portolan_reports_total",
        "counter",
        "Reports by what became of them.",
    );
    for (result, count) in [
        ("accepted", &counters.reports_accepted),
        ("repeated", &counters.reports_repeated),
        ("stale", &counters.reports_stale),
        ("identity_conflict", &counters.reports_in_conflict),
        ("not_granted", &counters.reports_not_granted),
        ("rejected", &app.metrics.reports_rejected),
    ] {
        page.value(
            "portolan_reports_total",
            &format!("result=\"{result}\""),
            load(count),
        );
    }
    page.single(
        "portolan_reports_clock_skew_total",
        "counter",
        "Reports whose observed_at was more than a minute before or after the server's clock.",
        load(&app.metrics.reports_skewed),
    );
    page.single(
        "portolan_commits_total",
        "counter",
        "Durable writes.",
        load(&counters.commits),
    );
    for (name, help, count) in [
        (
            "portolan_commits_full_total",
            "Durable writes that took no more, since they changed as much as one may.",
            &counters.commits_full,
        ),
        (
            "portolan_commits_without_space_total",
            "Writes refused because the disk has too little room.",
            &counters.commits_without_space,
        ),
        (
            "portolan_records_changed_total",
            "Changes of records beside the hosts.",
            &counters.records_changed,
        ),
        (
            "portolan_identity_conflicts_total",
            "Reports that showed a second agent of a host, whatever became of them.",
            &counters.identity_conflicts,
        ),
    ] {
        page.single(name, "counter", help, load(count));
    }
    page.family(
        "portolan_hosts_retired_total",
        "counter",
        "Hosts retired: removed by an operator, or for their silence.",
    );
    for (by, count) in [
        ("operator", &counters.hosts_retired),
        ("silence", &counters.hosts_retired_silent),
    ] {
        page.value(
            "portolan_hosts_retired_total",
            &format!("by=\"{by}\""),
            load(count),
        );
    }
    let waiting = app.queue.waiting_bytes() as u64;
    page.single(
        "portolan_commit_queue_bytes",
        "gauge",
        "Reports that wait, in bytes.",
        waiting,
    );
    page.family(
        "portolan_large_bodies_bytes",
        "gauge",
        "Room taken by bodies that are not small: as sent, and unpacked.",
    );
    let (sent, unpacked) = app.room.taken();
    for (form, bytes) in [("sent", sent), ("unpacked", unpacked)] {
        page.value(
            "portolan_large_bodies_bytes",
            &format!("form=\"{form}\""),
            bytes as u64,
        );
    }
}

fn exports(page: &mut Page, app: &App) {
    page.single(
        "portolan_exports",
        "gauge",
        "Exports that run.",
        app.exports.taken() as u64,
    );
    page.single(
        "portolan_export_bytes_total",
        "counter",
        "Bytes of exports that were made.",
        load(&app.metrics.export_bytes),
    );
}

fn census(page: &mut Page, app: &App) {
    let state = app.state();
    let mut hosts = [("fresh", 0), ("stale", 0), ("retired", 0)];
    for (_, project) in state.projects() {
        let (fresh, stale) = project.fresh_and_stale(&Selection::Whole);
        let retired = project.retired_in(&Selection::Whole);
        for ((_, sum), count) in hosts.iter_mut().zip([fresh, stale, retired]) {
            *sum += count;
        }
    }
    page.family("portolan_hosts", "gauge", "Hosts by freshness.");
    for (freshness, count) in hosts.into_iter().chain([("never", state.never_of_all())]) {
        let label = format!("freshness=\"{freshness}\"");
        page.value("portolan_hosts", &label, count);
    }
    page.single(
        "portolan_freshness_changes_waiting",
        "gauge",
        "Hosts that have become fresh or stale and are not yet counted so.",
        app.published.liveness.changed() as u64,
    );
}

fn load(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _infallible = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn value(&mut self, name: &str, labels: &str, value: u64) {
        let _infallible = writeln!(self.0, "{name}{{{labels}}} {value}");
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.family(name, kind, help);
        let _infallible = writeln!(self.0, "{name} {value}");
    }
}
