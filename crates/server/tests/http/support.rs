//! Small things that several tests need.

use std::io::Write;
use std::time::{Duration, Instant};

use flate2::write::GzEncoder;
use serde_json::Value;

/// Waits until a condition holds, for a time that no healthy machine needs.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < end, "it never came to be that {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// The values of one field of every row of an answer's `data_list`.
pub(crate) fn column<'a>(body: &'a Value, field: &str) -> Vec<&'a Value> {
    body["data_list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row[field])
        .collect()
}

/// The same, as text.
pub(crate) fn texts<'a>(body: &'a Value, field: &str) -> Vec<&'a str> {
    column(body, field)
        .into_iter()
        .map(|value| value.as_str().unwrap())
        .collect()
}

/// (port, type, num) of every row.
pub(crate) fn rows(body: &Value) -> Vec<(u64, &str, u64)> {
    let rows = body["data_list"].as_array().unwrap().iter();
    rows.map(|row| {
        (
            row["port"].as_u64().unwrap(),
            row["type"].as_str().unwrap(),
            row["num"].as_u64().unwrap(),
        )
    })
    .collect()
}

/// Numbers that look random and are the same at every run (SplitMix64).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % end
    }
}
