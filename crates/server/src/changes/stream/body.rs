//! The body of a stream, and the end that fills it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::body::Frame;
use portolan_store::history::Position;
use portolan_wire::caps;
use tokio::sync::mpsc;

use super::follow::End;
use super::open::{Cut, Place};

/// A stream's two ends.
pub(super) fn channel(place: Place) -> (Out, Streamed) {
    let (sender, chunks) = mpsc::channel(caps::STREAM_CHUNKS_MAX);
    let last_words = Arc::new(OnceLock::new());
    let out = Out {
        sender,
        last_words: Arc::clone(&last_words),
        waiting: BytesMut::new(),
        up_to: None,
        sent_up_to: None,
    };
    let body = Streamed {
        chunks,
        last_words,
        ended: false,
        _place: place,
    };
    (out, body)
}

/// Where events go.
pub(super) struct Out {
    sender: mpsc::Sender<Bytes>,
    last_words: Arc<OnceLock<Bytes>>,
    waiting: BytesMut,
    /// All up to here is told by what waits.
    up_to: Option<Position>,
    /// All up to here is on its way.
    pub(super) sent_up_to: Option<Position>,
}

impl Out {
    /// Puts an event behind the others; up to `up_to` all is told with it.
    pub(super) fn put(&mut self, event: &[u8], up_to: Option<Position>) {
        self.waiting.extend_from_slice(event);
        self.up_to = up_to.or(self.up_to);
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= caps::STREAM_CHUNK_BYTES
    }

    /// Hands on what waits. The reader has so long to take of what it was given before.
    pub(super) async fn flush(&mut self, patience: Duration) -> Result<(), End> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let chunk = self.waiting.split().freeze();
        match tokio::time::timeout(patience, self.sender.send(chunk)).await {
            Ok(Ok(())) => {
                self.sent_up_to = self.up_to.or(self.sent_up_to);
                Ok(())
            }
            Ok(Err(_gone)) => Err(End::Gone),
            Err(_elapsed) => Err(End::Cut(Cut::Stalled)),
        }
    }

    /// Ends the stream, and with these words where the reader comes to read them.
    pub(super) fn end(self, last_words: Bytes) {
        let _only = self.last_words.set(last_words);
    }

    /// Ends when the reader has gone.
    pub(super) async fn gone(&self) {
        self.sender.closed().await;
    }
}

/// The body of the answer.
pub(super) struct Streamed {
    chunks: mpsc::Receiver<Bytes>,
    last_words: Arc<OnceLock<Bytes>>,
    ended: bool,
    _place: Place,
}

impl hyper::body::Body for Streamed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let chunk = std::task::ready!(self.chunks.poll_recv(context));
        let chunk = chunk.or_else(|| {
            self.ended = true;
            self.last_words.get().cloned()
        });
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}
