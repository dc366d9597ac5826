//! The document of a report, as large as it may be.

use std::sync::Arc;

use super::data::{self, Cells, Histograms, Kind, Lifetimes, Notice, ReportData, Sites};
use super::embed::{self, Template};
use super::fold::Folded;
use super::names::{Interner, bounded};
use super::sources;
use super::whole::{Row, Whole};
use crate::report::parts::human::counted;
use tm_analyzer::replay::{Cell, Histogram};

/// How much a document may have.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The file.
    pub file_bytes: usize,
    pub n_nodes: usize,
    pub n_cells: usize,
    /// The longest name.
    pub name_bytes: usize,
    /// All source lines.
    pub source_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            file_bytes: 5 << 20,
            n_nodes: 100_000,
            n_cells: 250_000,
            name_bytes: 4_096,
            source_bytes: 256 << 10,
        }
    }
}

impl Bounds {
    /// Those after data came out at `bytes`, which was more than there is room for.
    fn tighter(self, bytes: usize, room: usize) -> Bounds {
        let part = |n: usize| (n as u128 * room as u128 * 9 / 10 / bytes.max(1) as u128) as usize;
        Bounds {
            n_nodes: part(self.n_nodes).max(2),
            n_cells: part(self.n_cells).max(2),
            name_bytes: (self.name_bytes / 2).max(100),
            source_bytes: self.source_bytes / 2,
            ..self
        }
    }
}

/// Time is not looked at more coarsely than this while there are small stacks to fold.
const N_SLICES_MIN: usize = 100;
/// How often a document is made smaller.
const N_TRIES: usize = 12;

/// The HTML of `whole`, folded together so that it keeps within `bounds`.
pub fn html(whole: &mut Whole, template: &Template<'_>, bounds: Bounds, shows_source: bool) -> String {
    let mut folded = Folded::default();
    let mut now = bounds;
    if let Some(time) = &whole.time {
        now.n_cells = now.n_cells.max(time.n_slices());
    }
    let mut html = String::new();
    for _ in 0..N_TRIES {
        fit(whole, now, &mut folded);
        let source_bytes = if shows_source { now.source_bytes } else { 0 };
        let data = data(whole, now.name_bytes, source_bytes, &folded);
        html = template.with(&title(whole), &embed::packed(&data));
        if html.len() <= bounds.file_bytes {
            break;
        }
        // What is there may be fewer than was allowed.
        now.n_nodes = now.n_nodes.min(whole.tree.len());
        now.n_cells = now.n_cells.min(whole.n_cells().max(1));
        let room = bounds.file_bytes.saturating_sub(template.len());
        now = now.tighter(html.len() - template.len(), room);
    }
    html
}

/// Folds `whole` within `bounds`.
fn fit(whole: &mut Whole, bounds: Bounds, folded: &mut Folded) {
    let mut n_nodes_max = bounds.n_nodes;
    whole.fold(n_nodes_max, folded);
    while whole.n_cells() > bounds.n_cells {
        let is_fine = whole.time.as_ref().is_some_and(|time| time.n_slices() > N_SLICES_MIN);
        if is_fine && whole.join_slices(folded) {
            continue;
        }
        n_nodes_max = whole.tree.len().min(n_nodes_max) * 3 / 4;
        if n_nodes_max < 2 {
            if whole.join_slices(folded) {
                continue;
            }
            break;
        }
        whole.fold(n_nodes_max, folded);
    }
}

fn title(whole: &Whole) -> String {
    let names: Vec<&str> = whole.origins.iter().map(|origin| origin.path.as_str()).collect();
    format!("{} - tm report", bounded(&names.join(" and "), 200))
}

/// The document.
fn data(whole: &mut Whole, name_bytes: usize, source_bytes: usize, folded: &Folded) -> ReportData {
    let mut texts = Texts { strings: Interner::default(), name_bytes };
    texts.of(&Arc::from(""));
    let (frame_numbers, frames) = frames(whole, &mut texts);
    let bounded_all = |names: &Interner<String>| -> Vec<String> {
        names.items().iter().map(|name| bounded(name, name_bytes)).collect()
    };
    let (sources, source_note) = sources::of(whole, &frame_numbers, &mut texts, source_bytes);
    let number = |frame: &u32| frame_numbers.get(*frame as usize).copied().flatten().map_or(-1, i64::from);
    let inner = whole.tree.nodes().iter().skip(1);
    let nodes = data::Nodes {
        parent: [-1].into_iter().chain(inner.clone().map(|(parent, _)| i64::from(*parent))).collect(),
        frame: [-1].into_iter().chain(inner.map(|(_, frame)| number(frame))).collect(),
    };
    let time = whole.time.as_ref();
    let mut notices = whole.notices.clone();
    notices.extend(folded_notice(whole, folded));
    notices.extend(joined_notice(whole, folded));
    notices.extend(source_note.map(|text| Notice { kind: "note", text }));
    let limits_ns = time.map(|time| time.limits_ns.clone()).unwrap_or_default();
    let mut data = ReportData {
        version: data::VERSION,
        generator: format!("tmtool {}", env!("CARGO_PKG_VERSION")),
        kind: whole.kind,
        origins: whole.origins.clone(),
        notices,
        frames,
        nodes,
        domains: bounded_all(&whole.domains),
        threads: bounded_all(&whole.threads),
        labels: bounded_all(&whole.labels),
        processes: bounded_all(&whole.processes),
        sites: sites(whole),
        boundaries: time.map(|time| time.boundaries.clone()).unwrap_or_default(),
        cells: cells(whole, time.is_some()),
        timeline: time.map(|time| time.course.clone()),
        marks: time.map(|time| time.marks.clone()).unwrap_or_default(),
        lives: time.map(|time| time.lives.clone()).unwrap_or_default(),
        sizes: histograms(&whole.rows, |row| &row.sizes),
        lifetimes: Lifetimes { histograms: histograms(&whole.rows, |row| &row.lifetimes), limits_ns },
        sources,
        peak_boundary: time.map_or(-1, |time| time.peak as i64),
        strings: texts.strings.items().iter().map(|text| text.to_string()).collect(),
    };
    if data.saturate() {
        let text = "Some sums are beyond 2^53 and are shown as that.".to_owned();
        data.notices.push(Notice { kind: "note", text });
    }
    data
}

fn folded_notice(whole: &Whole, folded: &Folded) -> Option<Notice> {
    if folded.n_stacks == 0 {
        return None;
    }
    let share = match folded.share {
        share if share > 1.0 => "some share".to_owned(),
        // A smaller one says nothing more, in more digits.
        share => Percent(share.max(1e-5)).to_string(),
    };
    let (stacks, are) = (counted(folded.n_stacks, "stack"), if folded.n_stacks == 1 { "is" } else { "are" });
    let text = format!(
        "{stacks} with less than {share} of {} each {are} shown as \"(small)\", where they branch off; all sums are whole.",
        whole.measured
    );
    Some(Notice { kind: "folded", text })
}

fn joined_notice(whole: &Whole, folded: &Folded) -> Option<Notice> {
    let (before, time) = folded.n_slices.zip(whole.time.as_ref())?;
    let after = counted(time.n_slices() as u64, "slice");
    let text = format!(
        "The {} of time are joined to {after}, so fewer moments can be picked; the peak, the marks and all sums stay.",
        counted(before as u64, "slice")
    );
    Some(Notice { kind: "folded", text })
}

/// A small share in per cent, with two digits that count.
struct Percent(f64);

impl std::fmt::Display for Percent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let percent = self.0 * 100.0;
        let n_decimals =
            if percent > 0.0 { (1.0 - percent.log10().floor()).clamp(0.0, 12.0) as usize } else { 0 };
        write!(f, "{percent:.n_decimals$}%")
    }
}

/// Texts within their bound.
pub struct Texts {
    strings: Interner<Arc<str>>,
    name_bytes: usize,
}

impl Texts {
    /// The number of a text.
    pub fn of(&mut self, text: &Arc<str>) -> u32 {
        if text.len() <= self.name_bytes {
            return self.strings.of(Arc::clone(text));
        }
        self.strings.of(bounded(text, self.name_bytes).into())
    }
}

/// The frames that nodes have, and the number of each of `whole`'s.
fn frames(whole: &mut Whole, texts: &mut Texts) -> (Vec<Option<u32>>, data::Frames) {
    let Whole { frames: names, blame, tree, .. } = whole;
    let all = names.frames();
    let mut is_used = vec![false; all.len()];
    is_used[0] = true;
    for (_, frame) in tree.nodes().iter().skip(1) {
        is_used[*frame as usize] = true;
    }
    let (mut numbers, mut frames, mut n) = (Vec::with_capacity(all.len()), data::Frames::default(), 0);
    for (number, (frame, is_used)) in all.iter().zip(is_used).enumerate() {
        numbers.push(is_used.then_some(n));
        if is_used {
            n += 1;
            frames.function.push(texts.of(&frame.function));
            frames.file.push(texts.of(&frame.file));
            frames.line.push(frame.line);
            frames.module.push(texts.of(&frame.module));
            frames.kind.push(frame.kind as u8);
            let is_plumbing = names.original(number).is_some_and(|frame| blame.is_plumbing(frame));
            frames.plumbing.push(u8::from(is_plumbing));
            frames.inlined.push(u8::from(frame.is_inlined));
        }
    }
    (numbers, frames)
}

fn sites(whole: &Whole) -> Sites {
    let mut sites = Sites::default();
    let has_after = whole.kind == Kind::Difference;
    for Row { place, start, after, .. } in &whole.rows {
        sites.node.push(place.node);
        sites.domain.push(place.domain);
        sites.thread.push(place.thread);
        sites.label.push(place.label);
        sites.process.push(place.process);
        sites.blamed.push(place.blamed);
        sites.start_bytes.push(start.bytes);
        sites.start_blocks.push(start.count);
        if has_after {
            sites.after_bytes.push(after.bytes);
            sites.after_blocks.push(after.count);
        }
    }
    sites
}

fn cells(whole: &Whole, has_time: bool) -> Cells {
    let (mut cells, mut rest) = (Cells::default(), whole.cells.as_slice());
    for (row, _) in (0u32..).zip(&whole.rows).filter(|_| has_time) {
        let n_own = rest.iter().take_while(|cell| cell.site == row).count();
        let (own, others) = rest.split_at(n_own);
        rest = others;
        cells.per_site.push(n_own as u32);
        let mut before = 0;
        for Cell { slice, flow, .. } in own {
            cells.slice.push(slice - before);
            before = *slice;
            cells.allocated_bytes.push(flow.allocated.bytes);
            cells.allocated_blocks.push(flow.allocated.count);
            cells.freed_bytes.push(flow.freed.bytes);
            cells.freed_blocks.push(flow.freed.count);
            cells.temporary_bytes.push(flow.temporary.bytes);
            cells.temporary_blocks.push(flow.temporary.count);
        }
    }
    cells
}

fn histograms(rows: &[Row], of: impl Fn(&Row) -> &Histogram) -> Histograms {
    let mut histograms = Histograms::default();
    for histogram in rows.iter().map(of) {
        histograms.per_site.push(histogram.iter().len() as u32);
        for (bucket, amount) in histogram.iter() {
            histograms.bucket.push(bucket);
            histograms.blocks.push(amount.count);
            histograms.bytes.push(amount.bytes);
        }
    }
    histograms
}
