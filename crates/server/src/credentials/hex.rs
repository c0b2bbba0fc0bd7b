//! Bytes as lower-case hexadecimal digits, and back.

pub(super) fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The 64 digits of a SHA-256.
pub(super) fn digits(hash: &[u8; 32]) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [0; 64];
    for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(hash) {
        let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or(b'0');
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    digits
}

/// The SHA-256 of 64 lower-case digits.
pub(super) fn hash(text: &str) -> Option<[u8; 32]> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let pairs: &[[u8; 2]; 32] = text.as_bytes().as_chunks::<2>().0.try_into().ok()?;
    let mut hash = [0; 32];
    for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
        *byte = value(*high)? << 4 | value(*low)?;
    }
    (text.len() == 64).then_some(hash)
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
        let hash = std::array::from_fn(|place| 0xf0 ^ place as u8);
        let text = encode(&hash);
        assert_eq!(digits(&hash).as_slice(), text.as_bytes());
        assert_eq!(super::hash(&text), Some(hash));
        for faulty in [
            &text[1..],
            &text[2..],
            &text.to_uppercase(),
            &format!("{text}0"),
            &format!("g{}", &text[1..]),
        ] {
            assert_eq!(super::hash(faulty), None, "{faulty:?}");
        }
        for faulty in [
            "", "00abf", "00abfff", "00abfg", "+0abff", "00abff00", "é0abff",
        ] {
            assert_eq!(decode::<3>(faulty), None, "{faulty:?}");
        }
    }
}
