//! What is made of many measurements: percentiles and medians.

use std::time::Duration;

/// The value below which the share (0 to 1) of the values lies, as one of the values; zero if there is none.
pub(crate) fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    // The nearest rank: the smallest value that at least the share of all values does not exceed.
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// The value in the middle; zero if there is none.
pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}

/// In milliseconds.
pub(crate) fn millis(times: &[Duration]) -> Vec<f64> {
    times.iter().map(|time| time.as_secs_f64() * 1000.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values_whatever_their_order() {
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        for (share, expected) in [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0), (0.0, 1.0)] {
            assert_eq!(percentile(&hundred, share), expected, "{share}");
        }
        assert_eq!(percentile(&[7.0], 0.99), 7.0);
        assert_eq!(percentile(&[], 0.5), 0.0);
    }

    #[test]
    fn one_slow_pass_does_not_move_the_median() {
        assert_eq!(median(&[9.0, 2.0, 1.0]), 2.0);
        assert_eq!(median(&[2.0, 1.0]), 1.0);
    }

    #[test]
    fn times_are_told_in_milliseconds() {
        assert_eq!(millis(&[Duration::from_micros(1500)]), [1.5]);
    }
}
