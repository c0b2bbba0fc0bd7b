//! The connection to NATS, on a thread of its own: callers block, whatever thread they are on.

use std::future::Future;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event};
use portolan_wire::caps;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use super::settings::NatsSettings;
use super::{LogError, refused, unanswered};

/// Shortest and longest pause before the next try to connect again.
const PAUSES_MS: (u64, u64) = (50, 1_000);

/// The runtime, and a client in it that connects again by itself.
pub(super) struct Connection {
    /// Taken when it is dropped.
    runtime: Option<Runtime>,
    client: Client,
    /// How often it has connected.
    connected: watch::Receiver<u64>,
}

impl Connection {
    pub(super) fn open(settings: &NatsSettings) -> Result<Self, LogError> {
        let mut runtime = Builder::new_multi_thread();
        runtime
            .worker_threads(1)
            .max_blocking_threads(2)
            .thread_name("nats");
        let runtime = runtime
            .enable_all()
            .build()
            .map_err(|cause| refused(&format!("no thread for NATS: {cause}")))?;
        let (connects, connected) = watch::channel(0);
        let settings = settings.clone();
        let client = wait(&runtime, async move { connect(&settings, connects).await })??;
        Ok(Self {
            runtime: Some(runtime),
            client,
            connected,
        })
    }

    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    pub(super) fn connected(&self) -> watch::Receiver<u64> {
        self.connected.clone()
    }

    /// Runs a task beside the calls.
    pub(super) fn spawn(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> Option<tokio::task::AbortHandle> {
        let runtime = self.runtime.as_ref()?;
        Some(runtime.spawn(task).abort_handle())
    }

    /// Waits for what is done in the runtime.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        what: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, LogError> {
        match &self.runtime {
            Some(runtime) => wait(runtime, what),
            None => Err(ended()),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // May be on a thread of another runtime, which must not wait.
            runtime.shutdown_background();
        }
    }
}

fn wait<T: Send + 'static>(
    runtime: &Runtime,
    what: impl Future<Output = T> + Send + 'static,
) -> Result<T, LogError> {
    let (sender, receiver) = sync_channel(1);
    runtime.spawn(async move {
        let _gone = sender.send(what.await);
    });
    receiver.recv().map_err(|_| ended())
}

fn ended() -> LogError {
    refused("the thread for NATS has ended")
}

async fn connect(
    settings: &NatsSettings,
    connects: watch::Sender<u64>,
) -> Result<Client, LogError> {
    let options = options(settings).await?.event_callback(move |event| {
        match &event {
            Event::Connected => connects.send_modify(|times| *times += 1),
            Event::Disconnected | Event::LameDuckMode => {
                tracing::warn!(error = %event, "the connection to a node of NATS is lost, and another one is taken");
            }
            event => tracing::debug!(error = %event, "the connection to NATS says something"),
        }
        async {}
    });
    let connecting = options.connect(settings.addresses.clone());
    let longest = Duration::from_secs(caps::NATS_CALL_S_MAX);
    let cannot = |cause: &dyn std::fmt::Display| format!("NATS at {}: {cause}", settings.shown());
    match tokio::time::timeout(longest, connecting).await {
        Err(_) => Err(unanswered(cannot(&"it does not answer"))),
        Ok(Err(error)) => Err(match error.kind() {
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                refused(&cannot(&error))
            }
            _ => unanswered(cannot(&error)),
        }),
        Ok(Ok(client)) => Ok(client),
    }
}

async fn options(settings: &NatsSettings) -> Result<ConnectOptions, LogError> {
    let (shortest, longest) = PAUSES_MS;
    let mut options = ConnectOptions::new()
        .name("portolan")
        .max_reconnects(None)
        .ping_interval(Duration::from_secs(caps::NATS_PING_S))
        .connection_timeout(Duration::from_secs(caps::NATS_CALL_S_MAX))
        .reconnect_delay_callback(move |tries| {
            let doubled = shortest << tries.min(8);
            Duration::from_millis(doubled.min(longest))
        });
    if let Some((user, password)) = settings.login() {
        options = options.user_and_password(user, password);
    }
    if let Some(file) = &settings.creds_file {
        options = options.credentials_file(file).await.map_err(|cause| {
            refused(&format!(
                "the credentials in {} cannot be used: {cause}",
                file.display()
            ))
        })?;
    }
    if let Some(file) = &settings.ca_file {
        options = options.add_root_certificates(file.clone());
    }
    if let Some((certificate, key)) = &settings.client_certificate {
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    if settings.uses_tls {
        options = options.require_tls(true);
    }
    Ok(options)
}
