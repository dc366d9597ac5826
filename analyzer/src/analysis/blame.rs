//! The frame to blame for a stack: the innermost one that is not there to allocate for others.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::plumbing::Plumbing;
use crate::model::{Frame, Profile, Traceback};

impl Profile {
    /// The same sums, each traceback without the plumbing at its innermost end: its most recent frame is the one to
    /// blame. A traceback of nothing but plumbing stays as it is.
    ///
    /// ```
    /// use tm_analyzer::analysis::Plumbing;
    /// use tm_analyzer::model::{Frame, Snapshot, Trace, Traceback};
    ///
    /// let frame = |file: &str, function: &str| Frame { function: Some(function.into()), ..Frame::new(file, 1) };
    /// let frames = vec![frame("util.c", "xmalloc"), frame("parse.c", "parse")];
    /// let traceback = Traceback::new(frames, None);
    /// let snapshot = Snapshot::new(vec![Trace { domain: 0, size: 8, traceback, tag: None }], 16);
    /// let blamed = snapshot.profile().without_plumbing(&Plumbing::known());
    /// assert_eq!(blamed.rows[0].traceback.most_recent().unwrap().to_string(), "parse.c:1");
    /// ```
    #[must_use]
    pub fn without_plumbing(self, plumbing: &Plumbing) -> Profile {
        let mut blame = Blame::new(plumbing.clone());
        self.with_tracebacks(|traceback| blame.cut(traceback))
    }
}

/// Cuts each shared traceback once, and asks the patterns about each different frame once.
pub struct Blame {
    plumbing: Plumbing,
    /// Answers by the addresses of what is looked at: function, file and module are shared texts.
    frames: FxHashMap<[usize; 3], bool>,
    /// Tracebacks that were cut, which so keep their addresses from being another one's, and what was left.
    tracebacks: FxHashMap<usize, [Traceback; 2]>,
}

impl Blame {
    /// Blames by `plumbing`.
    #[must_use]
    pub fn new(plumbing: Plumbing) -> Blame {
        Blame { plumbing, frames: FxHashMap::default(), tracebacks: FxHashMap::default() }
    }

    /// Returns `traceback` without the plumbing at its innermost end, or as it is if it has nothing else.
    pub fn cut(&mut self, traceback: &Traceback) -> Traceback {
        if let Some([_, known]) = self.tracebacks.get(&traceback.identity()) {
            return known.clone();
        }
        let frames = traceback.frames();
        let n_cut = frames.iter().rev().take_while(|frame| self.is_plumbing(frame)).count();
        let cut = match frames.get(..frames.len() - n_cut) {
            Some(kept) if n_cut > 0 && !kept.is_empty() => {
                let total_nframe = traceback.total_nframe();
                let total_nframe = total_nframe.map(|total| total.saturating_sub(n_cut as u32));
                traceback.with_frames(kept, total_nframe)
            }
            _ => traceback.clone(),
        };
        self.tracebacks.insert(traceback.identity(), [traceback.clone(), cut.clone()]);
        cut
    }

    /// Returns the frame that [`Blame::cut`] leaves as the most recent one of `outward`, the frames of a stack from the
    /// innermost on. No more of them are asked for than are needed, so that a million stacks that end at a hundred lines
    /// take the names of the hundred.
    pub fn frame(&mut self, outward: impl Iterator<Item = Arc<Frame>>) -> Arc<Frame> {
        let mut innermost = None;
        for frame in outward {
            if !self.is_plumbing(&frame) {
                return frame;
            }
            innermost.get_or_insert(frame);
        }
        innermost.unwrap_or_else(|| Frame::unknown().into())
    }

    /// Whether `frame` is there to allocate for others.
    pub(super) fn is_plumbing(&mut self, frame: &Frame) -> bool {
        let address = |text: Option<&str>| text.map_or(0, |text| text.as_ptr().addr());
        let function = frame.function.as_deref();
        let key = [address(Some(&frame.filename)), address(function), address(frame.module_path())];
        match self.frames.entry(key) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => *place.insert(self.plumbing.is_plumbing(frame)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, file: &str) -> Frame {
        Frame { function: Some(function.into()), ..Frame::new(file, 1) }
    }

    #[test]
    fn cutting_equals_a_naive_loop_over_each_trace() {
        let pool = ["malloc", "std::f()", "main", "app::g", "alloc::vec::Vec<T>::push", "xmalloc"];
        let mut random = tm_testing::Random::new(7);
        let mut below = |limit: usize| random.below(limit as u64) as usize;
        let plumbing = Plumbing::known();
        for _ in 0..500 {
            let stacks: Vec<Traceback> = (0..4)
                .map(|_| {
                    let frames: Vec<Frame> =
                        (0..below(5)).map(|_| frame(pool[below(pool.len())], "a.c")).collect();
                    Traceback::new(frames, Some(9))
                })
                .collect();
            let mut blame = Blame::new(plumbing.clone());
            for _ in 0..8 {
                let before = &stacks[below(4)];
                let after = blame.cut(before);
                let mut frames = before.frames().to_vec();
                while frames.last().is_some_and(|frame| plumbing.is_plumbing(frame)) {
                    frames.pop();
                }
                if frames.is_empty() {
                    frames = before.frames().to_vec();
                }
                let functions =
                    |frames: &[Arc<Frame>]| frames.iter().map(|f| f.function.clone()).collect::<Vec<_>>();
                assert_eq!(functions(after.frames()), functions(&frames));
                let n_cut = before.frames().len() - frames.len();
                assert_eq!(after.total_nframe(), Some(9 - n_cut as u32));
            }
        }
    }
}
