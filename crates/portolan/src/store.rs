//! `portolan store verify` and `portolan store repair`: a store that no server has open.

use std::process::ExitCode;

use portolan_store::{StoreError, embedded};

use crate::cli::{StoreAction, StoreCommand, StoreDir};
use crate::output;
use crate::ownership::give_to_owner_of;

pub(crate) fn store(arguments: &StoreCommand) -> anyhow::Result<ExitCode> {
    match &arguments.action {
        StoreAction::Verify(dir) => verify(dir)?,
        StoreAction::Repair(dir) => repair(dir)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Whatever became of the work, what root left in the folder is its owner's. Where both went wrong,
/// the work's error tells more.
fn and_give<T>(dir: &StoreDir, done: Result<T, StoreError>) -> anyhow::Result<T> {
    let given = give_to_owner_of(&dir.data_dir);
    let done = done?;
    given?;
    Ok(done)
}

fn verify(dir: &StoreDir) -> anyhow::Result<()> {
    let found = and_give(dir, embedded::verify(&dir.data_dir))?;
    let ended = if found.closed_cleanly {
        "closed"
    } else {
        "not closed, nothing lost"
    };
    output::say(&format!(
        "{}: {} hosts, {} other records, {} of history, commit {} of {}, {ended}",
        dir.data_dir.display(),
        found.hosts,
        found.records,
        found.history,
        found.commit,
        found.at
    ));
    Ok(())
}

fn repair(dir: &StoreDir) -> anyhow::Result<()> {
    let done = and_give(dir, embedded::repair(&dir.data_dir))?;
    match &done.damage {
        None => output::say("nothing is damaged; nothing was changed"),
        Some(damage) => output::say(&format!("accepted the loss: {damage}")),
    }
    if let Some(folder) = &done.set_aside {
        output::say(&format!("the damaged database is in {}", folder.display()));
    }
    if let Some(lost) = &done.history_lost {
        output::say(&format!("of the history is lost {lost}"));
    }
    output::say(&format!(
        "{} hosts, {} other records, {} of history, commit {}",
        done.hosts, done.records, done.history, done.commit
    ));
    if done.damage.is_some() {
        output::say(
            "Agents send again what is missing of their hosts. Look through the credentials: one may be gone, and one that was revoked may be back.",
        );
    }
    Ok(())
}
