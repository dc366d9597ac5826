//! The moment of a recording that a snapshot is wanted of, as users write it.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// A moment of a recording.
///
/// ```
/// use tm_analyzer::model::Moment;
///
/// assert_eq!("12.5s".parse::<Moment>().unwrap(), Moment::TimeNs(12_500_000_000));
/// assert_eq!("5".parse::<Moment>().unwrap(), Moment::TimeNs(5_000_000_000));
/// assert_eq!("50%".parse::<Moment>().unwrap(), Moment::Percent(50.0));
/// assert_eq!(Moment::TimeNs(300_000_000).to_string(), "0.3 s");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Moment {
    /// When the most bytes were live, the first time if several.
    Peak,
    /// After the last event.
    End,
    /// Nanoseconds after the start.
    TimeNs(u64),
    /// Per cent of the recording's duration, 0 to 100.
    Percent(f64),
    /// Where the program set the mark of this name.
    Mark(String),
}

/// (unit, nanoseconds); `ms` stands before `s`, which it ends with.
const UNITS: [(&str, f64); 6] =
    [("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("min", 60e9), ("h", 3600e9), ("s", 1e9)];

impl Moment {
    /// The moment in ns since the start of a recording of `duration_ns`; `None` for the peak and for
    /// marks, which take a look at the events.
    pub fn time_ns(&self, duration_ns: u64) -> Option<u64> {
        match *self {
            Moment::Peak | Moment::Mark(_) => None,
            Moment::End => Some(duration_ns),
            Moment::TimeNs(time) => Some(time),
            Moment::Percent(percent) => Some((duration_ns as f64 * percent / 100.0).round() as u64),
        }
    }
}

impl FromStr for Moment {
    type Err = Error;

    /// # Errors
    /// If `text` is none of `peak`, `end`, a number with a unit of time (without one, of seconds), a number of per cent from 0 to 100, `mark:NAME`.
    fn from_str(text: &str) -> Result<Moment> {
        let text = text.trim();
        match text {
            "peak" => return Ok(Moment::Peak),
            "end" => return Ok(Moment::End),
            _ => {}
        }
        if let Some(name) = text.strip_prefix("mark:").filter(|name| !name.is_empty()) {
            return Ok(Moment::Mark(name.to_owned()));
        }
        let parsed = match text.strip_suffix('%') {
            Some(number) => decimal(number).filter(|&percent| percent <= 100.0).map(Moment::Percent),
            None => time_ns(text).map(Moment::TimeNs),
        };
        parsed.ok_or_else(|| Error::NotAMoment { text: text.to_owned() })
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Moment::Peak => f.write_str("peak"),
            Moment::End => f.write_str("end"),
            Moment::TimeNs(time) => write!(f, "{} s", *time as f64 / 1e9),
            Moment::Percent(percent) => write!(f, "{percent} %"),
            Moment::Mark(name) => write!(f, "mark:{name}"),
        }
    }
}

fn time_ns(text: &str) -> Option<u64> {
    let with_unit = UNITS.iter().find_map(|&(unit, ns)| Some((text.strip_suffix(unit)?, ns)));
    let (number, ns_per_unit) = with_unit.unwrap_or((text, 1e9));
    let time = (decimal(number)? * ns_per_unit).round();
    (time < u64::MAX as f64).then_some(time as u64)
}

/// A number of digits and at most one point: what `f64` also takes (`inf`, `1e9`, `-0`) is no moment.
fn decimal(text: &str) -> Option<f64> {
    let text = text.trim_end();
    if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_parse() {
        for (text, moment) in [
            ("peak", Moment::Peak),
            ("end", Moment::End),
            ("0s", Moment::TimeNs(0)),
            ("12.5s", Moment::TimeNs(12_500_000_000)),
            ("5", Moment::TimeNs(5_000_000_000)),
            ("0.25", Moment::TimeNs(250_000_000)),
            ("12.5 s", Moment::TimeNs(12_500_000_000)),
            ("300ms", Moment::TimeNs(300_000_000)),
            ("1.5us", Moment::TimeNs(1_500)),
            ("7ns", Moment::TimeNs(7)),
            ("2min", Moment::TimeNs(120_000_000_000)),
            ("1h", Moment::TimeNs(3_600_000_000_000)),
            ("0%", Moment::Percent(0.0)),
            ("33.3%", Moment::Percent(33.3)),
            ("100 %", Moment::Percent(100.0)),
            ("mark:phase 2", Moment::Mark("phase 2".to_owned())),
        ] {
            assert_eq!(text.parse::<Moment>().unwrap(), moment, "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_an_error_that_says_what_is() {
        let too_long = "9".repeat(400) + "s";
        for text in [
            "", ".", "5 5", "mark:", "s", ".s", "-1s", "1e9s", "101%", "%", "infs", "nan%", "1.2.3s", "pea",
            &too_long,
        ] {
            let error = text.parse::<Moment>().unwrap_err().to_string();
            assert!(error.contains("12.5s"), "{text}: {error}");
        }
    }

    #[test]
    fn times_and_percents_become_nanoseconds() {
        assert_eq!(Moment::Peak.time_ns(1000), None);
        assert_eq!(Moment::End.time_ns(1000), Some(1000));
        assert_eq!(Moment::Percent(25.0).time_ns(1000), Some(250));
        assert_eq!(Moment::TimeNs(5).time_ns(1000), Some(5));
    }
}
