//! Medians and geometric means.

/// The median of what is a number; of an even number of them the mean of the middle two. NaN for no number.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// The geometric mean of what is a positive number. NaN for no number.
pub fn geometric_mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let logarithms: Vec<f64> =
        values.into_iter().filter(|value| value.is_finite() && *value > 0.0).map(f64::ln).collect();
    (logarithms.iter().sum::<f64>() / logarithms.len() as f64).exp()
}

#[cfg(test)]
mod tests {
    use super::{geometric_mean, median};

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[9.0, 1.0, 5.0]), 5.0);
        assert_eq!(median(&[9.0, 1.0, f64::NAN, 5.0, 6.0]), 5.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn the_geometric_mean_passes_over_what_has_none() {
        assert!((geometric_mean([2.0, 8.0, f64::NAN, -1.0]) - 4.0).abs() < 1e-9);
        assert!(geometric_mean([]).is_nan());
    }
}
