//! What reports of samples say of their estimates: in their first lines, in a column and in JSON. Reports of every event say nothing.

use serde::Serialize;

use super::human::{counted, size};
use tm_analyzer::model::{Origin, Sampling, Uncertainty};

/// The heading of the column of [`plus_minus`].
pub const HEADING: &str = "±";

/// The lines that say that figures are estimates, and what is known exactly; none where all blocks were recorded.
pub fn lines(origin: &Origin) -> String {
    origin
        .sampling
        .as_ref()
        .map_or(String::new(), |sampling| format!("{}\n{}\n", from(sampling), exact(sampling)))
}

/// The sentence that figures are estimates, for forms that have room for one.
pub fn sentence(sampling: &Sampling) -> String {
    format!("{}. {}.", from(sampling), exact(sampling))
}

fn from(sampling: &Sampling) -> String {
    let (samples, rate) = (counted(sampling.samples, "sample"), size(sampling.sample_bytes));
    format!("Estimated from {samples} at one per {rate}; 95 of 100 figures are right within their ±")
}

fn exact(sampling: &Sampling) -> String {
    let (calls, bytes) = (counted(sampling.allocations, "allocation"), size(sampling.bytes));
    let within = plus_minus(sampling.bytes_error, sampling.estimated_bytes);
    format!("Exact: {calls} of {bytes}; the samples say {} {within}", size(sampling.estimated_bytes))
}

/// The notice that an estimate is not what chance makes of what is exact.
pub fn notice(sampling: &Sampling) -> Option<String> {
    let Sampling { estimated_allocations, estimated_bytes, allocations, bytes, .. } = *sampling;
    sampling.is_off().then(|| {
        let estimated = format!("{} of {}", counted(estimated_allocations, "allocation"), size(estimated_bytes));
        let exact = format!("{} of {}", counted(allocations, "allocation"), size(bytes));
        format!("The samples say {estimated}, but there were {exact}: more than chance explains, so figures may be wrong.")
    })
}

/// The notice that the peak is that of samples, not that of the exact course.
pub fn peak_notice(sampling: &Sampling) -> Option<String> {
    sampling.is_peak_estimated.then(|| {
        "The peak and the course over time are estimated too, and a peak may be too high: what lives is known exactly only of a heap \
         that is recorded from the program's start on without a stop or clear, and where no blocks are in domains besides it."
            .to_owned()
    })
}

/// Writes the part by which `amount` may be off: `±7.1%`, `±120%`.
pub fn plus_minus(error: u64, amount: u64) -> String {
    let percent = if amount == 0 { 0.0 } else { error as f64 * 100.0 / amount as f64 };
    let decimals = usize::from((0.05..9.95).contains(&percent));
    format!("±{percent:.decimals$}%")
}

/// The ± of a figure of bytes as a cell; nothing where it is exact.
pub fn cell(uncertainty: &Uncertainty, bytes: u64) -> String {
    if uncertainty.is_estimate() { plus_minus(uncertainty.bytes(), bytes) } else { String::new() }
}

/// The same behind a figure in a line of text.
pub fn behind(uncertainty: &Uncertainty, bytes: u64) -> String {
    if uncertainty.is_estimate() { format!(" {}", cell(uncertainty, bytes)) } else { String::new() }
}

/// The columns of CSV.
pub const CSV_HEADINGS: &str = "samples,size_error,count_error";

/// The fields of CSV.
pub fn csv(uncertainty: &Uncertainty) -> String {
    format!("{},{},{}", uncertainty.n_samples, uncertainty.bytes(), uncertainty.count())
}

/// How far figures are from certain.
#[derive(Serialize)]
pub(in crate::report) struct EstimateObject {
    samples: u64,
    size_error: u64,
    count_error: u64,
}

impl EstimateObject {
    /// Nothing of what is exact.
    pub(in crate::report) fn of(uncertainty: &Uncertainty) -> Option<EstimateObject> {
        uncertainty.is_estimate().then(|| EstimateObject {
            samples: uncertainty.n_samples,
            size_error: uncertainty.bytes(),
            count_error: uncertainty.count(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_as_fine_as_it_is_small() {
        let texts = [(0, 9), (1, 10_000), (71, 1_000), (995, 10_000), (12, 10), (3, 0)];
        assert_eq!(
            texts.map(|(error, amount)| plus_minus(error, amount)),
            ["±0%", "±0%", "±7.1%", "±10%", "±120%", "±0%"]
        );
    }
}
