//! Fuzzes the parsers of what the kernel and `/proc` give.
//!
//! Begins with the corpora of the repository and keeps what it finds new in `target/fuzz-corpus`, so
//! that each run goes on from the last. An input that breaks a parser goes into the corpus, where the
//! ordinary tests read it.

use std::path::Path;

use anyhow::Context as _;

use crate::run::{self, Step};
use crate::tools;

const CARGO_FUZZ_VERSION: &str = "0.13.2";
const FUZZ: &str = "crates/sockets/fuzz";

/// Fuzzes each parser for so many seconds.
pub(crate) fn run(seconds: &str) -> anyhow::Result<()> {
    let cargo_fuzz = tools::install("cargo-fuzz", CARGO_FUZZ_VERSION)?;
    let mut targets = Vec::new();
    for entry in std::fs::read_dir(run::root().join(FUZZ).join("corpus"))? {
        let name = entry?.file_name();
        targets.push(
            name.into_string()
                .ok()
                .context("a corpus has a name that is not UTF-8")?,
        );
    }
    targets.sort_unstable();
    let steps: Vec<Step> = targets
        .iter()
        .map(|target| step(&cargo_fuzz, target, seconds))
        .collect::<Result<_, _>>()?;
    run::all(&steps)
}

fn step(cargo_fuzz: &str, target: &str, seconds: &str) -> anyhow::Result<Step> {
    let found = format!("target/fuzz-corpus/{target}");
    std::fs::create_dir_all(run::root().join(&found))?;
    let corpus = Path::new(FUZZ).join("corpus").join(target);
    let corpus = corpus
        .to_str()
        .context("the path of a corpus is not UTF-8")?;
    let time = format!("-max_total_time={seconds}");
    let arguments = [
        "run",
        "--fuzz-dir",
        FUZZ,
        "--target-dir",
        "target/fuzz",
        // Its run time comes with a nightly toolchain alone, and there is no unsafe code to watch.
        "--sanitizer",
        "none",
        target,
        &found,
        corpus,
        "--",
        &time,
    ];
    // A stable toolchain refuses the instrumentation without it.
    Ok(Step::new("fuzzing", cargo_fuzz, &arguments).with("RUSTC_BOOTSTRAP", "1"))
}
