//! What is not certain of the stacks of a snapshot, by bytes: the lines of a report's header.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use tm_common::stack::EndReason;

use super::addresses::probe;
use crate::model::{Doubt, DoubtKind, Traceback};
use crate::reader::{RawDoubts, Recording, StackFrame};
use crate::text::words::percent;

/// How many lines there are at most; what is less is one more line.
const LINES_MAX: usize = 3;

/// Bytes by doubt, and of all stacks.
#[derive(Clone, Debug, Default)]
pub(super) struct Doubts {
    by_doubt: FxHashMap<Doubt, u64>,
    whole: u64,
}

impl Doubts {
    /// Those of stacks with their bytes.
    pub fn of<'a>(stacks: impl Iterator<Item = (&'a Traceback, u64)>) -> Doubts {
        let mut doubts = Doubts::default();
        stacks.for_each(|(traceback, size)| doubts.add(traceback.doubts(), size));
        doubts
    }

    /// Adds those of a stack with its bytes.
    pub fn add(&mut self, of_stack: &[Doubt], size: u64) {
        self.whole = self.whole.saturating_add(size);
        for doubt in of_stack {
            let sum = self.by_doubt.entry(doubt.clone()).or_default();
            *sum = sum.saturating_add(size);
        }
    }

    /// The doubts of the larger of two snapshots of one report.
    pub fn or_larger(self, other: Doubts) -> Doubts {
        if other.whole > self.whole { other } else { self }
    }

    /// A sentence each, that of the most bytes first.
    pub fn notes(&self) -> Vec<String> {
        let mut doubts: Vec<(&Doubt, u64)> =
            self.by_doubt.iter().map(|(doubt, &size)| (doubt, size)).collect();
        doubts.sort_by(|a, b| (b.1, a.0).cmp(&(a.1, b.0)));
        let shown = doubts.iter().take(LINES_MAX);
        let mut notes: Vec<String> = shown
            .map(|(doubt, size)| format!("{} have stacks that {}.", self.share(*size), doubt.clause()))
            .collect();
        let rest = doubts.get(LINES_MAX..).unwrap_or_default();
        if let [first, ..] = rest {
            let sum = rest.iter().fold(0, |sum: u64, (_, size)| sum.saturating_add(*size));
            let others = if rest.len() == 1 {
                first.0.clause()
            } else {
                format!("end or are guessed in {} other ways", rest.len())
            };
            notes.push(format!("{} have stacks that {others}.", self.share(sum)));
        }
        notes
    }

    fn share(&self, size: u64) -> String {
        if size > 0 && u128::from(size) * 1_000 < u128::from(self.whole) {
            return "Less than 0.1% of the bytes".to_owned();
        }
        format!("{} of the bytes", percent(size, self.whole))
    }
}

/// `raw` with the files that the frames belong to; `differs` says that native and Python frames do not match.
pub(super) fn doubts_of(recording: &Recording, raw: RawDoubts, differs: bool) -> Vec<Doubt> {
    let module = |frame: StackFrame| {
        let (_, probe) = probe(&frame);
        recording.module_at(frame.epoch, probe).map(|module| Arc::from(module.path.as_str()))
    };
    let guessed = raw.guessed_beyond.map(|frame| match recording.header.unwind {
        0 => Doubt { kind: DoubtKind::Guessed, module: module(frame) },
        _ => Doubt { kind: DoubtKind::FramePointers, module: None },
    });
    let end =
        raw.end.map(|(reason, last)| Doubt { kind: DoubtKind::Ended(reason), module: last.and_then(module) });
    let end = end.filter(|end| !is_start_of_program(end));
    let python_end = raw.python_end.map(|reason| Doubt { kind: DoubtKind::Ended(reason), module: None });
    let place = differs.then_some(Doubt { kind: DoubtKind::PythonPlace, module: None });
    guessed.into_iter().chain(end).chain(python_end).chain(place).collect()
}

/// Whether a stack ends where the kernel has begun the program: in the loader, whose `_dl_start_user` is in no unwind table.
/// All else of it is.
fn is_start_of_program(end: &Doubt) -> bool {
    let name = end.module.as_deref().and_then(|path| path.rsplit('/').next());
    end.kind == DoubtKind::Ended(EndReason::NoEntry) && name.is_some_and(|name| name.starts_with("ld-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Frame;

    fn stack(line: u32, modules: &[&str]) -> Traceback {
        let doubt = |module: &&str| Doubt {
            kind: DoubtKind::Ended(EndReason::NoTable),
            module: Some((*module).into()),
        };
        Traceback::new(vec![Frame::new("a.c", line)], None).with_doubts(modules.iter().map(doubt).collect())
    }

    #[test]
    fn the_largest_come_first_and_the_rest_is_one_line() {
        let stacks = [
            (stack(1, &[]), 900),
            (stack(2, &["/x/liba.so"]), 20),
            (stack(3, &["/x/libb.so"]), 30),
            (stack(4, &["/x/libb.so"]), 1),
            (stack(5, &["/x/libc.so"]), 4),
            (stack(6, &["/x/libd.so"]), 3),
            (stack(7, &["/x/libe.so"]), 42),
        ];
        let notes = Doubts::of(stacks.iter().map(|(stack, size)| (stack, *size))).notes();
        assert_eq!(
            notes,
            [
                "4.2% of the bytes have stacks that end in libe.so, which has no unwind table.",
                "3.1% of the bytes have stacks that end in libb.so, which has no unwind table.",
                "2.0% of the bytes have stacks that end in liba.so, which has no unwind table.",
                "0.7% of the bytes have stacks that end or are guessed in 2 other ways.",
            ]
        );
        assert!(Doubts::of(stacks.iter().take(1).map(|(stack, size)| (stack, *size))).notes().is_empty());
    }
}
