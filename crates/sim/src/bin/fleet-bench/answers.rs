//! Answers what databases are asked beside it: a loaded server, and a turn of a question for each
//! line on stdin.
//!
//! The program that asks the databases drives this one, so that both sides take turns within a run
//! and neither is measured by the other's client. stdout has one JSON object a line: first what the
//! server answers to each question, then, for each question named on stdin, how long it took.
//! Holds: the server's counts are the generator's before anything is told; one connection, one
//! request at a time. The server and its folder go when stdin ends.

use std::io::{BufRead, Write};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

use crate::args::{AnswersArgs, LoadHow};
use crate::figures;
use crate::load::load;
use crate::query::Target;
use crate::run::{READER_TOKEN, agent, counts_are_right, prepare};
use crate::server::Running;

/// What is sent where nothing is asked: the cost of a request by itself.
const NOTHING: &str = "nothing";
/// The questions by the names that the other program knows them by.
const QUESTIONS: [&str; 4] = ["first page", "port 123", "containers", "hosts of port 22"];

/// Starts, loads, tells the answers, and measures until stdin ends.
pub(crate) fn answers(args: &AnswersArgs) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let fleet = args.fleet.fleet();
    let folder = args.own.folder()?;
    let running = Running::start(&prepare(folder.path(), &args.own.portolan, &fleet)?)?;
    let how = LoadHow {
        batch: 100,
        in_flight: 16,
        step: 0,
    };
    runtime.block_on(load(&agent(&running), &fleet, &how))?;
    let target = Target {
        server: running.url.clone(),
        token: READER_TOKEN.to_owned(),
        partial_token: None,
        access_key: None,
        project: args.fleet.project.clone(),
        pid: Some(running.pid()),
    };
    runtime.block_on(counts_are_right(&target, &fleet, how.step))?;
    let mut out = std::io::stdout().lock();
    let open_ports = figures::count(&fleet, how.step).map(|figures| figures.sockets);
    let told = json!({
        "hosts": fleet.options().hosts,
        "open_ports": open_ports,
        "answers": runtime.block_on(told(&target))?,
    });
    say(&mut out, &told)?;
    let length = Duration::from_millis(args.turn_ms);
    turns(&runtime, &target, length, std::io::stdin().lock(), &mut out)?;
    running.stop()?;
    folder.close().context("could not remove the data folder")
}

/// What the server answers to each question.
async fn told(target: &Target) -> anyhow::Result<Value> {
    let mut told = Map::new();
    for question in QUESTIONS {
        let (answer, _) = target.json(&path(target, question)?).await?;
        told.insert(question.to_owned(), answer);
    }
    Ok(told.into())
}

/// A turn for each line.
fn turns(
    runtime: &Runtime,
    target: &Target,
    length: Duration,
    questions: impl BufRead,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    for question in questions.lines() {
        let question = question?;
        let path = path(target, &question)?;
        let request = target.server.get(&path, &target.token);
        let turn = runtime.block_on(target.turn(&request, 1, length))?;
        let told = json!({
            "question": question,
            "requests": turn.requests,
            "p50_us": turn.p50_micros,
            "p99_us": turn.p99_micros,
        });
        say(out, &told)?;
    }
    Ok(())
}

/// How a question is asked over HTTP: over all enterprise projects, 10 rows a page.
fn path(target: &Target, question: &str) -> anyhow::Result<String> {
    let all = "enterprise_project_id=all_granted_eps";
    Ok(match question {
        "first page" => target.path(all),
        "port 123" => target.path(&format!("{all}&port=123")),
        "containers" => target.path(&format!("{all}&category=container")),
        "hosts of port 22" => {
            let project = &target.project;
            format!("/portolan/v1/projects/{project}/ports/22/assets?limit=10")
        }
        NOTHING => "/healthz".to_owned(),
        _ => bail!("no such question: {question}; there are {QUESTIONS:?} and \"{NOTHING}\""),
    })
}

fn say(out: &mut impl Write, told: &Value) -> anyhow::Result<()> {
    writeln!(out, "{told}")?;
    out.flush().context("nobody listens")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_server::{Reply, TestServer, reader};

    #[test]
    fn each_line_is_a_turn_of_its_question_and_an_unknown_one_is_refused() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        let server = runtime.block_on(TestServer::start(|asked| {
            assert_eq!(asked.token, "reader-token-of-a-test-0123456789");
            match asked.target.as_str() {
                "/healthz" | "/portolan/v1/projects/p1/ports/22/assets?limit=10" => Reply::ok("{}"),
                other => Reply::of(404, None, other),
            }
        }));
        let target = reader(&server);
        let mut out = Vec::new();
        let length = Duration::from_millis(5);
        let mut ask =
            |questions: &str| turns(&runtime, &target, length, questions.as_bytes(), &mut out);
        ask("hosts of port 22\nnothing\n").unwrap();
        let refused = ask("containers\n").unwrap_err().to_string();
        assert!(refused.contains("category=container"), "{refused}");
        let refused = ask("first pag\n").unwrap_err().to_string();
        assert!(refused.contains("no such question: first pag"), "{refused}");
        let lines: Vec<Value> = String::from_utf8(out)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["question"], "hosts of port 22");
        assert!(
            lines
                .iter()
                .all(|line| line["requests"].as_u64() >= Some(1))
        );
        assert!(lines.iter().all(|line| line["p50_us"].as_u64() > Some(0)));
    }

    #[tokio::test]
    async fn every_question_has_an_answer() {
        let server =
            TestServer::start(|asked| Reply::ok(format!(r#"{{"asked":"{}"}}"#, asked.target)))
                .await;
        let told = told(&reader(&server)).await.unwrap();
        let asked: Vec<&str> = QUESTIONS
            .iter()
            .map(|question| told[question]["asked"].as_str().unwrap())
            .collect();
        let statistics = "/v5/p1/asset/port/statistics?enterprise_project_id=all_granted_eps";
        let expected = [
            statistics.to_owned(),
            format!("{statistics}&port=123"),
            format!("{statistics}&category=container"),
            "/portolan/v1/projects/p1/ports/22/assets?limit=10".to_owned(),
        ];
        assert_eq!(asked, expected);
    }
}
