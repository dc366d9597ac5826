//! The report of a recording over time.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::data::{Kind, Life, Mark, Notice, Timeline};
use super::names::Interner;
use super::notices;
use super::whole::{Place, Row, Stacks, Time, Whole};
use crate::errors::Result;
use crate::report::parts::human::counted;
use tm_analyzer::ids::{ProcessIndex, Space, StackId};
use tm_analyzer::model::{Amount, Moment};
use tm_analyzer::reader::{Process, Recording};
use tm_analyzer::replay::{self, CourseStep, Processes, SliceSums};
use tm_analyzer::request::{Grouping, Recorded, Sliced, Slicing};
use tm_analyzer::snapshot::Namer;
use tm_analyzer::text::printable;

/// How finely time is looked at, before slices are joined.
const N_SLICES: u32 = 512;
/// More marks than this are no boundaries: nobody could tell them apart.
const N_MARKS_MAX: usize = 256;
/// More processes than this have no bar.
const N_LIVES_MAX: usize = 1_000;
const N_STEPS: u32 = 1_000;
/// Limits of lifetimes: 1 us to 1000 s.
const LIMITS_NS: [u64; 10] = [
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
    1_000_000_000,
    10_000_000_000,
    100_000_000_000,
    1_000_000_000_000,
];

/// The report of what is asked for.
///
/// # Errors
/// There is no such process.
pub fn whole(recorded: &Recorded, grouping: &Grouping) -> Result<Whole> {
    let recording = &recorded.recording;
    let limits_ns = LIMITS_NS.to_vec();
    let slicing = Slicing { n_slices: N_SLICES, n_marks_max: N_MARKS_MAX, n_steps: N_STEPS, limits_ns };
    let Sliced { mut sums, from_ns, step_ns, findings } = recorded.slices(&slicing)?;
    let boundaries: Vec<u64> = sums.grid.stamps().map(|stamp| recording.ns(stamp)).collect();
    let peak = sums.peak.unwrap_or(0);
    let peak_stamp = sums.grid.stamps().nth(peak).unwrap_or_default();
    let mut namer = recorded.namer_at(peak_stamp);
    let at_peak = recorded.sums_at(&sums, peak);
    let (selected, recorded_ns) = (at_peak.total(), recording.header.start_realtime_ns);
    let without_lines = namer.without_lines(recording, &at_peak, &mut grouping.blame());
    drop(at_peak);
    let mut names = Names::new(recording, grouping);
    let rows = names.rows(recording, &mut sums, &mut namer);
    let mut origin = recorded.origin(&namer, &findings);
    (origin.moment, origin.moment_ns) =
        (Moment::Peak.to_string(), boundaries.get(peak).copied().unwrap_or(0));
    let mut said = notices::of(&origin);
    said.extend(without_lines.map(notices::of_lines));
    said.extend(of_processes(recorded));
    let marks = marks(recording, &boundaries, &mut said);
    let lives = names.lives(recording, &mut said);
    let course = timeline(&sums.course, (from_ns, step_ns), &names);
    let limits_ns = slicing.limits_ns;
    Ok(Whole {
        kind: Kind::Recording,
        origins: vec![notices::origin(&origin, selected)],
        notices: said,
        blame: names.stacks.blame,
        frames: names.stacks.frames,
        tree: names.stacks.tree,
        domains: names.domains,
        threads: names.threads,
        labels: names.labels,
        processes: names.processes,
        rows,
        cells: sums.cells,
        time: Some(Time { grid: sums.grid, boundaries, peak, course, marks, lives, limits_ns }),
        measured: "what lived at the peak and at the end, of the allocations and of their bytes",
        recorded_ns,
        search: Arc::default(),
        source: vec![Arc::clone(&origin.source)],
    })
}

/// What is not as exact with several processes as with one.
fn of_processes(recorded: &Recorded) -> Option<Notice> {
    let text = "Of all processes together the peak is the highest of the moments that can be picked, a step of the time line \
                adds up what each had at most in it, and what a process still had when it ended counts as freed then.";
    (recorded.processes == Processes::All).then(|| Notice { kind: "note", text: text.to_owned() })
}

/// What the numbers of a recording are called.
struct Names {
    stacks: Stacks,
    of_thread: FxHashMap<u32, u32>,
    of_process: FxHashMap<ProcessIndex, u32>,
    domains: Interner<String>,
    of_space: FxHashMap<Space, u32>,
    threads: Interner<String>,
    labels: Interner<String>,
    processes: Interner<String>,
}

impl Names {
    fn new(recording: &Recording, grouping: &Grouping) -> Names {
        let mut names = Names {
            stacks: Stacks::new(grouping),
            of_thread: FxHashMap::default(),
            of_process: FxHashMap::default(),
            domains: Interner::default(),
            of_space: FxHashMap::default(),
            threads: Interner::default(),
            labels: Interner::default(),
            processes: Interner::default(),
        };
        names.labels.of(String::new());
        if let Some(first) = recording.first_process() {
            names.process(recording, first.index);
        }
        names
    }

    /// The sites with their names; they are taken, and their cells stay.
    fn rows(&mut self, recording: &Recording, sums: &mut SliceSums, namer: &mut Namer) -> Vec<Row> {
        let nodes = self.nodes(recording, sums, namer);
        let mut rows = Vec::with_capacity(sums.sites.len());
        let ends = [sums.peak.unwrap_or(0), sums.grid.len().saturating_sub(1)];
        let mut cells = sums.cells.as_slice();
        for (number, site) in std::mem::take(&mut sums.sites).into_iter().enumerate() {
            let (node, blamed) = nodes.get(&site.place.stack).copied().unwrap_or_default();
            let thread_tag = site.place.thread_tag;
            let tag = namer.tag(recording, recording.thread_tags.tag(thread_tag));
            let place = Place {
                node,
                domain: self.domain(recording, site.place.space),
                thread: self.thread(recording, recording.thread_tags.thread(thread_tag).0),
                label: tag.map_or(0, |tag| self.labels.of(printable(&tag))),
                process: self.process(recording, site.process),
                blamed,
            };
            let n_own = cells.iter().position(|cell| cell.site as usize > number);
            let (own, rest) = cells.split_at(n_own.unwrap_or(cells.len()));
            cells = rest;
            let mut allocated = Amount::default();
            own.iter().for_each(|cell| allocated += cell.flow.allocated);
            let [at_peak, at_end] = ends.map(|end| site.live_at(own, end));
            rows.push(Row {
                place,
                start: site.start,
                after: Amount::default(),
                sizes: site.sizes,
                lifetimes: site.lifetimes,
                measures: [at_peak.bytes, at_end.bytes, allocated.bytes, allocated.count],
            });
        }
        rows
    }

    /// (innermost, blamed) of each stack.
    fn nodes(
        &mut self,
        recording: &Recording,
        sums: &SliceSums,
        namer: &mut Namer,
    ) -> FxHashMap<StackId, (u32, u32)> {
        namer.prepare(recording, sums.sites.iter().map(|site| site.place.stack));
        let (mut nodes, mut others) = (FxHashMap::default(), Vec::new());
        for stack in sums.sites.iter().map(|site| site.place.stack) {
            match self.stacks.nodes_of_native(recording, stack, namer) {
                Some(found) => _ = nodes.insert(stack, found),
                None => others.push(stack),
            }
        }
        others.sort_unstable();
        others.dedup();
        for stack in others {
            let (named, _) = namer.stack(recording, stack);
            nodes.insert(stack, self.stacks.nodes(named));
        }
        nodes
    }

    fn domain(&mut self, recording: &Recording, space: Space) -> u32 {
        if let Some(domain) = self.of_space.get(&space) {
            return *domain;
        }
        let (number, name) = recording.domain(space);
        let domain = self.domains.of(domain_name(number.0, name));
        self.of_space.insert(space, domain);
        domain
    }

    fn thread(&mut self, recording: &Recording, thread: u32) -> u32 {
        let named = || {
            let known = recording.threads.iter().find(|known| known.index.0 == thread);
            self.threads.of(match known {
                Some(known) if known.name.is_empty() => known.tid.to_string(),
                Some(known) => format!("{} ({})", printable(&known.label()), known.tid),
                None => format!("thread {thread}"),
            })
        };
        *self.of_thread.entry(thread).or_insert_with(named)
    }

    fn process(&mut self, recording: &Recording, index: ProcessIndex) -> u32 {
        let named = || {
            let name = recording.process(index).map_or_else(|| "process".to_owned(), process_name);
            self.processes.of(name)
        };
        *self.of_process.entry(index).or_insert_with(named)
    }

    /// When processes began and ended.
    fn lives(&mut self, recording: &Recording, said: &mut Vec<Notice>) -> Vec<Life> {
        let n_left_out = recording.processes.len().saturating_sub(N_LIVES_MAX);
        if n_left_out > 0 {
            let text = format!(
                "The time line shows the first {N_LIVES_MAX} processes and not the other {n_left_out}."
            );
            said.push(Notice { kind: "folded", text });
        }
        let end_ns = recording.duration_ns();
        let life = |process: &Process| {
            let until = replay::ended_at(recording, process.index).map_or(end_ns, |end| recording.ns(end));
            let (process, from) = (self.process(recording, process.index), recording.ns(process.start));
            Life { process, from, until: until.max(from) }
        };
        recording.processes.iter().take(N_LIVES_MAX).map(life).collect()
    }
}

/// A domain's name, or its number if it has none.
pub fn domain_name(number: u32, name: &str) -> String {
    if name.is_empty() { number.to_string() } else { printable(name) }
}

fn process_name(process: &Process) -> String {
    let program = process.executable.as_deref().or(process.command_line.first().map(String::as_str));
    let name = program.and_then(|program| program.rsplit('/').next()).unwrap_or("process");
    format!("{} ({})", printable(name), process.pid)
}

/// The marks within the time that are boundaries.
fn marks(recording: &Recording, boundaries: &[u64], said: &mut Vec<Notice>) -> Vec<Mark> {
    let (Some(&from), Some(&until)) = (boundaries.first(), boundaries.last()) else { return Vec::new() };
    let all = recording.commands.iter().filter(|command| !command.name.is_empty());
    let mark = |at: u64, name: &str| Mark { at, name: printable(name) };
    let mut marks: Vec<Mark> = all
        .filter(|command| command.kind == tm_common::metadata::CommandKind::Mark)
        .map(|command| mark(recording.ns(command.stamp), &command.name))
        .filter(|mark| (from..=until).contains(&mark.at))
        .collect();
    let n_all = marks.len();
    marks.retain(|mark| boundaries.binary_search(&mark.at).is_ok());
    if marks.len() < n_all {
        let n_left_out = counted((n_all - marks.len()) as u64, "mark");
        said.push(Notice {
            kind: "folded",
            text: format!("{n_left_out} are not shown: there are too many."),
        });
    }
    marks.sort_by(|a, b| (a.at, &a.name).cmp(&(b.at, &b.name)));
    marks.dedup();
    marks
}

fn timeline(course: &[CourseStep], (from_ns, step_ns): (u64, u64), names: &Names) -> Timeline {
    let mut most_bytes = vec![Vec::new(); names.domains.items().len()];
    for (place, step) in course.iter().enumerate() {
        for (space, bytes) in &step.most {
            let domain = names.of_space.get(space).map(|domain| *domain as usize);
            let Some(of_domain) = domain.and_then(|domain| most_bytes.get_mut(domain)) else { continue };
            let of_domain: &mut Vec<u64> = of_domain;
            of_domain.resize(course.len(), 0);
            of_domain[place] += bytes;
        }
    }
    Timeline {
        from_ns,
        step_ns,
        most_bytes,
        allocations: course.iter().map(|step| step.n_allocations).collect(),
        frees: course.iter().map(|step| step.n_frees).collect(),
    }
}
