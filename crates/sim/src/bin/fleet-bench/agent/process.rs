//! A real agent on this machine, and what it costs.
//!
//! Holds: it ends when this is dropped, whatever went wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use portolan_sim::bench::machine::cpu;

use crate::run::AGENT_TOKEN;
use crate::server::Running;

/// The programs that an agent keeps attached: one on states of TCP, three on cgroups.
const ATTACHED: usize = 4;
/// Longest time until they are.
const ATTACHED_WITHIN: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// An agent, for as long as this lives.
pub(crate) struct Agent(Child);

impl Agent {
    /// Starts one that reports as `host`, with more flags; its state is in a folder of that name.
    pub(crate) fn start(
        program: &Path,
        server: &Running,
        project: &str,
        folder: &Path,
        (host, flags): (&str, &[&str]),
    ) -> anyhow::Result<Self> {
        let token = folder.join("agent-token");
        fs::write(&token, AGENT_TOKEN)?;
        let child = Command::new(program)
            .args(["--server", &server.url.to_string(), "--project", project])
            .args(["--host-id", host])
            .arg("--token-file")
            .arg(&token)
            .arg("--state-dir")
            .arg(folder.join(host))
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = child.with_context(|| format!("could not start {}", program.display()))?;
        Ok(Self(child))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Waits until the kernel's events are attached.
    pub(crate) fn wait_until_attached(&self) -> anyhow::Result<()> {
        let start = Instant::now();
        while programs(self.pid())?.attached < ATTACHED {
            ensure!(
                start.elapsed() < ATTACHED_WITHIN,
                "the agent has no events of the kernel; `portolan-agent doctor` says why"
            );
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// How often its first thread, which looks, had waited and went on.
    fn wakes(&self) -> anyhow::Result<u64> {
        let path = format!("/proc/{}/status", self.pid());
        let status = fs::read_to_string(&path).with_context(|| format!("could not read {path}"))?;
        number(&status, "voluntary_ctxt_switches:").with_context(|| format!("{path} has no wakes"))
    }

    /// What it has used since its start.
    pub(crate) fn used(&self) -> anyhow::Result<Used> {
        Ok(Used {
            process: cpu(self.pid())?,
            kernel: programs(self.pid())?.time,
            wakes: self.wakes()?,
        })
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It is ours to end, or it has ended.
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// CPU that an agent has used.
#[derive(Clone, Copy, Default)]
pub(crate) struct Used {
    /// The process, user and system.
    pub(crate) process: Duration,
    /// Its programs in the kernel, which run in others; zero unless the kernel measures.
    pub(crate) kernel: Duration,
    /// How often it was woken: by its clock, by answers, by what opens and closes on the machine.
    pub(crate) wakes: u64,
}

impl Used {
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            process: self.process.saturating_sub(before.process),
            kernel: self.kernel.saturating_sub(before.kernel),
            wakes: self.wakes.saturating_sub(before.wakes),
        }
    }

    /// Both, in per cent of one core over `span`.
    pub(crate) fn percent(self, span: Duration) -> f64 {
        percent(self.process + self.kernel, span)
    }
}

pub(crate) fn percent(cpu: Duration, span: Duration) -> f64 {
    100.0 * cpu.as_secs_f64() / span.as_secs_f64()
}

/// The programs that a process keeps attached.
#[derive(Debug, Default, PartialEq, Eq)]
struct Programs {
    attached: usize,
    time: Duration,
}

fn programs(pid: u32) -> anyhow::Result<Programs> {
    let folder = format!("/proc/{pid}/fdinfo");
    let mut texts = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("could not read {folder}"))? {
        // A descriptor may be closed in between.
        texts.extend(fs::read_to_string(entry?.path()));
    }
    Ok(attached(&texts))
}

/// By the texts of fdinfo: a link names its program, and a program its time. That of the walk over
/// files is left out, which runs in the agent itself and has no link that stays.
fn attached(texts: &[String]) -> Programs {
    let linked: BTreeSet<u64> = texts
        .iter()
        .filter(|text| field(text, "link_type:").is_some_and(|kind| kind != "iter"))
        .filter_map(|text| number(text, "prog_id:"))
        .collect();
    let programs: BTreeMap<u64, u64> = texts
        .iter()
        .filter_map(|text| Some((number(text, "prog_id:")?, number(text, "run_time_ns:")?)))
        .filter(|(id, _)| linked.contains(id))
        .collect();
    Programs {
        attached: programs.len(),
        time: Duration::from_nanos(programs.values().sum()),
    }
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    Some(
        text.lines()
            .find_map(|line| line.strip_prefix(name))?
            .trim(),
    )
}

fn number(text: &str, name: &str) -> Option<u64> {
    field(text, name)?.parse().ok()
}

/// The kernel's measuring of programs, on for as long as this lives; it costs each run a little.
pub(crate) struct Measuring(String);

const SWITCH: &str = "/proc/sys/kernel/bpf_stats_enabled";

impl Measuring {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let before = fs::read_to_string(SWITCH).with_context(|| format!("cannot read {SWITCH}"))?;
        fs::write(SWITCH, "1").with_context(|| format!("cannot write {SWITCH}: needs root"))?;
        Ok(Self(before))
    }
}

impl Drop for Measuring {
    fn drop(&mut self) {
        if let Err(error) = fs::write(SWITCH, &self.0) {
            eprintln!("fleet-bench: {SWITCH} stays on: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_programs_with_a_link_is_summed_each_once() {
        let program = |id: u32, time: u32| {
            format!("prog_type:\t26\nprog_id:\t{id}\nrun_time_ns:\t{time}\nrun_cnt:\t3\n")
        };
        let link = |kind: &str, id: u32| {
            format!("link_type:\t{kind}\nlink_id:\t9\nprog_tag:\tab\nprog_id:\t{id}\n")
        };
        let texts = [
            program(1, 100),
            program(1, 100),
            program(2, 20),
            program(3, 4_000),
            link("tracing", 1),
            link("cgroup", 2),
            link("iter", 3),
            "pos:\t0\n".to_owned(),
        ];
        let expected = Programs {
            attached: 2,
            time: Duration::from_nanos(120),
        };
        assert_eq!(attached(&texts), expected);
        assert_eq!(attached(&[]), Programs::default());
    }

    #[test]
    fn a_share_is_of_the_process_and_the_kernel_together() {
        let used = Used {
            process: Duration::from_millis(30),
            kernel: Duration::from_millis(20),
            wakes: 3,
        };
        assert!((used.percent(Duration::from_secs(10)) - 0.5).abs() < 1e-9);
        let again = used.since(Used::default()).since(used);
        assert!(again.percent(Duration::from_secs(1)) < 1e-9);
    }
}
