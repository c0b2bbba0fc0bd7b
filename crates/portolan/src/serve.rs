//! `portolan serve`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use portolan_server::credentials::{Credentials, admin_token, read_file};
use portolan_server::{Running, open_and_serve};
use portolan_store::SystemClock;

use crate::signals::{Asked, Signals};
use crate::{EXIT_USAGE, cli, output, settings};

pub(crate) fn serve(arguments: &cli::Serve) -> anyhow::Result<ExitCode> {
    let serve = match settings::read(arguments) {
        Ok(serve) => serve,
        Err(mistakes) => {
            for mistake in mistakes {
                output::say(&format!("portolan serve: {mistake}"));
            }
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(serve))
}

async fn run(serve: settings::Serve) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new().context("cannot watch for signals")?;
    let running = open_and_serve(
        serve.data_dir.clone(),
        serve.listen,
        // Nobody is let in before the store is open: only then may the admin token be written
        // beside it.
        Credentials::default(),
        serve.answers,
        Arc::new(SystemClock),
    )
    .await?;
    running.replace_credentials(credentials(&serve)?);
    output::data(&format!("listening on http://{}\n", running.local_addr()))?;
    until_told_to_end(running, &mut signals, &serve).await
}

async fn until_told_to_end(
    mut running: Running,
    signals: &mut Signals,
    serve: &settings::Serve,
) -> anyhow::Result<ExitCode> {
    loop {
        tokio::select! {
            asked = signals.next() => match asked {
                Asked::End => {
                    tracing::info!("draining");
                    running.stop().await.context("cannot close the store")?;
                    return Ok(ExitCode::SUCCESS);
                }
                Asked::ReadAgain => reload(&running, serve),
            },
            error = running.failed() => {
                // The answers to those who waited are on their way; there is nothing to close.
                running.answer_and_abandon().await;
                return Err(anyhow::anyhow!("{error}; ending, since nothing more can be promised"));
            }
        }
    }
}

fn reload(running: &Running, serve: &settings::Serve) {
    match credentials(serve) {
        Ok(credentials) => {
            running.replace_credentials(credentials);
            tracing::info!("credentials read again");
        }
        Err(error) => tracing::error!("keeping the credentials as they were: {error:#}"),
    }
}

/// The credentials file's, and the admin token of a server that was given none at its first start.
fn credentials(serve: &settings::Serve) -> anyhow::Result<Credentials> {
    let mut credentials = match &serve.credentials {
        Some(path) => read_file(path)?,
        None => Credentials::default(),
    };
    if credentials.is_empty() || has_admin_token(&serve.data_dir) {
        let (admin, made) = admin_token(&serve.data_dir)?;
        if let Some(path) = made {
            output::say(&format!("an admin token was written to {}", path.display()));
        }
        credentials.merge(admin);
    }
    Ok(credentials)
}

fn has_admin_token(data_dir: &Path) -> bool {
    data_dir.join("admin-token").exists()
}
