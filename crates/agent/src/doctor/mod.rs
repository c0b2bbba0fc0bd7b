//! `portolan-agent doctor`: what an agent would see here, what it would not, and what is missing.
//!
//! It does what the agent does (looks, attaches, asks the server) instead of guessing from the
//! configuration. Holds: nothing is kept, nothing is told to the server but a question; what was
//! attached is let go. Each finding that is not fine names what is missing.

mod capabilities;
mod runtimes;
mod server;

use std::fmt;

use portolan_sockets::{Collector, Options, Scan, Watch};
use serde::Serialize;

use crate::causes::with_causes;
use crate::config::Question;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about: `sockets`, `owners`, `capabilities`, `events`, `runtimes` or `server`.
    pub about: &'static str,
    /// Whether nothing is missing.
    pub ok: bool,
    /// A sentence for people; where something is missing it says what is needed.
    pub text: String,
}

impl Finding {
    fn fine(about: &'static str, text: impl Into<String>) -> Self {
        Self {
            about,
            ok: true,
            text: text.into(),
        }
    }

    fn missing(about: &'static str, text: impl Into<String>) -> Self {
        Self {
            about,
            ok: false,
            text: text.into(),
        }
    }
}

/// All that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// Whether everything is seen and nothing is missing.
    pub ok: bool,
    /// What was looked at, in order.
    pub findings: Vec<Finding>,
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { about, ok, text } in &self.findings {
            let mark = if *ok { "ok     " } else { "MISSING" };
            writeln!(f, "{mark}  {about}: {text}")?;
        }
        Ok(())
    }
}

/// Looks at this host as an agent would, and at the server where `question` says how to reach it.
pub fn diagnose(question: &Question) -> Diagnosis {
    let mut findings = seen(&question.look);
    findings.extend(capabilities::findings());
    findings.push(attachable(question.events));
    findings.extend(runtimes::findings(&question.look.host_root));
    match &question.server {
        Some(config) => findings.push(server::finding(config)),
        None => findings.push(Finding::fine(
            "server",
            "not asked, as no --server is given.",
        )),
    }
    Diagnosis {
        ok: findings.iter().all(|finding| finding.ok),
        findings,
    }
}

fn seen(look: &Options) -> Vec<Finding> {
    match Collector::new(look.clone()).scan() {
        Ok(scan) => in_scan(&scan),
        Err(error) => {
            let text = format!("Nothing can be seen: {}.", with_causes(&error));
            vec![Finding::missing("sockets", text)]
        }
    }
}

fn in_scan(scan: &Scan) -> Vec<Finding> {
    let sockets = &scan.sockets;
    let elsewhere = sockets.iter().filter(|it| it.port.netns.is_some()).count();
    let contained = sockets.iter().filter(|it| it.port.container_id.is_some());
    let owned = sockets.iter().filter(|it| it.port.pid.is_some()).count();
    let sum = format!(
        "{} open sockets in {} network namespaces, {elsewhere} of them not in the host's own, {} of \
         containers.",
        sockets.len(),
        scan.coverage.namespaces.unwrap_or_default(),
        contained.count(),
    );
    let owners = format!("The owner of {owned} of {} is known.", sockets.len());
    let mut findings = vec![
        Finding::fine("sockets", sum),
        Finding::fine("owners", owners),
    ];
    let unseen = scan.unseen.iter();
    findings.extend(unseen.map(|sentence| Finding::missing("sockets", sentence.clone())));
    findings
}

fn attachable(wanted: bool) -> Finding {
    if !wanted {
        return Finding::fine(
            "events",
            "not wanted (--events off): open ports are found by looking.",
        );
    }
    match Watch::attach() {
        Ok(_let_go) => Finding::fine("events", "The kernel tells when ports open and close."),
        Err(error) => Finding::missing(
            "events",
            format!(
                "The kernel's events cannot be had: {}.",
                with_causes(&error)
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnosis_marks_what_is_missing() {
        let diagnosis = Diagnosis {
            ok: false,
            findings: vec![
                Finding::fine("owners", "All."),
                Finding::missing("events", "None."),
            ],
        };
        assert_eq!(
            diagnosis.to_string(),
            "ok       owners: All.\nMISSING  events: None.\n"
        );
        let json = serde_json::to_value(&diagnosis).unwrap();
        assert_eq!(json["findings"][1]["about"], "events");
    }
}
