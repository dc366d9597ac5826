//! The reports of one moment, and of the difference between two.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::data::{Kind, Notice};
use super::names::Interner;
use super::notices;
use super::of_recording::domain_name;
use super::whole::{Place, Row, Stacks, Whole};
use tm_analyzer::ids::Domain;
use tm_analyzer::model::{Amount, Origin, Profile};
use tm_analyzer::replay::Histogram;
use tm_analyzer::request::Grouping;
use tm_analyzer::text::printable;

/// The report of what lives at one moment; the stacks of `profile` are whole, and its rows apart by size.
pub fn moment(profile: &Profile, grouping: &Grouping) -> Whole {
    let mut report = Report::new(grouping, true);
    report.add(profile, false, true);
    report.finish(Kind::Moment, &[profile], "the bytes and of the blocks")
}

/// The report of the difference between two moments; both as there.
pub fn difference(old: &Profile, new: &Profile, grouping: &Grouping) -> Whole {
    // Processes of two runs have nothing in common but what they are.
    let mut report = Report::new(grouping, false);
    report.add(old, false, false);
    report.add(new, true, true);
    report.finish(Kind::Difference, &[old, new], "the bytes before, of those after and of what is different")
}

/// A report in the making.
struct Report<'a> {
    grouping: &'a Grouping,
    stacks: Stacks,
    domains: Interner<String>,
    threads: Interner<String>,
    labels: Interner<String>,
    processes: Interner<String>,
    has_processes: bool,
    rows: FxHashMap<Place, ([Amount; 2], Histogram)>,
}

impl Report<'_> {
    fn new(grouping: &Grouping, has_processes: bool) -> Report<'_> {
        let mut report = Report {
            grouping,
            stacks: Stacks::new(grouping),
            domains: Interner::default(),
            threads: Interner::default(),
            labels: Interner::default(),
            processes: Interner::default(),
            has_processes,
            rows: FxHashMap::default(),
        };
        report.threads.of(String::new());
        report.labels.of(String::new());
        report
    }

    /// Adds what lives before, or `after`; the sizes shown are those of the last.
    fn add(&mut self, profile: &Profile, after: bool, is_last: bool) {
        for row in &profile.rows {
            let (node, blamed) = self.stacks.nodes(row.traceback.view());
            let process = row.process.filter(|_| self.has_processes);
            let place = Place {
                node,
                domain: self.domains.of(name_of_domain(row.domain)),
                thread: 0,
                label: row.tag.as_ref().map_or(0, |tag| self.labels.of(printable(tag))),
                process: self.processes.of(process.map(|pid| pid.to_string()).unwrap_or_default()),
                blamed,
            };
            let (amounts, sizes) = self.rows.entry(place).or_default();
            amounts[usize::from(after)] += row.amount;
            if is_last {
                sizes.add(row.amount.common_class(), row.amount);
            }
        }
    }

    fn finish(self, kind: Kind, profiles: &[&Profile], measured: &'static str) -> Whole {
        let row = |(place, ([start, after], sizes)): (Place, ([Amount; 2], Histogram))| {
            let changed = start.bytes.abs_diff(after.bytes);
            let measures = match kind {
                Kind::Difference => [start.bytes, after.bytes, changed, start.count.abs_diff(after.count)],
                _ => [start.bytes, start.count, 0, 0],
            };
            Row { place, start, after, sizes, measures, ..Row::default() }
        };
        let mut rows: Vec<Row> = self.rows.into_iter().map(row).collect();
        rows.sort_unstable_by_key(|row| row.place);
        let unknown = Origin::default();
        let origins: Vec<&Origin> =
            profiles.iter().map(|profile| profile.origin.as_ref().unwrap_or(&unknown)).collect();
        let mut said: Vec<Notice> = Vec::new();
        for (profile, origin) in profiles.iter().zip(&origins) {
            let blamed = self.grouping.cut((*profile).clone());
            let of_lines = blamed.without_lines().map(notices::of_lines);
            for notice in notices::of(origin).into_iter().chain(of_lines) {
                if !said.contains(&notice) {
                    said.push(notice);
                }
            }
        }
        let recorded_ns = origins.iter().map(|origin| origin.recorded_ns).min().unwrap_or(0);
        let totals = profiles.iter().map(|profile| profile.total());
        Whole {
            kind,
            origins: origins.iter().zip(totals).map(|(origin, live)| notices::origin(origin, live)).collect(),
            notices: said,
            blame: self.stacks.blame,
            frames: self.stacks.frames,
            tree: self.stacks.tree,
            domains: self.domains,
            threads: self.threads,
            labels: self.labels,
            processes: self.processes,
            rows,
            cells: Vec::new(),
            time: None,
            measured,
            recorded_ns,
            search: Arc::default(),
            source: origins.iter().rev().map(|origin| Arc::clone(&origin.source)).collect(),
        }
    }
}

/// A profile has numbers of domains; the names of a program's own are not known.
fn name_of_domain(number: u32) -> String {
    domain_name(number, Domain(number).built_in_name().unwrap_or_default())
}
