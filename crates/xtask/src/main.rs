//! The project's own commands: `cargo xtask test`, `clients`, `bpf`, `deb`, `image`, `bench`, `peers`, `fuzz`, `long`.
//!
//! A program instead of scripts, so that one toolchain is all that a new machine needs.
#![forbid(unsafe_code)]

mod agent;
mod bpf;
mod clean_machine;
mod clients;
mod deb;
mod fuzz;
mod nats;
mod packages;
mod peers;
mod python;
mod run;
mod tools;

use std::process::ExitCode;

use crate::run::{Step, cargo};

const USAGE: &str = "\
usage: cargo xtask COMMAND
  test             install what the tests need, then fmt, clippy, doc and all tests
  clients          install the real clients that the tests run, as test does
  bpf              build the programs that run in the kernel, after a change of their source
  deb              build the Debian packages of server and agent into target/debian
  image            build the agent's container image, and ask an agent in it what it sees
  packages         build the packages, and follow docs/OPERATIONS.md on a clean Debian
  bench [HOSTS]    load a generated fleet (100000 hosts) into a release server and measure it
  peers [HOSTS]    ask PostgreSQL, SQLite, DuckDB and ClickHouse what Portolan is asked, of the same
                   fleet (100000 hosts), and measure all in turns
  fuzz [SECONDS]   fuzz each parser of what the kernel and /proc give (60 seconds)
  long             what takes too long for every change: packages, the image, fuzzing,
                   every byte of a store flipped,
                   30,000 seeds of the simulation and 10,000 of a cluster's, forty faults of a
                   real one, the bench with one report a request and in batches of 100,
                   1,000,000 hosts and a month of theirs,
                   1,000 readers of changes, a reader beside 2,000 clients that misbehave, what
                   an agent costs and misses, the databases beside it, and tokens of a real
                   Keystone";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["test"] => test(),
        ["clients"] => clients::install(),
        ["bpf"] => bpf::build(),
        ["deb"] => deb::build(),
        ["image"] => agent::image(),
        ["bench"] => bench("100000", "1"),
        ["bench", hosts] => bench(hosts, "1"),
        ["peers"] => beside_databases("100000"),
        ["peers", hosts] => beside_databases(hosts),
        ["fuzz"] => fuzz::run("60"),
        ["fuzz", seconds] => fuzz::run(seconds),
        ["packages"] => clean_machine::follow_the_document(),
        ["long"] => long(),
        _ => {
            run::say(USAGE);
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            run::say(&format!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn test() -> anyhow::Result<()> {
    packages::install(packages::TESTS)?;
    clients::install()?;
    nats::install()?;
    run::all(&[
        cargo("formatted", &["fmt", "--all", "--check"]),
        cargo(
            "lints",
            &[
                "clippy",
                "--workspace",
                "--all-targets",
                "--locked",
                "--",
                "-D",
                "warnings",
            ],
        ),
        cargo(
            "docs",
            &[
                "doc",
                "--workspace",
                "--no-deps",
                "--document-private-items",
                "--locked",
            ],
        )
        .with("RUSTDOCFLAGS", "-D warnings"),
        // The binaries first: the end-to-end tests start them.
        cargo("binaries", &["build", "--workspace", "--bins", "--locked"]),
        cargo("tests", &["test", "--workspace", "--locked"]),
    ])
}

fn bench(hosts: &str, batch: &str) -> anyhow::Result<()> {
    packages::install(packages::COLLECTOR)?;
    run::all(&[
        release(),
        agent::build(),
        measure(hosts, batch),
        ceilings(hosts),
        visible("100"),
        history(hosts, "5"),
        fanout(hosts),
        collector(&[]),
        collector(&["--small"]),
        agent_in_scene(&[], "180"),
        agent_in_scene(&["--small"], "180"),
    ])
}

fn beside_databases(hosts: &str) -> anyhow::Result<()> {
    peers::install()?;
    run::all(&[release(), peers::measure(hosts)])
}

fn long() -> anyhow::Result<()> {
    packages::install(packages::TESTS)?;
    peers::install()?;
    clients::install_keystone()?;
    clean_machine::follow_the_document()?;
    agent::image()?;
    fuzz::run("60")?;
    run::all(&[
        cargo(
            "store, every byte",
            &[
                "test",
                "--locked",
                "-p",
                "portolan-store",
                "--test",
                "embedded",
            ],
        )
        .with("PORTOLAN_LONG", "1"),
        cargo(
            "simulation, 30,000 seeds and 10,000 of a cluster",
            &[
                "test",
                "--locked",
                "-p",
                "portolan-sim",
                "--test",
                "simulation",
            ],
        )
        .with("SIM_SEEDS", "1000..31000")
        .with("SIM_CLUSTER_SEEDS", "1000..11000"),
        cargo(
            "forty faults of a cluster",
            &["test", "--locked", "-p", "portolan", "--test", "faults"],
        )
        .with("FAULTS", "40"),
        clients::beside_keystone(),
        release(),
        measure("100000", "1"),
        measure("100000", "100"),
        measure("1000000", "100"),
        pages("1000000"),
        ceilings("100000"),
        visible("1000"),
        overload(),
        history("1000000", "5"),
        fanout("1000000"),
        agent_in_scene(&[], "600"),
        agent_in_scene(&["--small"], "600"),
        peers::measure("100000"),
    ])
}

fn release() -> Step {
    cargo(
        "release build",
        &[
            "build",
            "--release",
            "--locked",
            "-p",
            "portolan",
            "-p",
            "portolan-sim",
        ],
    )
}

fn measure(hosts: &str, batch: &str) -> Step {
    fleet_bench("run", &["--hosts", hosts, "--batch", batch])
}

/// First and last pages of lists of open ports.
fn pages(hosts: &str) -> Step {
    fleet_bench("pages", &["--hosts", hosts])
}

/// Reports and heartbeats beside what bounds them.
fn ceilings(hosts: &str) -> Step {
    fleet_bench("ceilings", &["--hosts", hosts, "--rounds", "5"])
}

/// From `listen()` to the count.
fn visible(rounds: &str) -> Step {
    let agent = agent::binary().display().to_string();
    fleet_bench("visible", &["--agent", &agent, "--rounds", rounds])
}

/// What the history costs.
fn history(hosts: &str, rounds: &str) -> Step {
    let what = [
        "bench",
        "--locked",
        "-p",
        "portolan-sim",
        "--bench",
        "history",
    ];
    let how = ["--", "--hosts", hosts, "--days", "30", "--rounds", rounds];
    cargo("history", &[what.as_slice(), &how].concat())
}

/// What the agent costs and misses, in the scene of the collector's bench.
fn agent_in_scene(scene: &[&str], seconds: &str) -> Step {
    // A bench runs in the folder of its crate.
    let release = |name: &str| {
        let program = run::root().join("target/release").join(name);
        program.display().to_string()
    };
    let (bench, portolan) = (release("fleet-bench"), release("portolan"));
    let agent = agent::binary().display().to_string();
    let first = ["--run", &bench, "agent", "--portolan", &portolan];
    let more = ["--agent", &agent, "--seconds", seconds];
    collector(&[scene, &first, &more].concat())
}

/// The collector beside `ss` and others.
fn collector(scene: &[&str]) -> Step {
    let what = [
        "bench",
        "--locked",
        "-p",
        "portolan-sockets",
        "--bench",
        "collector",
        "--",
    ];
    cargo("collector", &[what.as_slice(), scene].concat())
}

/// From a report to the last of 1,000 readers.
fn fanout(hosts: &str) -> Step {
    fleet_bench("fanout", &["--hosts", hosts])
}

fn fleet_bench(command: &'static str, more: &[&str]) -> Step {
    let program = "target/release/fleet-bench";
    let first = [command, "--portolan", "target/release/portolan"];
    Step::new(command, program, &[&first, more].concat())
}

/// A reader beside clients that misbehave.
fn overload() -> Step {
    fleet_bench("overload", &[])
}

#[cfg(test)]
mod tests {
    const WORKSPACE: &str = include_str!("../../../clippy.toml");
    const PURE: &str = include_str!("../../clippy-pure.toml");

    /// Clippy reads one file for a crate, the nearest: what the workspace forbids must stand there too.
    #[test]
    fn what_every_crate_must_not_call_the_pure_ones_must_not_either() {
        let missing: Vec<_> = WORKSPACE
            .lines()
            .filter(|line| !line.starts_with('#') && !PURE.contains(line))
            .collect();
        assert!(
            missing.is_empty(),
            "not in crates/clippy-pure.toml: {missing:?}"
        );
        for of_crate in [
            include_str!("../../wire/clippy.toml"),
            include_str!("../../census/clippy.toml"),
            include_str!("../../store/clippy.toml"),
        ] {
            assert_eq!(of_crate, PURE);
        }
    }
}
