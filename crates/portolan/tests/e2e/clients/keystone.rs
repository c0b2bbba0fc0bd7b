//! Clients of Keystone: at Portolan, and at a real Keystone beside it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{all_held, program, python};
use crate::harness::{PROJECT, Process, Server, run, token};

const ADMIN: &str = "admin-token-admin-token-admin-to";

#[test]
fn keystoneauth_logs_in_finds_the_service_and_renews_itself() {
    let python = python("clients", "cargo xtask clients");
    let folder = tempfile::tempdir().unwrap();
    let admin = token(ADMIN, PROJECT, "admin");
    std::fs::write(folder.path().join("credentials.toml"), admin).unwrap();
    let server = Server::start(folder.path());
    let target = format!("{}/portolan/v1/projects/{PROJECT}/users", server.url);
    let user = r#"{"name":"alice","password":"correct horse battery","role":"reader"}"#;
    let made = ureq::post(target)
        .header("X-Auth-Token", ADMIN)
        .header("Content-Type", "application/json")
        .send(user)
        .unwrap();
    assert_eq!(made.status(), 201);
    all_held(&python, "keystone_log_in.py", &[&server.url]);
    server.stop();
}

/// A process that says its address and ends with its standard input.
fn real_keystone(python: &str, folder: &Path) -> (Process, String) {
    std::fs::create_dir(folder).unwrap();
    let log = std::fs::File::create(folder.join("stderr.log")).unwrap();
    let mut child = Command::new(python)
        .args(["-B", &program("real_keystone.py")])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    let url = line.trim_end().to_owned();
    let told = std::fs::read_to_string(folder.join("stderr.log")).unwrap();
    assert!(url.starts_with("http://127.0.0.1:"), "{url:?}: {told}");
    (Process(child), url)
}

#[test]
#[ignore = "needs a Keystone and six minutes: cargo xtask long"]
fn a_real_keystone_validates_tokens_and_its_revocations_are_seen() {
    let python = python("keystone", "cargo xtask long");
    let folder = tempfile::tempdir().unwrap();
    let (keystone, url) = real_keystone(&python, &folder.path().join("keystone"));
    let made = run(&python, &["-B", &program("keystone_fleet.py"), &url]);
    let fleet = String::from_utf8(made.stdout)
        .unwrap()
        .trim_end()
        .to_owned();
    let password = folder.path().join("password");
    std::fs::write(&password, "portolan-password\n").unwrap();
    let config = folder.path().join("portolan.toml");
    let settings = format!(
        "[auth.keystone]\nurl = {url:?}\nuser = \"portolan\"\npassword_file = {password:?}\n\
         project = \"service\"\n[auth.keystone.roles]\nreader = [\"reader\"]\n\
         [auth.keystone.enterprise_projects]\n{fleet:?} = [\"0\"]\n"
    );
    std::fs::write(&config, settings).unwrap();
    let more = ["--config", config.to_str().unwrap()];
    let server = Server::start_with(folder.path(), "127.0.0.1:0", &more);
    all_held(
        &python,
        "keystone_elsewhere.py",
        &[&url, &server.url, &fleet],
    );
    drop(keystone);
    let target = format!("{}/v5/{fleet}/asset/port/statistics", server.url);
    let unknown = "gAAAAABanother-token-another-token-another";
    let refused = ureq::get(target).header("X-Auth-Token", unknown).call();
    assert!(
        matches!(refused, Err(ureq::Error::StatusCode(503))),
        "{refused:?}"
    );
    server.stop();
}
