//! Sends every host's report, and measures what that costs both sides.
//!
//! Holds: each report of the fleet is sent once and is answered `accepted`, or the bench fails;
//! 429 is obeyed (Retry-After) and counted, and the waiting is part of the answer time.
//! The server's CPU is taken over the whole load, the making of requests included: a store
//! compacts in the background, and leaving the pauses out would hide that.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use portolan_sim::fleet::Fleet;
use tokio::task::JoinSet;

use crate::args::LoadHow;
use crate::encode::{self, Form, Prepared};
use crate::http::{Connection, ServerUrl};
use portolan_sim::bench::machine::cpu;
use portolan_sim::bench::spread::quantile;
use portolan_sim::bench::table::{Table, micros, whole};

/// Most times that one request is sent again after 429.
const RETRIES_MAX: u32 = 100;
const ACCEPTED: &[u8] = b"\"status\":\"accepted\"";

/// Who takes the reports.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) server: ServerUrl,
    pub(crate) token: String,
    pub(crate) pid: Option<u32>,
}

/// What a load came to.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) reports: u64,
    requests: u64,
    bytes: u64,
    retries: u64,
    answer_micros: Vec<u32>,
    sending: Duration,
    client_cpu: Duration,
    server_cpu: Option<Duration>,
}

/// Loads the whole fleet.
pub(crate) async fn load(target: &Target, fleet: &Fleet, how: &LoadHow) -> anyhow::Result<Loaded> {
    let (server, token) = (&target.server, target.token.as_str());
    let form = Form {
        server,
        token,
        batch: how.batch,
        step: how.step,
    };
    let server_before = target.pid.map(cpu).transpose()?;
    let mut loaded = Loaded::default();
    let hosts = fleet.options().hosts;
    let window = encode::window_reports(how.batch, how.in_flight);
    let mut first = 0;
    while first < hosts {
        let end = first.saturating_add(window).min(hosts);
        let requests = encode::window(fleet, form, first..end)?;
        loaded.send(server, how.in_flight, requests).await?;
        eprintln!("loaded {end} of {hosts} hosts");
        first = end;
    }
    if let (Some(pid), Some(before)) = (target.pid, server_before) {
        loaded.server_cpu = Some(cpu(pid)?.saturating_sub(before));
    }
    Ok(loaded)
}

type Queue = Arc<Mutex<VecDeque<Prepared>>>;

impl Loaded {
    async fn send(
        &mut self,
        server: &ServerUrl,
        in_flight: u32,
        requests: Vec<Prepared>,
    ) -> anyhow::Result<()> {
        // New connections each time: a server may close those that were idle while we compressed.
        let connections = server.connections(in_flight).await?;
        let queue: Queue = Arc::new(Mutex::new(requests.into()));
        let (started, cpu_before) = (Instant::now(), cpu(std::process::id())?);
        let mut senders = JoinSet::new();
        for connection in connections {
            senders.spawn(sender(connection, Arc::clone(&queue)));
        }
        while let Some(sent) = senders.join_next().await {
            self.add(sent.context("a sender died")??);
        }
        self.sending += started.elapsed();
        self.client_cpu += cpu(std::process::id())?.saturating_sub(cpu_before);
        Ok(())
    }

    /// Reports a second of the time that requests were under way.
    pub(crate) fn rate(&self) -> f64 {
        self.reports as f64 / self.sending.as_secs_f64()
    }

    /// The server's CPU a report, in microseconds.
    pub(crate) fn server_micros(&self) -> Option<f64> {
        let cpu = self.server_cpu?;
        Some(cpu.as_secs_f64() * 1e6 / self.reports as f64)
    }

    fn add(&mut self, sent: Self) {
        self.reports += sent.reports;
        self.requests += sent.requests;
        self.bytes += sent.bytes;
        self.retries += sent.retries;
        self.answer_micros.extend(sent.answer_micros);
    }

    /// Writes the figures into the table.
    pub(crate) fn tell(mut self, table: &mut Table, how: &LoadHow) {
        let (reports, rate) = (self.reports as f64, self.rate());
        let seconds = self.sending.as_secs_f64();
        let each = |total: Duration, count: u64| micros(total.as_secs_f64() * 1e6 / count as f64);
        let sent = format!(
            "{} reports, {} a request, {} in flight, in {seconds:.1} s; {} times 429",
            whole(reports),
            how.batch,
            how.in_flight,
            self.retries
        );
        table.figure("durable reports/s over HTTP", whole(rate), sent);
        let bytes = whole(self.bytes as f64 / reports);
        table.figure(
            "bytes sent a report",
            bytes,
            "JSON under zstd, with the request's head",
        );
        if let Some(server) = self.server_cpu {
            let note = "user and system, background work included";
            table.figure("server CPU a report", each(server, self.reports), note);
        }
        let busy = self.client_cpu.as_secs_f64() / seconds;
        let note = format!("{busy:.2} of its one core; near 1 the client was the limit");
        table.figure(
            "client CPU a request",
            each(self.client_cpu, self.requests),
            note,
        );
        let millis = |micros: u32| format!("{:.1} ms", f64::from(micros) / 1e3);
        let p50 = millis(quantile(&mut self.answer_micros, 500));
        let p99 = millis(quantile(&mut self.answer_micros, 990));
        table.figure(
            "answer time of a report request, p50",
            p50,
            "from sent to answered",
        );
        table.figure("answer time of a report request, p99", p99, "");
    }
}

/// Sends requests one after another until none is left.
async fn sender(mut connection: Connection, queue: Queue) -> anyhow::Result<Loaded> {
    let mut sent = Loaded::default();
    while let Some(request) = pop(&queue) {
        let started = Instant::now();
        sent.retries += u64::from(deliver(&mut connection, &request).await?);
        let micros = u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX);
        sent.answer_micros.push(micros);
        sent.requests += 1;
        sent.reports += request.reports as u64;
        sent.bytes += request.bytes.len() as u64;
    }
    Ok(sent)
}

fn pop(queue: &Queue) -> Option<Prepared> {
    queue
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .pop_front()
}

/// Sends one request until it is taken; how often it was refused for want of room.
async fn deliver(connection: &mut Connection, request: &Prepared) -> anyhow::Result<u32> {
    for retries in 0..=RETRIES_MAX {
        let answer = connection.exchange(&request.bytes).await?;
        match answer.status {
            200 => {
                let accepted = count(answer.body, ACCEPTED);
                let all = accepted == request.reports;
                ensure!(all, "not every report was accepted: {}", answer.summary());
                return Ok(retries);
            }
            429 => {
                let seconds = answer.retry_after_s.unwrap_or(1);
                tokio::time::sleep(Duration::from_secs(seconds)).await;
            }
            _ => bail!("reports were refused: {}", answer.summary()),
        }
    }
    bail!("the server had no room after {RETRIES_MAX} tries of one request");
}

/// How often `part` occurs in `text`.
fn count(text: &[u8], part: &[u8]) -> usize {
    text.windows(part.len())
        .filter(|window| *window == part)
        .count()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use portolan_sim::fleet::Options;
    use portolan_wire::report::parse;
    use portolan_wire::time::UnixMicros;

    use super::*;
    use crate::test_server::{Received, Reply, TestServer};

    const TOKEN: &str = "agent-token-of-a-test-0123456789";

    fn fleet(hosts: u32) -> Fleet {
        Fleet::new(Options {
            hosts,
            project: "p1".to_owned(),
            ..Options::default()
        })
    }

    fn target(server: &TestServer) -> Target {
        let pid = Some(std::process::id());
        Target {
            server: server.url().clone(),
            token: TOKEN.to_owned(),
            pid,
        }
    }

    fn how(batch: u32) -> LoadHow {
        LoadHow {
            batch,
            in_flight: 4,
            step: 0,
        }
    }

    /// The host ids of a request, read as the real server reads it.
    fn host_ids(request: &Received) -> Vec<String> {
        let json = zstd::decode_all(request.body.as_slice()).unwrap();
        let now = UnixMicros::from_seconds(1_767_225_600);
        parse(&json, now)
            .unwrap()
            .into_iter()
            .map(|report| report.unwrap().host.host_id)
            .collect()
    }

    fn accept(ids: &[String]) -> Reply {
        let results: Vec<String> = ids
            .iter()
            .enumerate()
            .map(|(i, id)| format!(r#"{{"index":{i},"host_id":"{id}","status":"accepted"}}"#))
            .collect();
        Reply::ok(format!(r#"{{"results":[{}]}}"#, results.join(",")))
    }

    #[tokio::test]
    async fn every_host_is_sent_once_in_requests_of_the_batch_size() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let server = TestServer::start(move |request| {
            assert_eq!(request.target, "/portolan/v1/projects/p1/reports");
            assert_eq!(request.token, TOKEN);
            let ids = host_ids(&request);
            let reply = accept(&ids);
            kept.lock().unwrap().push(ids);
            reply
        })
        .await;
        let fleet = fleet(25);
        let loaded = load(&target(&server), &fleet, &how(10)).await.unwrap();
        let mut requests = seen.lock().unwrap().clone();
        requests.sort_by_key(Vec::len);
        assert_eq!(
            requests.iter().map(Vec::len).collect::<Vec<_>>(),
            [5, 10, 10]
        );
        let mut ids = requests.concat();
        ids.sort();
        let mut expected: Vec<String> = (0..25).map(|i| fleet.host_id(i)).collect();
        expected.sort();
        assert_eq!(ids, expected);
        assert_eq!(
            (loaded.reports, loaded.requests, loaded.retries),
            (25, 3, 0)
        );
        assert_eq!(loaded.answer_micros.len(), 3);
        assert!(loaded.server_cpu.is_some());
    }

    #[tokio::test]
    async fn a_full_queue_is_waited_for_and_counted() {
        let calls = AtomicU32::new(0);
        let server =
            TestServer::start(move |request| match calls.fetch_add(1, Ordering::Relaxed) {
                0 | 2 => Reply::of(429, Some(0), r#"{"error_code":"PORTOLAN.0005"}"#),
                _ => accept(&host_ids(&request)),
            })
            .await;
        let loaded = load(&target(&server), &fleet(6), &how(1)).await.unwrap();
        assert_eq!((loaded.reports, loaded.requests, loaded.retries), (6, 6, 2));
    }

    #[tokio::test]
    async fn a_report_that_is_not_accepted_ends_the_bench() {
        for (reply, why) in [
            (
                r#"{"results":[{"index":0,"status":"stale"}]}"#,
                "not every report was accepted",
            ),
            (r#"{"results":[]}"#, "not every report was accepted"),
        ] {
            let server = TestServer::start(move |_| Reply::ok(reply)).await;
            let error = load(&target(&server), &fleet(1), &how(1))
                .await
                .unwrap_err()
                .to_string();
            assert!(error.contains(why) && error.contains(reply), "{error}");
        }
        let server = TestServer::start(|_| Reply::of(503, None, "PORTOLAN.0007")).await;
        let error = load(&target(&server), &fleet(1), &how(1))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("503 PORTOLAN.0007"), "{error}");
    }
}
