//! What the OpenAPI document says, against what the server answers.

use std::process::Command;

use super::{of_environment, program, server_with_fleet};

/// Schemathesis makes requests from the document, right ones and wrong ones, of one seed.
#[test]
fn every_answer_is_as_the_document_describes_it() {
    let schemathesis = of_environment("clients/bin/schemathesis", "cargo xtask clients");
    let folder = tempfile::tempdir().unwrap();
    let server = server_with_fleet(folder.path(), &[]);
    let output = Command::new(schemathesis)
        .args(["--config-file", &program("schemathesis.toml")])
        .args(["run", "--no-color"])
        .arg(format!("{}/openapi.json", server.url))
        // What it keeps for the next run goes with the test.
        .current_dir(folder.path())
        .env("HOME", folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{complained}");
    server.assert_recount();
    server.stop();
}
