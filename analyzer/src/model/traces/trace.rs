//! One live block.

use std::fmt;
use std::sync::Arc;

use crate::model::{Amount, Traceback, Weight, format_size};

/// A block of memory that was allocated and not freed at the snapshot's moment.
///
/// ```
/// use tm_analyzer::model::{Frame, Trace, Traceback};
///
/// let traceback = Traceback::new(vec![Frame::new("b.py", 4)], None);
/// let trace = Trace { domain: 0, size: 10, traceback, tag: None, sample: None };
/// assert_eq!(trace.to_string(), "b.py:4: 10 B");
/// ```
#[derive(Clone)]
pub struct Trace {
    /// The address space that the block is in; 0 is the C allocator's.
    pub domain: u32,
    /// The bytes that were asked for.
    pub size: u64,
    /// Where it was allocated.
    pub traceback: Traceback,
    /// The tag that it was allocated under: not tracemalloc's.
    pub tag: Option<Arc<str>>,
    /// If it is a sample, how it was drawn: not tracemalloc's.
    pub sample: Option<Sample>,
}

/// Says of a block that it is one of those that were drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sample {
    /// The binary logarithm of the mean number of bytes from one sample to the next.
    pub rate_log2: u8,
    /// Whether the part of a block that it stands for was rounded up.
    pub rounds_up: bool,
}

impl Sample {
    /// The largest rate: more than programs allocate.
    pub const RATE_LOG2_MAX: u8 = 40;
}

impl Trace {
    /// What it adds to a sum: itself, or what it stands for.
    #[must_use]
    pub fn amount(&self) -> Amount {
        match self.sample {
            None => Amount::of_block(self.size),
            Some(Sample { rounds_up, .. }) => self.weight().amount(rounds_up),
        }
    }

    /// How it was drawn.
    #[must_use]
    pub fn weight(&self) -> Weight {
        match self.sample {
            None => Weight::EXACT,
            Some(Sample { rate_log2, .. }) => {
                Weight { size: self.size, sample_bytes: 1 << rate_log2.min(Sample::RATE_LOG2_MAX) }
            }
        }
    }
}

impl PartialEq for Trace {
    /// Compares `total_nframe` as well, as tracemalloc's `Trace` does.
    fn eq(&self, other: &Trace) -> bool {
        self.domain == other.domain
            && self.size == other.size
            && self.tag == other.tag
            && self.sample == other.sample
            && self.traceback.total_nframe() == other.traceback.total_nframe()
            && self.traceback == other.traceback
    }
}

impl Eq for Trace {}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.traceback, format_size(self.size as f64, false))
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = format_size(self.size as f64, false);
        write!(f, "<Trace domain={} size={size}, traceback={:?}>", self.domain, self.traceback)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Frame;

    #[test]
    fn the_text_names_the_oldest_frame() {
        let traceback = Traceback::new(vec![Frame::new("a.py", 2), Frame::new("b.py", 4)], Some(3));
        let trace = Trace { domain: 0, size: 10, traceback, tag: None, sample: None };
        assert_eq!(trace.to_string(), "b.py:4: 10 B");
        assert_eq!(
            format!("{trace:?}"),
            "<Trace domain=0 size=10 B, traceback=<Traceback (<Frame filename='b.py' lineno=4>, \
             <Frame filename='a.py' lineno=2>) total_nframe=3>>"
        );
    }
}
