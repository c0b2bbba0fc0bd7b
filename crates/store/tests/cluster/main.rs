//! Several servers on one log, under the faults of a network: they hold the same, nothing
//! acknowledged is lost, and no older report wins.
#![cfg(test)]
#![expect(
    clippy::disallowed_methods,
    reason = "a channel of a test that ends with it"
)]

mod beginnings;
mod damage;
mod server;
mod together;
