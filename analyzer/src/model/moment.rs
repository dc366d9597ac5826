//! Which moment of a recording a snapshot is of. Reading one from what a user typed is not done here.

/// A moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Moment {
    /// When the most bytes were live.
    Peak,
    /// After the last event.
    End,
    /// Nanoseconds since the recording's start.
    TimeNs(u64),
    /// Of the recording's duration, 0 to 100.
    Percent(f64),
}
