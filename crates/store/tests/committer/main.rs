//! The committer over a store that can be told to fail, and over the real one.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that panics has failed, and it waits with a bound"
)]

mod bench;
mod decisions;
mod full;
mod history;
mod history_read;
mod ignoring;
mod long_chain;
mod memory_store;
mod rebuild;
mod records;
mod retirement;
mod silence;
mod thread;
