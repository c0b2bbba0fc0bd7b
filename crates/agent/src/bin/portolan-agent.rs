//! The agent as a program of its own: command line, log on stderr, signals, exit code.
//!
//! Exit codes: 0 after SIGTERM or SIGINT, 1 when it failed, 2 for bad usage.

use std::io::{IsTerminal as _, Write as _, stderr, stdout};
use std::process::ExitCode;
use std::thread;

use anyhow::Context as _;
use portolan_agent::{Config, DoctorFlags, Flags, Mistakes, Stop, doctor, run, with_causes};
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

const EXIT_FAILED: u8 = 1;
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == "doctor")
    {
        let _program = args.next();
        return match DoctorFlags::read(args) {
            Ok(flags) => diagnose(flags),
            Err(error) => error.exit(),
        };
    }
    let flags = match Flags::read(args) {
        Ok(flags) => flags,
        // It prints help and version on stdout and exits 0, mistakes on stderr and exits 2.
        Err(error) => error.exit(),
    };
    start_log();
    match flags.check() {
        Ok(config) => match serve(&config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!(error = %with_causes(&*error), "the agent cannot go on");
                ExitCode::from(EXIT_FAILED)
            }
        },
        Err(mistakes) => tell(&mistakes),
    }
}

/// What is logged: `RUST_LOG`, such as `debug` or `warn,portolan_sockets=trace`, else from info on.
fn start_log() {
    let told = std::env::var("RUST_LOG").ok();
    let targets = told.and_then(|told| told.parse().ok());
    let targets = targets.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let lines = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal());
    lines.finish().with(targets).init();
}

fn tell(mistakes: &Mistakes) -> ExitCode {
    #[expect(
        clippy::print_stderr,
        reason = "for a person, who gets it without log fields"
    )]
    {
        eprintln!("portolan-agent: {mistakes}");
    }
    ExitCode::from(EXIT_USAGE)
}

/// The answer goes to stdout: it is what was asked for.
fn diagnose(flags: DoctorFlags) -> ExitCode {
    let is_json = flags.is_json();
    let question = match flags.check() {
        Ok(question) => question,
        Err(mistakes) => return tell(&mistakes),
    };
    let diagnosis = doctor::diagnose(&question);
    let text = if is_json {
        serde_json::to_string_pretty(&diagnosis).unwrap_or_default() + "\n"
    } else {
        diagnosis.to_string()
    };
    if stdout().write_all(text.as_bytes()).is_err() || !diagnosis.ok {
        return ExitCode::from(EXIT_FAILED);
    }
    ExitCode::SUCCESS
}

fn serve(config: &Config) -> anyhow::Result<()> {
    let stop = Stop::new().context("cannot make what ends the agent")?;
    let mut signals =
        Signals::new([SIGTERM, SIGINT, SIGUSR1]).context("cannot watch for signals")?;
    let on_signal = stop.clone();
    let _detached = thread::Builder::new()
        .name("portolan-signal".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                match signal {
                    SIGUSR1 => on_signal.rotate_token(),
                    _ => on_signal.stop(),
                }
            }
        })
        .context("cannot start a thread")?;
    run(config, &stop)?;
    Ok(())
}
