//! Asks for port statistics, each query in turn with /healthz of the same server and with a null
//! handler that gives the same bytes.
//!
//! What a query costs beyond the null handler is the program's own, and the ratio of two
//! neighbouring turns is what a noisy machine changes least.
//! Holds: every query is asked once before, and its answer must be 200 and of the known form.
//! Limit: the client's one core. Where its CPU a request times the rate comes near 1 s, the client
//! was the limit and the rate is a lower bound; the server's CPU a request still holds.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::args::QueryHow;
use crate::http::ServerUrl;
use crate::server::Running;
use crate::signature::AccessKey;
use crate::turn::Turn;
use portolan_sim::bench::spread::Spread;
use portolan_sim::bench::table::{Table, micros, times, whole};

/// Rows of a page when `limit` is not given.
const PAGE: u64 = 10;
/// Offsets of the deep page: of fleets of 1,000,000 hosts, and of 100,000.
const DEEP: [u64; 2] = [80_000, 40_000];
/// Time that a query runs before it is measured.
const WARM_UP: Duration = Duration::from_millis(300);

/// Who is asked.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) server: ServerUrl,
    pub(crate) token: String,
    /// A token for a part of the enterprise projects, where there is one.
    pub(crate) partial_token: Option<String>,
    /// An access key for all of them, where there is one.
    pub(crate) access_key: Option<AccessKey>,
    pub(crate) project: String,
    pub(crate) pid: Option<u32>,
}

/// A query, and its rounds.
#[derive(Debug)]
pub(crate) struct Measured {
    name: String,
    total_num: u64,
    answer_bytes: usize,
    rounds: Vec<Round>,
}

/// Neighbouring turns.
#[derive(Debug)]
struct Round {
    healthz: Turn,
    null: Turn,
    /// Of a query by signature, the same by token.
    token: Option<Turn>,
    query: Turn,
}

/// Measures all queries.
pub(crate) async fn query(target: &Target, how: &QueryHow) -> anyhow::Result<Vec<Measured>> {
    let healthz = target.server.get("/healthz", &target.token);
    let (rounds, seconds) = how.turns();
    let connections = how.connections;
    let mut all = Vec::new();
    for Asked {
        name,
        parameters,
        credential,
    } in queries(target).await?
    {
        let mut target = target.clone();
        if let Credential::Token(token) = &credential {
            target.token.clone_from(token);
        }
        let (path, project) = (target.path(&parameters), &target.project);
        let (total_num, answer_bytes) = target.statistics(&parameters).await?;
        let query = credential.get(&target.server, &path, project);
        let by_token = target.server.get(&path, &target.token);
        let null = target.null_handler(&query).await?;
        let nothing = credential.get(&null.running.url, &path, project);
        target.turn(&healthz, connections, WARM_UP).await?;
        target.turn(&query, connections, WARM_UP).await?;
        null.turn(&nothing, connections, WARM_UP).await?;
        let mut measured = Measured {
            name,
            total_num,
            answer_bytes,
            rounds: Vec::new(),
        };
        for _ in 0..rounds {
            let length = Duration::from_secs(seconds);
            let token = match credential {
                Credential::Token(_) => None,
                Credential::Signature(_) => {
                    Some(target.turn(&by_token, connections, length).await?)
                }
            };
            measured.rounds.push(Round {
                token,
                healthz: target.turn(&healthz, connections, length).await?,
                null: null.turn(&nothing, connections, length).await?,
                query: target.turn(&query, connections, length).await?,
            });
        }
        eprintln!("measured {}", measured.name);
        all.push(measured);
    }
    Ok(all)
}

/// What is asked, and as whom.
#[derive(Debug)]
struct Asked {
    name: String,
    parameters: String,
    credential: Credential,
}

#[derive(Clone, Debug)]
enum Credential {
    Token(String),
    Signature(AccessKey),
}

impl Credential {
    /// A GET, ready to be sent.
    fn get(&self, server: &ServerUrl, path: &str, project: &str) -> Vec<u8> {
        match self {
            Self::Token(token) => server.get(path, token),
            Self::Signature(key) => key.get(server, path, project),
        }
    }
}

/// All queries. The deep page is at 80,000 or 40,000, where there are so many rows, else it
/// is the last one.
async fn queries(target: &Target) -> anyhow::Result<Vec<Asked>> {
    let all = "enterprise_project_id=all_granted_eps";
    let (rows, _) = target.statistics(all).await?;
    let last = rows.saturating_sub(PAGE);
    let offset = DEEP.into_iter().find(|deep| *deep <= last).unwrap_or(last);
    let whole = [
        ("first page".to_owned(), String::new()),
        ("first page, all_granted_eps".to_owned(), all.to_owned()),
        ("port=123".to_owned(), "port=123".to_owned()),
        (
            format!("offset={offset}, all_granted_eps"),
            format!("offset={offset}&{all}"),
        ),
        ("type=TCP6".to_owned(), "type=TCP6".to_owned()),
        (
            "category=container".to_owned(),
            "category=container".to_owned(),
        ),
    ];
    let of_part = target.partial_token.iter().map(|token| {
        let name = "first page, all_granted_eps, half of them granted";
        (
            name.to_owned(),
            all.to_owned(),
            Credential::Token(token.clone()),
        )
    });
    let signed = target.access_key.iter().map(|key| {
        let name = "first page, by signature".to_owned();
        (name, String::new(), Credential::Signature(key.clone()))
    });
    let token = Credential::Token(target.token.clone());
    let whole = whole.map(|(name, parameters)| (name, parameters, token.clone()));
    let all = whole.into_iter().chain(signed).chain(of_part);
    Ok(all
        .map(|(name, parameters, credential)| Asked {
            name,
            parameters,
            credential,
        })
        .collect())
}

/// How long a page takes that nobody has asked for before: each with another offset.
pub(crate) async fn first_askings(target: &Target, table: &mut Table) -> anyhow::Result<()> {
    const ASKED: u32 = 50;
    let Some(token) = &target.partial_token else {
        return Ok(());
    };
    let mut connection = target.server.connect().await?;
    let mut answer_micros = Vec::new();
    for offset in 1..=ASKED {
        let path = target.path(&format!(
            "enterprise_project_id=all_granted_eps&offset={offset}"
        ));
        let request = target.server.get(&path, token);
        let sent = Instant::now();
        let status = connection.exchange(&request).await?.status;
        answer_micros.push(sent.elapsed().as_secs_f64() * 1e6);
        ensure!(status == 200, "{path} is answered with {status}");
    }
    let name = "a page of half the enterprise projects, asked for the first time: answer time";
    table.spread(name, Spread::of(answer_micros), micros);
    Ok(())
}

impl Target {
    /// The target of a question for port statistics.
    pub(crate) fn path(&self, parameters: &str) -> String {
        let question = if parameters.is_empty() { "" } else { "?" };
        format!(
            "/v5/{}/asset/port/statistics{question}{parameters}",
            self.project
        )
    }

    /// Asks once: `total_num` and the length of the answer's body.
    pub(crate) async fn statistics(&self, parameters: &str) -> anyhow::Result<(u64, usize)> {
        let path = self.path(parameters);
        let (body, bytes) = self.json(&path).await?;
        let rows = body
            .get("data_list")
            .and_then(Value::as_array)
            .map(Vec::len);
        let total_num = body.get("total_num").and_then(Value::as_u64);
        match (rows, total_num) {
            (Some(rows), Some(total)) if rows as u64 <= total => Ok((total, bytes)),
            _ => bail!("{path} is not answered with total_num and data_list: {body}"),
        }
    }

    /// A null handler that gives the answer to `request`.
    pub(crate) async fn null_handler(&self, request: &[u8]) -> anyhow::Result<NullHandler> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("answer");
        let mut connection = self.server.connect().await?;
        std::fs::write(&file, connection.exchange(request).await?.whole)?;
        let running = Running::start_null(&file, &folder.path().join("log"))?;
        Ok(NullHandler {
            running,
            _folder: folder,
        })
    }

    pub(crate) async fn turn(
        &self,
        request: &[u8],
        connections: u32,
        length: Duration,
    ) -> anyhow::Result<Turn> {
        Turn::run(&self.server, self.pid, request, connections, length).await
    }

    /// A 200 answer that is JSON, and its length.
    pub(crate) async fn json(&self, path: &str) -> anyhow::Result<(Value, usize)> {
        let mut connection = self.server.connect().await?;
        let answer = connection
            .exchange(&self.server.get(path, &self.token))
            .await?;
        ensure!(
            answer.status == 200,
            "{path} is answered with {}",
            answer.summary()
        );
        let body = serde_json::from_slice(answer.body)
            .with_context(|| format!("{path} is not answered with JSON: {}", answer.summary()))?;
        Ok((body, answer.body.len()))
    }
}

/// A null handler, for as long as this lives.
pub(crate) struct NullHandler {
    pub(crate) running: Running,
    _folder: TempDir,
}

impl NullHandler {
    pub(crate) async fn turn(
        &self,
        request: &[u8],
        connections: u32,
        length: Duration,
    ) -> anyhow::Result<Turn> {
        let pid = Some(self.running.pid());
        Turn::run(&self.running.url, pid, request, connections, length).await
    }
}

impl Measured {
    /// Writes the figures into the table.
    pub(crate) fn tell(&self, table: &mut Table) {
        let name = &self.name;
        let rows = format!("{} bytes an answer", whole(self.answer_bytes as f64));
        table.figure(
            format!("{name}: total_num"),
            whole(self.total_num as f64),
            rows,
        );
        let turns = || self.rounds.iter().map(|round| &round.query);
        let server = Spread::of(turns().filter_map(Turn::server_micros));
        table.spread(format!("{name}: server CPU a request"), server, micros);
        let rate = Spread::of(turns().map(Turn::rate));
        table.spread(format!("{name}: requests/s"), rate, whole);
        self.compare(table, "the null handler", |round| Some(&round.null));
        self.compare(table, "/healthz", |round| Some(&round.healthz));
        if self.rounds.iter().any(|round| round.token.is_some()) {
            self.compare(table, "a token", |round| round.token.as_ref());
        }
        let p50 = Spread::of(turns().map(|turn| f64::from(turn.p50_micros)));
        table.spread(format!("{name}: answer time p50"), p50, micros);
        let p99 = Spread::of(turns().map(|turn| f64::from(turn.p99_micros)));
        table.spread(format!("{name}: answer time p99"), p99, micros);
        let client = Spread::of(turns().map(Turn::client_micros));
        table.spread(format!("{name}: client CPU a request"), client, micros);
    }

    /// The query against another handler, turn by turn.
    fn compare(&self, table: &mut Table, other: &str, turn: impl Fn(&Round) -> Option<&Turn>) {
        let name = &self.name;
        let cost = Spread::of(self.rounds.iter().filter_map(|r| turn(r)?.server_micros()));
        table.spread(format!("{name}: CPU of {other} beside it"), cost, micros);
        let costs = self.rounds.iter().filter_map(|round| {
            let cost = turn(round)?.server_micros().filter(|cost| *cost > 0.0)?;
            Some(round.query.server_micros()? / cost)
        });
        table.spread(
            format!("{name}: CPU against {other}"),
            Spread::of(costs),
            times,
        );
        let rates = self.rounds.iter();
        let rates = rates.filter_map(|round| Some(round.query.rate() / turn(round)?.rate()));
        table.spread(
            format!("{name}: rate against {other}"),
            Spread::of(rates),
            times,
        );
        let p99s = self.rounds.iter();
        let p99s = p99s.filter_map(|round| {
            Some(f64::from(round.query.p99_micros) / f64::from(turn(round)?.p99_micros.max(1)))
        });
        table.spread(
            format!("{name}: p99 against {other}"),
            Spread::of(p99s),
            times,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_server::{Reply, TestServer, reader};

    #[tokio::test]
    async fn the_deep_page_is_at_80_000_or_40_000_or_the_last_one() {
        for (total, offset) in [(80_010, 80_000), (80_009, 40_000), (40_009, 39_999), (3, 0)] {
            let body = format!(r#"{{"total_num":{total},"data_list":[]}}"#);
            let server = TestServer::start(move |_| Reply::ok(body.clone())).await;
            let queries = queries(&reader(&server)).await.unwrap();
            let deep = format!("offset={offset}&enterprise_project_id=all_granted_eps");
            assert!(
                queries.iter().any(|asked| asked.parameters == deep),
                "{queries:?}"
            );
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_no_page_of_statistics_ends_the_bench() {
        for (reply, why) in [
            (r#"{"total_num":1}"#, "total_num and data_list"),
            (
                r#"{"total_num":0,"data_list":[{"port":22}]}"#,
                "total_num and data_list",
            ),
            ("<html>", "not answered with JSON"),
        ] {
            let server = TestServer::start(move |_| Reply::ok(reply)).await;
            let error = reader(&server).statistics("").await.unwrap_err();
            assert!(format!("{error:#}").contains(why), "{error:#}");
        }
        let server = TestServer::start(|_| Reply::of(401, None, "APIGW.0301")).await;
        let error = reader(&server)
            .statistics("")
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("401 APIGW.0301"), "{error}");
    }

    #[test]
    fn ratios_are_those_of_neighbouring_turns() {
        let turn = |requests, cpu_ms| Turn {
            requests,
            seconds: 1.0,
            server_cpu: Some(Duration::from_millis(cpu_ms)),
            client_cpu: Duration::from_millis(5),
            p50_micros: 10,
            p99_micros: 20,
        };
        let round = |healthz, query| Round {
            healthz,
            null: turn(1_000, 10),
            token: None,
            query,
        };
        let measured = Measured {
            name: "q".to_owned(),
            total_num: 1,
            answer_bytes: 9,
            // 10 against 20 us, then 20 against 30 us: the machine slowed down between.
            rounds: vec![
                round(turn(1_000, 10), turn(1_000, 20)),
                round(turn(1_000, 20), turn(1_000, 30)),
            ],
        };
        let mut table = Table::new();
        measured.tell(&mut table);
        let text = format!("{table:?}");
        assert!(
            text.contains(r#"["q: CPU against /healthz", "1.75x", "median; 1.50x to 2.00x"]"#),
            "{text}"
        );
        assert!(
            text.contains(r#"["q: rate against /healthz", "1.00x", "median; 1.00x to 1.00x"]"#),
            "{text}"
        );
    }
}
