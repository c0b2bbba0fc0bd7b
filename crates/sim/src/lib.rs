//! What tests and benches share: a generated fleet, and the programs that measure with it.
//!
//! One generator for all of them, so that a figure of one bench can be set beside another's.
//! Holds: everything comes from a seed; no clock, no I/O, no global random numbers in the library.
#![forbid(unsafe_code)]

pub mod fleet;
