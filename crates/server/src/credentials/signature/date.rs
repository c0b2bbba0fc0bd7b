//! `X-Sdk-Date`: `YYYYMMDDTHHMMSSZ`, in UTC.

use portolan_wire::time::UnixMicros;

/// Reads a date, which has no other form.
pub(super) fn read(text: &str) -> Option<UnixMicros> {
    let digits = |from: usize, to: usize| {
        let part = text.get(from..to)?;
        part.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then_some(part)
    };
    let (date, time) = (text.get(8..9)?, text.get(15..)?);
    if date != "T" || time != "Z" {
        return None;
    }
    let (year, month, day) = (digits(0, 4)?, digits(4, 6)?, digits(6, 8)?);
    let (hour, minute, second) = (digits(9, 11)?, digits(11, 13)?, digits(13, 15)?);
    // Not by `format!`, which costs several times as much: every signed request comes here.
    let mut text = String::with_capacity(20);
    for part in [
        year, "-", month, "-", day, "T", hour, ":", minute, ":", second, "Z",
    ] {
        text.push_str(part);
    }
    text.parse().ok()
}

/// A moment in the same form, to the second.
pub(super) fn show(moment: UnixMicros) -> String {
    let whole = UnixMicros::from_seconds(moment.seconds()).to_string();
    whole.replace(['-', ':'], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_has_one_form() {
        let moment: UnixMicros = "2026-01-02T03:04:05Z".parse().unwrap();
        assert_eq!(read("20260102T030405Z"), Some(moment));
        assert_eq!(show(moment.plus_micros(999_999)), "20260102T030405Z");
        for faulty in [
            "",
            "20260102T030405",
            "20260102T030405z",
            "20260102t030405Z",
            "20260102T030405+",
            "20260102 030405Z",
            "2026-01-02T03:04:05Z",
            "20261302T030405Z",
            "20260230T030405Z",
            "20260102T240405Z",
            "20260102T030405ZZ",
            "20260102T030405.0Z",
            "+0260102T030405Z",
            "2026010éT03040Z",
        ] {
            assert_eq!(read(faulty), None, "{faulty:?}");
        }
    }
}
