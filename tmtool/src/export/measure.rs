//! The figure that a format shows where it has room for one.

use clap::ValueEnum;
use tm_analyzer::model::{Activity, ActivityProfile, Amount, Counted};

/// A figure of [`Activity`], in bytes or blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Measure {
    /// Bytes that are live at the moment.
    #[default]
    LiveBytes,
    /// Blocks that are live at the moment.
    LiveBlocks,
    /// Bytes that were allocated, freed or not.
    AllocatedBytes,
    /// Allocations.
    Allocations,
    /// Bytes that were freed.
    FreedBytes,
    /// Blocks that were freed.
    FreedBlocks,
    /// Bytes that were freed before their thread allocated again.
    TemporaryBytes,
    /// Blocks that were freed before their thread allocated again.
    TemporaryBlocks,
}

impl Measure {
    /// The figure of one site of `activity`.
    #[must_use]
    pub fn of(self, activity: &ActivityProfile, sums: &Activity) -> u64 {
        debug_assert_eq!(self.counted(), activity.counted.both(self.counted()), "{self:?} was not counted");
        let Amount { bytes, count } = match self {
            Measure::LiveBytes | Measure::LiveBlocks => activity.live(sums),
            Measure::AllocatedBytes | Measure::Allocations => sums.allocated,
            Measure::FreedBytes | Measure::FreedBlocks => sums.freed,
            Measure::TemporaryBytes | Measure::TemporaryBlocks => sums.temporary,
        };
        if self.is_bytes() { bytes } else { count }
    }

    /// What it takes to be counted.
    #[must_use]
    pub fn counted(self) -> Counted {
        use Measure::*;
        match self {
            FreedBytes | FreedBlocks => Counted::WITH_FREED,
            TemporaryBytes | TemporaryBlocks => Counted::WITH_TEMPORARY,
            LiveBytes | LiveBlocks | AllocatedBytes | Allocations => Counted::LEAST,
        }
    }

    /// Whether it is in bytes.
    #[must_use]
    pub fn is_bytes(self) -> bool {
        use Measure::*;
        matches!(self, LiveBytes | AllocatedBytes | FreedBytes | TemporaryBytes)
    }

    /// Whether it takes events.
    #[must_use]
    pub fn needs_events(self) -> bool {
        !matches!(self, Measure::LiveBytes | Measure::LiveBlocks)
    }

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Measure::LiveBytes => "live-bytes",
            Measure::LiveBlocks => "live-blocks",
            Measure::AllocatedBytes => "allocated-bytes",
            Measure::Allocations => "allocations",
            Measure::FreedBytes => "freed-bytes",
            Measure::FreedBlocks => "freed-blocks",
            Measure::TemporaryBytes => "temporary-bytes",
            Measure::TemporaryBlocks => "temporary-blocks",
        }
    }

    /// What it is in words: "bytes live at the peak".
    #[must_use]
    pub fn words(self, activity: &ActivityProfile) -> String {
        let moment = activity.origin.as_ref().map_or("", |origin| &origin.moment);
        let moment = match moment {
            "" => String::new(),
            "peak" | "end" => format!(" at the {moment}"),
            moment => format!(" at {moment}"),
        };
        match self {
            Measure::LiveBytes => format!("bytes live{moment}"),
            Measure::LiveBlocks => format!("blocks live{moment}"),
            other => other.name().replace('-', " "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_command_line() {
        for measure in Measure::value_variants() {
            let value = measure.to_possible_value().unwrap();
            assert_eq!(value.get_name(), measure.name());
        }
    }
}
