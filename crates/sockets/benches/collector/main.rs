//! What the collector costs beside `ss`, `netstat`, `lsof` and other crates, on a scene of its own.
//!
//! `cargo bench -p portolan-sockets --bench collector` as root. The scene is made in a pid, mount and
//! network namespace of its own and ends with them: processes that are this program again, sockets,
//! connections, further network namespaces. All contenders look at it turn by turn, and what counts
//! is CPU, user and system: that of this process for what runs in it, that of the child for a
//! command. With `--run` a program is run inside the scene instead, such as the bench of the agent.
//! Holds: what the collector finds is compared with what was made before anything is timed.
//! Limits: the crates see only their own network namespace, and the commands are given that one; the
//! collector looks into all of them.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

mod contenders;
mod cost;
mod figures;
mod holder;
mod inside;
mod scene;
mod steady;

use anyhow::bail;

use crate::scene::Size;

/// What the command line asks for.
struct Args {
    size: Size,
    rounds: usize,
    /// Seconds of looking once a second; 0 leaves it out.
    steady: u64,
    /// What is run in the scene instead of measuring.
    command: Vec<String>,
}

const USAGE: &str =
    "usage: collector [--small] [--rounds N] [--steady SECONDS] [--run PROGRAM ARGUMENT...]";

fn main() -> anyhow::Result<()> {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == holder::ROLE) {
        return holder::run(words.get(1..).unwrap_or_default());
    }
    // Cargo gives this to every bench.
    words.retain(|word| word != "--bench");
    let args = parse(&words)?;
    if !inside::is_inside() {
        return inside::run(&words);
    }
    match args.command.split_first() {
        Some((program, arguments)) => inside::run_beside(&args.size, program, arguments),
        None => figures::take(&args),
    }
}

fn parse(words: &[String]) -> anyhow::Result<Args> {
    let mut args = Args {
        size: Size::BIG,
        rounds: 7,
        steady: 30,
        command: Vec::new(),
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--small" => args.size = Size::SMALL,
            "--rounds" => args.rounds = words.next().map_or("", String::as_str).parse()?,
            "--steady" => args.steady = words.next().map_or("", String::as_str).parse()?,
            "--run" => args.command = words.by_ref().cloned().collect(),
            _ => bail!("{word}: {USAGE}"),
        }
    }
    if args.rounds == 0 {
        bail!("--rounds must be at least 1");
    }
    Ok(args)
}
