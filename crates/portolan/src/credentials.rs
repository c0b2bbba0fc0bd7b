//! `portolan token`, `portolan enrol-key`, `portolan access-key` and `portolan user`: they ask a server by HTTP, and never
//! open its store.
//!
//! Holds: stdout of `create` has the secret and nothing else, so that a script can take it as it is.

use std::io::BufRead as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

use crate::ask::write;
use crate::cli::{
    AccessKeyAction, CreateAccessKey, CreateCredential, CreateEnrolKey, CreateUser,
    CredentialAction, EnrolKeyAction, Grant, Output, ReleaseHost, RevokeCredential, Server,
    UserAction,
};
use crate::client::{Client, escape};
use crate::output;

pub(crate) fn tokens(action: &CredentialAction) -> anyhow::Result<ExitCode> {
    match action {
        CredentialAction::Create(arguments) => create_token(arguments),
        CredentialAction::List(server) => list("/tokens", server),
        CredentialAction::Revoke(arguments) => revoke("/tokens", arguments),
    }
}

pub(crate) fn enrol_keys(action: &EnrolKeyAction) -> anyhow::Result<ExitCode> {
    match action {
        EnrolKeyAction::Create(arguments) => create_enrol_key(arguments),
        EnrolKeyAction::List(server) => list_enrol_keys(server),
        EnrolKeyAction::Revoke(arguments) => revoke("/enrol-keys", arguments),
        EnrolKeyAction::Hosts(server) => list_enrolled(server),
        EnrolKeyAction::Release(arguments) => release(arguments),
    }
}

/// `create` prints two lines, the access key and its secret key; of a temporary one the security token
/// is the third.
pub(crate) fn access_keys(action: &AccessKeyAction) -> anyhow::Result<ExitCode> {
    match action {
        AccessKeyAction::Create(arguments) => create_access_key(arguments),
        AccessKeyAction::List(server) => list("/access-keys", server),
        AccessKeyAction::Revoke(arguments) => revoke("/access-keys", arguments),
    }
}

/// `create` prints the id; the password is known already.
pub(crate) fn users(action: &UserAction) -> anyhow::Result<ExitCode> {
    match action {
        UserAction::Create(arguments) => create_user(arguments),
        UserAction::List(server) => list("/users", server),
        UserAction::Revoke(arguments) => revoke("/users", arguments),
    }
}

fn create_token(arguments: &CreateCredential) -> anyhow::Result<ExitCode> {
    made("/tokens", &arguments.server, &["secret"], named(arguments))
}

fn create_access_key(arguments: &CreateAccessKey) -> anyhow::Result<ExitCode> {
    let mut asked = named(&arguments.credential);
    let mut fields = vec!["ak", "sk"];
    if arguments.temporary {
        asked.insert("temporary".into(), json!(true));
        fields.push("security_token");
    }
    made("/access-keys", &arguments.credential.server, &fields, asked)
}

fn create_enrol_key(arguments: &CreateEnrolKey) -> anyhow::Result<ExitCode> {
    let mut asked = limits(
        &arguments.enterprise_projects,
        arguments.expires_at.as_deref(),
    );
    asked.insert("name".into(), json!(arguments.name));
    asked.insert("hosts_max".into(), json!(arguments.hosts_max));
    made("/enrol-keys", &arguments.server, &["secret"], asked)
}

fn named(arguments: &CreateCredential) -> Map<String, Value> {
    let mut asked = asked(&arguments.grant);
    asked.insert("name".into(), json!(arguments.name));
    asked
}

fn create_user(arguments: &CreateUser) -> anyhow::Result<ExitCode> {
    let mut asked = asked(&arguments.grant);
    asked.insert("name".into(), json!(arguments.name));
    asked.insert("domain".into(), json!(arguments.domain));
    let password = password(arguments.password_file.as_deref())?;
    asked.insert("password".into(), json!(password));
    made("/users", &arguments.server, &["id"], asked)
}

fn asked(grant: &Grant) -> Map<String, Value> {
    let mut asked = limits(&grant.enterprise_projects, grant.expires_at.as_deref());
    asked.insert("role".into(), json!(grant.role));
    asked
}

fn limits(enterprise_projects: &[String], expires_at: Option<&str>) -> Map<String, Value> {
    let mut asked = Map::new();
    if !enterprise_projects.is_empty() {
        let ids = json!(enterprise_projects);
        asked.insert("enterprise_projects".into(), ids);
    }
    if let Some(end) = expires_at {
        asked.insert("expires_at".into(), json!(end));
    }
    asked
}

fn made(
    path: &str,
    server: &Server,
    fields: &[&str],
    asked: Map<String, Value>,
) -> anyhow::Result<ExitCode> {
    let answer = Client::new(server)?.create(path, &asked.into())?;
    if server.output == Output::Json {
        output::json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::new();
    for field in fields {
        match answer.get(field).and_then(Value::as_str) {
            Some(value) => text.push_str(&format!("{value}\n")),
            None => bail!("the answer has no {field}: is this a Portolan server?"),
        }
    }
    output::data(&text)?;
    if let Some(id) = answer.get("id").and_then(Value::as_str) {
        output::say(&format!("made {id}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn list(path: &str, server: &Server) -> anyhow::Result<ExitCode> {
    let rows = Client::new(server)?.read_all(path, "data_list", &[])?;
    let head = [
        "id",
        "name",
        "role",
        "enterprise_projects",
        "source",
        "created_at",
        "expires_at",
        "last_used",
    ];
    write(server.output, &head, rows)
}

fn list_enrol_keys(server: &Server) -> anyhow::Result<ExitCode> {
    let rows = Client::new(server)?.read_all("/enrol-keys", "data_list", &[])?;
    let head = [
        "id",
        "name",
        "enterprise_projects",
        "hosts",
        "hosts_max",
        "source",
        "created_at",
        "expires_at",
        "last_used",
    ];
    write(server.output, &head, rows)
}

fn list_enrolled(server: &Server) -> anyhow::Result<ExitCode> {
    let rows = Client::new(server)?.read_all("/enrolments", "data_list", &[])?;
    let head = [
        "host_id",
        "enterprise_project_id",
        "enrolled_at",
        "enrolled_by",
        "token_made_at",
        "rotating",
        "last_used",
    ];
    write(server.output, &head, rows)
}

fn release(arguments: &ReleaseHost) -> anyhow::Result<ExitCode> {
    let client = Client::new(&arguments.server)?;
    client.delete(&format!("/enrolments/{}", escape(&arguments.host_id)))?;
    output::say(&format!("released {}", arguments.host_id));
    Ok(ExitCode::SUCCESS)
}

fn revoke(path: &str, arguments: &RevokeCredential) -> anyhow::Result<ExitCode> {
    let client = Client::new(&arguments.server)?;
    client.delete(&format!("{path}/{}", escape(&arguments.id)))?;
    output::say(&format!("revoked {}", arguments.id));
    Ok(ExitCode::SUCCESS)
}

/// Never an argument: other users of the machine see those.
fn password(file: Option<&Path>) -> anyhow::Result<String> {
    let mut text = String::new();
    match file {
        Some(path) => {
            text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the password of {}", path.display()))?;
        }
        None => {
            std::io::stdin()
                .lock()
                .read_line(&mut text)
                .context("cannot read the password from the standard input")?;
        }
    }
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
