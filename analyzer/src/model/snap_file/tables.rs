//! The body of a snapshot file: strings, frames and tracebacks once each, traces as numbers.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::{Frame, Origin, Snapshot, Trace, Traceback};

/// What is written: tables that refer to each other by place.
#[derive(Serialize, Deserialize)]
pub(super) struct Tables {
    traceback_limit: u32,
    origin: Option<Origin>,
    strings: Vec<String>,
    /// (file name, line, function, module), all but the line places in `strings`.
    frames: Vec<(u32, u32, Option<u32>, Option<u32>)>,
    /// (places in `frames`, oldest first; whole depth)
    tracebacks: Vec<(Arc<[u32]>, Option<u32>)>,
    /// (domain, bytes, place in `tracebacks`)
    traces: Vec<(u32, u64, u32)>,
    /// The label of each trace: 0 for none, else one more than its place in `strings`. Left out if no trace has one, as
    /// in files of versions that knew none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<u32>,
}

impl Tables {
    /// The tables for `snapshot`.
    ///
    /// # Errors
    /// If it has more than 2^32 different strings, frames or tracebacks.
    pub(super) fn of(snapshot: &Snapshot) -> Result<Tables> {
        let mut interner = Interner::default();
        let mut traces = Vec::with_capacity(snapshot.traces.len());
        for trace in &snapshot.traces {
            traces.push((trace.domain, trace.size, interner.traceback(&trace.traceback)?));
        }
        let mut tags = Vec::new();
        if snapshot.traces.iter().any(|trace| trace.tag.is_some()) {
            for trace in &snapshot.traces {
                let place = trace.tag.as_ref().map(|tag| interner.string(tag)).transpose()?;
                tags.push(place.map_or(0, |place| place.saturating_add(1)));
            }
        }
        Ok(Tables {
            traceback_limit: snapshot.traceback_limit,
            origin: snapshot.origin.clone(),
            strings: interner.strings.items.iter().map(|text| text.to_string()).collect(),
            frames: interner.frames.items,
            tracebacks: interner.tracebacks.items,
            traces,
            tags,
        })
    }

    /// The snapshot that these tables describe, with shared strings and tracebacks. The error is a clause.
    pub(super) fn into_snapshot(self) -> std::result::Result<Snapshot, String> {
        let strings: Vec<Arc<str>> = self.strings.into_iter().map(Arc::from).collect();
        let string = |place: u32| get(&strings, place, "string").cloned();
        let mut frames = Vec::with_capacity(self.frames.len());
        for (filename, lineno, function, module) in self.frames {
            let function = function.map(string).transpose()?;
            let module = module.map(string).transpose()?;
            frames.push(Arc::new(Frame { filename: string(filename)?, lineno, function, module }));
        }
        let mut tracebacks = Vec::with_capacity(self.tracebacks.len());
        for (places, total_nframe) in self.tracebacks {
            let stack: std::result::Result<Vec<Arc<Frame>>, String> =
                places.iter().map(|&place| get(&frames, place, "frame").cloned()).collect();
            tracebacks.push(Traceback::from_oldest_first(stack?, total_nframe));
        }
        let mut traces = Vec::with_capacity(self.traces.len());
        if !self.tags.is_empty() && self.tags.len() != self.traces.len() {
            return Err(format!("it has {} labels for {} traces", self.tags.len(), self.traces.len()));
        }
        let mut tags = self.tags.into_iter();
        for (domain, size, place) in self.traces {
            let tag = tags.next().and_then(|tag| tag.checked_sub(1)).map(string).transpose()?;
            traces.push(Trace {
                domain,
                size,
                traceback: get(&tracebacks, place, "traceback")?.clone(),
                tag,
            });
        }
        Ok(Snapshot { traces, traceback_limit: self.traceback_limit, origin: self.origin })
    }
}

fn get<'a, T>(table: &'a [T], place: u32, what: &str) -> std::result::Result<&'a T, String> {
    usize::try_from(place)
        .ok()
        .and_then(|index| table.get(index))
        .ok_or_else(|| format!("it refers to {what} {place} of {}", table.len()))
}

/// Finds the place of what was seen before: by address first, since the parts of a snapshot are shared, then by value.
#[derive(Default)]
struct Interner {
    strings: Table<Arc<str>>,
    string_of_address: FxHashMap<(usize, usize), u32>,
    frames: Table<(u32, u32, Option<u32>, Option<u32>)>,
    tracebacks: Table<(Arc<[u32]>, Option<u32>)>,
    traceback_of_address: FxHashMap<(usize, Option<u32>), u32>,
}

impl Interner {
    fn traceback(&mut self, traceback: &Traceback) -> Result<u32> {
        let address = (traceback.identity(), traceback.total_nframe());
        if let Some(&place) = self.traceback_of_address.get(&address) {
            return Ok(place);
        }
        let mut places = Vec::with_capacity(traceback.frames().len());
        for frame in traceback.frames() {
            places.push(self.frame(frame)?);
        }
        let place = self.tracebacks.place((places.into(), traceback.total_nframe()))?;
        self.traceback_of_address.insert(address, place);
        Ok(place)
    }

    fn frame(&mut self, frame: &Frame) -> Result<u32> {
        let filename = self.string(&frame.filename)?;
        let function = frame.function.as_ref().map(|text| self.string(text)).transpose()?;
        let module = frame.module.as_ref().map(|text| self.string(text)).transpose()?;
        self.frames.place((filename, frame.lineno, function, module))
    }

    fn string(&mut self, text: &Arc<str>) -> Result<u32> {
        let address = (text.as_ptr().addr(), text.len());
        if let Some(&place) = self.string_of_address.get(&address) {
            return Ok(place);
        }
        let place = self.strings.place(text.clone())?;
        self.string_of_address.insert(address, place);
        Ok(place)
    }
}

/// Different values, each with its place. They are cheap to clone.
struct Table<T> {
    items: Vec<T>,
    place_of: HashMap<T, u32>,
}

impl<T> Default for Table<T> {
    fn default() -> Table<T> {
        Table { items: Vec::new(), place_of: HashMap::new() }
    }
}

impl<T: Clone + Eq + Hash> Table<T> {
    fn place(&mut self, item: T) -> Result<u32> {
        if let Some(&place) = self.place_of.get(&item) {
            return Ok(place);
        }
        let place = u32::try_from(self.items.len()).map_err(|_| {
            Error::Message("a snapshot file holds at most 2^32 different stacks; filter it first".to_owned())
        })?;
        self.items.push(item.clone());
        self.place_of.insert(item, place);
        Ok(place)
    }
}
