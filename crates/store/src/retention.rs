//! How long history is kept.

use portolan_wire::time::UnixMicros;

use crate::HistorySpan;

/// The day before which history is to be dropped ([`Store::drop_history_before`]); `None` where all
/// of it may stay.
///
/// A day goes when all of it is more than `retention_days` days ago, and the oldest go for as long as
/// all together take more than `bytes_max` bytes. The newest day never goes, whatever it takes.
///
/// [`Store::drop_history_before`]: crate::Store::drop_history_before
pub fn history_to_drop(
    span: &HistorySpan,
    now: UnixMicros,
    retention_days: u32,
    bytes_max: u64,
) -> Option<u32> {
    // The day of that moment is still needed for the rest of it.
    let oldest = now.day().saturating_sub(retention_days);
    let mut bytes = 0_u64;
    let kept = span
        .days
        .iter()
        .rev()
        .enumerate()
        .take_while(|(place, day)| {
            bytes = bytes.saturating_add(day.bytes);
            *place == 0 || (day.day >= oldest && bytes <= bytes_max)
        });
    let dropped = span.days.len().saturating_sub(kept.count());
    let first_left = span.days.get(dropped).filter(|_| dropped > 0);
    first_left.map(|day| day.day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::HistoryDay;

    fn span(days: &[(u32, u64)]) -> HistorySpan {
        let day = |&(day, bytes)| HistoryDay {
            day,
            first: 0,
            bytes,
        };
        HistorySpan {
            days: days.iter().map(day).collect(),
            ..HistorySpan::default()
        }
    }

    const NOW: UnixMicros = UnixMicros::midnight(100).plus_micros(1);

    #[test]
    fn days_go_by_age_when_the_whole_day_is_old_enough() {
        let days = span(&[(90, 1), (93, 1), (98, 1), (100, 1)]);
        let drop = |retention| history_to_drop(&days, NOW, retention, u64::MAX);
        assert_eq!(drop(10), None);
        assert_eq!(drop(9), Some(93));
        assert_eq!(drop(7), Some(93));
        assert_eq!(drop(6), Some(98));
        assert_eq!(drop(1), Some(100));
        assert_eq!(drop(0), Some(100));
        assert_eq!(drop(u32::MAX), None);
        // Nothing came for long: the newest stays.
        let old = span(&[(50, 1), (51, 1)]);
        assert_eq!(history_to_drop(&old, NOW, 7, u64::MAX), Some(51));
        assert_eq!(history_to_drop(&span(&[(51, 1)]), NOW, 7, u64::MAX), None);
        assert_eq!(history_to_drop(&span(&[]), NOW, 7, u64::MAX), None);
    }

    #[test]
    fn days_go_by_bytes_the_oldest_first_and_never_the_newest() {
        let days = span(&[(97, 40), (98, 10), (99, 30), (100, 20)]);
        let drop = |bytes| history_to_drop(&days, NOW, 365, bytes);
        assert_eq!(drop(100), None);
        assert_eq!(drop(99), Some(98));
        assert_eq!(drop(60), Some(98));
        assert_eq!(drop(59), Some(99));
        assert_eq!(drop(49), Some(100));
        assert_eq!(drop(0), Some(100));
        // Older days do not fill what a large one leaves.
        let days = span(&[(98, 1), (99, 1000), (100, 20)]);
        assert_eq!(history_to_drop(&days, NOW, 365, 30), Some(100));
        assert_eq!(history_to_drop(&span(&[(100, 20)]), NOW, 365, 0), None);
    }

    proptest! {
        #[test]
        fn what_is_left_is_within_both_limits_or_the_newest_alone_and_no_more_goes_than_must(
            mut days in prop::collection::btree_map(0..120_u32, 0..100_u64, 0..12),
            retention in 0..130_u32,
            bytes_max in 0..600_u64,
        ) {
            let all: Vec<(u32, u64)> = days.clone().into_iter().collect();
            let drop = history_to_drop(&span(&all), NOW, retention, bytes_max);
            // One at a time, for as long as something is wrong with the oldest.
            let wrong = |days: &std::collections::BTreeMap<u32, u64>| {
                let first = days.first_key_value().map_or(0, |(day, _)| *day);
                first + retention < 100 || days.values().sum::<u64>() > bytes_max
            };
            while days.len() > 1 && wrong(&days) {
                days.pop_first();
            }
            let expected = (days.len() < all.len())
                .then(|| days.first_key_value().map(|(day, _)| *day).unwrap());
            prop_assert_eq!(drop, expected);
        }
    }
}
