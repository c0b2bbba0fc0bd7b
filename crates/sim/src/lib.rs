//! What tests and benches share: a generated fleet, and what figures are taken and told with.
//!
//! One generator for all of them, so that a figure of one bench can be set beside another's.
//! Holds: a fleet comes from a seed; no clock, no I/O, no global random numbers are in it.
#![forbid(unsafe_code)]

pub mod bench;
pub mod fleet;
