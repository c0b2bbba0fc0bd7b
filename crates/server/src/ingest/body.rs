//! The body of a request, as sent, under its caps and its time.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use portolan_wire::caps;
use portolan_wire::error::ErrorCode;

use crate::error::ApiError;
use crate::ingest::room::{Receiving, Room};
use crate::ingest::unpack::{Encoding, too_large_unpacked, unpack};
use crate::limits::Limit;

/// Reads a body that a credential sends and unpacks it, then lets `parse` work on it: small bodies where they are, larger
/// ones where they block nobody, as far as there is room. It must have come after `time`.
pub(crate) async fn read<T: Send + 'static>(
    room: &Room,
    credential: &str,
    time: Duration,
    headers: &HeaderMap,
    body: Body,
    parse: impl FnOnce(&[u8]) -> T + Send + 'static,
) -> Result<T, ApiError> {
    content_type(headers)?;
    let encoding = Encoding::of(headers)?;
    let announced = announced(headers)?;
    let Received { sent, taken } =
        receive(room.to_receive(credential), time, announced, body).await?;
    if sent.len() <= caps::SMALL_BODY_SENT_BYTES_MAX {
        // A few packed bytes may be a large body all the same; then it starts anew.
        if let Some(unpacked) = unpack(encoding, &sent, caps::SMALL_BODY_UNPACKED_BYTES_MAX)? {
            return Ok(parse(&unpacked));
        }
    }
    let largest = match encoding {
        Encoding::Identity => sent.len(),
        Encoding::Gzip | Encoding::Zstd => caps::BODY_UNPACKED_BYTES_MAX,
    };
    let mut unpacking = room.to_unpack(largest).await?;
    // What is taken goes with the work, which goes on when the client goes away.
    let work = move || {
        let unpacked = unpack(encoding, &sent, caps::BODY_UNPACKED_BYTES_MAX)?;
        let unpacked = unpacked.ok_or_else(too_large_unpacked)?;
        unpacking.shrink(unpacked.len());
        let parsed = parse(&unpacked);
        drop(unpacked);
        drop((taken, unpacking));
        Ok(parsed)
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(ApiError::internal)?
}

/// Refuses what says that it is not JSON.
pub(crate) fn content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(given) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let text = given.to_str().unwrap_or("");
    let media_type = text.split(';').next().unwrap_or("").trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let shown: String = match media_type {
        "" => "nothing".into(),
        given => given.chars().take(caps::FAULT_VALUE_CHARS_MAX).collect(),
    };
    let detail = format!("Content-Type must be application/json, got {shown}");
    Err(ApiError::new(ErrorCode::UnsupportedEncoding, detail))
}

/// The length that a body will have, where that is told.
fn announced(headers: &HeaderMap) -> Result<Option<usize>, ApiError> {
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|v| v.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: usize| length > caps::BODY_SENT_BYTES_MAX) {
        return Err(too_large());
    }
    Ok(length)
}

/// A body as it was sent, and the room that it takes.
struct Received {
    sent: Vec<u8>,
    taken: Receiving,
}

async fn receive(
    taken: Receiving,
    time: Duration,
    announced: Option<usize>,
    body: Body,
) -> Result<Received, ApiError> {
    let read = tokio::time::timeout(time, frames(taken, announced, body));
    read.await.unwrap_or_else(|_| {
        let detail = format!("the body did not arrive within {time:?}");
        Err(ApiError::new(ErrorCode::RequestError, detail).at(Limit::BodyTime))
    })
}

async fn frames(
    mut taken: Receiving,
    announced: Option<usize>,
    mut body: Body,
) -> Result<Received, ApiError> {
    let longest = announced.unwrap_or(caps::BODY_SENT_BYTES_MAX);
    // Few bodies that are small come in one piece.
    let at_first = announced.unwrap_or(0).min(caps::SMALL_BODY_SENT_BYTES_MAX);
    let mut sent = Vec::with_capacity(at_first);
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| ApiError::new(ErrorCode::RequestError, error.to_string()))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let length = sent.len() + data.len();
        if length > caps::BODY_SENT_BYTES_MAX {
            return Err(too_large());
        }
        if length > sent.capacity() {
            let capacity = capacity(length, longest);
            if capacity > caps::SMALL_BODY_SENT_BYTES_MAX {
                taken.grow(capacity)?;
            }
            sent.reserve_exact(capacity - sent.len());
        }
        sent.extend_from_slice(&data);
    }
    Ok(Received { sent, taken })
}

/// The memory for a body of which `length` bytes have come: it grows as they come, twice as far each
/// time so that few are copied, and never beyond what the body can become.
fn capacity(length: usize, longest: usize) -> usize {
    length.next_power_of_two().min(longest).max(length)
}

fn too_large() -> ApiError {
    let detail = format!("at most {} bytes as sent", caps::BODY_SENT_BYTES_MAX);
    ApiError::new(ErrorCode::BodyTooLarge, detail).at(Limit::BodySentBytes)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Ends the test when it waits for ever.
    async fn in_time<T>(future: impl Future<Output = T>) -> T {
        tokio::time::timeout(MINUTE, future).await.unwrap()
    }

    #[tokio::test]
    async fn a_small_body_needs_no_room_and_a_large_one_gives_it_back() {
        let room = Room::new(1 << 20, 1 << 20, Duration::ZERO);
        let small = Body::from(vec![b' '; caps::SMALL_BODY_SENT_BYTES_MAX]);
        let no_room = Room::new(0, 0, Duration::ZERO);
        let mut headers = HeaderMap::new();
        let read_small = in_time(read(&no_room, "c", MINUTE, &headers, small, <[u8]>::len)).await;
        assert_eq!(read_small.unwrap(), caps::SMALL_BODY_SENT_BYTES_MAX);
        headers.insert(header::CONTENT_LENGTH, (100_000).into());
        let large = || Body::from(vec![b' '; 100_000]);
        let refused = in_time(read(&no_room, "c", MINUTE, &headers, large(), <[u8]>::len)).await;
        assert_eq!(refused.unwrap_err().code(), ErrorCode::QueueFull);
        assert_eq!(
            in_time(read(&room, "c", MINUTE, &headers, large(), <[u8]>::len))
                .await
                .unwrap(),
            100_000
        );
        assert_eq!(room.taken(), (0, 0));
    }

    #[tokio::test]
    async fn a_large_body_keeps_its_room_while_it_is_read_even_when_nobody_waits_for_it() {
        let room = Arc::new(Room::default());
        let ((started, has_started), (end, ended)) = (channel(), channel::<()>());
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_LENGTH, (100_000).into());
        let request = tokio::spawn({
            let room = Arc::clone(&room);
            async move {
                let body = Body::from(vec![b' '; 100_000]);
                let parse = move |_: &[u8]| {
                    started.send(()).unwrap();
                    // Until the test has looked; then the other end is gone.
                    let _gone = ended.recv();
                };
                read(&room, "c", MINUTE, &headers, body, parse).await
            }
        });
        let begun = tokio::task::spawn_blocking(move || has_started.recv());
        in_time(begun).await.unwrap().unwrap();
        assert_eq!(room.taken(), (100_000, 100_000));
        request.abort();
        assert!(in_time(request).await.unwrap_err().is_cancelled());
        assert_eq!(room.taken(), (100_000, 100_000));
        drop(end);
        in_time(async {
            while room.taken() != (0, 0) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }
}
