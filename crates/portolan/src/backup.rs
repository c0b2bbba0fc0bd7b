//! `portolan backup` and `portolan restore`: everything that a server holds as one file, and back.
//!
//! Holds: the file takes its name only when it was received whole, read back and synced.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use portolan_store::{backup as format, embedded};
use portolan_wire::error::ErrorBody;

use crate::cli::{Backup, Restore};
use crate::client::Address;
use crate::output;
use crate::ownership::give_to_owner_of;
use crate::whole_file;

/// How long a server may take to begin.
const BEGIN: Duration = Duration::from_secs(60);

pub(crate) fn backup(arguments: &Backup) -> anyhow::Result<ExitCode> {
    // It holds credentials: nobody else may read it.
    let receive = |file: &mut File| receive(arguments, file);
    let check = |part: &Path| Ok(format::check(part)?);
    let summary = whole_file::write(&arguments.file, 0o600, receive, check)?;
    output::say(&format!(
        "{}: {} hosts, {} other records, commit {} of {}, {} bytes",
        arguments.file.display(),
        summary.at.hosts,
        summary.at.records,
        summary.at.commit,
        summary.at.at,
        summary.bytes
    ));
    output::say("Not in it: the secret-key file, which access keys need, and the audit log.");
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn restore(arguments: &Restore) -> anyhow::Result<ExitCode> {
    let found = embedded::restore(&arguments.file, &arguments.data_dir)?;
    give_to_owner_of(&arguments.data_dir)?;
    output::say(&format!(
        "{}: {} hosts, {} other records, commit {} of {}",
        arguments.data_dir.display(),
        found.hosts,
        found.records,
        found.commit,
        found.at
    ));
    output::say(
        "What changed after that moment is not in it: agents send again what differs of their hosts, and a credential that was revoked since is valid again.",
    );
    output::say(
        "Nor are the server's secret-key file and its audit log. Where access keys were made, put the secret-key file back before the start.",
    );
    Ok(ExitCode::SUCCESS)
}

fn receive(arguments: &Backup, file: &mut File) -> anyhow::Result<()> {
    let ca_file = arguments.ca_file.as_deref();
    let address = Address::read(&arguments.server, &arguments.token, ca_file)?;
    let server = address.server.as_str();
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .tls_config(address.tls)
        .timeout_recv_response(Some(BEGIN))
        .build()
        .into();
    let mut answer = agent
        .get(format!("{server}/portolan/v1/backup"))
        .header("X-Auth-Token", &address.token)
        .call()
        .with_context(|| format!("cannot ask {server}"))?;
    if !answer.status().is_success() {
        let status = answer.status().as_u16();
        match answer.body_mut().read_json::<ErrorBody>() {
            Ok(error) => bail!(
                "the server answers {status} {}: {} (request {})",
                error.error_code,
                error.error_msg,
                error.request_id
            ),
            Err(_) => bail!("the server answers {status}"),
        }
    }
    let mut body = answer.body_mut().with_config().limit(u64::MAX).reader();
    io::copy(&mut body, file)
        .map(drop)
        .with_context(|| format!("cannot receive the backup of {server}"))
}
