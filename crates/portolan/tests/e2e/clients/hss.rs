//! The service's own SDKs.

use std::process::Command;

use super::{all_held, of_environment, program, python, says_that_all_held, server_with_fleet};

/// Runs programs in Python at one server.
fn hold(programs: &[&str], settings: &str) {
    let python = python("clients", "cargo xtask clients");
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("portolan.toml");
    std::fs::write(&config, settings).unwrap();
    let server = server_with_fleet(folder.path(), &["--config", config.to_str().unwrap()]);
    for program in programs {
        all_held(&python, program, &[&server.url]);
    }
    server.assert_recount();
    server.stop();
}

#[test]
fn huaweicloudsdkhss_makes_every_call_and_gets_what_the_fleet_has() {
    hold(&["hss_calls.py"], "");
}

#[test]
fn huaweicloudsdkhss_shows_its_credentials_in_every_way_and_understands_the_errors() {
    hold(&["hss_credentials.py"], "");
}

#[test]
fn huaweicloudsdkhss_repeats_what_was_throttled() {
    hold(&["hss_retries.py"], "[throttle]\ncalls_a_second = 1\n");
}

#[test]
fn pages_hold_every_row_once_while_the_fleet_changes() {
    hold(&["paging.py"], "");
}

#[test]
fn the_core_of_the_node_sdk_is_answered_as_the_service_would() {
    let made_by = "cargo xtask clients";
    of_environment("clients-node/node_modules/@huaweicloud", made_by);
    let packages = of_environment("clients-node", made_by);
    let folder = tempfile::tempdir().unwrap();
    let server = server_with_fleet(folder.path(), &[]);
    // It logs every failed call at length, to its standard output; shown only if this fails.
    let mut node = Command::new("node");
    node.args([&program("node/hss.cjs"), &packages, &server.url]);
    says_that_all_held(&mut node);
    server.assert_recount();
    server.stop();
}
