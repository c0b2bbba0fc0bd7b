//! How an export is sent: chunk by chunk, read no further ahead than a few chunks.
//!
//! A chunk is read in a turn of its own, as by any request that looks through many hosts, and no turn
//! and no thread is held while a client takes its time: a slow one keeps nobody out.
//! Limits: so many exports at once, of one credential a part of them; `streamed` says how many chunks
//! wait. Who has gone, a credential that no longer holds and a server that ends, end the reading.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use portolan_wire::caps;
use portolan_wire::error::ErrorCode;
use tokio::sync::mpsc;

use crate::app::App;
use crate::credentials::Standing;
use crate::error::ApiError;
use crate::limits::Limit;
use crate::shares::{NoneLeft, Share};
use crate::streamed::{CHUNK_BYTES, Piece, Streamed};

/// Bytes beyond [`CHUNK_BYTES`] that the last row of a chunk mostly fits into.
const LAST_ROW_BYTES: usize = 8 << 10;

/// Where the rows of an export come from.
pub(super) trait Rows: Send + 'static {
    /// Writes the next rows until there are [`CHUNK_BYTES`], or enough was looked through; says
    /// whether there may be more.
    fn next_rows(&mut self, app: &App, out: &mut Vec<u8>) -> Result<bool, ApiError>;
}

/// A chunk, and what comes after it; nothing does after the last.
struct Chunk<R> {
    bytes: Bytes,
    rest: Option<R>,
}

/// A place among those who export, for a credential.
pub(super) fn place(app: &App, standing: &Standing) -> Result<Share, ApiError> {
    app.exports
        .place(&standing.counted(app).id)
        .map_err(|none| {
            let (limit, detail) = match none {
                NoneLeft::OfOne => (
                    Limit::ExportsOfACredential,
                    format!(
                        "{} exports of this credential run",
                        caps::EXPORTS_OF_A_CREDENTIAL_MAX
                    ),
                ),
                NoneLeft::OfAll => (Limit::Exports, format!("{} exports run", caps::EXPORTS_MAX)),
            };
            ApiError::new(ErrorCode::QueueFull, detail).at(limit)
        })
}

/// Answers with `head` and the rows. What fails before the first chunk is an error of its own; what
/// fails later cuts the answer.
pub(super) async fn answer(
    app: &Arc<App>,
    standing: Standing,
    place: Share,
    head: Vec<u8>,
    rows: impl Rows,
) -> Result<Response, ApiError> {
    let standing = Arc::new(standing);
    let first = read(Arc::clone(app), Arc::clone(&standing), head, rows).await?;
    let (sender, body) = Streamed::new();
    let app = Arc::clone(app);
    tokio::spawn(async move {
        let next = |rows| read(Arc::clone(&app), Arc::clone(&standing), Vec::new(), rows);
        let count = |bytes| {
            app.metrics.export_bytes.fetch_add(bytes, Ordering::Relaxed);
        };
        if let Err(error) = send(&sender, first, next, count).await {
            let error_code = error.code().as_str();
            let cause = error.cause().unwrap_or_default();
            tracing::warn!(error = cause, error.code = error_code, "an export was cut");
        }
        drop(place);
    });
    Ok(Response::new(Body::new(body)))
}

async fn read<R: Rows>(
    app: Arc<App>,
    standing: Arc<Standing>,
    mut bytes: Vec<u8>,
    mut rows: R,
) -> Result<Chunk<R>, ApiError> {
    app.serving()?;
    if !standing.holds(&app).await {
        return Err(ApiError::of(ErrorCode::Unauthenticated));
    }
    let work = move |app: &App, _: &_| {
        bytes.reserve(CHUNK_BYTES + LAST_ROW_BYTES);
        let more = rows.next_rows(app, &mut bytes)?;
        Ok(Chunk {
            bytes: bytes.into(),
            rest: more.then_some(rows),
        })
    };
    app.scanning(work).await
}

/// Sends one chunk after the other, and the end after the last. Ends early where nobody takes them any
/// more; an error leaves the body without its end.
async fn send<R, F>(
    sender: &mpsc::Sender<Piece>,
    first: Chunk<R>,
    mut next: impl FnMut(R) -> F,
    sent: impl Fn(u64),
) -> Result<(), ApiError>
where
    F: Future<Output = Result<Chunk<R>, ApiError>>,
{
    let mut chunk = first;
    loop {
        let bytes = chunk.bytes.len() as u64;
        // Where nothing was found, too, it must be seen that nobody waits.
        let gone = match bytes {
            0 => sender.is_closed(),
            _ => sender.send(Piece::Chunk(chunk.bytes)).await.is_err(),
        };
        if gone {
            return Ok(());
        }
        sent(bytes);
        let Some(rest) = chunk.rest else { break };
        chunk = next(rest).await?;
    }
    let _gone = sender.send(Piece::End).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use hyper::body::Body as _;

    use super::*;
    use crate::streamed::CHUNKS_MAX;

    const CHUNKS: usize = 1_000;

    /// Numbers, one a chunk, and how many were made.
    struct Numbered {
        made: Cell<usize>,
        /// The one that cannot be made.
        fails_at: usize,
    }

    impl Numbered {
        fn chunk(&self, number: usize) -> Result<Chunk<usize>, ApiError> {
            if number == self.fails_at {
                return Err(ApiError::internal("a test"));
            }
            self.made.set(self.made.get() + 1);
            Ok(Chunk {
                bytes: number.to_string().into(),
                rest: (number + 1 < CHUNKS).then_some(number + 1),
            })
        }
    }

    async fn next(body: &mut Streamed) -> Option<Result<String, String>> {
        let frame =
            std::future::poll_fn(|context| std::pin::Pin::new(&mut *body).poll_frame(context));
        frame.await.map(|frame| match frame {
            Ok(frame) => Ok(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()),
            Err(error) => Err(error.to_string()),
        })
    }

    /// Takes all of a body, each piece only after its maker could do no more.
    async fn take_slowly(numbered: &Numbered) -> (Vec<String>, Option<String>, usize) {
        let (sender, mut body) = Streamed::new();
        let (mut taken, mut error, mut ahead) = (Vec::new(), None, 0);
        let making = async {
            let first = numbered.chunk(0).unwrap();
            let next = |number| std::future::ready(numbered.chunk(number));
            let _cut = send(&sender, first, next, |_| {}).await;
            drop(sender);
        };
        let taking = async {
            loop {
                // The maker is polled between, and goes on until it must wait.
                tokio::task::yield_now().await;
                ahead = ahead.max(numbered.made.get() - taken.len());
                match next(&mut body).await {
                    Some(Ok(piece)) => taken.push(piece),
                    Some(Err(cut)) => error = Some(cut),
                    None => break,
                }
            }
        };
        tokio::join!(making, taking);
        (taken, error, ahead)
    }

    #[tokio::test]
    async fn a_reader_that_takes_slowly_has_only_so_many_chunks_made_ahead() {
        let numbered = Numbered {
            made: Cell::new(0),
            fails_at: usize::MAX,
        };
        let (taken, error, ahead) = take_slowly(&numbered).await;
        let all: Vec<String> = (0..CHUNKS).map(|number| number.to_string()).collect();
        assert_eq!((taken, error), (all, None));
        // Those that wait, and the one that its maker holds.
        assert_eq!(ahead, CHUNKS_MAX + 1);
    }

    #[tokio::test]
    async fn a_body_whose_maker_fails_does_not_end_as_a_whole_one_does() {
        let numbered = Numbered {
            made: Cell::new(0),
            fails_at: 3,
        };
        let (taken, error, _) = take_slowly(&numbered).await;
        assert_eq!(taken, ["0", "1", "2"]);
        assert!(error.is_some());
    }

    #[tokio::test]
    async fn nothing_is_made_for_a_reader_that_has_gone() {
        let numbered = Numbered {
            made: Cell::new(0),
            fails_at: usize::MAX,
        };
        let (sender, body) = Streamed::new();
        drop(body);
        let nothing = |number| {
            let mut chunk = numbered.chunk(number)?;
            chunk.bytes = Bytes::new();
            Ok(chunk)
        };
        let first = nothing(0).unwrap();
        let done = send(
            &sender,
            first,
            |number| std::future::ready(nothing(number)),
            |_| {},
        );
        done.await.unwrap();
        assert_eq!(numbered.made.get(), 1);
    }
}
