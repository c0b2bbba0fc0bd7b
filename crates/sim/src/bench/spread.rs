//! Median, lowest and highest of a few measurements, and quantiles of many.

/// What a series of measurements came to. A mean would let one bad minute speak for all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The middle one, or between the two middle ones.
    pub median: f64,
    /// The lowest.
    pub lowest: f64,
    /// The highest.
    pub highest: f64,
}

impl Spread {
    /// `None` of no measurements.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let upper = *values.get(middle)?;
        let even = values.len().is_multiple_of(2);
        let lower = if even {
            *values.get(middle - 1)?
        } else {
            upper
        };
        Some(Self {
            median: f64::midpoint(lower, upper),
            lowest: *values.first()?,
            highest: *values.last()?,
        })
    }
}

/// The smallest value that `per_mille` thousandths of the values do not exceed; 0 of none.
/// Orders the values.
pub fn quantile(values: &mut [u32], per_mille: usize) -> u32 {
    values.sort_unstable();
    let rank = (values.len() * per_mille).div_ceil(1_000);
    values.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_middle_ones() {
        let spread = |values: &[f64]| Spread::of(values.iter().copied());
        let odd = Spread {
            median: 3.0,
            lowest: 1.0,
            highest: 90.0,
        };
        assert_eq!(spread(&[90.0, 1.0, 3.0]), Some(odd));
        let even = Spread {
            median: 2.5,
            lowest: 1.0,
            highest: 9.0,
        };
        assert_eq!(spread(&[9.0, 1.0, 3.0, 2.0]), Some(even));
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let mut values: Vec<u32> = (1..=1_000).rev().collect();
        assert_eq!(quantile(&mut values, 500), 500);
        assert_eq!(quantile(&mut values, 990), 990);
        assert_eq!(quantile(&mut values, 1_000), 1_000);
        assert_eq!(quantile(&mut [5, 7], 990), 7);
        assert_eq!(quantile(&mut [5, 7], 500), 5);
        assert_eq!(quantile(&mut [], 500), 0);
    }
}
