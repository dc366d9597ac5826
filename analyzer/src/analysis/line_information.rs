//! How much of a profile was allocated in code of which no source lines are known, and where.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::model::{Frame, Profile, StackView};
use crate::text::words::{named, percent};

/// Less than this part of the bytes is not worth a word: each program has some in the C library.
const SHARE_PERCENT_MIN: u64 = 20;

impl Profile {
    /// A sentence on the modules without line information, if much was allocated in them.
    #[must_use]
    pub fn without_lines(&self) -> Option<String> {
        let mut lines = LineInformation::default();
        self.rows.iter().for_each(|row| lines.add(row.traceback.view(), row.amount.bytes));
        lines.sentence()
    }
}

/// The bytes of blocks, and of those that were allocated in code without lines.
#[derive(Default)]
pub(crate) struct LineInformation {
    all: u64,
    without: u64,
    of_module: FxHashMap<Arc<str>, u64>,
}

impl LineInformation {
    /// Adds the blocks of a stack, of which the frame to blame is the innermost.
    pub fn add(&mut self, stack: StackView<'_>, size: u64) {
        self.add_frame(frame_with_line(stack), size);
    }

    fn add_frame(&mut self, frame: Option<&Frame>, size: u64) {
        self.all = self.all.saturating_add(size);
        let Some(frame) = frame.filter(|frame| frame.lineno == 0) else { return };
        let Some(module) = frame.module.as_ref().filter(|module| module.path.contains('/')) else { return };
        self.without = self.without.saturating_add(size);
        let sum = self.of_module.entry(Arc::clone(&module.path)).or_default();
        *sum = sum.saturating_add(size);
    }

    /// A sentence on the modules, if it is much.
    pub fn sentence(&self) -> Option<String> {
        let LineInformation { all, without, of_module } = self;
        let is_much = u128::from(*without) * 100 >= u128::from(*all) * u128::from(SHARE_PERCENT_MIN);
        if *without == 0 || !is_much {
            return None;
        }
        let mut modules: Vec<(&str, u64)> =
            of_module.iter().map(|(module, &size)| (&**module, size)).collect();
        modules.sort_by_key(|&(module, size)| (std::cmp::Reverse(size), module));
        let name = |module: &str| module.rsplit('/').next().unwrap_or(module).to_owned();
        let names: Vec<String> = modules.iter().map(|&(module, _)| name(module)).collect();
        Some(format!(
            "{} of the bytes are of code without line information (in {}): build it with -g, or install its debug symbols.",
            percent(*without, *all),
            named(&names)
        ))
    }
}

/// The frame whose line answers who allocated: the innermost one of Python code, if there is one that is looked at.
fn frame_with_line(stack: StackView<'_>) -> Option<&Frame> {
    let StackView { frames, has_python, .. } = stack;
    let inward = || frames.iter().rev().map(|frame| &**frame);
    let python = has_python.then(|| inward().find(|frame| frame.is_python())).flatten();
    python.or_else(|| inward().next())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Traceback;

    fn frame(lineno: u32, module: &str) -> Frame {
        Frame { module: Some(crate::model::ModuleFile::at(module)), ..Frame::new("f", lineno) }
    }

    #[test]
    fn a_line_of_python_code_answers_for_the_native_code_that_it_called() {
        let stack = crate::analysis::fixtures::python_stack();
        assert_eq!(frame_with_line(stack.view()).map(|frame| &*frame.filename), Some("lib.py"));
        let native = Traceback::new(vec![frame(0, "/lib/b.so"), frame(3, "/a")], None);
        assert_eq!(frame_with_line(native.view()).map(|frame| frame.lineno), Some(0));
    }

    #[test]
    fn only_much_is_worth_a_line() {
        let (known, stripped, other) = (frame(3, "/a"), frame(0, "/lib/b.so"), frame(0, "/lib/c.so"));
        let sentence = |blocks: &[(Option<&Frame>, u64)]| {
            let mut lines = LineInformation::default();
            blocks.iter().for_each(|&(frame, size)| lines.add_frame(frame, size));
            lines.sentence()
        };
        let say = |[first, second, third]: [u64; 3]| {
            sentence(&[(Some(&known), first), (Some(&stripped), second), (Some(&other), third)])
        };
        assert_eq!(say([81, 10, 9]), None);
        let expected = "20.0% of the bytes are of code without line information (in b.so and c.so): build it with -g, \
                        or install its debug symbols.";
        assert_eq!(say([80, 12, 8]).as_deref(), Some(expected));
        assert_eq!(say([0, 0, 0]), None);
        assert_eq!(sentence(&[(Some(&frame(0, "[anonymous code]")), 5), (None, 9)]), None);
    }
}
