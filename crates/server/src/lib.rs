//! HTTP: reports in, the HSS API and the native API out.
//!
//! One folder a concern: [`credentials`], `ingest` (reports and heartbeats), `hss` (compatibility
//! surface), `native`, `edge` (what every request passes), `accept` (connections).
//! Knows nothing of how open ports are found.
#![forbid(unsafe_code)]

mod accept;
mod app;
pub mod credentials;
mod edge;
mod error;
mod hss;
mod ingest;
mod metrics;
mod native;
mod request_id;
mod routes;
mod serve;

pub use app::Settings;
pub use serve::{Running, ServeError, open_and_serve, serve};
