//! When: a moment, or a window from one to another.

use std::fmt;
use std::str::FromStr;

use tm_common::ids::Stamp;

use crate::error::{Error, Refusal, Result};
use crate::model::Moment;
use crate::reader::Recording;
use crate::replay::{self, MemoryKind, Processes, ResolvedMoment};

/// The time that a request is about.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Time {
    /// The time of the answer: the peak for what lives at a moment, else the whole run.
    #[default]
    Usual,
    /// A moment, and of events all up to it.
    At(Moment),
    /// What came in a window: of live blocks, those that are live at its end.
    Between(Between),
}

impl Time {
    /// The moment at its end; `None` for the usual one.
    pub fn moment(&self) -> Option<&Moment> {
        match self {
            Time::Usual => None,
            Time::At(moment) => Some(moment),
            Time::Between(between) => Some(&between.until),
        }
    }
}

/// A window: after one moment and up to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Between {
    /// The moment before it.
    pub from: Moment,
    /// Its last moment.
    pub until: Moment,
}

impl fmt::Display for Between {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.from, self.until)
    }
}

impl FromStr for Between {
    type Err = Error;

    fn from_str(text: &str) -> Result<Between> {
        let between = |(from, until): (&str, &str)| {
            if from.is_empty() && until.is_empty() {
                return Err(no_time(text));
            }
            let from = if from.is_empty() { Moment::TimeNs(0) } else { from.parse()? };
            let until = if until.is_empty() { Moment::End } else { until.parse()? };
            Ok(Between { from, until })
        };
        // The names of marks may have dots in them.
        let splits =
            || text.match_indices("..").filter_map(|(at, _)| Some((text.get(..at)?, text.get(at + 2..)?)));
        let Some(first) = splits().next() else {
            return Err(no_time(text));
        };
        splits().find_map(|split| between(split).ok()).map_or_else(|| between(first), Ok)
    }
}

fn no_time(text: &str) -> Error {
    Error::NotAWindow { text: text.to_owned() }
}

impl Between {
    /// When the window is.
    ///
    /// # Errors
    /// There is no such moment, or the window ends before it starts.
    pub(super) fn resolve(
        &self,
        recording: &Recording,
        processes: Processes,
        memory_kind: MemoryKind,
    ) -> Result<(ResolvedMoment, ResolvedMoment)> {
        let fixed = |moment| fixed(recording, processes, memory_kind, moment);
        // The beginning is one also where the first events are folded.
        let begins = self.from == Moment::TimeNs(0);
        let from = if begins { ResolvedMoment { stamp: Stamp(0), ns: 0 } } else { fixed(&self.from)? };
        let until = fixed(&self.until)?;
        if from.stamp >= until.stamp {
            return Err(Refusal::EmptyWindow { window: self.to_string() }.of(recording.file.path()));
        }
        Ok((from, until))
    }
}

/// When `moment` is; the peak, which is that of `memory_kind`, takes a pass over the recording.
///
/// # Errors
/// There is no such moment, or each of several processes has its own.
pub(super) fn fixed(
    recording: &Recording,
    processes: Processes,
    memory_kind: MemoryKind,
    moment: &Moment,
) -> Result<ResolvedMoment> {
    if let Some(moment) = replay::resolve(recording, processes, moment)? {
        return Ok(moment);
    }
    if processes == Processes::All {
        return Err(Refusal::NoCommonPeak.of(recording.file.path()));
    }
    let mut stamp = Stamp(0);
    let until = Stamp(u64::MAX);
    replay::run(
        recording,
        processes,
        until,
        |_| (),
        |engine, ()| (_, stamp) = engine.totals().peak(memory_kind),
    )?;
    replay::known(recording, ResolvedMoment { stamp, ns: recording.ns(stamp) })
}

/// A file's name and a moment, if there is an `@`.
pub(super) fn split(text: &str) -> Option<(&str, &str)> {
    match text.find("@mark:") {
        Some(place) => Some((text.get(..place)?, text.get(place + 1..)?)),
        None => text.rsplit_once('@'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_two_moments() {
        let between = Between { from: Moment::TimeNs(1_500_000_000), until: Moment::End };
        assert_eq!("1.5s..end".parse::<Between>().unwrap(), between);
        let between = Between { from: Moment::Percent(12.5), until: Moment::Mark("b".to_owned()) };
        assert_eq!("12.5%..mark:b".parse::<Between>().unwrap(), between);
        let between =
            Between { from: Moment::Mark("a..b".to_owned()), until: Moment::Mark("c.d".to_owned()) };
        assert_eq!("mark:a..b..mark:c.d".parse::<Between>().unwrap(), between);
        let between = Between { from: Moment::Percent(50.0), until: Moment::End };
        assert_eq!("50%..".parse::<Between>().unwrap(), between);
        let between = Between { from: Moment::TimeNs(0), until: Moment::TimeNs(10_000_000_000) };
        assert_eq!("..10".parse::<Between>().unwrap(), between);
        for text in ["", "..", "1s", "1s..x", "...end", "mark:a..b"] {
            assert!(text.parse::<Between>().is_err(), "{text}");
        }
    }
}
