//! Source lines around the frames of a report, where the source is at hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::data::Source;
use super::render::Texts;
use super::whole::Whole;
use tm_analyzer::symbolize::{LINE_BYTES_MAX, LINES_AROUND, SourceFiles, is_source};
use tm_analyzer::text::{LineSource, printable};

/// The lines around the places that are blamed, those of the most bytes first, then around those of the other frames; all
/// together at most `bytes_max`. The sentence is on what was left out.
pub fn of(
    whole: &Whole,
    frame_numbers: &[Option<u32>],
    texts: &mut Texts,
    bytes_max: usize,
) -> (Vec<Source>, Option<String>) {
    if bytes_max == 0 {
        return (Vec::new(), None);
    }
    let mut files = SourceFiles::as_of(whole.recorded_ns).looking_in(&whole.search);
    for source in &whole.source {
        files = files.carrying(source);
    }
    let mut lines: BTreeMap<Arc<str>, BTreeMap<u32, String>> = BTreeMap::new();
    let mut room = bytes_max;
    for (file, line) in places(whole, frame_numbers) {
        if room == 0 {
            break;
        }
        if files.line(&file, line).is_none() {
            continue;
        }
        let of_file = lines.entry(Arc::clone(&file)).or_default();
        for near in line.saturating_sub(LINES_AROUND).max(1)..=line.saturating_add(LINES_AROUND) {
            if of_file.contains_key(&near) {
                continue;
            }
            let Some(text) = files.line(&file, near) else { break };
            let text = shown(&text);
            room = room.saturating_sub(text.len() + 1);
            of_file.insert(near, text);
        }
    }
    let of_file = |(file, lines): (Arc<str>, BTreeMap<u32, String>)| runs(texts.of(&file), lines);
    let sources = lines.into_iter().flat_map(of_file).collect();
    (sources, files.note())
}

/// Files and lines of frames, those that are blamed for the most first.
fn places(whole: &Whole, frame_numbers: &[Option<u32>]) -> Vec<(Arc<str>, u32)> {
    let mut blamed: FxHashMap<u32, u64> = FxHashMap::default();
    for row in &whole.rows {
        let (_, frame) = whole.tree.nodes()[row.place.blamed as usize];
        let most = row.measures.iter().copied().max().unwrap_or(0);
        let sum = blamed.entry(frame).or_default();
        *sum = sum.saturating_add(most);
    }
    let frames = whole.frames.frames();
    let used = (0..frames.len() as u32).filter(|&frame| frame_numbers[frame as usize].is_some());
    let mut used: Vec<u32> = used.filter(|&frame| frames[frame as usize].line > 0).collect();
    used.sort_by_key(|frame| std::cmp::Reverse(blamed.get(frame).copied().unwrap_or(0)));
    let place = |frame: u32| {
        let frame = &frames[frame as usize];
        (Arc::clone(&frame.file), frame.line)
    };
    used.into_iter().map(place).filter(|(file, _)| is_source(file)).collect()
}

/// Lines that follow each other, as one piece each.
fn runs(file: u32, lines: BTreeMap<u32, String>) -> Vec<Source> {
    let mut runs: Vec<Source> = Vec::new();
    for (line, text) in lines {
        match runs.last_mut().filter(|run| run.first_line + run.lines.len() as u32 == line) {
            Some(run) => run.lines.push(text),
            None => runs.push(Source { file, first_line: line, lines: vec![text] }),
        }
    }
    runs
}

/// A line as it can be shown: tabs are four columns.
fn shown(line: &str) -> String {
    let line = line.trim_end().replace('\t', "    ");
    let cut = line.get(..line.floor_char_boundary(LINE_BYTES_MAX)).unwrap_or_default();
    printable(cut)
}
