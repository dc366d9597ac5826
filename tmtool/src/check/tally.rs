//! What a run did, by site: the figures of a budget, from one replay.

use std::sync::Arc;

use super::figure::{Figure, Figures};
use super::places::Places;
use super::suppressions::Suppression;
use crate::errors::{Error, Result};
use tm_analyzer::analysis::RuntimeLibraries;
use tm_analyzer::model::{
    Amount, Counted, Frame, Origin, Shown, StackList, StackView, Traceback, is_snap_file,
};
use tm_analyzer::request::Request;

/// The blocks of one stack under one label.
#[derive(Clone, Debug)]
pub struct Site {
    /// What they add up to.
    pub figures: Figures,
    /// The frame that is blamed.
    pub blamed: Arc<Frame>,
    /// The label.
    pub label: Option<String>,
}

/// What a run did.
#[derive(Clone, Debug)]
pub struct Tally {
    /// The sites; leaks are without what is known.
    pub sites: Vec<Site>,
    /// Their whole stacks, in the same order.
    pub stacks: StackList,
    /// The figures that are known.
    pub known: Vec<Figure>,
    /// The recording.
    pub origin: Origin,
    /// What was live at the end and is known not to be a leak.
    pub suppressed: Amount,
    /// What run-time libraries keep for themselves.
    pub runtime: Amount,
}

impl Tally {
    /// Reads what `request` asks for; leaks that one of `suppressions` knows are none, and the first that does counts them.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn of(request: &Request, suppressions: &mut [Suppression]) -> Result<Tally> {
        let is_snapshot = is_snap_file(&request.path)?;
        let (activity, known) = if is_snapshot {
            let whole = Request { grouping: whole_stacks(request), ..request.clone() };
            let activity = whole.activity(Counted::LEAST)?;
            let known = known_of_snapshot(activity.origin.as_ref(), request)?;
            (activity, known)
        } else {
            (request.open()?.activity(Shown::Peak, Counted::LEAST, None)?, Figure::ALL.to_vec())
        };
        let mut tally = Tally::new(known, activity.origin.clone().unwrap_or_default());
        let (mut blame, mut libraries) = (request.grouping.blame_of_lines(), RuntimeLibraries::known());
        let mut stacks = activity.stacks.walk();
        for row in &activity.rows {
            let stack = stacks.next_stack();
            let mut uncertainty = row.uncertainty.as_deref().copied().unwrap_or_default();
            let (mut at_peak, at_end) = (row.amount.at_peak, row.amount.at_end);
            if is_snapshot {
                // The one moment that it has is the end, as far as is known.
                (at_peak, uncertainty.at_peak) = (at_end, uncertainty.at_end);
            }
            let (allocated, uncertain) = (row.amount.allocated, &uncertainty);
            let figures = Figures::default()
                .with_amount((Figure::Peak, Figure::PeakBlocks), at_peak, uncertain.at_peak)
                .with_amount((Figure::End, Figure::EndBlocks), at_end, uncertain.at_end)
                .with_amount((Figure::Leaked, Figure::LeakedBlocks), at_end, uncertain.at_end)
                .with_amount((Figure::Allocated, Figure::Allocations), allocated, uncertain.allocated);
            let blamed = blame.cut_stack(stack).last().map_or_else(|| Frame::unknown().into(), Arc::clone);
            let label = row.tag.as_deref().map(str::to_owned);
            let mut site = Site { figures, blamed, label };
            if at_end.count > 0 {
                let whole = stack.traceback();
                tally.keep_known_leaks_out(&mut site, &whole, at_end, &mut libraries, suppressions);
            }
            tally.sites.push(site);
        }
        tally.stacks = activity.stacks;
        Ok(tally)
    }

    /// One without sites.
    pub fn new(known: Vec<Figure>, origin: Origin) -> Tally {
        let (sites, stacks) = (Vec::new(), StackList::default());
        Tally { sites, stacks, known, origin, suppressed: Amount::default(), runtime: Amount::default() }
    }

    /// Adds a site whose stack is the frame that is blamed.
    pub fn add(&mut self, site: Site) {
        let frames = [Arc::clone(&site.blamed)];
        self.stacks.push(StackView { frames: &frames, total_nframe: None, has_python: false });
        self.sites.push(site);
    }

    fn keep_known_leaks_out(
        &mut self,
        site: &mut Site,
        whole: &Traceback,
        at_end: Amount,
        libraries: &mut RuntimeLibraries,
        suppressions: &mut [Suppression],
    ) {
        let Site { blamed, label, .. } = &*site;
        if libraries.is_own(whole) {
            self.runtime += at_end;
        } else {
            let mut all = suppressions.iter_mut();
            let Some(known) = all.find(|one| one.matches(whole, blamed, label.as_deref())) else { return };
            known.bytes += at_end.bytes;
            known.blocks += at_end.count;
            self.suppressed += at_end;
        }
        site.figures = site.figures.without(Figure::Leaked).without(Figure::LeakedBlocks);
    }

    /// Adds a block of `bytes` that lives until the end.
    pub fn inject_leak(&mut self, bytes: u64) {
        let blocks = [Figure::PeakBlocks, Figure::EndBlocks, Figure::LeakedBlocks, Figure::Allocations];
        let sizes = [Figure::Peak, Figure::End, Figure::Leaked, Figure::Allocated];
        let figures = blocks.iter().fold(Figures::default(), |figures, &figure| figures.with(figure, 1));
        let figures = sizes.iter().fold(figures, |figures, &figure| figures.with(figure, bytes));
        let blamed = Frame { function: Some("--inject-leak".into()), ..Frame::new(INJECTED, 0) };
        self.add(Site { figures, blamed: blamed.into(), label: None });
    }

    /// The sites of `places`; all of them without.
    pub fn sites_of<'a>(&'a self, places: Option<&'a Places>) -> impl Iterator<Item = &'a Site> {
        let mut stacks = self.stacks.walk();
        self.sites.iter().filter(move |site| {
            let means = |places: &Places| {
                places.match_block(stacks.next_stack().frames, &site.blamed, site.label.as_deref())
            };
            places.is_none_or(means)
        })
    }

    /// The sums of `places`; of all sites without.
    pub fn sum(&self, places: Option<&Places>) -> Figures {
        let mut sum = Figures::default();
        self.sites_of(places).for_each(|site| sum += site.figures);
        sum
    }
}

/// The file of the block that is pretended to have leaked.
pub const INJECTED: &str = "<pretended leak>";

fn whole_stacks(request: &Request) -> tm_analyzer::request::Grouping {
    let mut grouping = request.grouping.clone();
    grouping.key_type = tm_analyzer::model::KeyType::Traceback;
    grouping.plumbing = None;
    grouping
}

/// The figures that a snapshot has: those of its moment.
fn known_of_snapshot(origin: Option<&Origin>, request: &Request) -> Result<Vec<Figure>> {
    match origin.map(|origin| origin.moment.as_str()) {
        Some("peak") => Ok(vec![Figure::Peak, Figure::PeakBlocks]),
        Some("end") => Ok(vec![Figure::End, Figure::EndBlocks, Figure::Leaked, Figure::LeakedBlocks]),
        moment => {
            let moment = moment.unwrap_or("an unknown moment");
            let what = format!("{} is a snapshot of {moment}, which no figure is of", request.path.display());
            Err(Error::Message(format!("{what}; make it with tmtool filter FILE --at peak or --at end")))
        }
    }
}
