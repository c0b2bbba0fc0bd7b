//! Caps as people write them: a share of a core, an amount of memory.

use std::time::Duration;

/// Least and most of a core, in thousandths of a per cent.
const SHARE_MIN: u32 = 100;
const SHARE_MAX: u32 = 100_000;
/// Least memory that is a cap: the agent alone has a tenth of it.
const MEMORY_MIN: u64 = 16 << 20;

/// `2%` of one core, as CPU in a minute.
pub(super) fn cpu_share(text: &str) -> Result<Duration, String> {
    let thousandths = text.strip_suffix('%').and_then(thousandths);
    thousandths
        .filter(|share| (SHARE_MIN..=SHARE_MAX).contains(share))
        .map(|share| Duration::from_secs(60) * share / SHARE_MAX)
        .ok_or_else(|| {
            format!(
                "per cent of one core from 0.1% to 100%, with up to three decimals, got {text:?}"
            )
        })
}

fn thousandths(text: &str) -> Option<u32> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(decimals) || decimals.len() > 3 {
        return None;
    }
    let whole: u32 = whole.parse().ok()?;
    let decimals: u32 = format!("{decimals:0<3}").parse().ok()?;
    whole.checked_mul(1_000)?.checked_add(decimals)
}

/// `64MiB`, in bytes.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let unit_at = text
        .find(|char: char| !char.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(unit_at);
    let unit: Option<u64> = match unit {
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    let count: Option<u64> = digits.parse().ok();
    count
        .zip(unit)
        .and_then(|(count, unit)| count.checked_mul(unit))
        .filter(|bytes| *bytes >= MEMORY_MIN)
        .ok_or_else(|| format!("a whole number of KiB, MiB or GiB, at least 16MiB, got {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_a_core_are_read_within_their_limits() {
        let good = [
            ("2%", 1_200),
            ("0.1%", 60),
            ("1.5%", 900),
            ("100%", 60_000),
            ("0.125%", 75),
        ];
        for (text, ms) in good {
            assert_eq!(cpu_share(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for bad in [
            "",
            "2",
            "%",
            "0%",
            "0.099%",
            "100.001%",
            "-1%",
            "1.%",
            ".5%",
            "0.1234%",
            "2 %",
            "99999999999%",
        ] {
            assert!(cpu_share(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_are_read_from_their_limit_on() {
        let good = [
            ("64MiB", 64 << 20),
            ("1GiB", 1 << 30),
            ("16384KiB", 16 << 20),
        ];
        for (text, bytes) in good {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for bad in [
            "",
            "64",
            "MiB",
            "15MiB",
            "64MB",
            "64 MiB",
            "1.5GiB",
            "-1GiB",
            "99999999999999GiB",
        ] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
