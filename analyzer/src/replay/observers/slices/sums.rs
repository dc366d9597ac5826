//! What came and went by site and slice of time, of one process or of several together.

use tm_common::ids::{ProcessIndex, Stamp};

use super::course::CourseStep;
use super::flow::{Cell, add_up};
use super::grid::Grid;
use super::histogram::Histogram;
use super::site::Place;
use super::{Slices, site::SiteState};
use crate::model::Amount;

/// The sums.
#[derive(Clone, Debug, Default)]
pub struct SliceSums {
    /// The boundaries.
    pub grid: Grid,
    /// The boundary at which the most bytes were live.
    pub peak: Option<usize>,
    /// The sites.
    pub sites: Vec<SiteSlices>,
    /// What they did, by site and slice.
    pub cells: Vec<Cell>,
    /// What was live in steps of the time; of several processes, the sum of what each had at most.
    pub course: Vec<CourseStep>,
}

/// A site.
#[derive(Clone, Debug)]
pub struct SiteSlices {
    /// The process that has it.
    pub process: ProcessIndex,
    /// Where and who.
    pub place: Place,
    /// What it has at the first boundary.
    pub start: Amount,
    /// The sizes of what came since.
    pub sizes: Histogram,
    /// The lifetimes of what was freed since: bucket `d` has those from the limit of number `d - 1` on.
    pub lifetimes: Histogram,
}

impl SiteSlices {
    /// What it has at a boundary, of which `cells` are.
    pub fn live_at(&self, cells: &[Cell], boundary: usize) -> Amount {
        let before = || cells.iter().filter(|cell| (cell.slice as usize) < boundary);
        let mut live = self.start;
        before().for_each(|cell| live += cell.flow.allocated);
        before().for_each(|cell| live -= cell.flow.freed);
        live
    }
}

impl Slices<'_> {
    /// What `process` did.
    pub fn finish(mut self, process: ProcessIndex) -> SliceSums {
        let mut sites = Vec::new();
        for (place, site) in self.sites.iter_mut() {
            site.flush(&self.peak, &mut self.pieces);
            let SiteState { start, sizes, lifetimes, .. } = std::mem::take(site);
            sites.push(SiteSlices { process, place, start, sizes, lifetimes });
        }
        let (grid, course) = (self.time.grid, self.course.finish());
        if !self.time.has_peak {
            return SliceSums { grid, peak: None, sites, cells: self.pieces.into_cells(None), course };
        }
        let stage = self.peak.stage;
        let cells = self.pieces.into_cells((stage > 0).then_some(stage));
        let mut sums = SliceSums { grid, peak: Some(stage as usize), sites, cells, course };
        if stage > 0 {
            sums.insert_peak(stage as usize, self.peak.stamp);
        }
        sums
    }
}

impl SliceSums {
    /// Makes the peak the boundary of number `place`, where the cells are cut already.
    fn insert_peak(&mut self, place: usize, stamp: Stamp) {
        let (low, high) = (self.grid.stamp(place - 1), self.grid.stamp(place));
        // A repaired event may be older than those that it came after.
        let stamp = stamp.clamp(low, high.max(low));
        self.grid.insert(place, stamp);
        let goes: Vec<bool> = (0..self.grid.len())
            .map(|other| other != place && self.grid.is_loose(other) && self.grid.stamp(other) == stamp)
            .collect();
        let stages = self.grid.without(&goes);
        self.renumber(&stages);
    }

    /// Gives slices new numbers, those of the stages that they are, and the peak's boundary too.
    fn renumber(&mut self, stages: &[u32]) {
        let new = |stage: u32| stages.get(stage as usize).copied().unwrap_or(stage);
        for cell in &mut self.cells {
            cell.slice = new(cell.slice + 1).saturating_sub(1);
        }
        self.peak = self.peak.map(|peak| new(peak as u32) as usize);
        add_up(&mut self.cells);
    }

    /// Joins slices in pairs, but not at the peak or at boundaries that were to stay; `false` if there are none left to join.
    pub fn halve(&mut self) -> bool {
        let stages = self.grid.halve(self.peak);
        stages.iter().for_each(|stages| self.renumber(stages));
        stages.is_some()
    }

    /// Adds what another process did, at the boundaries that both have.
    pub fn merge(&mut self, mut other: SliceSums) {
        if self.grid.is_empty() {
            *self = other;
            return;
        }
        let stages = self.grid.intersect(&other.grid);
        self.renumber(&stages);
        let stages = other.grid.intersect(&self.grid);
        other.renumber(&stages);
        let n_sites = self.sites.len() as u32;
        self.sites.append(&mut other.sites);
        self.cells.extend(other.cells.iter().map(|cell| Cell { site: cell.site + n_sites, ..*cell }));
        for (step, more) in self.course.iter_mut().zip(&other.course) {
            step.add(more);
        }
    }

    /// What each site has at a boundary.
    pub fn live_at(&self, boundary: usize) -> Vec<Amount> {
        let mut cells = self.cells.as_slice();
        let of_site = |(number, site): (usize, &SiteSlices)| {
            let n_own = cells.iter().position(|cell| cell.site as usize > number);
            let (own, rest) = cells.split_at(n_own.unwrap_or(cells.len()));
            cells = rest;
            site.live_at(own, boundary)
        };
        self.sites.iter().enumerate().map(of_site).collect()
    }

    /// Makes the boundary at which the most is live the peak, where each process has a peak of its own.
    pub fn find_peak(&mut self) {
        let mut changes = vec![(0_u128, 0_u128); self.grid.len()];
        for cell in &self.cells {
            if let Some((came, went)) = changes.get_mut(cell.slice as usize + 1) {
                *came += u128::from(cell.flow.allocated.bytes);
                *went += u128::from(cell.flow.freed.bytes);
            }
        }
        let mut live: u128 = self.sites.iter().map(|site| u128::from(site.start.bytes)).sum();
        let mut most = (live, 0);
        for (place, (came, went)) in changes.into_iter().enumerate() {
            live = (live + came).saturating_sub(went);
            if live > most.0 {
                most = (live, place);
            }
        }
        self.peak = Some(most.1);
    }
}
