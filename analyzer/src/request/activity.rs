//! What all sites did, in one replay: the figures of `stats`, `top`, `leaks` and `temporary` side by side.

use tm_common::ids::{Domain, Space};

use super::{Blocks, Recorded, Request, Time};
use crate::analysis::Blame;
use crate::error::Result;
use crate::model::{
    Activity, ActivityProfile, ActivityRow, ActivityUncertainty, Counted, EstimatesBy, Moment, Profile,
    ProfileRow, Shown, StackList, is_snap_file,
};
use crate::reader::Problem;
use crate::replay::{Activities, ActivitySums, Site, Taker};

impl Request {
    /// Adds up what each site did. At the usual time the live blocks are those of the peak, all else is that of the whole
    /// run; at a moment or in a window all is that up to its end. Stacks end where [`super::Grouping`] blames. The
    /// figures of what goes are those of `counted`.
    ///
    /// # Errors
    /// As [`Request::profile`]; and the peak of all processes is none that events could be counted up to.
    pub fn activity(&self, counted: Counted) -> Result<ActivityProfile> {
        let mut activity = match is_snap_file(&self.path)? {
            true => return self.live(),
            false => {
                let shown = if self.time == Time::Usual { Shown::Peak } else { Shown::End };
                self.open()?.activity(shown, counted, Some(&mut self.grouping.blame()))?
            }
        };
        // Ages are those of live blocks: what is allocated has none.
        activity.has_events &= self.blocks.ages_ns == Blocks::default().ages_ns;
        let note =
            activity.measure(|sums| activity.live(sums), |of| activity.uncertainty(of)).without_lines();
        if let Some(origin) = &mut activity.origin {
            origin.notes.extend(note);
        }
        Ok(activity)
    }

    /// The same of live blocks alone, for what takes no events: the other sites get no names.
    ///
    /// # Errors
    /// As [`Request::profile`].
    pub fn live(&self) -> Result<ActivityProfile> {
        let Profile { rows, traceback_limit, origin } = self.profile()?;
        let mut stacks = StackList::default();
        let row = |row: ProfileRow| {
            stacks.push(row.traceback.view());
            ActivityRow {
                tag: row.tag,
                domain: row.domain,
                process: row.process,
                amount: Activity { at_end: row.amount, ..Activity::default() },
                uncertainty: row.uncertainty.is_estimate().then(|| {
                    Box::new(ActivityUncertainty {
                        at_end: row.uncertainty,
                        ..ActivityUncertainty::default()
                    })
                }),
            }
        };
        let at_ns = origin.as_ref().map_or(0, |origin| origin.moment_ns);
        Ok(ActivityProfile {
            rows: rows.into_iter().map(row).collect(),
            stacks,
            traceback_limit,
            origin,
            shown: Shown::End,
            has_events: false,
            counted: Counted::LEAST,
            from_ns: 0,
            until_ns: at_ns,
            domains: Domain::BUILT_IN.map(|(domain, name)| (domain.0, name.to_owned())).into(),
        })
    }
}

impl Recorded {
    /// What each site did up to the end of the time, with the figures of `counted` of what goes. Stacks are as `blame` cuts them, or
    /// whole.
    ///
    /// # Errors
    /// There is no such process.
    pub fn activity(
        &self,
        shown: Shown,
        counted: Counted,
        blame: Option<&mut Blame>,
    ) -> Result<ActivityProfile> {
        let Recorded { recording, processes, selection, until, .. } = self;
        let mut sums = ActivitySums::default();
        let taker = |at| Taker::new(recording, *processes, at, selection, EstimatesBy::<Site>::default());
        let (mut at_peak, mut at_end) = (taker(None), taker(Some(*until)));
        let mut findings = self.run(
            |engine| Activities::new(selection, engine.process(), counted),
            |engine, activities| {
                sums.absorb(activities.finish());
                at_peak.add(engine);
                at_end.add(engine);
            },
        )?;
        let (at_peak, at_end) = (at_peak.finish(), at_end.finish());
        for (&site, &amount) in at_peak.blocks.amounts.iter() {
            sums.amounts.of(site).at_peak += amount;
        }
        for (&site, &amount) in at_end.blocks.amounts.iter() {
            sums.amounts.of(site).at_end += amount;
        }
        for (&site, &uncertainty) in at_peak.blocks.uncertainties.iter() {
            sums.uncertainties.of(site).at_peak += uncertainty;
        }
        for (&site, &uncertainty) in at_end.blocks.uncertainties.iter() {
            sums.uncertainties.of(site).at_end += uncertainty;
        }
        let raw = match shown {
            Shown::Peak => &at_peak,
            Shown::End => &at_end,
        };
        let is_of_stacks = |problem: &&Problem| matches!(problem, Problem::UnknownStacks { .. });
        findings.problems.extend(raw.findings.problems.iter().filter(is_of_stacks).cloned());
        // What was freed before the moment may have had more frames kept.
        let mut namer = self.namer();
        let live = |sums: &Activity| match shown {
            Shown::Peak => sums.at_peak,
            Shown::End => sums.at_end,
        };
        let (rows, stacks) = namer.activity(recording, sums, |sums| live(sums).bytes, blame);
        let mut origin = self.origin(&namer, &findings);
        if shown == Shown::Peak {
            origin.moment = Moment::Peak.to_string();
        }
        (origin.moment_ns, origin.live_bytes, origin.live_blocks) =
            (raw.moment_ns, raw.live.bytes, raw.live.count);
        Ok(ActivityProfile {
            rows,
            stacks,
            traceback_limit: recording.n_frames_max(),
            origin: Some(origin),
            domains: self.domains(),
            shown,
            has_events: true,
            counted,
            from_ns: self.begin().ns,
            until_ns: self.end().ns,
        })
    }

    /// The names of the domains, by their numbers.
    fn domains(&self) -> Vec<(u32, String)> {
        let built_in = [Space::HEAP, Space::MAPPINGS].map(|space| self.recording.domain(space));
        let built_in = built_in.map(|(domain, name)| (domain.0, name.to_owned()));
        let own = self.recording.own_domains().into_iter().map(|own| (own.domain.0, own.name));
        built_in.into_iter().chain(own).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tm_common::event::Event;
    use tm_common::functions::Function;
    use tm_common::ids::{Address, ProcessIndex, StackId, Stamp};

    use super::*;
    use crate::model::{Amount, Uncertainty};
    use crate::replay::{Allocations, Churn, Lifetimes};
    use crate::request::{Between, ProcessChoice};
    use tm_testing::{Random, RecordingBuilder};

    /// A program of two processes that allocates in a few places, frees, reallocates and maps.
    fn made(seed: u64) -> RecordingBuilder {
        let (mut random, mut builder) = (Random::new(seed), RecordingBuilder::with_process());
        let stacks: Vec<StackId> = (0..5).map(|pc| builder.node(StackId::NONE, 0x1000 + pc)).collect();
        builder.process(Some(0), 150_000, Some(350_000));
        let mut live: [Vec<u64>; 2] = Default::default();
        for event in 0..800 {
            let stamp = Stamp(1_000 + event * 500);
            let process = usize::from((150_000..350_000).contains(&stamp.0) && random.below(3) == 0);
            let (live, owner) = (&mut live[process], ProcessIndex(process as u32));
            let stack = stacks[random.below(5) as usize];
            let (address, size) = (Address(0x10000 * (process as u64 + 1) + 16 * event), random.below(500));
            let old = (!live.is_empty()).then(|| live[random.below(live.len() as u64) as usize]);
            let event = match (random.below(8), old) {
                (0..3, Some(old)) => {
                    live.retain(|&kept| kept != old);
                    Event::Free { function: Function::Free, address: Address(old), stamp }
                }
                (3, Some(old)) => {
                    live.retain(|&kept| kept != old);
                    live.push(address.0);
                    let (old, end) = (Address(old), Stamp(stamp.0 + 10));
                    Event::Reallocate { old, new: address, size, stack, begin: stamp, end }
                }
                _ => {
                    live.push(address.0);
                    Event::Allocate { function: Function::Malloc, address, size, stack, stamp }
                }
            };
            builder.event(owner, process as u32, &event);
        }
        builder
    }

    type Rows = BTreeMap<(String, Option<u32>), Amount>;

    fn rows(profile: &Profile) -> Rows {
        let mut rows = Rows::new();
        for row in &profile.rows {
            *rows.entry((format!("{:?}", row.traceback), row.process)).or_default() += row.amount;
        }
        rows
    }

    /// Each figure is that of the report that has it alone.
    #[test]
    fn one_replay_gives_what_each_report_has() {
        for seed in 0..2 {
            let file = made(seed).file();
            let mut n_temporary = 0;
            for process in [ProcessChoice::First, ProcessChoice::All] {
                for time in [
                    Time::Usual,
                    Time::At(Moment::Percent(60.0)),
                    Time::At(Moment::End),
                    Time::Between(Between { from: Moment::Percent(30.0), until: Moment::Percent(70.0) }),
                ] {
                    let mut request = Request { time: time.clone(), ..Request::of(file.path()) };
                    request.blocks.process = process;
                    let found = request.activity(Counted::ALL).unwrap();
                    let of = |figure: fn(&Activity) -> Amount| {
                        rows(&found.measure(figure, |_| Uncertainty::EXACT))
                    };
                    let recorded = request.open().unwrap();
                    let select = &recorded.selection;
                    let cut = |profile| rows(&request.grouping.cut(profile));
                    let allocated = recorded.profile(|it| Allocations::new(select, it), |it| it.sums);
                    assert_eq!(of(|it| it.allocated), cut(allocated.unwrap()), "{time:?}");
                    let freed = recorded.profile(|it| Churn::new(select, it), |it| it.sums);
                    assert_eq!(of(|it| it.freed), cut(freed.unwrap()), "{time:?}");
                    let temporary =
                        recorded.profile(|it| Lifetimes::new(select, it, vec![]), |it| it.temporary);
                    assert_eq!(of(|it| it.temporary), cut(temporary.unwrap()), "{time:?}");
                    for counted in [Counted::LEAST, Counted::WITH_TEMPORARY, Counted::WITH_FREED] {
                        let part = request.activity(counted).unwrap();
                        let figures = |of: &ActivityProfile| -> Vec<Activity> {
                            let figures = of.rows.iter().map(|row| counted.of(row.amount));
                            figures.filter(|figures| *figures != Activity::default()).collect()
                        };
                        assert_eq!(figures(&part), figures(&found), "{time:?} {counted:?}");
                        assert!(part.rows.iter().all(|row| counted.of(row.amount) == row.amount));
                    }
                    let live = request.profile().unwrap();
                    assert_eq!(
                        rows(&found.measure(|it| found.live(it), |it| found.uncertainty(it))),
                        rows(&live),
                        "{time:?}"
                    );
                    let origin = |origin: &crate::model::Origin| (origin.moment.clone(), origin.live_bytes);
                    let origins = [found.origin, live.origin].map(|it| origin(&it.unwrap()));
                    assert_eq!(origins[0].1, origins[1].1);
                    n_temporary += found.rows.iter().map(|row| row.amount.temporary.count).sum::<u64>();
                }
            }
            assert!(n_temporary > 0, "the programs have none");
        }
    }

    #[test]
    fn a_snapshot_has_what_was_live_and_says_that_it_has_no_more() {
        let file = made(1).file();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.snap");
        Request::of(file.path()).snapshot().unwrap().dump(&path).unwrap();
        let [of_file, of_snap] =
            [file.path(), &path].map(|path| Request::of(path).activity(Counted::ALL).unwrap());
        assert!(of_file.has_events && !of_snap.has_events);
        let live = |of: &ActivityProfile| of.measure(|it| of.live(it), |it| of.uncertainty(it)).total();
        assert_eq!(live(&of_file), live(&of_snap));
        assert_eq!((of_snap.domain(0), of_snap.domain(77)), ("heap".to_owned(), "77".to_owned()));
    }
}
