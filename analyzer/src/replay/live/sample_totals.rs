//! The sums of a process's samples, and the exact ones that stand beside them.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::model::{Amount, Sampling, Uncertainty};

/// What was allocated from the C allocator while samples alone were recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SampleTotals {
    /// The mean number of bytes from one sample to the next, the largest of several; 0 if every event was recorded.
    pub sample_bytes: u64,
    /// What the samples stand for.
    pub estimated: Amount,
    /// How far that is from certain.
    pub uncertainty: Uncertainty,
    /// What there was: calls, and the bytes that they asked for.
    pub exact: Amount,
    /// Whether there is no exact course of what was held, or none from some moment on.
    pub is_peak_estimated: bool,
}

impl SampleTotals {
    /// Adds a block that was drawn once in `sample_bytes`.
    pub fn add(&mut self, sample_bytes: u64, (amount, uncertainty): (Amount, Uncertainty)) {
        self.sample_bytes = self.sample_bytes.max(sample_bytes);
        self.estimated += amount;
        self.uncertainty += uncertainty;
    }

    /// What a report says of it; nothing if every event was recorded.
    #[must_use]
    pub fn sampling(&self) -> Option<Sampling> {
        let SampleTotals { sample_bytes, estimated, uncertainty, exact, is_peak_estimated } = self;
        (*sample_bytes > 0).then(|| Sampling {
            sample_bytes: *sample_bytes,
            samples: uncertainty.n_samples,
            allocations: exact.count,
            bytes: exact.bytes,
            estimated_allocations: estimated.count,
            estimated_bytes: estimated.bytes,
            allocations_error: uncertainty.count(),
            bytes_error: uncertainty.bytes(),
            is_peak_estimated: *is_peak_estimated,
        })
    }
}

impl AddAssign for SampleTotals {
    fn add_assign(&mut self, other: SampleTotals) {
        self.sample_bytes = self.sample_bytes.max(other.sample_bytes);
        self.estimated += other.estimated;
        self.uncertainty += other.uncertainty;
        self.exact += other.exact;
        self.is_peak_estimated = self.is_peak_estimated || other.is_peak_estimated;
    }
}
