//! A body that is sent as it is made, so that memory stays flat whatever its size.
//!
//! Holds: an error in the middle ends the body without its proper end, so that a part of it cannot be
//! taken for the whole.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::mpsc;

/// Bytes handed on at once, about.
pub(crate) const CHUNK_BYTES: usize = 64 << 10;
/// Chunks that wait for the connection; who makes them waits beyond that.
pub(crate) const CHUNKS_MAX: usize = 8;

/// The body of the answer.
pub(crate) struct Streamed(mpsc::Receiver<io::Result<Bytes>>);

impl Streamed {
    /// A body, and what sends its chunks.
    pub(crate) fn new() -> (mpsc::Sender<io::Result<Bytes>>, Self) {
        let (sender, chunks) = mpsc::channel(CHUNKS_MAX);
        (sender, Self(chunks))
    }
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0
            .poll_recv(context)
            .map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}
