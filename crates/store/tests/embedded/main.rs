//! The embedded store from outside: what it keeps, what it refuses, what a kill leaves.
#![cfg(test)]
#![expect(
    clippy::disallowed_methods,
    reason = "a test is told by its environment, and waits with a bound"
)]

mod backup;
mod behind_the_back;
mod busy_worker;
mod damage;
mod every_byte;
mod files;
mod format_2;
mod full_disk;
mod history;
mod kill;
mod kill_writers;
mod model;
mod older_format;
mod power_loss;
mod repair;
mod store;
mod writers;
