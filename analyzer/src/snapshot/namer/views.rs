//! Stacks with their names, looked at one after the other: none is kept.

use tm_common::ids::StackId;

use super::{MergedStack, Namer, with_inlined};
use crate::analysis::{Blame, LineInformation};
use crate::model::{
    Activity, ActivityRow, Amount, Doubt, EstimatesBy, Profile, ProfileRow, Refill, StackList, StackView,
    SumsBy,
};
use crate::reader::Recording;
use crate::replay::{ActivitySums, Site};
use crate::snapshot::doubts::{Doubts, doubts_of};
use crate::snapshot::merge::MergedFrame;
use crate::snapshot::native::NativeStack;

impl Namer {
    /// What sites did, in their order, with their stacks as `blame` cuts them; `bytes` are what doubts are weighed by.
    pub(crate) fn activity(
        &mut self,
        recording: &Recording,
        sums: ActivitySums,
        bytes: impl Fn(&Activity) -> u64,
        mut blame: Option<&mut Blame>,
    ) -> (Vec<ActivityRow>, StackList) {
        let stacks: Vec<StackId> = sums.amounts.iter().map(|(site, _)| site.stack).collect();
        self.prepare(recording, stacks.into_iter());
        let sums = sums.into_sorted();
        let (mut rows, mut stacks) = (Vec::with_capacity(sums.len()), StackList::default());
        let mut doubts = Doubts::default();
        for (site, amount, uncertainty) in sums {
            rows.push(ActivityRow {
                tag: self.tag(recording, site.tag),
                domain: recording.domain(site.space).0.0,
                process: recording.process(site.process).map(|process| process.pid),
                amount,
                uncertainty: uncertainty.map(Box::new),
            });
            let (stack, of_stack) = self.view(recording, site.stack);
            doubts.add(&of_stack, bytes(&amount));
            match &mut blame {
                Some(blame) => stacks.push(stack.with_kept(blame.cut_stack(stack))),
                None => stacks.push(stack),
            }
        }
        self.doubts = std::mem::take(&mut self.doubts).or_larger(doubts);
        (rows, stacks)
    }

    /// `sums` with the tracebacks that `blame` leaves, without an origin: of the whole stacks none is kept.
    pub(crate) fn blamed_profile(
        &mut self,
        recording: &Recording,
        sums: EstimatesBy<Site>,
        blame: &mut Blame,
    ) -> Profile {
        let stacks: Vec<StackId> = sums.amounts.iter().map(|(site, _)| site.stack).collect();
        self.prepare(recording, stacks.into_iter());
        let sums = sums.into_sorted();
        let mut rows: Vec<ProfileRow> = Vec::with_capacity(sums.len());
        let mut latest = None;
        for (site, amount, uncertainty) in sums {
            let same = rows.last().filter(|_| latest == Some(site.stack));
            let traceback = same.map(|row| row.traceback.clone()).unwrap_or_else(|| {
                let (stack, of_stack) = self.view(recording, site.stack);
                stack.with_kept(blame.cut_stack(stack)).traceback().with_doubts(of_stack)
            });
            latest = Some(site.stack);
            rows.push(self.row(recording, (site, amount, uncertainty), traceback));
        }
        self.note_doubts(rows.iter().map(|row| (&row.traceback, row.amount.bytes)));
        Profile { rows, traceback_limit: self.limit(recording), origin: None }
    }

    /// Says how much of what lives at sites is of code without line information, by the frames that `blame` leaves; and notes what is
    /// not certain of their stacks.
    pub fn without_lines(
        &mut self,
        recording: &Recording,
        sums: &SumsBy<Site>,
        blame: &mut Blame,
    ) -> Option<String> {
        let sums: Vec<(Site, Amount)> = sums.sorted();
        self.prepare(recording, sums.iter().map(|(site, _)| site.stack));
        let (mut doubts, mut lines) = (Doubts::default(), LineInformation::default());
        for (site, amount) in sums {
            let (stack, of_stack) = self.view(recording, site.stack);
            doubts.add(&of_stack, amount.bytes);
            lines.add(stack.with_kept(blame.cut_stack(stack)), amount.bytes);
        }
        self.doubts = std::mem::take(&mut self.doubts).or_larger(doubts);
        lines.sentence()
    }

    /// The frames of a stack, which last until the next one is asked for; and what is not certain of it. Each address is looked up
    /// when it is met, unless [`Namer::prepare`] was asked for it.
    pub fn stack(&mut self, recording: &Recording, stack: StackId) -> (StackView<'_>, Vec<Doubt>) {
        self.generation(recording);
        self.view(recording, stack)
    }

    /// The same of a stack that [`Namer::generation`] was asked for.
    pub(super) fn view(&mut self, recording: &Recording, id: StackId) -> (StackView<'_>, Vec<Doubt>) {
        let (limit, table) = (self.made_for.limit, &recording.stacks);
        if table.has_python(id) {
            return self.view_of_both(recording, id, limit);
        }
        let Some(stack) = table.stack(id, limit) else { return (self.unknown.view(), Vec::new()) };
        let total_depth = stack.total_depth();
        let Namer { addresses, native, several, .. } = self;
        let whole = native.stack((recording, &mut *addresses), table.parts(id).0, limit);
        let (frames, n_physical, is_certain) = match whole {
            Some(NativeStack { frames, n_physical, is_certain }) => (frames, n_physical, is_certain),
            None => {
                several.clear();
                let mut n_physical = 0;
                for frame in stack {
                    several.extend_from_slice(&addresses.at(recording, frame).frames);
                    n_physical += 1;
                }
                several.reverse();
                (&several[..], n_physical, false)
            }
        };
        // Python frames may be missing where a stack has none.
        let is_certain = is_certain && table.parts(id).1 == StackId::NONE;
        let doubts = if is_certain { Vec::new() } else { doubts_of(recording, table.doubts(id), false) };
        let total_nframe = with_inlined(total_depth, frames.len() - n_physical);
        (StackView { frames, total_nframe, has_python: false }, doubts)
    }

    /// The same of native and Python frames.
    fn view_of_both(
        &mut self,
        recording: &Recording,
        id: StackId,
        limit: u32,
    ) -> (StackView<'_>, Vec<Doubt>) {
        let MergedStack { stack, total_depth, doubts } =
            self.merged(recording, id, limit, |_, number| number);
        let Namer { addresses, python, several, .. } = self;
        // All Python frames may be incomplete.
        let (mut frames, mut has_python) = (Refill::new(several), false);
        for frame in stack.frames.iter().rev() {
            match *frame {
                MergedFrame::Native(number) => {
                    addresses.named(number).frames.iter().rev().for_each(|frame| frames.push(frame));
                }
                MergedFrame::Python(frame) => {
                    frames.push(python.frame(recording, frame));
                    has_python = true;
                }
            }
        }
        let frames = frames.finish();
        let total_nframe = with_inlined(total_depth, frames.len() - stack.frames.len());
        let doubts = doubts_of(recording, doubts, stack.differs);
        (StackView { frames, total_nframe, has_python }, doubts)
    }
}
