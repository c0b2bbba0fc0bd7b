//! Bytes as lower-case hexadecimal digits, and back.

pub(super) fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads exactly `N` bytes; digits may be of either case.
pub(super) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    decode_all(text)?.try_into().ok()
}

/// Reads as many bytes as there are pairs of digits.
pub(super) fn decode_all(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    pairs.iter().map(byte).collect()
}

fn byte(pair: &[u8; 2]) -> Option<u8> {
    // `from_str_radix` would take a sign.
    let text = std::str::from_utf8(pair)
        .ok()
        .filter(|text| !text.starts_with('+'))?;
    u8::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded_and_nothing_else() {
        assert_eq!(encode(&[0, 0xab, 0xff]), "00abff");
        assert_eq!(decode::<3>("00ABff"), Some([0, 0xab, 0xff]));
        for faulty in [
            "", "00abf", "00abfff", "00abfg", "+0abff", "00abff00", "é0abff",
        ] {
            assert_eq!(decode::<3>(faulty), None, "{faulty:?}");
        }
    }
}
