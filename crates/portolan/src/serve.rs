//! `portolan serve`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use portolan_agent::with_causes;
use portolan_server::credentials::{Credentials, admin_token, read_file};
use portolan_server::{Limits, Running, Setup, join_and_serve, open_and_serve};
use portolan_store::SystemClock;
use sd_notify::NotifyState;

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
    let done = runtime.block_on(run(serve));
    // A rebuild that nobody waits for any more holds nobody up.
    runtime.shutdown_background();
    done
}

async fn run(serve: settings::Serve) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new().context("cannot watch for signals")?;
    let written = serve.clone();
    let setup = Setup {
        data_dir: serve.data_dir.clone(),
        // Called once the store is open: only then may the admin token be written beside it.
        credentials: Box::new(move |has_administrator| {
            credentials(&written, has_administrator).map_err(Into::into)
        }),
        settings: serve.answers,
        secret_key_file: serve.secret_key_file.clone(),
        tls: serve.tls.clone(),
        limits: Limits::default(),
        keystone: serve.keystone.clone(),
        retire_after_s: serve.retire_after_s,
        retention: serve.retention,
        cluster: serve
            .cluster
            .as_ref()
            .map(|it| it.settings)
            .unwrap_or_default(),
    };
    let clock = Arc::new(SystemClock);
    let (listen, cluster) = (serve.listen, serve.cluster.clone());
    let starting = async move {
        match cluster {
            None => open_and_serve(listen, setup, clock).await,
            Some(cluster) => join_and_serve(listen, setup, clock, move || cluster.connect()).await,
        }
    };
    // A rebuild may take a while; who ends the server meanwhile need not wait for it.
    let running = tokio::select! {
        running = starting => running?,
        () = end(&mut signals) => {
            tracing::info!("told to end while starting");
            return Ok(ExitCode::SUCCESS);
        }
    };
    if let Some(path) = running.first_token() {
        output::say(&format!("an admin token was written to {}", path.display()));
    }
    let (scheme, address) = (running.scheme(), running.local_addr());
    output::data(&format!("listening on {scheme}://{address}\n"))?;
    tell_service_manager(NotifyState::Ready);
    until_told_to_end(running, &mut signals, &serve).await
}

/// Waits until the program is told to end. What is read again on SIGHUP is only being read.
async fn end(signals: &mut Signals) {
    while signals.next().await != Asked::End {}
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
                    tracing::info!("told to end; answering what waits");
                    tell_service_manager(NotifyState::Stopping);
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

/// Where there is one: systemd, of a unit with `Type=notify`. That one waits, so a loss is told.
fn tell_service_manager(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

fn reload(running: &Running, serve: &settings::Serve) {
    if serve.tls.is_some() {
        match running.read_tls_again() {
            Ok(()) => tracing::info!("the certificate was read again"),
            Err(error) => {
                tracing::error!(%error, "the certificate cannot be read again; the one in use stays");
            }
        }
    }
    match credentials(serve, running.has_made_administrator()) {
        Ok(credentials) => {
            running.replace_credentials(credentials);
            tracing::info!("the credentials were read again");
        }
        Err(error) => {
            let error = with_causes(&*error);
            tracing::error!(
                error,
                "the credentials cannot be read again; those in use stay"
            );
        }
    }
}

/// The credentials file's, and the admin token of a server that was given no credential at its first
/// start. Nobody is left outside: it is made again where neither the file nor the store has anybody.
fn credentials(serve: &settings::Serve, has_administrator: bool) -> anyhow::Result<Credentials> {
    let mut credentials = match &serve.credentials {
        Some(path) => read_file(path)?,
        None => Credentials::default(),
    };
    // That of a cluster is in its log.
    let is_own = serve.cluster.is_none();
    if is_own
        && ((credentials.is_empty() && !has_administrator) || has_admin_token(&serve.data_dir))
    {
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
