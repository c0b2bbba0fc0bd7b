//! What something costs in CPU, user and system.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use rustix::time::{ClockId, clock_gettime};

/// The CPU time of this process, all its threads, ended ones included.
fn process_cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// What `work` costs in this process.
pub(crate) fn of<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let before = process_cpu();
    let done = work();
    (done, process_cpu().saturating_sub(before))
}

/// What a command costs, whose output is thrown away.
pub(crate) fn of_command(words: &[&str]) -> anyhow::Result<Duration> {
    let (program, arguments) = words.split_first().context("a command has a name")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("{program} must be installed"))?;
    let pid = Pid::from_child(&child);
    // It is left as it ended until its cost is read.
    waitid(
        WaitId::Pid(pid),
        WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
    )?;
    let cost = of_ended(child.id());
    let status = child.wait()?;
    ensure!(status.success(), "{words:?} failed");
    cost
}

/// What a process with one thread has cost that has ended and was not waited for: nanoseconds of its
/// own, and ticks of its children.
fn of_ended(pid: u32) -> anyhow::Result<Duration> {
    let own = std::fs::read_to_string(format!("/proc/{pid}/schedstat"))?;
    let own: u64 = own.split(' ').next().unwrap_or_default().parse()?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    // cutime and cstime are the 16th and 17th field of proc_pid_stat(5), the state the third.
    let children = after_name.split_ascii_whitespace().skip(13).take(2);
    let mut ticks = 0;
    for field in children {
        ticks += field.parse::<u64>()?;
    }
    let tick = 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1);
    Ok(Duration::from_nanos(own + ticks * tick))
}
