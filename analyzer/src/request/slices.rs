//! All that came and went by site and slice of time, of what is asked for.

use tm_common::ids::{ProcessIndex, Stamp};
use tm_common::metadata::CommandKind;

use super::Recorded;
use crate::error::Result;
use crate::model::SumsBy;
use crate::replay::{self, Findings, Grid, Processes, Selection, Site, SliceSums, SliceTime, Slices};

/// How finely time is looked at.
#[derive(Clone, Debug)]
pub struct Slicing {
    /// How many slices there are at most, beside those that marks make.
    pub n_slices: u32,
    /// How many marks of the time are boundaries at most.
    pub n_marks_max: usize,
    /// How many steps the course has.
    pub n_steps: u32,
    /// The first lifetimes of all decades but the first, in ns.
    pub limits_ns: Vec<u64>,
}

/// The sums, and what their time is in nanoseconds since the recording's start.
#[derive(Clone, Debug)]
pub struct Sliced {
    /// The sums; there is a peak in any case.
    pub sums: SliceSums,
    /// Where the course begins.
    pub from_ns: u64,
    /// How long a step of it is.
    pub step_ns: u64,
    /// What else was met.
    pub findings: Findings,
}

impl Recorded {
    /// Replays the time once. Blocks from before it are live in it as well. With all processes the peak is the highest boundary, since each
    /// process is replayed by itself, and what a process still had goes when it ends.
    ///
    /// # Errors
    /// There is no such process.
    pub fn slices(&self, slicing: &Slicing) -> Result<Sliced> {
        let recording = &self.recording;
        let selection = Selection { born_after: None, ..self.selection.clone() };
        let (from_ns, until_ns) = (self.begin().ns, self.until.ns);
        let step_ns = until_ns.saturating_sub(from_ns).div_ceil(u64::from(slicing.n_steps).max(1)).max(1);
        let at = |ns: u64| replay::stamp_at(recording, ns);
        let steps =
            (1..=u64::from(slicing.n_steps)).map(|step| from_ns.saturating_add(step.saturating_mul(step_ns)));
        let (first, last) = (at(from_ns), at(until_ns));
        let marks = self.mark_stamps().filter(|mark| (first..=last).contains(mark)).take(slicing.n_marks_max);
        let is_one = matches!(self.processes, Processes::One(_));
        let time = SliceTime {
            grid: Grid::new((first, last), slicing.n_slices, marks),
            steps: steps.map(at).collect(),
            limits: slicing.limits_ns.iter().map(|&ns| replay::stamps_in(recording, ns)).collect(),
            has_peak: is_one,
        };
        let mut sums = SliceSums::default();
        let findings = self.run(
            |engine| {
                // What a child inherited counts for its parent.
                let live = engine.live().iter(selection.memory_kind()).filter(|_| is_one);
                Slices::new(&selection, time.clone(), live)
            },
            |engine, mut slices| {
                let process = engine.process();
                if let Some(end) = replay::ended_at(recording, process).filter(|_| !is_one) {
                    slices.end_all(end);
                }
                sums.merge(slices.finish(process));
            },
        )?;
        if !is_one {
            sums.find_peak();
        }
        Ok(Sliced { sums, from_ns, step_ns, findings })
    }

    /// What lives at a boundary of `sums`, by site.
    pub fn sums_at(&self, sums: &SliceSums, boundary: usize) -> SumsBy<Site> {
        let mut by_site = SumsBy::default();
        for (site, amount) in sums.sites.iter().zip(sums.live_at(boundary)).filter(|(_, live)| live.count > 0)
        {
            by_site.add(self.site(site.process, &site.place), amount);
        }
        by_site
    }

    fn site(&self, process: ProcessIndex, place: &replay::Place) -> Site {
        let tag = self.recording.thread_tags.tag(place.thread_tag);
        Site { stack: place.stack, tag, space: place.space, process }
    }

    /// When marks were set, as moments: the last stamp of each mark's nanosecond.
    fn mark_stamps(&self) -> impl Iterator<Item = Stamp> {
        let marks = self.recording.commands.iter().filter(|command| command.kind == CommandKind::Mark);
        marks.map(|mark| replay::stamp_at(&self.recording, self.recording.ns(mark.stamp)))
    }
}

#[cfg(test)]
mod tests {
    use tm_common::event::Event;
    use tm_common::functions::Function;
    use tm_common::ids::{Address, StackId};

    use super::*;
    use crate::model::Moment;
    use crate::request::{Between, Request, Time};
    use tm_testing::RecordingBuilder;

    #[test]
    fn marks_from_before_the_time_take_no_room() {
        let mut builder = RecordingBuilder::with_process();
        for stamp in [1_000, 2_000, 700_000] {
            builder.command(0, CommandKind::Mark, 0, stamp, "m");
        }
        let (function, address, stack) = (Function::Malloc, Address(16), StackId::NONE);
        let event = Event::Allocate { function, address, size: 8, stack, stamp: Stamp(900_000) };
        builder.event(ProcessIndex(0), 0, &event);
        let file = builder.file();
        let time = Time::Between(Between { from: Moment::TimeNs(500_000), until: Moment::End });
        let recorded = Request { time, ..Request::of(file.path()) }.open().unwrap();
        let slicing = Slicing { n_slices: 1, n_marks_max: 1, n_steps: 4, limits_ns: Vec::new() };
        let sliced = recorded.slices(&slicing).unwrap();
        let at: Vec<u64> = sliced.sums.grid.stamps().map(|stamp| recorded.recording.ns(stamp)).collect();
        assert!(at.contains(&700_000), "{at:?}");
        assert_eq!(sliced.sums.course.len(), 4);
    }
}
