//! One turn of a bench: the same request over and over, for a fixed time, on several connections.
//!
//! Holds: each request that is counted was answered with 200; any other answer ends the bench.
//! Limit: the kernel tells CPU in steps of 10 ms, so a turn of 1 s has an error of 1 %.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::task::JoinSet;

use crate::http::{Connection, ServerUrl};
use portolan_sim::bench::machine::cpu;
use portolan_sim::bench::spread::quantile;

/// What happened while one request was repeated.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    pub(crate) server_cpu: Option<Duration>,
    pub(crate) client_cpu: Duration,
    pub(crate) p50_micros: u32,
    pub(crate) p99_micros: u32,
}

impl Turn {
    /// Repeats one request over `connections` connections for as long as told.
    pub(crate) async fn run(
        server: &ServerUrl,
        pid: Option<u32>,
        request: &[u8],
        connections: u32,
        length: Duration,
    ) -> anyhow::Result<Self> {
        let connections = server.connections(connections).await?;
        let own = std::process::id();
        let server_before = pid.map(cpu).transpose()?;
        let (client_before, started) = (cpu(own)?, Instant::now());
        let mut askers = JoinSet::new();
        for connection in connections {
            askers.spawn(ask_until(connection, request.to_vec(), started + length));
        }
        let mut answer_micros = Vec::new();
        while let Some(asked) = askers.join_next().await {
            answer_micros.extend(asked.context("an asker died")??);
        }
        let seconds = started.elapsed().as_secs_f64();
        let server_after = pid.map(cpu).transpose()?;
        let spent = server_after
            .zip(server_before)
            .map(|(after, before)| after.saturating_sub(before));
        Ok(Self {
            requests: answer_micros.len() as u64,
            seconds,
            server_cpu: spent,
            client_cpu: cpu(own)?.saturating_sub(client_before),
            p50_micros: quantile(&mut answer_micros, 500),
            p99_micros: quantile(&mut answer_micros, 990),
        })
    }

    pub(crate) fn rate(&self) -> f64 {
        self.requests as f64 / self.seconds
    }

    pub(crate) fn server_micros(&self) -> Option<f64> {
        self.server_cpu
            .map(|cpu| cpu.as_secs_f64() * 1e6 / self.requests as f64)
    }

    pub(crate) fn client_micros(&self) -> f64 {
        self.client_cpu.as_secs_f64() * 1e6 / self.requests as f64
    }
}

/// At least one request; the answer times in microseconds.
async fn ask_until(
    mut connection: Connection,
    request: Vec<u8>,
    end: Instant,
) -> anyhow::Result<Vec<u32>> {
    let mut answer_micros = Vec::with_capacity(4_096);
    let mut sent = Instant::now();
    loop {
        let answer = connection.exchange(&request).await?;
        ensure!(
            answer.status == 200,
            "a query was refused: {}",
            answer.summary()
        );
        let now = Instant::now();
        let micros = now.saturating_duration_since(sent).as_micros();
        answer_micros.push(u32::try_from(micros).unwrap_or(u32::MAX));
        if now >= end {
            return Ok(answer_micros);
        }
        sent = now;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::test_server::{Reply, TestServer};

    fn pid() -> Option<u32> {
        Some(std::process::id())
    }

    #[tokio::test]
    async fn a_turn_counts_each_request_that_the_server_answered() {
        let counts = Arc::new(Mutex::new(BTreeMap::<String, u64>::new()));
        let kept = Arc::clone(&counts);
        let server = TestServer::start(move |request| {
            *kept.lock().unwrap().entry(request.target).or_default() += 1;
            Reply::ok("ok")
        })
        .await;
        let request = server.url().get("/ports?port=123", "t");
        let turn = Turn::run(server.url(), pid(), &request, 3, Duration::from_millis(50))
            .await
            .unwrap();
        let counts = counts.lock().unwrap().clone();
        assert_eq!(
            counts,
            [("/ports?port=123".to_owned(), turn.requests)].into()
        );
        assert!(turn.server_cpu.is_some());
        assert!(turn.requests >= 3 && turn.seconds >= 0.05);
        assert!(turn.p50_micros <= turn.p99_micros && turn.p99_micros > 0);
        assert_eq!(server.connections(), 3);
    }

    #[tokio::test]
    async fn a_refusal_in_the_middle_of_a_turn_ends_the_bench() {
        let calls = Mutex::new(0);
        let server = TestServer::start(move |_| {
            let mut calls = calls.lock().unwrap();
            *calls += 1;
            if *calls < 5 {
                Reply::ok("ok")
            } else {
                Reply::of(503, None, "draining")
            }
        })
        .await;
        let request = server.url().get("/healthz", "t");
        let error = Turn::run(server.url(), None, &request, 1, Duration::from_secs(60))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("503 draining"), "{error}");
    }
}
