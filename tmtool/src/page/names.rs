//! Texts and frames, each once, as the page shows them.

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use rustc_hash::{FxBuildHasher, FxHashMap};
use tm_analyzer::model::Frame;
use tm_analyzer::text::printable;

/// Things with numbers, each once.
#[derive(Clone, Debug)]
pub struct Interner<T> {
    places: FxHashMap<T, u32>,
    items: Vec<T>,
}

impl<T> Default for Interner<T> {
    fn default() -> Interner<T> {
        Interner { places: FxHashMap::default(), items: Vec::new() }
    }
}

impl<T: Clone + Eq + Hash> Interner<T> {
    /// The number of `item`.
    pub fn of(&mut self, item: T) -> u32 {
        if let Some(place) = self.places.get(&item) {
            return *place;
        }
        let place = self.items.len() as u32;
        self.items.push(item.clone());
        self.places.insert(item, place);
        place
    }

    /// All, by number.
    pub fn items(&self) -> &[T] {
        &self.items
    }
}

/// What the page shows of a frame.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ShownFrame {
    pub function: Arc<str>,
    pub file: Arc<str>,
    pub line: u32,
    pub module: Arc<str>,
    pub kind: FrameKind,
    pub is_inlined: bool,
}

/// What a frame is, as `web/src/format.ts` numbers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FrameKind {
    #[default]
    Native = 0,
    Python = 1,
    Interpreter = 2,
    Guessed = 3,
    Placeholder = 4,
}

/// The frames of all stacks. Number 0 is the one for small stacks.
pub struct FrameNames {
    frames: Interner<ShownFrame>,
    /// The first of all that are shown so, by number, from 1.
    originals: Vec<Arc<Frame>>,
    /// The numbers by the address of a frame, which is kept so that it stays its own, and whether it is inlined.
    known: FxHashMap<(usize, bool), (Arc<Frame>, u32)>,
    /// Texts as they are shown, by their addresses.
    texts: FxHashMap<usize, (Arc<str>, Arc<str>)>,
}

impl Default for FrameNames {
    fn default() -> FrameNames {
        let small =
            ShownFrame { function: "(small)".into(), kind: FrameKind::Placeholder, ..ShownFrame::default() };
        let mut frames = Interner::default();
        frames.of(small);
        FrameNames { frames, originals: Vec::new(), known: FxHashMap::default(), texts: FxHashMap::default() }
    }
}

impl FrameNames {
    /// The numbers of the frames of one address, the outermost first.
    pub fn inward<'a>(&'a mut self, outermost_first: &'a [Arc<Frame>]) -> impl Iterator<Item = u32> + 'a {
        outermost_first.iter().enumerate().map(|(place, frame)| self.frame(frame, place > 0))
    }

    /// The same of frames of which the innermost come first.
    pub fn of_address<'a>(&'a mut self, innermost_first: &'a [Arc<Frame>]) -> impl Iterator<Item = u32> + 'a {
        let last = innermost_first.len().saturating_sub(1);
        innermost_first.iter().enumerate().rev().map(move |(place, frame)| self.frame(frame, place < last))
    }

    /// The first of the frames that are shown as that of a number; `None` for that of small stacks.
    pub fn original(&self, number: usize) -> Option<&Frame> {
        self.originals.get(number.checked_sub(1)?).map(|frame| &**frame)
    }

    /// All frames by number.
    pub fn frames(&self) -> &[ShownFrame] {
        self.frames.items()
    }

    fn frame(&mut self, frame: &Arc<Frame>, is_inlined: bool) -> u32 {
        let key = (Arc::as_ptr(frame).addr(), is_inlined);
        if let Some((_, number)) = self.known.get(&key) {
            return *number;
        }
        let shown = ShownFrame {
            function: frame.function.as_ref().map(|name| self.text(name)).unwrap_or_default(),
            file: self.text(&frame.filename),
            line: frame.lineno,
            module: frame.module.as_ref().map(|module| self.text(&module.path)).unwrap_or_default(),
            kind: kind(frame),
            is_inlined,
        };
        let number = self.frames.of(shown);
        if number as usize > self.originals.len() {
            self.originals.push(Arc::clone(frame));
        }
        self.known.insert(key, (Arc::clone(frame), number));
        number
    }

    fn text(&mut self, text: &Arc<str>) -> Arc<str> {
        let key = text.as_ptr().addr();
        let (_, shown) = self.texts.entry(key).or_insert_with(|| (Arc::clone(text), printable(text).into()));
        Arc::clone(shown)
    }
}

fn kind(frame: &Frame) -> FrameKind {
    if frame.is_python() {
        FrameKind::Python
    } else if frame.is_interpreter() {
        FrameKind::Interpreter
    } else if frame.is_guessed() {
        FrameKind::Guessed
    } else if frame.function.is_none() && frame.module.is_none() && frame.lineno == 0 {
        FrameKind::Placeholder
    } else {
        FrameKind::Native
    }
}

/// `text` in at most `n_bytes_max` bytes. What is cut says how long it was and of which text it is, so that different ones
/// stay different.
pub fn bounded(text: &str, n_bytes_max: usize) -> String {
    if text.len() <= n_bytes_max {
        return text.to_owned();
    }
    let cut = format!("...[{} bytes, {:08x}]...", text.len(), FxBuildHasher.hash_one(text) as u32);
    let room = n_bytes_max.saturating_sub(cut.len());
    let start = text.get(..text.floor_char_boundary(room * 2 / 3)).unwrap_or_default();
    let end = text.get(text.ceil_char_boundary(text.len() - room / 3)..).unwrap_or_default();
    format!("{start}{cut}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tm_analyzer::model::by_address;

    fn frame(function: &str, address: u64) -> Arc<Frame> {
        Arc::new(Frame { function: Some(function.into()), address: Some(address), ..Frame::new("a.c", 1) })
    }

    #[test]
    fn what_is_inlined_shares_the_address_of_the_function_that_it_is_in() {
        let (f, g, main) = (frame("f", 8), frame("g", 8), frame("main", 4));
        let mut names = FrameNames::default();
        let stack = [&main, &f, &g, &f, &g].map(Arc::clone);
        let mut numbers = Vec::new();
        by_address(&stack).for_each(|frames| numbers.extend(names.inward(frames)));
        let inlined = numbers.iter().map(|&number| names.frames()[number as usize].is_inlined);
        assert_eq!(inlined.collect::<Vec<_>>(), [false, false, true, false, true]);
        assert_eq!((names.frames().len(), &*names.frames()[0].function), (4, "(small)"));
    }

    #[test]
    fn long_names_are_cut_and_stay_different() {
        let (a, b) =
            ("x".repeat(100_000) + "a" + &"y".repeat(500), "x".repeat(100_000) + "b" + &"y".repeat(500));
        let (a, b) = (bounded(&a, 200), bounded(&b, 200));
        assert!(a != b && a.len() <= 200 && a.contains("[100501 bytes"), "{a}");
        assert_eq!(bounded("é", 2), "é");
        assert!(bounded(&"é".repeat(300), 100).len() <= 101);
    }
}
