//! The Keystone v3 shape: log-ins, what their tokens may, and how they end.

mod ends;
mod faults;
mod guessing;
mod log_in;
mod lookups;
mod scene;
