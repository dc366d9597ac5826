//! The frame to blame for a stack: the innermost one that is not there to allocate for others.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::frames::Frames;
use super::plumbing::Plumbing;
use crate::model::{Frame, FramePatterns, Profile, Refill, StackView, Traceback};

impl Profile {
    /// The same sums, each traceback without the plumbing at its innermost end: its most recent frame is the one to
    /// blame. A traceback of nothing but plumbing stays as it is; one with Python frames ends at the innermost of these.
    ///
    /// ```
    /// use tm_analyzer::analysis::Plumbing;
    /// use tm_analyzer::model::{Frame, Snapshot, Trace, Traceback};
    ///
    /// let frame = |file: &str, function: &str| Frame { function: Some(function.into()), ..Frame::new(file, 1) };
    /// let frames = vec![frame("util.c", "xmalloc"), frame("parse.c", "parse")];
    /// let traceback = Traceback::new(frames, None);
    /// let snapshot = Snapshot::new(vec![Trace { domain: 0, size: 8, traceback, tag: None, sample: None }], 16);
    /// let blamed = snapshot.profile().without_plumbing(&Plumbing::known());
    /// assert_eq!(blamed.rows[0].traceback.most_recent().unwrap().to_string(), "parse.c:1");
    /// ```
    #[must_use]
    pub fn without_plumbing(self, plumbing: &Plumbing) -> Profile {
        self.blamed(&mut Blame::new(plumbing.clone()))
    }
}

impl Profile {
    /// The same sums, each traceback as `blame` cuts it.
    #[must_use]
    pub fn blamed(self, blame: &mut Blame) -> Profile {
        self.with_tracebacks(|traceback| blame.cut(traceback))
    }
}

/// Cuts each shared traceback once, and asks the patterns about each different frame once.
///
/// Where Python code runs it is to blame, and whatever native code it has called is plumbing.
pub struct Blame {
    rules: Rules,
    /// Tracebacks that were cut, which so keep their addresses from being another one's, and what was left.
    tracebacks: FxHashMap<usize, [Traceback; 2]>,
    /// Room for the frames of the last stack that are looked at, ...
    seen: Vec<Arc<Frame>>,
    /// ... and for those that are not hidden.
    shown: Vec<Arc<Frame>>,
}

/// What is not to blame, and not shown.
struct Rules {
    plumbing: Plumbing,
    /// The frames that are looked at, and shown.
    seen: Frames,
    /// Those of them that are not, whatever they are.
    hidden: FramePatterns,
    /// Whether native code is no plumbing where Python code has called it.
    keeps_native: bool,
    /// Answers by the addresses of what is looked at: function, file and module are shared texts.
    frames: FxHashMap<[usize; 3], bool>,
    /// The same on what is hidden.
    hidden_frames: FxHashMap<[usize; 3], bool>,
    /// The frame that stands for hidden ones alone.
    placeholder: Option<Arc<Frame>>,
}

impl Blame {
    /// Blames by `plumbing`.
    #[must_use]
    pub fn new(plumbing: Plumbing) -> Blame {
        let rules = Rules {
            plumbing,
            seen: Frames::All,
            hidden: FramePatterns::default(),
            keeps_native: false,
            frames: FxHashMap::default(),
            hidden_frames: FxHashMap::default(),
            placeholder: None,
        };
        Blame { rules, tracebacks: FxHashMap::default(), seen: Vec::new(), shown: Vec::new() }
    }

    /// The same, looking at these frames alone.
    #[must_use]
    pub fn seeing(self, seen: Frames) -> Blame {
        Blame { rules: Rules { seen, ..self.rules }, ..self }
    }

    /// The same, with these frames taken out of the stacks.
    #[must_use]
    pub fn hiding(self, hidden: FramePatterns) -> Blame {
        Blame { rules: Rules { hidden, ..self.rules }, ..self }
    }

    /// The same for stacks that are shown whole: what Python code has called is a part of them unless the patterns say that it
    /// is plumbing.
    #[must_use]
    pub fn keeping_native(self) -> Blame {
        Blame { rules: Rules { keeps_native: true, ..self.rules }, ..self }
    }

    /// Returns `traceback` without the plumbing at its innermost end, or as it is if it has nothing else; of the frames that
    /// are looked at.
    pub fn cut(&mut self, traceback: &Traceback) -> Traceback {
        if let Some([_, known]) = self.tracebacks.get(&traceback.identity()) {
            return known.clone();
        }
        let view = traceback.view();
        let kept = self.cut_stack(view);
        let cut = traceback.with_frames(kept, view.with_kept(kept).total_nframe);
        self.tracebacks.insert(traceback.identity(), [traceback.clone(), cut.clone()]);
        cut
    }

    /// The frames of [`Blame::cut`], of a stack that is not kept.
    pub fn cut_stack<'a>(&'a mut self, stack: StackView<'a>) -> &'a [Arc<Frame>] {
        let Blame { rules, seen, shown, .. } = self;
        let seen = rules.seen.kept(stack, seen).unwrap_or(stack.frames);
        let seen = rules.without_hidden(seen, shown);
        let has_python =
            stack.has_python && !rules.keeps_native && seen.iter().any(|frame| frame.is_python());
        // What has nothing else stays.
        match seen.len() - rules.n_plumbing(seen, has_python) {
            0 => seen,
            n_kept => seen.get(..n_kept).unwrap_or_default(),
        }
    }

    /// The frames of a stack with the plumbing: those that are looked at, and the interpreter's own where only these are not.
    pub fn whole_stack<'a>(&'a mut self, stack: StackView<'a>) -> &'a [Arc<Frame>] {
        let Blame { rules, seen, shown, .. } = self;
        let seen = match rules.seen {
            Frames::All => stack.frames,
            frames => frames.kept(stack, seen).unwrap_or(stack.frames),
        };
        rules.without_hidden(seen, shown)
    }

    /// Returns the frame that [`Blame::cut`] leaves as the most recent one of `outward`, the frames of a stack without Python
    /// frames, from the innermost on, none of which is hidden. No more of them are asked for than are needed, so that a million stacks that end at a hundred lines
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

    /// Whether frames are hidden, whatever they are.
    pub(crate) fn hides(&self) -> bool {
        !self.rules.hidden.is_empty()
    }

    /// Whether `frame` is there to allocate for others.
    pub fn is_plumbing(&mut self, frame: &Frame) -> bool {
        self.rules.is_plumbing(frame)
    }
}

impl Rules {
    /// The frames that are not hidden, put in `room` if some are. Where all are, one says so: the block is still there.
    fn without_hidden<'a>(
        &mut self,
        frames: &'a [Arc<Frame>],
        room: &'a mut Vec<Arc<Frame>>,
    ) -> &'a [Arc<Frame>] {
        if self.hidden.is_empty() || !frames.iter().any(|frame| self.is_hidden(frame)) {
            return frames;
        }
        let mut kept = Refill::new(room);
        frames.iter().filter(|frame| !self.is_hidden(frame)).for_each(|frame| kept.push(frame));
        if kept.is_empty() {
            kept.push(self.placeholder.get_or_insert_with(|| Frame::hidden().into()));
        }
        kept.finish()
    }

    fn is_hidden(&mut self, frame: &Frame) -> bool {
        let hidden = &self.hidden;
        *self.hidden_frames.entry(names_of(frame)).or_insert_with(|| hidden.matches(frame))
    }

    /// How many of the innermost frames are plumbing.
    fn n_plumbing(&mut self, oldest_first: &[Arc<Frame>], has_python: bool) -> usize {
        let inward = || oldest_first.iter().rev();
        if self.keeps_native || !has_python {
            return inward().take_while(|frame| self.is_plumbing(frame)).count();
        }
        let to_blame = inward().position(|frame| frame.is_python() && !self.is_plumbing(frame));
        to_blame.or_else(|| inward().position(|frame| frame.is_python())).unwrap_or(0)
    }

    fn is_plumbing(&mut self, frame: &Frame) -> bool {
        match self.frames.entry(names_of(frame)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => *place.insert(self.plumbing.is_plumbing(frame)),
        }
    }
}

/// The addresses of the shared texts that patterns look at.
fn names_of(frame: &Frame) -> [usize; 3] {
    let texts = [Some(&*frame.filename), frame.function.as_deref(), frame.module_path()];
    texts.map(|text| text.map_or(0, |text| text.as_ptr().addr()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, file: &str) -> Frame {
        Frame { function: Some(function.into()), ..Frame::new(file, 1) }
    }

    #[test]
    fn python_code_is_to_blame_and_what_it_has_called_is_shown_in_whole_stacks() {
        let stack = crate::analysis::fixtures::python_stack();
        let ends = |blame: Blame| {
            let mut blame = blame;
            let cut = blame.cut(&stack);
            let frame = cut.most_recent().expect("it has frames");
            (frame.to_string(), cut.total_nframe())
        };
        let known = || Blame::new(Plumbing::known());
        let with = |pattern: &str| Blame::new(Plumbing::known().with(pattern));
        assert_eq!(ends(known()), ("lib.py:7".to_owned(), Some(104)));
        assert_eq!(ends(known().seeing(Frames::Python)), ("lib.py:7".to_owned(), Some(102)));
        assert_eq!(ends(known().keeping_native()), ("ext.c:1".to_owned(), Some(105)));
        assert_eq!(ends(known().seeing(Frames::Native)), ("ext.c:1".to_owned(), Some(106)));
        let raw = || Blame::new(Plumbing::none()).keeping_native();
        assert_eq!(ends(raw().seeing(Frames::Native)), ("python:1".to_owned(), Some(107)));
        // Patterns of the user's are for Python code too, up to the last frame of it, and so is what that has called.
        for pattern in ["@lib.py", "helper.<locals>.f", "helper.*", "*@lib.py"] {
            assert_eq!(ends(with(pattern)), ("main.py:3".to_owned(), Some(102)), "{pattern}");
        }
        assert_eq!(ends(with("@*.py")), ("lib.py:7".to_owned(), Some(104)));
        assert_eq!(ends(with("make").keeping_native()), ("lib.py:7".to_owned(), Some(104)));
    }

    #[test]
    fn hidden_frames_are_in_no_stack_and_are_not_blamed() {
        let (frame, module) = (frame("helper", "ext.c"), crate::model::ModuleFile::at("/lib/libext.so"));
        let innermost = Frame { module: Some(module), ..frame };
        let stack = Traceback::new(
            vec![innermost, super::tests::frame("work", "a.c"), super::tests::frame("main", "a.c")],
            Some(9),
        );
        let hidden = |pattern: &str| {
            let mut blame = Blame::new(Plumbing::known()).hiding(pattern.parse().unwrap());
            let seen = blame.cut(&stack);
            let functions: Vec<String> = seen
                .frames()
                .iter()
                .map(|it| it.function.as_deref().unwrap_or(&it.filename).to_owned())
                .collect();
            (functions.join(" "), seen.total_nframe())
        };
        assert_eq!(hidden("nothing"), ("main work helper".to_owned(), Some(9)));
        assert_eq!(hidden("^work$"), ("main helper".to_owned(), Some(8)));
        assert_eq!(hidden("libext"), ("main work".to_owned(), Some(8)));
        assert_eq!(hidden("a\\.c|ext"), ("<hidden>".to_owned(), Some(7)));
        let python = crate::analysis::fixtures::python_stack();
        let mut blame = Blame::new(Plumbing::known()).hiding("lib\\.py".parse().unwrap());
        let cut = blame.cut(&python);
        assert_eq!(
            cut.most_recent().unwrap().to_string(),
            "main.py:3",
            "the next line of Python is to blame"
        );
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
