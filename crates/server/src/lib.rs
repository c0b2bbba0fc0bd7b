//! HTTP: reports in, the HSS API and the native API out.
//!
//! One folder a concern: [`credentials`], `ingest` (reports and heartbeats), `hss` (compatibility
//! surface), `native`, `keystone` (log-ins), `administration`, `enrolment`, `audit`, `edge` (what every request passes), `accept` and
//! `places` (connections), `limits`.
//! Knows nothing of how open ports are found.
#![forbid(unsafe_code)]

mod accept;
mod administration;
mod agreement;
mod app;
pub mod audit;
mod changes;
mod cluster;
mod counts;
pub mod credentials;
mod descriptors;
mod edge;
mod enrolment;
mod error;
mod failures;
mod hss;
mod ingest;
mod keystone;
mod limits;
mod metrics;
mod native;
mod openapi;
mod past;
mod places;
mod request_id;
mod routes;
mod running;
mod seldom;
mod serve;
mod shares;
mod streamed;
mod tls;
mod upkeep;

pub use app::Settings;
pub use cluster::ClusterSettings;
pub use limits::Limits;
pub use running::Running;
pub use serve::{ReadCredentials, ServeError, Setup, join_and_serve, open_and_serve, serve};
pub use tls::{ClientCertificates, Tls, TlsError, TlsFiles};
pub use upkeep::Retention;
