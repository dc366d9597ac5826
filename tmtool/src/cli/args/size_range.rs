//! A range of sizes as users write it.

use crate::errors::{Error, Result};
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// `MIN..MAX` in bytes, both included: `4096`, `1K..64K`, `1M..`, `..100`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SizeRange(pub RangeInclusive<u64>);

impl FromStr for SizeRange {
    type Err = Error;

    fn from_str(text: &str) -> Result<SizeRange> {
        let range = match text.split_once("..") {
            None => bytes(text).map(|exact| exact..=exact),
            Some(("", "")) => None,
            Some((min, max)) => {
                let min = if min.is_empty() { Some(0) } else { bytes(min) };
                let max = if max.is_empty() { Some(u64::MAX) } else { bytes(max) };
                min.zip(max).map(|(min, max)| min..=max)
            }
        };
        let range = range.filter(|range| range.start() <= range.end());
        range.map(SizeRange).ok_or_else(|| {
            Error::Usage(format!("'{text}' is no range of sizes; write 4096, 1K..64K, 1M.. or ..100 (bytes)"))
        })
    }
}

impl fmt::Display for SizeRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (min, max) = (self.0.start(), self.0.end());
        match *max {
            u64::MAX => write!(f, "{min}.."),
            _ if min == max => write!(f, "{min}"),
            _ => write!(f, "{min}..{max}"),
        }
    }
}

/// A number with a unit of 1024: `64K`, `64KiB`.
fn bytes(text: &str) -> Option<u64> {
    let n_digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(n_digits)?;
    let shift = match unit {
        "" | "B" => 0,
        "K" | "KiB" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_units_and_open_ends() {
        for (text, range, shown) in [
            ("4096", 4096..=4096, "4096"),
            ("1K..64KiB", 1024..=65536, "1024..65536"),
            ("1M..", 1 << 20..=u64::MAX, "1048576.."),
            ("..100", 0..=100, "0..100"),
        ] {
            let parsed: SizeRange = text.parse().unwrap();
            assert_eq!((parsed.0.clone(), parsed.to_string()), (range, shown.to_owned()));
        }
        for text in ["", "..", "K", "10..5", "1X", "-1", "99999999999999999999", "99999999999G"] {
            assert!(text.parse::<SizeRange>().is_err(), "{text}");
        }
    }
}
