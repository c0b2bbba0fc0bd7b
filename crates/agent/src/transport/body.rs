//! A message as the body of a request.
//!
//! A host's set compresses to a tenth, a heartbeat is smaller than what zstd would save. Level 1:
//! higher ones cost several times the CPU for a few per cent less. Holds: what is sent is what the
//! interface takes: JSON, by `Content-Encoding` either plain or one zstd frame.

use portolan_wire::heartbeat::HeartbeatsRequest;
use portolan_wire::report::ReportsRequest;

use super::Message;

/// Bodies up to this many bytes are sent as they are.
const PLAIN_BYTES_MAX: usize = 1_024;
/// Effort of zstd.
const ZSTD_LEVEL: i32 = 1;

/// A request without its address and token.
pub(super) struct Body {
    /// The bytes to send.
    pub(super) bytes: Vec<u8>,
    /// Whether they are compressed by zstd.
    pub(super) is_zstd: bool,
}

/// Writes `message`; in words what failed.
pub(super) fn encode(message: Message) -> Result<Body, String> {
    let json = match message {
        Message::Report(report) => serde_json::to_vec(&ReportsRequest {
            reports: vec![*report],
        }),
        Message::Heartbeat(heartbeat) => serde_json::to_vec(&HeartbeatsRequest {
            heartbeats: vec![heartbeat],
        }),
    };
    let json = json.map_err(|error| format!("the message cannot be written as JSON: {error}"))?;
    if json.len() <= PLAIN_BYTES_MAX {
        return Ok(Body {
            bytes: json,
            is_zstd: false,
        });
    }
    let bytes = zstd::bulk::compress(&json, ZSTD_LEVEL)
        .map_err(|error| format!("the message cannot be compressed: {error}"))?;
    Ok(Body {
        bytes,
        is_zstd: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Pair;
    use crate::testing::snapshot;

    #[test]
    fn a_long_report_is_compressed_and_a_short_one_is_not() {
        for (ports, is_zstd) in [((1..=3), false), ((1..=900), true)] {
            let ports: Vec<u16> = ports.collect();
            let report = snapshot(&ports, 1).report(Pair::start_of(1), 30, Vec::new(), 0);
            let body = encode(Message::Report(Box::new(report))).unwrap();
            assert_eq!(body.is_zstd, is_zstd);
            let json = if is_zstd {
                zstd::decode_all(&body.bytes[..]).unwrap()
            } else {
                body.bytes
            };
            let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
            let told = value["reports"][0]["open_ports"].as_array().unwrap();
            assert_eq!(told.len(), ports.len());
        }
    }
}
