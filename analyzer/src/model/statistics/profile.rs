//! Sums by stack: what every report is made of. Memory is that of the stacks, however many blocks there are.

use std::sync::Arc;

use crate::model::{Amount, Origin, Snapshot, SumsBy, Trace, Traceback, Uncertainty};

/// How much was allocated where: what is live at a moment, or whatever else a report is about. It is grouped, compared
/// and blamed by [`crate::analysis`], as tracemalloc's snapshots are.
///
/// ```
/// use tm_analyzer::model::{Amount, Cumulative, Frame, KeyType, Profile, ProfileRow, Traceback, Uncertainty};
///
/// let row = |line| ProfileRow {
///     traceback: Traceback::new(vec![Frame::new("a.c", line)], None),
///     tag: None,
///     domain: 0,
///     process: None,
///     amount: Amount { bytes: 10, count: 1_000_000_000_000 },
///     uncertainty: Uncertainty::EXACT,
/// };
/// let profile = Profile { rows: [3, 4].map(row).into(), traceback_limit: 16, origin: None };
/// let statistics = profile.statistics(KeyType::Filename, Cumulative::Off).unwrap();
/// assert_eq!((statistics.len(), statistics[0].count), (1, 2_000_000_000_000));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The sums, in no particular order. Rows may be equal in all but the amount.
    pub rows: Vec<ProfileRow>,
    /// The most frames that a traceback was allowed to keep.
    pub traceback_limit: u32,
    /// The recording and the moment that this is, if it was made from a recording.
    pub origin: Option<Origin>,
}

/// The blocks of one stack, tag, domain and process.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileRow {
    /// Where they were allocated.
    pub traceback: Traceback,
    /// The tag that they were allocated under.
    pub tag: Option<Arc<str>>,
    /// The domain that they are in; 0 is the C allocator's.
    pub domain: u32,
    /// The id of the process that has them, if that is known.
    pub process: Option<u32>,
    /// How much they are; of samples, what they stand for.
    pub amount: Amount,
    /// How far that is from certain.
    pub uncertainty: Uncertainty,
}

impl Profile {
    /// How far the sum of all rows is from certain.
    #[must_use]
    pub fn uncertainty(&self) -> Uncertainty {
        let mut sum = Uncertainty::default();
        self.rows.iter().for_each(|row| sum += row.uncertainty);
        sum
    }

    /// All rows together.
    #[must_use]
    pub fn total(&self) -> Amount {
        let mut total = Amount::default();
        self.rows.iter().for_each(|row| total += row.amount);
        total
    }

    /// The same rows with other tracebacks.
    #[must_use]
    pub(crate) fn with_tracebacks(mut self, mut traceback: impl FnMut(&Traceback) -> Traceback) -> Profile {
        self.rows.iter_mut().for_each(|row| row.traceback = traceback(&row.traceback));
        self
    }
}

impl Snapshot {
    /// The blocks added up by what they share. Tracebacks and tags that are equal and not shared stay apart.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile_by(|_| 0)
    }

    /// The same with a row for each [`Amount::size_class`].
    #[must_use]
    pub fn sized_profile(&self) -> Profile {
        self.profile_by(Amount::size_class)
    }

    fn profile_by(&self, class: impl Fn(u64) -> u8) -> Profile {
        let mut rows = SumsBy::default();
        for trace in &self.traces {
            let Trace { traceback, tag, domain, size, .. } = trace;
            let tag_address = tag.as_ref().map_or(0, |tag| tag.as_ptr().addr());
            let row = || ProfileRow {
                traceback: traceback.clone(),
                tag: tag.clone(),
                domain: *domain,
                process: None,
                amount: Amount::default(),
                uncertainty: Uncertainty::EXACT,
            };
            let row: &mut ProfileRow =
                rows.of_or((traceback.identity(), tag_address, *domain, class(*size)), row);
            row.amount += trace.amount();
            row.uncertainty += Uncertainty::of_sample(trace.weight());
        }
        Profile {
            rows: rows.into_values().collect(),
            traceback_limit: self.traceback_limit,
            origin: self.origin.clone(),
        }
    }
}
