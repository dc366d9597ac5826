//! The traces that a filter lets through: tracemalloc's `Filter` and `DomainFilter`.
//!
//! How several filters combine is [`Snapshot::filter_traces`](crate::model::Snapshot::filter_traces)'s business.

use super::{Frame, Traceback};
use crate::text::Pattern;

/// What filters have in common.
pub trait BaseFilter {
    /// Whether traces that match are kept (true) or removed (false).
    fn inclusive(&self) -> bool;

    /// Whether a trace of this domain and traceback passes; that of an exclusive filter passes if it is *not* meant.
    fn passes(&self, domain: u32, traceback: &Traceback) -> bool;
}

/// A filter on files and lines.
///
/// ```
/// use tm_analyzer::model::{Filter, Frame};
///
/// let filter = Filter::new(true, "*/alloc.[ch]").with_lineno(12);
/// assert!(filter.match_frame(&Frame::new("/src/alloc.c", 12)));
/// assert!(!filter.match_frame(&Frame::new("/src/alloc.c", 13)));
/// ```
#[derive(Clone, Debug)]
pub struct Filter {
    /// Whether traces that match are kept (true) or removed (false).
    pub inclusive: bool,
    /// The line, or `None` for any; 0 is a line like others.
    pub lineno: Option<u32>,
    /// Whether any frame may match (true) or the most recent one must (false).
    pub all_frames: bool,
    /// The domain, or `None` for any.
    pub domain: Option<u32>,
    filename_pattern: String,
    compiled: Pattern,
}

impl Filter {
    /// A filter on the most recent frame's file, any line, any domain. `filename_pattern` is a pattern of Python's
    /// `fnmatch` for the whole name; a final `.pyc` is taken as `.py`, in names as well.
    pub fn new(inclusive: bool, filename_pattern: &str) -> Filter {
        let filename_pattern = normalize_filename(filename_pattern);
        Filter {
            inclusive,
            lineno: None,
            all_frames: false,
            domain: None,
            filename_pattern: filename_pattern.to_owned(),
            compiled: Pattern::new(filename_pattern),
        }
    }

    /// The same, for one line only.
    pub fn with_lineno(self, lineno: u32) -> Filter {
        Filter { lineno: Some(lineno), ..self }
    }

    /// The same, looking at all frames.
    pub fn with_all_frames(self) -> Filter {
        Filter { all_frames: true, ..self }
    }

    /// The same, for one domain only.
    pub fn with_domain(self, domain: u32) -> Filter {
        Filter { domain: Some(domain), ..self }
    }

    /// The pattern, normalized.
    pub fn filename_pattern(&self) -> &str {
        &self.filename_pattern
    }

    /// Whether a trace whose deciding frame is `frame` passes.
    pub fn match_frame(&self, frame: &Frame) -> bool {
        self.means(frame) == self.inclusive
    }

    /// Whether a trace with these frames passes, its domain aside. Without any frame there is `<unknown>:0`.
    pub fn match_traceback(&self, traceback: &Traceback) -> bool {
        let meant = match traceback.frames() {
            [] => self.means(&Frame::unknown()),
            frames if self.all_frames => frames.iter().any(|frame| self.means(frame)),
            [.., most_recent] => self.means(most_recent),
        };
        meant == self.inclusive
    }

    fn means(&self, frame: &Frame) -> bool {
        self.lineno.is_none_or(|lineno| lineno == frame.lineno)
            && self.compiled.matches(normalize_filename(&frame.filename))
    }
}

impl BaseFilter for Filter {
    fn inclusive(&self) -> bool {
        self.inclusive
    }

    fn passes(&self, domain: u32, traceback: &Traceback) -> bool {
        let passes = self.match_traceback(traceback);
        match self.domain {
            None => passes,
            Some(wanted) if self.inclusive => passes && domain == wanted,
            Some(wanted) => passes || domain != wanted,
        }
    }
}

/// A filter on the domain.
#[derive(Clone, Debug)]
pub struct DomainFilter {
    /// Whether traces of the domain are kept (true) or removed (false).
    pub inclusive: bool,
    domain: u32,
}

impl DomainFilter {
    /// A filter on `domain`.
    pub fn new(inclusive: bool, domain: u32) -> DomainFilter {
        DomainFilter { inclusive, domain }
    }

    /// The domain.
    pub fn domain(&self) -> u32 {
        self.domain
    }
}

impl BaseFilter for DomainFilter {
    fn inclusive(&self) -> bool {
        self.inclusive
    }

    fn passes(&self, domain: u32, _traceback: &Traceback) -> bool {
        (domain == self.domain) == self.inclusive
    }
}

fn normalize_filename(filename: &str) -> &str {
    if filename.ends_with(".pyc") { filename.strip_suffix('c').unwrap_or(filename) } else { filename }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_have_cpythons_defaults() {
        let filter = Filter::new(true, "abc");
        assert_eq!((filter.inclusive, filter.filename_pattern()), (true, "abc"));
        assert_eq!((filter.lineno, filter.all_frames, filter.domain), (None, false, None));
        let filter = Filter::new(false, "test.py").with_lineno(123).with_all_frames();
        assert_eq!((filter.inclusive, filter.filename_pattern()), (false, "test.py"));
        assert_eq!((filter.lineno, filter.all_frames), (Some(123), true));
    }

    #[test]
    fn lines_match_as_in_cpython() {
        // lineno of the filter; whether abc:0, abc:5, abc:10 are meant
        for (lineno, meant) in
            [(None, [true; 3]), (Some(5), [false, true, false]), (Some(0), [true, false, false])]
        {
            for inclusive in [true, false] {
                let filter = Filter { lineno, ..Filter::new(inclusive, "abc") };
                for (line, meant) in [0, 5, 10].into_iter().zip(meant) {
                    assert_eq!(filter.match_frame(&Frame::new("abc", line)), meant == inclusive);
                    assert_eq!(filter.match_frame(&Frame::new("12356", line)), !inclusive);
                }
            }
        }
        assert!(Filter::new(false, "abc").match_frame(&Frame::unknown()));
    }

    #[test]
    fn pyc_is_py_on_both_sides_and_pyo_is_not() {
        let matches =
            |name: &str, pattern: &str| Filter::new(true, pattern).match_frame(&Frame::new(name, 0));
        assert!(matches("a.pyc", "a.py"));
        assert!(matches("a.py", "a.pyc"));
        assert!(matches("a.py", "*.pyc"));
        assert!(!matches("a.pyc", "a.PY"));
        assert!(!matches("a.py", "a.PYC"));
        assert!(!matches("a.pyo", "a.py"));
        assert!(!matches("a/b", "a\\b"));
        assert!(!matches("a\\b", "a/b"));
    }

    #[test]
    fn tracebacks_match_as_in_cpython() {
        let traceback = |frames: &[(&str, u32)]| {
            Traceback::new(frames.iter().map(|&(file, line)| Frame::new(file, line)).collect(), None)
        };
        let stacks = [
            traceback(&[("a.py", 2), ("b.py", 3)]),
            traceback(&[("b.py", 4), ("b.py", 5)]),
            traceback(&[("c.py", 5), ("<unknown>", 0)]),
            traceback(&[("<unknown>", 0)]),
        ];
        for (inclusive, pattern, all_frames, expected) in [
            (true, "b.py", true, [true, true, false, false]),
            (true, "b.py", false, [false, true, false, false]),
            (false, "b.py", true, [false, false, true, true]),
            (false, "b.py", false, [true, false, true, true]),
            (false, "<unknown>", false, [true, true, true, false]),
            (true, "<unknown>", true, [false, false, true, true]),
            (false, "<unknown>", true, [true, true, false, false]),
        ] {
            let filter = Filter { all_frames, ..Filter::new(inclusive, pattern) };
            assert_eq!(stacks.each_ref().map(|stack| filter.match_traceback(stack)), expected);
        }
    }
}
