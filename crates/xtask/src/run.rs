//! Steps: programs that run one after the other, from the project's root, until one fails.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, bail};

/// A program to run.
pub(crate) struct Step {
    name: &'static str,
    program: String,
    arguments: Vec<String>,
    environment: Vec<(&'static str, &'static str)>,
}

impl Step {
    pub(crate) fn new(name: &'static str, program: &str, arguments: &[&str]) -> Self {
        let arguments = arguments
            .iter()
            .map(|argument| (*argument).to_owned())
            .collect();
        Self {
            name,
            program: program.to_owned(),
            arguments,
            environment: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.environment.push((name, value));
        self
    }

    fn run(&self) -> anyhow::Result<()> {
        say(&format!(
            "== {}: {} {}",
            self.name,
            self.program,
            self.arguments.join(" ")
        ));
        let started = Instant::now();
        let status = Command::new(&self.program)
            .args(&self.arguments)
            .envs(self.environment.iter().copied())
            .current_dir(root())
            .status()
            .with_context(|| format!("cannot run {}", self.program))?;
        if !status.success() {
            bail!("{} failed: {status}", self.name);
        }
        say(&format!(
            "== {}: {:.0} s",
            self.name,
            started.elapsed().as_secs_f64()
        ));
        Ok(())
    }
}

/// A step of the toolchain that runs this program.
pub(crate) fn cargo(name: &'static str, arguments: &[&str]) -> Step {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    Step::new(name, &program, arguments)
}

/// Runs steps in order.
pub(crate) fn all(steps: &[Step]) -> anyhow::Result<()> {
    steps.iter().try_for_each(Step::run)
}

/// Says something to the person at the terminal.
#[expect(clippy::print_stderr, reason = "a program for people")]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}

/// The project's folder, which all relative paths start from.
pub(crate) fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map(PathBuf::from).unwrap_or(here)
}
