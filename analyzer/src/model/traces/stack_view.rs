//! A stack that is looked at and not kept.

use std::sync::Arc;

use crate::model::{Frame, Traceback};

/// The frames of a stack, which are somebody else's: what looks at a hundred thousand stacks one after the other keeps none.
#[derive(Clone, Copy, Debug)]
pub struct StackView<'a> {
    /// The frames, oldest first.
    pub frames: &'a [Arc<Frame>],
    /// The stack's whole depth, if known.
    pub total_nframe: Option<u32>,
    /// Whether any of the frames is of Python code.
    pub has_python: bool,
}

impl StackView<'_> {
    /// The same stack, to be kept, without what is not certain of it.
    #[must_use]
    pub fn traceback(self) -> Traceback {
        Traceback::of_kind(self.frames, self.total_nframe, self.has_python)
    }

    /// The same with the frames that are `kept` of it.
    #[must_use]
    pub fn with_kept(self, kept: &[Arc<Frame>]) -> StackView<'_> {
        let n_left_out = (self.frames.len() - kept.len()) as u32;
        StackView {
            frames: kept,
            total_nframe: self.total_nframe.map(|total| total.saturating_sub(n_left_out)),
            has_python: self.has_python && kept.iter().any(|frame| frame.is_python()),
        }
    }
}

/// The frames of `oldest_first` by address, the outermost first: an address may stand for a function with those that are inlined in
/// it, which come after it.
pub fn by_address(oldest_first: &[Arc<Frame>]) -> impl Iterator<Item = &[Arc<Frame>]> {
    let mut rest = oldest_first;
    std::iter::from_fn(move || {
        let outermost = rest.first()?;
        let is_inlined = |frame: &&Arc<Frame>| {
            // A frame of the same address again is another call of it.
            outermost.address.is_some()
                && (frame.address, frame.kind) == (outermost.address, outermost.kind)
                && frame.module_path() == outermost.module_path()
                && !Arc::ptr_eq(frame, outermost)
        };
        let n = 1 + rest.iter().skip(1).take_while(is_inlined).count();
        let (one, others) = rest.split_at(n);
        rest = others;
        Some(one)
    })
}
