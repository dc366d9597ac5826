//! A stack as tracemalloc keeps it: frames from the oldest to the most recent.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;
use std::sync::{Arc, LazyLock};

use crate::model::{Doubt, Frame, StackView, by_address};
use crate::text::LineSource;

/// The frames of one stack, cheap to clone. Stacks share their frames, so that one costs a pointer for each: a program
/// may have a million stacks that differ in one frame.
///
/// Equality, hash and order are those of the frames, without `total_nframe` and doubts. The text is that of the *oldest* stored
/// frame, as in tracemalloc.
///
/// ```
/// use tm_analyzer::model::{Frame, Traceback};
///
/// let traceback = Traceback::new(vec![Frame::new("a.py", 2), Frame::new("b.py", 4)], Some(3));
/// assert_eq!(traceback.to_string(), "b.py:4");
/// assert_eq!(traceback.most_recent().unwrap().to_string(), "a.py:2");
/// ```
#[derive(Clone)]
pub struct Traceback {
    /// The frames, and perhaps more inner ones, which are another traceback's.
    shared: Arc<[Arc<Frame>]>,
    /// How many of them there are.
    n_frames: u32,
    /// One more than the whole depth.
    total_nframe: Option<NonZeroU32>,
    /// Thin: most have nothing special, and each block has a traceback.
    special: Option<Arc<Special>>,
}

/// What few tracebacks have.
#[derive(Clone, Debug, Default)]
struct Special {
    doubts: Vec<Doubt>,
    has_python: bool,
}

/// The one of all tracebacks with Python frames that are certain.
static PYTHON: LazyLock<Arc<Special>> =
    LazyLock::new(|| Arc::new(Special { doubts: Vec::new(), has_python: true }));

impl Traceback {
    /// A traceback of `most_recent_first`, which is reversed, as in tracemalloc. `total_nframe` is the stack's whole
    /// depth in frames, if known.
    pub fn new(most_recent_first: Vec<Frame>, total_nframe: Option<u32>) -> Traceback {
        let frames: Arc<[Arc<Frame>]> = most_recent_first.into_iter().rev().map(Arc::new).collect();
        Traceback::from_oldest_first(frames, total_nframe)
    }

    /// A traceback of shared frames that are in order already, oldest first.
    pub fn from_oldest_first(frames: impl Into<Arc<[Arc<Frame>]>>, total_nframe: Option<u32>) -> Traceback {
        let frames = frames.into();
        let has_python = frames.iter().any(|frame| frame.is_python());
        Traceback::of_kind(frames, total_nframe, has_python)
    }

    /// A traceback of which it is known whether any of its frames is of Python code.
    pub(crate) fn of_kind(
        oldest_first: impl Into<Arc<[Arc<Frame>]>>,
        total_nframe: Option<u32>,
        has_python: bool,
    ) -> Traceback {
        let (shared, special) = (oldest_first.into(), has_python.then(|| Arc::clone(&PYTHON)));
        debug_assert!(
            u32::try_from(shared.len()).is_ok(),
            "a stack has fewer frames than the table has nodes"
        );
        Traceback { n_frames: shared.len() as u32, shared, total_nframe: kept(total_nframe), special }
    }

    /// The same with what is not certain of it.
    #[must_use]
    pub fn with_doubts(self, doubts: Vec<Doubt>) -> Traceback {
        let has_python = self.has_python();
        let special = match (doubts.is_empty(), has_python) {
            (true, false) => None,
            (true, true) => Some(Arc::clone(&PYTHON)),
            (false, _) => Some(Arc::new(Special { doubts, has_python })),
        };
        Traceback { special, ..self }
    }

    /// The same stack with some of its frames, or with others of the same kinds, oldest first. Where its own innermost ones are
    /// left out the others stay shared.
    #[must_use]
    pub(crate) fn with_frames(&self, oldest_first: &[Arc<Frame>], total_nframe: Option<u32>) -> Traceback {
        let has_python = self.has_python() && oldest_first.iter().any(|frame| frame.is_python());
        let is_outer_part = oldest_first.as_ptr() == self.shared.as_ptr();
        let other = match is_outer_part && oldest_first.len() <= self.frames().len() {
            true => Traceback {
                n_frames: oldest_first.len() as u32,
                total_nframe: kept(total_nframe),
                ..self.clone()
            },
            false => Traceback::of_kind(oldest_first, total_nframe, has_python),
        };
        if has_python == self.has_python() {
            return Traceback { special: self.special.clone(), ..other };
        }
        Traceback { special: None, ..other }.with_doubts(self.doubts().to_vec())
    }

    /// What is not certain of the stack.
    pub fn doubts(&self) -> &[Doubt] {
        self.special.as_ref().map(|special| special.doubts.as_slice()).unwrap_or_default()
    }

    /// Whether any of the frames is of Python code.
    pub fn has_python(&self) -> bool {
        self.special.as_ref().is_some_and(|special| special.has_python)
    }

    /// The frames, oldest first.
    pub fn frames(&self) -> &[Arc<Frame>] {
        self.shared.get(..self.n_frames as usize).unwrap_or_default()
    }

    /// The stack, to be looked at.
    pub fn view(&self) -> StackView<'_> {
        let (frames, total_nframe) = (self.frames(), self.total_nframe());
        StackView { frames, total_nframe, has_python: self.has_python() }
    }

    /// The frames by address ([`by_address`]).
    pub fn by_address(&self) -> impl Iterator<Item = &[Arc<Frame>]> {
        by_address(self.frames())
    }

    /// The frame that allocated; `None` if no frame was stored.
    pub fn most_recent(&self) -> Option<&Frame> {
        self.frames().last().map(|frame| &**frame)
    }

    /// The stack's depth before it was cut to `traceback_limit`, if known.
    pub fn total_nframe(&self) -> Option<u32> {
        self.total_nframe.map(|kept| kept.get() - 1)
    }

    /// The same frames, with the whole depth unknown.
    pub fn without_total_nframe(&self) -> Traceback {
        Traceback { total_nframe: None, ..self.clone() }
    }

    /// The lines of a printed traceback, most recent last: two for each frame, the second only if `source` has it.
    ///
    /// `limit` is what CPython makes of it: of a positive one the `limit` most recent frames, of a negative one all
    /// *but* the `-limit` most recent (CPython's documentation says "the oldest"), of 0 nothing.
    pub fn format(
        &self,
        limit: Option<isize>,
        most_recent_first: bool,
        source: &mut dyn LineSource,
    ) -> Vec<String> {
        let frames = self.limited(limit);
        let mut lines = Vec::with_capacity(frames.len() * 2);
        let mut push = |frame: &Arc<Frame>| {
            lines.push(format!("  File \"{}\", line {}", frame.filename, frame.lineno));
            if let Some(line) = source.line(&frame.filename, frame.lineno)
                && !line.trim().is_empty()
            {
                lines.push(format!("    {}", line.trim()));
            }
        };
        if most_recent_first {
            frames.iter().rev().for_each(&mut push);
        } else {
            frames.iter().for_each(&mut push);
        }
        lines
    }

    /// The identity of the shared frames: equal for clones, and never equal for two tracebacks that live at one time and
    /// have different frames.
    pub(crate) fn identity(&self) -> usize {
        // The end: those that share a start have different ones, and between two allocations there is a header.
        self.frames().as_ptr_range().end.addr()
    }

    fn limited(&self, limit: Option<isize>) -> &[Arc<Frame>] {
        let n_frames = self.frames().len();
        let range = match limit {
            None => 0..n_frames,
            Some(limit) if limit > 0 => n_frames.saturating_sub(limit.unsigned_abs())..n_frames,
            Some(0) => 0..0,
            Some(limit) => 0..n_frames.saturating_sub(limit.unsigned_abs()),
        };
        self.frames().get(range).unwrap_or_default()
    }
}

/// A whole depth as it is kept. No stack has as many frames as do not fit.
fn kept(total_nframe: Option<u32>) -> Option<NonZeroU32> {
    NonZeroU32::new(total_nframe?.saturating_add(1))
}

impl PartialEq for Traceback {
    fn eq(&self, other: &Traceback) -> bool {
        self.identity() == other.identity() || self.frames() == other.frames()
    }
}

impl Eq for Traceback {}

impl Hash for Traceback {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.frames().hash(state);
    }
}

impl PartialOrd for Traceback {
    fn partial_cmp(&self, other: &Traceback) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Traceback {
    fn cmp(&self, other: &Traceback) -> Ordering {
        self.frames().cmp(other.frames())
    }
}

impl fmt::Display for Traceback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.frames().first() {
            Some(oldest) => oldest.fmt(f),
            None => Frame::unknown().fmt(f),
        }
    }
}

impl fmt::Debug for Traceback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<Traceback (")?;
        for (index, frame) in self.frames().iter().enumerate() {
            write!(f, "{}{frame:?}", if index == 0 { "" } else { ", " })?;
        }
        // Python writes a tuple of one with a comma.
        f.write_str(if self.frames().len() == 1 { ",)" } else { ")" })?;
        match self.total_nframe() {
            Some(total) => write!(f, " total_nframe={total}>"),
            None => f.write_str(">"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traceback() -> Traceback {
        Traceback::new(vec![Frame::new("a.py", 2), Frame::new("b.py", 4)], Some(3))
    }

    #[test]
    fn repr_shows_frames_oldest_first_and_the_total_if_known() {
        assert_eq!(format!("{:?}", Traceback::new(vec![], None)), "<Traceback ()>");
        assert_eq!(format!("{:?}", Traceback::new(vec![], Some(0))), "<Traceback () total_nframe=0>");
        let frames = vec![Frame::new("f1", 1), Frame::new("f2", 2)];
        let expected = "(<Frame filename='f2' lineno=2>, <Frame filename='f1' lineno=1>)";
        assert_eq!(format!("{:?}", Traceback::new(frames.clone(), None)), format!("<Traceback {expected}>"));
        assert_eq!(
            format!("{:?}", Traceback::new(frames, Some(2))),
            format!("<Traceback {expected} total_nframe=2>")
        );
        let one = Traceback::new(vec![Frame::new("f", 1)], None);
        assert_eq!(format!("{one:?}"), "<Traceback (<Frame filename='f' lineno=1>,)>");
    }

    #[test]
    fn format_has_cpythons_limits_and_orders() {
        let a = ["  File \"a.py\", line 2", "    <a.py, 2>"];
        let b = ["  File \"b.py\", line 4", "    <b.py, 4>"];
        let format = |limit, most_recent_first| {
            let mut getline = |name: &str, line: u32| Some(format!("  <{name}, {line}>\n"));
            traceback().format(limit, most_recent_first, &mut getline)
        };
        assert_eq!(format(None, false), [b, a].concat());
        assert_eq!(format(Some(1), false), a);
        assert_eq!(format(Some(-1), false), b);
        assert_eq!(format(None, true), [a, b].concat());
        assert_eq!(format(Some(1), true), a);
        assert_eq!(format(Some(-1), true), b);
        assert!(format(Some(0), false).is_empty());
        assert!(format(Some(isize::MIN), false).is_empty());
        assert_eq!(format(Some(isize::MAX), false), [b, a].concat());
    }

    #[test]
    fn the_outer_part_of_a_stack_is_shared_and_another_one() {
        let frames: Vec<Frame> = (0..4).map(|line| Frame::new("a", line)).collect();
        let whole = Traceback::new(frames, Some(u32::MAX));
        let outer = whole.with_frames(&whole.frames()[..2], Some(0));
        assert!(Arc::ptr_eq(&whole.shared, &outer.shared));
        assert_eq!((outer.frames(), outer.total_nframe()), (&whole.frames()[..2], Some(0)));
        assert_eq!(whole.total_nframe(), Some(u32::MAX - 1), "no stack is as deep");
        let inner = whole.with_frames(&whole.frames()[2..], None);
        let empty = whole.with_frames(&whole.frames()[..0], None);
        let all = [&whole, &outer, &inner, &empty];
        for (place, one) in all.iter().enumerate() {
            for other in &all[place + 1..] {
                assert!(one.identity() != other.identity() && one != other);
            }
        }
        assert_eq!(outer.with_frames(whole.frames(), None).frames(), whole.frames());
        assert_eq!(outer, Traceback::new(vec![Frame::new("a", 2), Frame::new("a", 3)], None));
    }

    #[test]
    fn total_nframe_is_no_part_of_equality() {
        let frames = || vec![Frame::new("a", 1)];
        assert_eq!(Traceback::new(frames(), Some(1)), Traceback::new(frames(), None));
    }

    #[test]
    fn inlined_functions_are_at_the_address_of_their_caller() {
        let at = |name: &str, address| {
            Arc::new(Frame { function: Some(name.into()), address, ..Frame::new("a.c", 1) })
        };
        let (main, f, g) = (at("main", Some(1)), at("f", Some(2)), at("g", Some(2)));
        // f calls itself, and has g inlined; Python frames have no address.
        let (py, other) = (at("py", None), at("other", None));
        let frames = vec![main, f.clone(), g.clone(), f, g, py, other];
        let traceback = Traceback::from_oldest_first(frames, None);
        let found: Vec<usize> = traceback.by_address().map(<[_]>::len).collect();
        assert_eq!(found, [1, 2, 2, 1, 1]);
        assert_eq!(Traceback::new(vec![], None).by_address().count(), 0);
    }
}
