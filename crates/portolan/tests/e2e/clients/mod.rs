//! Real clients, unmodified, against a running server: what they ask for must be what it answers.
//!
//! Their programs are in `tests/clients`, and run in environments of their own under `target`. A
//! program's last line says that all held; one that ends otherwise has failed.

mod described;
mod exports;
mod hss;
mod keystone;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::harness::{AGENT, PROJECT, Server};

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap().to_owned()
}

fn program(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    folder.join(name).to_str().unwrap().to_owned()
}

/// A file of an environment that `cargo xtask` makes.
fn of_environment(path: &str, made_by: &str) -> String {
    let path = root().join("target").join(path);
    assert!(
        path.exists(),
        "{} is missing: {made_by} makes it",
        path.display()
    );
    path.to_str().unwrap().to_owned()
}

/// The Python of an environment.
fn python(environment: &str, made_by: &str) -> String {
    of_environment(&format!("{environment}/bin/python"), made_by)
}

/// Runs a client's program in Python; its last line must say that all held.
fn all_held(python: &str, program_name: &str, arguments: &[&str]) {
    // No compiled files beside the sources.
    let mut command = Command::new(python);
    command.arg("-B").arg(program(program_name)).args(arguments);
    says_that_all_held(&mut command);
}

/// Runs a client. What it writes to its home goes with the test.
fn says_that_all_held(command: &mut Command) {
    let home = tempfile::tempdir().unwrap();
    let output = command.env("HOME", home.path()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && told.lines().last() == Some("all held"),
        "{}: {told}\n{complained}",
        output.status
    );
}

/// A server with the credentials of `credentials.toml` and the fleet of `fleet.json`.
fn server_with_fleet(folder: &Path, more: &[&str]) -> Server {
    std::fs::copy(program("credentials.toml"), folder.join("credentials.toml")).unwrap();
    let server = Server::start_with(folder, "127.0.0.1:0", more);
    let target = format!("{}/portolan/v1/projects/{PROJECT}/reports", server.url);
    let fleet = std::fs::read_to_string(program("fleet.json")).unwrap();
    let mut answer = ureq::post(target)
        .header("X-Auth-Token", AGENT)
        .header("Content-Type", "application/json")
        .send(fleet)
        .unwrap();
    let answer: Value = answer.body_mut().read_json().unwrap();
    let results = answer["results"].as_array().unwrap();
    assert!(
        results.iter().all(|result| result["status"] == "accepted"),
        "{answer}"
    );
    server
}
