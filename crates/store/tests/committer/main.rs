//! The committer over a store that can be told to fail, and over the real one.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod bench;
mod decisions;
mod ignoring;
mod rebuild;
mod records;
mod retirement;
mod thread;
