//! The most bytes of a recording, as users write it.

use std::str::FromStr;

use tm_common::settings;

use crate::errors::{Error, Result};

/// `BYTES`: `256M`, `1G`, 0 for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub u64);

impl FromStr for Limit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Limit> {
        settings::parse_limit(text.as_bytes()).map(Limit).ok_or_else(|| {
            Error::Usage(format!(
                "'{text}' is no limit of a recording; write bytes from 1M to 1024T, such as 256M, or 0 for none"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_refused_with_what_to_write() {
        for text in ["", "x", "-1", "1", "1023K", "1025T", "99999999999999999999", "256MB", "1e9"] {
            let said = text.parse::<Limit>().unwrap_err().to_string();
            assert!(said.contains(&format!("'{text}'")) && said.contains("256M"), "{said}");
        }
        assert_eq!(["0", "256M"].map(|text| text.parse::<Limit>().unwrap().0), [0, 256 << 20]);
    }
}
