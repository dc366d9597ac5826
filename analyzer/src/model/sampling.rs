//! What is to be said of figures that are estimated from samples, and how they compare with what is known exactly.

use serde::{Deserialize, Serialize};

use super::statistics::SIGMAS_95;

/// How samples were drawn, and what they say of all allocations beside the exact sums of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sampling {
    /// The mean number of bytes from one sample to the next; of several the largest.
    pub sample_bytes: u64,
    /// Blocks that were drawn in the time.
    pub samples: u64,
    /// Calls that allocated from the C allocator in the time: exact.
    pub allocations: u64,
    /// The bytes that they asked for: exact.
    pub bytes: u64,
    /// What the samples say of these calls.
    pub estimated_allocations: u64,
    /// What the samples say of these bytes.
    pub estimated_bytes: u64,
    /// How far off the estimate of the calls may be, 95 times of 100.
    pub allocations_error: u64,
    /// How far off the estimate of the bytes may be, likewise.
    pub bytes_error: u64,
    /// Whether the peak and the course over time are the samples' own: the exact ones are not known, or not to the end.
    #[serde(default)]
    pub is_peak_estimated: bool,
}

/// The standard deviations to either side that hold 99.9 % of all estimates.
const SIGMAS_999: f64 = 3.29;

/// So many rates without a sample are as rare.
const NONE: f64 = 6.9;

impl Sampling {
    /// Whether the estimate of the bytes is so far from what is exact that chance does not explain it: once in a thousand programs. The
    /// estimate of the calls tells less: the smallest blocks, of which there are most, are drawn so seldom that it is mostly too low.
    #[must_use]
    pub fn is_off(&self) -> bool {
        if self.samples == 0 {
            // No point fell into any of the bytes, whose number is then exponentially distributed.
            return self.bytes as f64 > NONE * self.sample_bytes as f64;
        }
        // A byte adds at most the mean distance to the variance. The error is that of the estimate, which has so many bytes too few or too
        // many; that of what is exact is asked for.
        let off = self.estimated_bytes.abs_diff(self.bytes) as f64;
        let missing = if self.estimated_bytes < self.bytes { off } else { -off };
        let distance = self.sample_bytes as f64;
        let variance = (self.bytes_error as f64 / SIGMAS_95).powi(2) + distance * missing;
        let of_exact = SIGMAS_999 * variance.max(distance * distance).sqrt();
        // What each sample stands for is a whole number of bytes.
        let rounding = 1.0 + self.samples as f64 / 2.0;
        off > of_exact + rounding
    }
}

/// Two processes', or programs', together.
impl std::ops::AddAssign for Sampling {
    fn add_assign(&mut self, other: Sampling) {
        let root = |one: u64, other: u64| (one as f64).hypot(other as f64).round() as u64;
        self.sample_bytes = self.sample_bytes.max(other.sample_bytes);
        self.samples = self.samples.saturating_add(other.samples);
        self.allocations = self.allocations.saturating_add(other.allocations);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.estimated_allocations = self.estimated_allocations.saturating_add(other.estimated_allocations);
        self.estimated_bytes = self.estimated_bytes.saturating_add(other.estimated_bytes);
        // Variances add.
        self.allocations_error = root(self.allocations_error, other.allocations_error);
        self.bytes_error = root(self.bytes_error, other.bytes_error);
        self.is_peak_estimated = self.is_peak_estimated || other.is_peak_estimated;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_is_off_beyond_what_chance_does() {
        let sampling = |estimated_bytes| Sampling {
            samples: 10,
            bytes: 10_000,
            estimated_bytes,
            bytes_error: 1_000,
            ..Sampling::default()
        };
        assert!([8_600, 10_000, 11_500].iter().all(|&bytes| !sampling(bytes).is_off()));
        assert!([5_000, 15_000].iter().all(|&bytes| sampling(bytes).is_off()));
        assert!(!Sampling::default().is_off());
        let mut both = sampling(9_000);
        both += Sampling { bytes_error: 750, ..sampling(11_000) };
        assert_eq!((both.estimated_bytes, both.bytes_error, both.samples), (20_000, 1_250, 20));
    }
}
