//! Long spans of time as people write them: `30d`, `12h`.

const HOUR_S: u32 = 3_600;

/// The seconds of a whole number of hours or days, such as `12h` or `30d`; `None` where the text is
/// none or means more seconds than a `u32` holds, some 49,710 days.
pub(crate) fn seconds(text: &str) -> Option<u32> {
    let unit_at = text.len().checked_sub(1)?;
    let (number, unit) = text.split_at_checked(unit_at)?;
    let unit_s = match unit {
        "h" => HOUR_S,
        "d" => 24 * HOUR_S,
        _ => return None,
    };
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    number.parse::<u32>().ok()?.checked_mul(unit_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_and_days_are_read_and_nothing_else_is() {
        for (text, read) in [
            ("1h", Some(3_600)),
            ("30d", Some(2_592_000)),
            ("0d", Some(0)),
            ("49710d", Some(4_294_944_000)),
        ] {
            assert_eq!(seconds(text), read, "{text}");
        }
        for text in [
            "", "d", "30", "30m", "30D", "+1d", "1 d", "1.5d", "49711d", "é", "1é",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
