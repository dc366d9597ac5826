//! The document that the page reads, as `web/src/format.ts` describes it: columns of numbers, since a report has a hundred
//! thousand nodes.

use serde::Serialize;

/// The version of the layout; the page refuses another.
pub const VERSION: u32 = 1;

/// The document.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportData {
    pub version: u32,
    pub generator: String,
    pub kind: Kind,
    pub origins: Vec<Origin>,
    pub notices: Vec<Notice>,
    pub strings: Vec<String>,
    pub frames: Frames,
    pub nodes: Nodes,
    pub domains: Vec<String>,
    pub threads: Vec<String>,
    pub labels: Vec<String>,
    pub processes: Vec<String>,
    pub sites: Sites,
    pub boundaries: Vec<u64>,
    pub cells: Cells,
    pub timeline: Option<Timeline>,
    pub marks: Vec<Mark>,
    pub lives: Vec<Life>,
    pub sizes: Histograms,
    pub lifetimes: Lifetimes,
    pub sources: Vec<Source>,
    pub peak_boundary: i64,
}

/// What the report is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A recording, over time.
    #[default]
    Recording,
    /// What lived at one moment.
    Moment,
    /// Two moments.
    Difference,
}

/// Where the figures come from.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    pub path: String,
    pub command: String,
    pub host: String,
    pub started_ms: u64,
    pub duration_ns: u64,
    pub moment: String,
    pub moment_ns: u64,
    /// The mean number of bytes from one sample to the next; 0 where every event was recorded.
    pub sample_bytes: u64,
    pub live_bytes: u64,
    pub live_blocks: u64,
}

/// A sentence for the top.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    pub kind: &'static str,
    pub text: String,
}

#[derive(Debug, Default, Serialize)]
pub struct Frames {
    pub function: Vec<u32>,
    pub file: Vec<u32>,
    pub line: Vec<u32>,
    pub module: Vec<u32>,
    pub kind: Vec<u8>,
    pub plumbing: Vec<u8>,
    pub inlined: Vec<u8>,
}

#[derive(Debug, Default, Serialize)]
pub struct Nodes {
    pub parent: Vec<i64>,
    pub frame: Vec<i64>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sites {
    pub node: Vec<u32>,
    pub domain: Vec<u32>,
    pub thread: Vec<u32>,
    pub label: Vec<u32>,
    pub process: Vec<u32>,
    pub blamed: Vec<u32>,
    pub start_bytes: Vec<u64>,
    pub start_blocks: Vec<u64>,
    pub after_bytes: Vec<u64>,
    pub after_blocks: Vec<u64>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cells {
    pub per_site: Vec<u32>,
    pub slice: Vec<u32>,
    pub allocated_bytes: Vec<u64>,
    pub allocated_blocks: Vec<u64>,
    pub freed_bytes: Vec<u64>,
    pub freed_blocks: Vec<u64>,
    pub temporary_bytes: Vec<u64>,
    pub temporary_blocks: Vec<u64>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Histograms {
    pub per_site: Vec<u32>,
    pub bucket: Vec<u8>,
    pub blocks: Vec<u64>,
    pub bytes: Vec<u64>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lifetimes {
    #[serde(flatten)]
    pub histograms: Histograms,
    pub limits_ns: Vec<u64>,
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    pub from_ns: u64,
    pub step_ns: u64,
    pub most_bytes: Vec<Vec<u64>>,
    pub allocations: Vec<u64>,
    pub frees: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mark {
    pub at: u64,
    pub name: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct Life {
    pub process: u32,
    pub from: u64,
    pub until: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    pub file: u32,
    pub first_line: u32,
    pub lines: Vec<String>,
}

/// The largest integer below which the page can tell all apart.
pub const EXACT_MAX: u64 = (1 << 53) - 1;

impl ReportData {
    /// Makes every number one that the page can hold. Returns whether any was not.
    pub fn saturate(&mut self) -> bool {
        let (cells, sites) = (&mut self.cells, &mut self.sites);
        let mut columns: Vec<&mut Vec<u64>> = vec![
            &mut sites.start_bytes,
            &mut sites.start_blocks,
            &mut sites.after_bytes,
            &mut sites.after_blocks,
            &mut cells.allocated_bytes,
            &mut cells.allocated_blocks,
            &mut cells.freed_bytes,
            &mut cells.freed_blocks,
            &mut cells.temporary_bytes,
            &mut cells.temporary_blocks,
            &mut self.boundaries,
            &mut self.sizes.blocks,
            &mut self.sizes.bytes,
            &mut self.lifetimes.histograms.blocks,
            &mut self.lifetimes.histograms.bytes,
        ];
        if let Some(timeline) = &mut self.timeline {
            columns.extend(timeline.most_bytes.iter_mut());
            columns.extend([&mut timeline.allocations, &mut timeline.frees]);
        }
        let of_columns = columns.into_iter().flat_map(|column| column.iter_mut());
        let of_origins = self.origins.iter_mut().flat_map(|origin| {
            [&mut origin.duration_ns, &mut origin.moment_ns, &mut origin.live_bytes, &mut origin.live_blocks]
        });
        let of_lives = self.lives.iter_mut().flat_map(|life| [&mut life.from, &mut life.until]);
        let mut is_any = false;
        for number in of_columns.chain(of_origins).chain(of_lives).filter(|number| **number > EXACT_MAX) {
            (*number, is_any) = (EXACT_MAX, true);
        }
        is_any
    }
}
