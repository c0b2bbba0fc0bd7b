//! The body of a request, as sent, under its caps and its time.

use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use portolan_wire::caps;
use portolan_wire::error::ErrorCode;
use sha2::{Digest as _, Sha256};

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
    body: Incoming,
    parse: impl FnOnce(&[u8]) -> T + Send + 'static,
) -> Result<T, ApiError> {
    content_type(headers)?;
    let encoding = Encoding::of(headers)?;
    let Received { sent, taken } = match body {
        Incoming::Received(received) => received,
        Incoming::Coming(body) => {
            let receiving = Coming {
                taken: Some(room.to_receive(credential)),
                most: caps::BODY_SENT_BYTES_MAX,
                hash: None,
            };
            receiving.in_time(time, headers, body).await?
        }
    };
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

/// The body of a request whose credential was checked.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// It is still to come.
    Coming(Body),
    /// It was needed for the check, and is here.
    Received(Received),
}

static SHA256_OF_NOTHING: LazyLock<[u8; 32]> = LazyLock::new(|| Sha256::digest(b"").into());

/// Receives a body of up to `most` bytes that must come after `time`, and hashes it: without that
/// the signature of its request cannot be checked.
pub(crate) async fn receive_signed(
    room: &Room,
    from: IpAddr,
    time: Duration,
    headers: &HeaderMap,
    body: Body,
    most: usize,
) -> Result<(Received, [u8; 32]), ApiError> {
    if body.is_end_stream() {
        return Ok((Received::default(), *SHA256_OF_NOTHING));
    }
    let mut hash = Sha256::new();
    let coming = Coming {
        taken: Some(room.to_receive_unproven(from)),
        most,
        hash: Some(&mut hash),
    };
    let received = coming.in_time(time, headers, body).await?;
    Ok((received, hash.finalize().into()))
}

/// Receives a body from whoever sends it, which must come after `time` and be a small one, so that it
/// needs no room: of up to `most` bytes, `caps::SMALL_BODY_SENT_BYTES_MAX` at the most.
pub(crate) async fn receive_small(
    time: Duration,
    headers: &HeaderMap,
    body: Body,
    most: usize,
) -> Result<Vec<u8>, ApiError> {
    let coming = Coming {
        taken: None,
        most,
        hash: None,
    };
    Ok(coming.in_time(time, headers, body).await?.sent)
}

/// A body as it was sent, and the room that it takes, if it is no small one.
#[derive(Debug, Default)]
pub(crate) struct Received {
    sent: Vec<u8>,
    taken: Option<Receiving>,
}

/// A body that is to come.
struct Coming<'a> {
    /// The room for it; a small one needs none.
    taken: Option<Receiving>,
    /// Most bytes.
    most: usize,
    hash: Option<&'a mut Sha256>,
}

impl Coming<'_> {
    async fn in_time(
        self,
        time: Duration,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Received, ApiError> {
        let announced = self.announced(headers)?;
        let read = tokio::time::timeout(time, self.frames(announced, body));
        read.await.unwrap_or_else(|_| {
            let detail = format!("the body did not arrive within {time:?}");
            Err(ApiError::new(ErrorCode::RequestError, detail).at(Limit::BodyTime))
        })
    }

    /// The length that it will have, where that is told.
    fn announced(&self, headers: &HeaderMap) -> Result<Option<usize>, ApiError> {
        let length = headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|v| v.to_str().ok()?.parse().ok());
        if length.is_some_and(|length: usize| length > self.most) {
            return Err(too_large(self.most));
        }
        Ok(length)
    }

    async fn frames(
        mut self,
        announced: Option<usize>,
        mut body: Body,
    ) -> Result<Received, ApiError> {
        let longest = announced.unwrap_or(self.most);
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
            if length > self.most {
                return Err(too_large(self.most));
            }
            if length > sent.capacity() {
                let capacity = capacity(length, longest);
                if let Some(taken) = &mut self.taken
                    && capacity > caps::SMALL_BODY_SENT_BYTES_MAX
                {
                    taken.grow(capacity)?;
                }
                sent.reserve_exact(capacity - sent.len());
            }
            if let Some(hash) = &mut self.hash {
                hash.update(&data);
            }
            sent.extend_from_slice(&data);
        }
        Ok(Received {
            sent,
            taken: self.taken,
        })
    }
}

/// The memory for a body of which `length` bytes have come: it grows as they come, twice as far each
/// time so that few are copied, and never beyond what the body can become.
fn capacity(length: usize, longest: usize) -> usize {
    length.next_power_of_two().min(longest).max(length)
}

fn too_large(most: usize) -> ApiError {
    let detail = format!("at most {most} bytes as sent");
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
        let room = Room::new(1 << 20, 0, 1 << 20, Duration::ZERO);
        let small = Incoming::Coming(Body::from(vec![b' '; caps::SMALL_BODY_SENT_BYTES_MAX]));
        let no_room = Room::new(0, 0, 0, Duration::ZERO);
        let mut headers = HeaderMap::new();
        let read_small = in_time(read(&no_room, "c", MINUTE, &headers, small, <[u8]>::len)).await;
        assert_eq!(read_small.unwrap(), caps::SMALL_BODY_SENT_BYTES_MAX);
        headers.insert(header::CONTENT_LENGTH, (100_000).into());
        let large = || Incoming::Coming(Body::from(vec![b' '; 100_000]));
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
                let body = Incoming::Coming(Body::from(vec![b' '; 100_000]));
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
