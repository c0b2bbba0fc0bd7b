//! Decompression under a cap that counts while it streams, so that a small body cannot become a
//! large memory.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{self, Read};

use axum::http::{HeaderMap, header};
use portolan_wire::caps;
use portolan_wire::error::ErrorCode;
use zstd::zstd_safe::DCtx;

use crate::error::ApiError;
use crate::limits::Limit;

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As it is.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 8878, with a window of at most 8 MiB.
    Zstd,
}

impl Encoding {
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let mut given = headers.get_all(header::CONTENT_ENCODING).iter();
        let text = given
            .next()
            .map(|value| value.to_str().unwrap_or("").trim());
        let known = match text {
            None => Some(Self::Identity),
            Some(text) if text.eq_ignore_ascii_case("identity") => Some(Self::Identity),
            Some(text) if text.eq_ignore_ascii_case("gzip") => Some(Self::Gzip),
            Some(text) if text.eq_ignore_ascii_case("zstd") => Some(Self::Zstd),
            Some(_) => None,
        };
        known.filter(|_| given.next().is_none()).ok_or_else(|| {
            let detail = "Content-Encoding must be zstd, gzip or identity";
            ApiError::new(ErrorCode::UnsupportedEncoding, detail)
        })
    }
}

/// Unpacks a body; `None` says that it has more than `cap` bytes.
pub(crate) fn unpack(
    encoding: Encoding,
    sent: &[u8],
    cap: usize,
) -> Result<Option<Cow<'_, [u8]>>, ApiError> {
    match encoding {
        Encoding::Identity => Ok((sent.len() <= cap).then_some(Cow::Borrowed(sent))),
        Encoding::Gzip => bounded(
            flate2::read::MultiGzDecoder::new(sent),
            "gzip",
            sent.len(),
            cap,
        ),
        Encoding::Zstd => ZSTD.with_borrow_mut(|context| {
            // This also leaves behind what a body before it did not finish.
            let mut decoder = zstd::Decoder::with_context(sent, context);
            decoder
                .window_log_max(caps::ZSTD_WINDOW_LOG_MAX)
                .map_err(|error| undecodable("zstd", &error))?;
            bounded(decoder, "zstd", sent.len(), cap)
        }),
    }
}

thread_local! {
    /// Making a context costs more than unpacking one report by it.
    static ZSTD: RefCell<DCtx<'static>> = RefCell::new(DCtx::create());
}

fn bounded<'a>(
    reader: impl Read,
    name: &str,
    sent: usize,
    cap: usize,
) -> Result<Option<Cow<'a, [u8]>>, ApiError> {
    let mut unpacked = Vec::with_capacity(sent.saturating_mul(8).min(cap));
    // One byte more than the cap tells a body at the cap from one beyond it.
    let read = reader.take(cap as u64 + 1).read_to_end(&mut unpacked);
    match read {
        Ok(read) if read > cap => Ok(None),
        Ok(_) => Ok(Some(Cow::Owned(unpacked))),
        Err(error) => Err(undecodable(name, &error)),
    }
}

/// A body has more than [`caps::BODY_UNPACKED_BYTES_MAX`] bytes unpacked.
pub(crate) fn too_large_unpacked() -> ApiError {
    let detail = format!("at most {} bytes unpacked", caps::BODY_UNPACKED_BYTES_MAX);
    ApiError::new(ErrorCode::BodyTooLarge, detail).at(Limit::BodyUnpackedBytes)
}

fn undecodable(name: &str, error: &io::Error) -> ApiError {
    // The library's words for a window over the limit that was set.
    if error.to_string().contains("too much memory") {
        let detail = "the zstd window must be at most 8388608 bytes";
        return ApiError::new(ErrorCode::BodyTooLarge, detail).at(Limit::BodyUnpackedBytes);
    }
    ApiError::new(
        ErrorCode::NotJson,
        format!("it does not unpack as {name}: {error}"),
    )
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// The length of what comes out under the cap of all bodies.
    fn length(encoding: Encoding, sent: &[u8]) -> Result<Option<usize>, ErrorCode> {
        unpack(encoding, sent, caps::BODY_UNPACKED_BYTES_MAX)
            .map(|bytes| bytes.map(|bytes| bytes.len()))
            .map_err(|error| error.code())
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn the_cap_is_on_what_comes_out_and_a_body_at_it_passes() {
        let at_cap = vec![b' '; caps::BODY_UNPACKED_BYTES_MAX];
        let beyond = vec![b' '; caps::BODY_UNPACKED_BYTES_MAX + 1];
        for (encoding, at_cap, beyond) in [
            (Encoding::Gzip, gzip(&at_cap), gzip(&beyond)),
            (
                Encoding::Zstd,
                zstd::encode_all(&at_cap[..], 1).unwrap(),
                zstd::encode_all(&beyond[..], 1).unwrap(),
            ),
        ] {
            assert!(at_cap.len() < 1 << 20, "the bodies are small as sent");
            assert_eq!(
                length(encoding, &at_cap),
                Ok(Some(caps::BODY_UNPACKED_BYTES_MAX))
            );
            assert_eq!(length(encoding, &beyond), Ok(None));
        }
    }

    #[test]
    fn a_zstd_window_over_8_mib_is_refused_and_one_at_it_passes() {
        let with_window = |log: u32| {
            let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
            encoder.window_log(log).unwrap();
            // Not a multiple of the window, and no size in the frame: the window stands in its head.
            encoder.write_all(&vec![7; 17 << 20]).unwrap();
            encoder.finish().unwrap()
        };
        assert_eq!(length(Encoding::Zstd, &with_window(23)), Ok(Some(17 << 20)));
        assert_eq!(
            length(Encoding::Zstd, &with_window(24)),
            Err(ErrorCode::BodyTooLarge)
        );
    }

    #[test]
    fn bytes_that_do_not_unpack_are_told() {
        for encoding in [Encoding::Gzip, Encoding::Zstd] {
            assert_eq!(length(encoding, b"{}"), Err(ErrorCode::NotJson));
            let mut cut = if encoding == Encoding::Gzip {
                gzip(b"{\"a\":1}")
            } else {
                zstd::encode_all(&b"{\"a\":1}"[..], 1).unwrap()
            };
            let whole = cut.clone();
            cut.truncate(cut.len() - 3);
            assert_eq!(length(encoding, &cut), Err(ErrorCode::NotJson));
            assert_eq!(
                length(encoding, &whole),
                Ok(Some(7)),
                "the next one is whole"
            );
        }
    }

    #[test]
    fn any_encoding_says_when_a_body_is_beyond_a_smaller_cap() {
        let body = [b' '; 100];
        let packed = [
            (Encoding::Identity, body.to_vec()),
            (Encoding::Gzip, gzip(&body)),
            (Encoding::Zstd, zstd::encode_all(&body[..], 1).unwrap()),
        ];
        for (encoding, sent) in packed {
            assert_eq!(
                unpack(encoding, &sent, 100).unwrap().as_deref(),
                Some(&body[..])
            );
            assert_eq!(unpack(encoding, &sent, 99).unwrap(), None);
        }
    }
}
