//! A rate of samples as users write it.

use std::str::FromStr;

use tm_common::sampling::SampleRate;

use crate::errors::{Error, Result};

/// `BYTES`, the mean from one sample to the next: `512K`, `1M`, 0 for every event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample(pub SampleRate);

impl FromStr for Sample {
    type Err = Error;

    fn from_str(text: &str) -> Result<Sample> {
        SampleRate::parse(text.as_bytes()).map(Sample).ok_or_else(|| {
            Error::Usage(format!(
                "'{text}' is no rate of samples; write the mean bytes between two, from 1 to 1T, such as 512K, or 0 for every event"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_refused_with_what_to_write() {
        for text in ["", "x", "-1", "0.5M", "2T", "99999999999999999999", "512KB", "1e6"] {
            let said = text.parse::<Sample>().unwrap_err().to_string();
            assert!(said.contains(&format!("'{text}'")) && said.contains("512K"), "{said}");
        }
        assert_eq!("500000".parse::<Sample>().unwrap().0.mean_bytes(), 512 << 10);
    }
}
