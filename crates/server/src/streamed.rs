//! A body that is sent as it is made, so that memory stays flat whatever its size.
//!
//! Holds: a body that its maker has not ended is cut where it is, whatever became of its maker, so that
//! a part of it cannot be taken for the whole.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::mpsc;

/// Bytes handed on at once, about.
pub(crate) const CHUNK_BYTES: usize = 64 << 10;
/// Chunks that wait for the connection; who makes them waits beyond that.
pub(crate) const CHUNKS_MAX: usize = 8;

/// A piece of a body.
#[derive(Debug)]
pub(crate) enum Piece {
    Chunk(Bytes),
    /// All of it has been sent.
    End,
}

/// The body of the answer.
pub(crate) struct Streamed {
    pieces: mpsc::Receiver<Piece>,
    ended: bool,
}

impl Streamed {
    /// A body, and what sends its pieces.
    pub(crate) fn new() -> (mpsc::Sender<Piece>, Self) {
        let (sender, pieces) = mpsc::channel(CHUNKS_MAX);
        let ended = false;
        (sender, Self { pieces, ended })
    }
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(self.pieces.poll_recv(context)) {
            Some(Piece::Chunk(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Piece::End) => {
                self.ended = true;
                None
            }
            None => {
                self.ended = true;
                Some(Err(io::Error::other("it was cut")))
            }
        })
    }
}
