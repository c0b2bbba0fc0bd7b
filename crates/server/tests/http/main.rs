//! A whole server over real sockets: the embedded store in a folder of its own, credentials read
//! from a file, a clock that a test sets, and a client that sends the bytes it is given.
//!
//! Every answer passes the checks in `answer`; every server is stopped at the end of its test, and
//! a stop that fails, fails the test (`app`). What counts must be is worked out by `model`, which
//! knows the words of the design and nothing of the census.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod answer;
mod app;
mod client;
mod common_port_info;
mod fleet;
mod gated;
mod listener_model;
mod model;
mod signer;
mod sse;
mod support;

mod access_keys;
mod administration;
mod agreement;
mod audit;
mod awaited;
mod bodies;
mod cases;
mod change_readers;
mod change_streams;
mod changes;
mod checks;
mod cluster;
mod conflicts;
mod connections;
mod edge;
mod enrolment;
mod enterprise_projects;
mod export;
mod export_history;
mod export_streamed;
mod exposures;
mod external;
mod freshness;
mod grants;
mod heartbeats;
mod hss_hosts;
mod hss_overview;
mod ignored_ports;
mod isolation;
mod isolation_administration;
mod isolation_routes;
mod keystone;
mod large_bodies;
mod listener_changes;
mod listener_faults;
mod listeners;
mod many_credentials;
mod native_assets;
mod native_hosts;
mod native_statistics;
mod openapi;
mod operations;
mod past;
mod queue;
mod quirks;
mod rebuild;
mod recount;
mod removed_hosts;
mod repaired;
mod reports;
mod rows;
mod signed_bodies;
mod signing;
mod silence;
mod slow;
mod starting;
mod throttle;
mod tls;
